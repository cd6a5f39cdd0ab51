//! One connection through a proxy.

use std::future::pending;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::protocol::{IDLE, Protocol};

/// How bytes are passed on, in both directions.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Mode {
    Pass,
    Stall,
    Delay { to_server: Duration, to_client: Duration },
}

/// What all connections of a proxy share.
pub(crate) struct Shared {
    pub server: SocketAddr,
    pub accepted: AtomicUsize,
    pub connections: Mutex<Vec<Weak<Connection>>>,
    pub cuts: Mutex<Vec<Armed>>,
}

/// A fault that waits for a statement with its bytes.
pub(crate) struct Armed {
    pub bytes: Vec<u8>,
    pub after_answer: bool,
    pub fired: Arc<AtomicBool>,
}

/// The two sides of a connection. It ends when both directions have ended, or is reset.
pub(crate) struct Connection {
    client: TcpStream,
    server: TcpStream,
    tasks: Mutex<Vec<AbortHandle>>,
    protocol: Mutex<Protocol>,
    awaited: Mutex<Option<Awaited>>,
}

/// A fault that waits for an answer.
#[derive(Clone)]
struct Awaited {
    number: usize,
    fired: Arc<AtomicBool>,
}

impl Connection {
    pub fn start(
        client: TcpStream,
        server: TcpStream,
        shared: &Arc<Shared>,
        mode: watch::Receiver<Mode>,
    ) {
        // A delay is the test's to add.
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let connection = Arc::new(Self {
            client,
            server,
            tasks: Mutex::default(),
            protocol: Mutex::default(),
            awaited: Mutex::default(),
        });
        lock(&shared.connections).push(Arc::downgrade(&connection));
        // Neither runs before both are known: what one resets must include the other.
        let mut tasks = lock(&connection.tasks);
        let requests = requests(connection.clone(), shared.clone(), mode.clone());
        tasks.push(tokio::spawn(requests).abort_handle());
        tasks.push(tokio::spawn(answers(connection.clone(), mode)).abort_handle());
        drop(tasks);
    }

    /// What is to be passed on to the server, and the fault that comes then, if one does.
    fn pass_requests(&self, chunk: &[u8], shared: &Shared) -> (Vec<u8>, Option<Arc<AtomicBool>>) {
        let (mut protocol, mut passed) = (lock(&self.protocol), Vec::new());
        protocol.read_from_client(chunk);
        while let Some(request) = protocol.next_request() {
            let mut awaited = lock(&self.awaited);
            let mut cuts = lock(&shared.cuts);
            let cut = cuts.iter().position(|cut| awaited.is_none() && request.runs(&cut.bytes));
            match cut.map(|position| cuts.remove(position)) {
                Some(Armed { after_answer: false, fired, .. }) => return (passed, Some(fired)),
                Some(Armed { fired, .. }) => {
                    *awaited = Some(Awaited { number: request.answer, fired });
                }
                None => {}
            }
            passed.extend(request.bytes);
        }
        (passed, None)
    }

    /// What is to be passed on to the client, and the fault that comes instead, if one does.
    fn pass_answers(
        &self,
        chunk: &[u8],
        withheld: &mut Vec<u8>,
    ) -> (Vec<u8>, Option<Arc<AtomicBool>>) {
        let (mut protocol, mut passed) = (lock(&self.protocol), Vec::new());
        protocol.read_from_server(chunk);
        while let Some(answer) = protocol.next_answer() {
            let awaited = lock(&self.awaited).clone();
            withheld.extend(answer.bytes);
            match awaited {
                Some(Awaited { number, fired }) if answer.number >= number => match answer.state {
                    Some(IDLE) => return (passed, Some(fired)),
                    // The client has to know of it to go on with the transaction.
                    Some(_) => passed.append(withheld),
                    None => {}
                },
                _ => passed.append(withheld),
            }
        }
        (passed, None)
    }

    /// Sockets close with the last task that has them. Without a linger that is a reset.
    pub fn reset_both(&self) {
        reset(&self.server);
        self.reset_client();
    }

    /// Resets the client's side, and closes the server's.
    fn reset_client(&self) {
        reset(&self.client);
        for task in lock(&self.tasks).iter() {
            task.abort();
        }
    }
}

async fn requests(
    connection: Arc<Connection>,
    shared: Arc<Shared>,
    mut mode: watch::Receiver<Mode>,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count) = read(&connection.client, &mut buffer).await {
        hold(&mut mode, Direction::ToServer).await;
        if count == 0 {
            let _ = SockRef::from(&connection.server).shutdown(Shutdown::Write);
            return;
        }
        let (bytes, cut) = connection.pass_requests(&buffer[..count], &shared);
        if write(&connection.server, &bytes).await.is_err() {
            break;
        }
        if let Some(fired) = cut {
            connection.reset_both();
            // The sockets are closed once this task has ended, and nothing is passed on any more.
            fired.store(true, Ordering::SeqCst);
            return;
        }
    }
    connection.reset_both();
}

async fn answers(connection: Arc<Connection>, mut mode: watch::Receiver<Mode>) {
    let mut buffer = vec![0; 64 * 1024];
    let mut withheld = Vec::new();
    while let Ok(count) = read(&connection.server, &mut buffer).await {
        let (bytes, cut) = connection.pass_answers(&buffer[..count], &mut withheld);
        if let Some(fired) = cut {
            connection.reset_client();
            fired.store(true, Ordering::SeqCst);
            return;
        }
        hold(&mut mode, Direction::ToClient).await;
        if count == 0 {
            let _ = SockRef::from(&connection.client).shutdown(Shutdown::Write);
            return;
        }
        if write(&connection.client, &bytes).await.is_err() {
            break;
        }
    }
    connection.reset_both();
}

#[derive(Clone, Copy)]
enum Direction {
    ToServer,
    ToClient,
}

/// Waits until the mode lets a chunk pass.
async fn hold(mode: &mut watch::Receiver<Mode>, direction: Direction) {
    let mut is_delayed = false;
    loop {
        let now = *mode.borrow_and_update();
        match now {
            Mode::Delay { to_server, to_client } if !is_delayed => {
                tokio::time::sleep(match direction {
                    Direction::ToServer => to_server,
                    Direction::ToClient => to_client,
                })
                .await;
                is_delayed = true;
            }
            Mode::Stall => {
                if mode.changed().await.is_err() {
                    // The proxy has gone, and this task soon will.
                    pending::<()>().await;
                }
            }
            Mode::Pass | Mode::Delay { .. } => return,
        }
    }
}

async fn read(stream: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        stream.readable().await?;
        match stream.try_read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            result => return result,
        }
    }
}

async fn write(stream: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        stream.writable().await?;
        match stream.try_write(bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

pub(crate) fn reset(stream: &TcpStream) {
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
