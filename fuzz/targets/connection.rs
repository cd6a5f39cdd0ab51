//! Bytes on a connection: every answer is to a request that a strict reader of RFC 9112 sees there.

#![no_main]

use std::future::poll_fn;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use fuzz::api::{Executor, app, memory};
use fuzz::strict::{Lines, Rest, read_strictly};
use http_server::{Limits, ServerMetrics, Tasks};
use libfuzzer_sys::fuzz_target;
use tokio::io::AsyncWrite as _;
use tokio::net::TcpStream;

const LIMITS: Limits = Limits {
    max_connections: 64,
    max_connections_per_client: None,
    max_head_bytes: 8_192,
    max_body_wire_bytes: 65_536,
    head_timeout: Duration::from_secs(10),
    idle_timeout: Duration::from_secs(10),
    write_timeout: Duration::from_secs(10),
};

struct Fixture {
    executor: Executor,
    address: SocketAddr,
}

impl Fixture {
    fn new() -> Self {
        let executor = Executor::default();
        let address = executor.run(async {
            let host = IpAddr::from([127, 0, 0, 1]);
            let (listener, address) = http_server::listen(host, 0).expect("a port");
            let (metrics, tasks) = (Arc::new(ServerMetrics::default()), Tasks::default());
            let app = app(memory(), &[("MAX_BODY_BYTES", "4096")]);
            tokio::task::spawn_local(http_server::serve(listener, app, LIMITS, metrics, tasks));
            address
        });
        Self { executor, address }
    }

    async fn exchange(&self, parts: [&[u8]; 2]) -> Vec<u8> {
        let mut socket = TcpStream::connect(self.address).await.expect("a connection");
        // Many connections in a second: none may be left behind when it is closed.
        socket.set_linger(Some(Duration::ZERO)).expect("an option");
        let mut received = Vec::new();
        for part in parts.into_iter().filter(|part| !part.is_empty()) {
            // What is too long for the socket is left out. The server may have closed it already.
            let _ = socket.try_write(part);
            tokio::task::yield_now().await;
        }
        let _ = poll_fn(|context| Pin::new(&mut socket).poll_shutdown(context)).await;
        let mut buffer = [0; 4_096];
        while socket.readable().await.is_ok() {
            match socket.try_read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => received.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                Err(_) => break,
            }
            // Events have no end, nor has what is sent to who asks for them.
            if received.windows(17).any(|part| part == b"text/event-stream") {
                break;
            }
        }
        received
    }
}

/// How many answers there are. Bodies are passed over: in none of them is there a line that begins an answer.
fn answers(received: &[u8]) -> usize {
    let text = String::from_utf8_lossy(received);
    let begins = |line: &&str| line.starts_with("HTTP/1.") && !line.starts_with("HTTP/1.1 1");
    let lines = text.split("\r\n").map(|line| line.rsplit('}').next().unwrap_or_default());
    lines.filter(|line| begins(line)).count()
}

fn run(fixture: &Fixture, data: &[u8]) {
    let Some((at, bytes)) = data.split_first() else { return };
    let parts = bytes.split_at(bytes.len() * usize::from(*at) / 256);
    let exchange = fixture.exchange([parts.0, parts.1]);
    let received = fixture.executor.run(async {
        tokio::time::timeout(Duration::from_secs(8), exchange).await.expect("an end")
    });
    assert!(received.is_empty() || received.starts_with(b"HTTP/1."));
    let count = answers(&received);
    let may_be = |lines| {
        let reading = read_strictly(bytes, lines);
        reading.requests.len() + usize::from(reading.rest != Rest::Nothing)
    };
    let most = may_be(Lines::CrLf).max(may_be(Lines::Lf));
    assert!(count <= most, "{count} answers to {most} requests");
}

thread_local! {
    static FIXTURE: Fixture = Fixture::new();
}

fuzz_target!(|data: &[u8]| FIXTURE.with(|fixture| run(fixture, data)));
