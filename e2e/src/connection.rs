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

/// What PostgreSQL ends its answer with when it is idle again, outside of a transaction: ReadyForQuery (PostgreSQL
/// documentation, "Message Formats").
const READY_AND_IDLE: &[u8] = b"Z\0\0\0\x05I";

/// How bytes are passed on, in both directions.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Mode {
    Pass,
    Stall,
    Delay(Duration),
}

/// What all connections of a proxy share.
pub(crate) struct Shared {
    pub server: SocketAddr,
    pub accepted: AtomicUsize,
    pub connections: Mutex<Vec<Weak<Connection>>>,
    pub cuts: Mutex<Vec<Armed>>,
}

/// A fault that waits for its bytes.
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
    /// What fires with the server's next answer.
    awaited: Mutex<Option<Arc<AtomicBool>>>,
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
        let tasks = Mutex::default();
        let connection = Arc::new(Self { client, server, tasks, awaited: Mutex::default() });
        lock(&shared.connections).push(Arc::downgrade(&connection));
        // Neither runs before both are known: what one resets must include the other.
        let mut tasks = lock(&connection.tasks);
        let requests = requests(connection.clone(), shared.clone(), mode.clone());
        tasks.push(tokio::spawn(requests).abort_handle());
        tasks.push(tokio::spawn(answers(connection.clone(), mode)).abort_handle());
        drop(tasks);
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
        hold(&mut mode).await;
        if count == 0 {
            let _ = SockRef::from(&connection.server).shutdown(Shutdown::Write);
            return;
        }
        let chunk = &buffer[..count];
        let armed = {
            let mut cuts = lock(&shared.cuts);
            let position = cuts.iter().position(|cut| contains(chunk, &cut.bytes));
            position.map(|position| cuts.remove(position))
        };
        match armed {
            Some(Armed { after_answer: false, fired, .. }) => {
                connection.reset_both();
                // The sockets are closed once this task has ended, and nothing is passed on any more.
                fired.store(true, Ordering::SeqCst);
                return;
            }
            Some(Armed { fired, .. }) => *lock(&connection.awaited) = Some(fired),
            None => {}
        }
        if write(&connection.server, chunk).await.is_err() {
            break;
        }
    }
    connection.reset_both();
}

async fn answers(connection: Arc<Connection>, mut mode: watch::Receiver<Mode>) {
    let mut buffer = vec![0; 64 * 1024];
    let mut withheld = Vec::new();
    while let Ok(count) = read(&connection.server, &mut buffer).await {
        let awaited = lock(&connection.awaited).clone();
        if let Some(fired) = awaited {
            withheld.extend_from_slice(&buffer[..count]);
            if contains(&withheld, READY_AND_IDLE) {
                connection.reset_client();
                fired.store(true, Ordering::SeqCst);
                return;
            }
            if count > 0 {
                continue;
            }
        }
        hold(&mut mode).await;
        if count == 0 {
            let _ = SockRef::from(&connection.client).shutdown(Shutdown::Write);
            return;
        }
        if write(&connection.client, &buffer[..count]).await.is_err() {
            break;
        }
    }
    connection.reset_both();
}

/// Waits until the mode lets a chunk pass.
async fn hold(mode: &mut watch::Receiver<Mode>) {
    let mut is_delayed = false;
    loop {
        let now = *mode.borrow_and_update();
        match now {
            Mode::Delay(time) if !is_delayed => {
                tokio::time::sleep(time).await;
                is_delayed = true;
            }
            Mode::Stall => {
                if mode.changed().await.is_err() {
                    // The proxy has gone, and this task soon will.
                    pending::<()>().await;
                }
            }
            Mode::Pass | Mode::Delay(_) => return,
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

fn contains(chunk: &[u8], bytes: &[u8]) -> bool {
    chunk.windows(bytes.len()).any(|window| window == bytes)
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
