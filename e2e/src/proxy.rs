//! A network between a client and a server that fails when a test wants it to.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::connection::{Armed, Connection, Mode, Shared, lock, reset};
use crate::port::Port;
use crate::server::wait_until;

/// A TCP proxy on 127.0.0.1 and a port of its own. What it does can be changed at any time, for connections that are there as
/// well as for new ones. Its end closes its connections.
pub struct Proxy {
    port: Port,
    mode: watch::Sender<Mode>,
    shared: Arc<Shared>,
    /// There is none while connections are refused.
    listener: Mutex<Option<JoinHandle<()>>>,
    /// Taken when dropped.
    runtime: Option<Runtime>,
}

/// A fault that waits for its moment, and happens once.
pub struct Cut {
    fired: Arc<AtomicBool>,
}

impl Cut {
    /// Whether it has happened.
    pub fn fired(&self) -> bool {
        self.fired.load(Ordering::SeqCst)
    }

    /// Waits until it has happened.
    pub fn wait_until_fired(&self) {
        wait_until("the connection to be cut", || self.fired());
    }
}

impl Proxy {
    /// A proxy that passes everything on to `server`.
    pub fn to(server: SocketAddr) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let shared = Shared {
            server,
            accepted: AtomicUsize::new(0),
            connections: Mutex::default(),
            cuts: Mutex::default(),
        };
        let proxy = Self {
            port: Port::reserve(),
            mode: watch::Sender::new(Mode::Pass),
            shared: Arc::new(shared),
            listener: Mutex::new(None),
            runtime: Some(runtime.expect("a runtime")),
        };
        proxy.pass();
        proxy
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// How many connections it has accepted so far.
    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        let mut connections = lock(&self.shared.connections);
        connections.retain(|connection| connection.strong_count() > 0);
        connections.len()
    }

    /// Passes everything on, at once.
    pub fn pass(&self) {
        self.set(Mode::Pass);
    }

    /// Accepts connections and keeps them, and passes nothing on. What has been sent meanwhile is passed on later.
    pub fn stall(&self) {
        self.set(Mode::Stall);
    }

    /// Passes every chunk on after `time`. While one waits, those behind it are not read.
    pub fn delay(&self, time: Duration) {
        self.delay_each(time, time);
    }

    /// The same as [`delay`](Self::delay), with a time for each direction.
    pub fn delay_each(&self, to_server: Duration, to_client: Duration) {
        self.set(Mode::Delay { to_server, to_client });
    }

    fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
        let mut listener = lock(&self.listener);
        if listener.is_none() {
            let socket = std::net::TcpListener::bind(self.address()).expect("the port is reserved");
            socket.set_nonblocking(true).expect("an option that sockets have");
            let accept = accept(socket, self.shared.clone(), self.mode.subscribe());
            *listener = self.runtime.as_ref().map(|runtime| runtime.spawn(accept));
        }
    }

    /// Refuses new connections, as a machine does on which nothing listens. Those that are there stay as they are.
    pub fn refuse(&self) {
        if let Some(listener) = lock(&self.listener).take() {
            listener.abort();
            wait_until("the socket to be closed", || listener.is_finished());
        }
    }

    /// Resets all connections that are there, on both sides.
    pub fn cut_all(&self) {
        let connections = std::mem::take(&mut *lock(&self.shared.connections));
        for connection in &connections {
            if let Some(connection) = connection.upgrade() {
                connection.reset_both();
            }
        }
        let is_gone = |connection: &Weak<Connection>| connection.strong_count() == 0;
        wait_until("the connections to be closed", || connections.iter().all(is_gone));
    }

    /// Resets both sides of the connection on which a client is next to run a statement with `bytes` in its SQL or its
    /// parameters, instead of passing that on: the server never sees it. A statement that is prepared counts each time that
    /// it is run, not when it is prepared. Without TLS only, as what is encrypted is passed on unread.
    pub fn cut_before(&self, bytes: &[u8]) -> Cut {
        self.arm(bytes, false)
    }

    /// Passes on the next statement with `bytes`, waits until PostgreSQL has carried it out and no transaction is open, and
    /// then resets the client's side without that answer: the server has committed what the client will never know of. What
    /// counts is the same as for [`cut_before`](Self::cut_before).
    pub fn cut_after(&self, bytes: &[u8]) -> Cut {
        self.arm(bytes, true)
    }

    fn arm(&self, bytes: &[u8], after_answer: bool) -> Cut {
        assert!(!bytes.is_empty(), "everything contains nothing");
        let fired = Arc::new(AtomicBool::new(false));
        let armed = Armed { bytes: bytes.into(), after_answer, fired: fired.clone() };
        lock(&self.shared.cuts).push(armed);
        Cut { fired }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Also where waiting is not allowed, such as in a test that is asynchronous.
            runtime.shutdown_background();
        }
    }
}

async fn accept(listener: std::net::TcpListener, shared: Arc<Shared>, mode: watch::Receiver<Mode>) {
    let listener = TcpListener::from_std(listener).expect("within the runtime");
    loop {
        // A client that has left before it was accepted is none of the others' business.
        let Ok((client, _)) = listener.accept().await else { continue };
        shared.accepted.fetch_add(1, Ordering::SeqCst);
        let (shared, mode) = (shared.clone(), mode.clone());
        tokio::spawn(async move {
            match TcpStream::connect(shared.server).await {
                Ok(server) => Connection::start(client, server, &shared, mode),
                Err(_) => reset(&client),
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read, Write};
    use std::net::TcpStream;
    use std::thread;
    use std::time::Instant;

    use super::*;
    use crate::postgres::Postgres;

    const SHORT: Duration = Duration::from_millis(100);

    /// A server that sends back what it gets.
    fn echo() -> SocketAddr {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                thread::spawn(move || std::io::copy(&mut stream.try_clone().unwrap(), &mut stream));
            }
        });
        address
    }

    fn connect(proxy: &Proxy) -> TcpStream {
        let stream = TcpStream::connect(proxy.address()).unwrap();
        stream.set_read_timeout(Some(crate::server::PATIENCE)).unwrap();
        stream
    }

    fn assert_echoes(stream: &mut TcpStream, text: &str) {
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = vec![0; text.len()];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer, text.as_bytes());
    }

    fn assert_reset(stream: &mut TcpStream) {
        let error = stream.read(&mut [0; 16]).expect_err("no end and no bytes");
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }

    #[test]
    fn passes_bytes_and_ends_on() {
        let proxy = Proxy::to(echo());
        let mut client = connect(&proxy);
        let large = "x".repeat(1 << 20);
        let mut writer = client.try_clone().unwrap();
        let text = large.clone();
        let writing = thread::spawn(move || {
            writer.write_all(text.as_bytes()).unwrap();
            writer.shutdown(std::net::Shutdown::Write).unwrap();
        });
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        writing.join().unwrap();
        assert!(answer == large, "{} bytes came back", answer.len());
        wait_until("the connection to be closed", || proxy.connections() == 0);
        assert_eq!(proxy.accepted(), 1);
    }

    #[test]
    fn refuses_new_connections_only() {
        let proxy = Proxy::to(echo());
        let mut client = connect(&proxy);
        assert_echoes(&mut client, "before");
        proxy.refuse();
        for _ in 0..3 {
            let error = TcpStream::connect(proxy.address()).expect_err("it refuses");
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        }
        assert_echoes(&mut client, "meanwhile");
        proxy.pass();
        assert_echoes(&mut connect(&proxy), "after");
        assert_eq!(proxy.accepted(), 2);
    }

    #[test]
    fn cuts_all_connections() {
        let proxy = Proxy::to(echo());
        let mut clients = [connect(&proxy), connect(&proxy)];
        clients.iter_mut().for_each(|client| assert_echoes(client, "before"));
        proxy.cut_all();
        clients.iter_mut().for_each(assert_reset);
        assert_echoes(&mut connect(&proxy), "after");
    }

    #[test]
    fn stalls_and_goes_on() {
        let proxy = Proxy::to(echo());
        let mut client = connect(&proxy);
        assert_echoes(&mut client, "before");
        proxy.stall();
        let mut another = connect(&proxy);
        for client in [&mut client, &mut another] {
            client.write_all(b"meanwhile").unwrap();
            client.set_read_timeout(Some(SHORT)).unwrap();
            let error = client.read(&mut [0; 16]).expect_err("nothing comes");
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
            client.set_read_timeout(Some(crate::server::PATIENCE)).unwrap();
        }
        proxy.pass();
        for client in [&mut client, &mut another] {
            let mut answer = [0; 9];
            client.read_exact(&mut answer).unwrap();
            assert_eq!(&answer, b"meanwhile");
        }
    }

    #[test]
    fn delays_both_directions() {
        let proxy = Proxy::to(echo());
        let mut client = connect(&proxy);
        proxy.delay(SHORT);
        let begun = Instant::now();
        assert_echoes(&mut client, "late");
        assert!(begun.elapsed() >= 2 * SHORT);
    }

    #[test]
    fn cuts_before_or_after_a_statement_once() {
        let server = Postgres::start();
        server.sql("CREATE TABLE kept (name text)");
        let proxy = Proxy::to(server.address());
        let run = |text: &str| server.psql(proxy.address(), text).status.success();
        for statement in [
            "INSERT INTO kept VALUES ('NAME')",
            "BEGIN; INSERT INTO kept VALUES ('NAME'); SELECT 1; COMMIT",
            // Prepared, and run by a message that has only the parameter.
            "INSERT INTO kept VALUES ($1) \\bind 'NAME' \\g",
        ] {
            let insert = |name: &str| run(&statement.replace("NAME", name));
            for bytes in [b"INTO kept", b"interrupt"] {
                server.sql("TRUNCATE kept");
                let cut = proxy.cut_before(bytes);
                assert!(!insert("interrupted before"));
                assert!(cut.fired());
                assert_eq!(server.sql("SELECT name FROM kept"), "", "{statement}");

                let cut = proxy.cut_after(bytes);
                assert!(run("SELECT 'another'") && !cut.fired());
                assert!(!insert("interrupted after"));
                cut.wait_until_fired();
                assert_eq!(server.sql("SELECT name FROM kept"), "interrupted after", "{statement}");

                assert!(insert("uninterrupted"));
                assert_eq!(server.sql("SELECT count(*) FROM kept"), "2");
            }
        }
    }
}
