//! Serves HTTP/1.1 and 1.0 connections within limits, whatever clients do. Nothing here knows what is served: that is a
//! [`Service`].
//!
//! | file | concern |
//! |---|---|
//! | `lib.rs` | the accept loop and its limits |
//! | `service.rs` | what the server asks of a service |
//! | `connection.rs` | one connection: what it waits for, its deadlines, its socket |
//! | `incoming.rs` | what a connection receives |
//! | `outgoing.rs` | what a connection has to send |
//! | `clients.rs` | how many connections each client has |
//! | `hyper_io.rs` | a connection as hyper sees it |
//! | `date.rs` | the `Date` of responses |
//! | `close.rs` | how a connection ends after a response that leaves something unread |
//! | `response_body.rs` | bytes that are all there, or that come as they are made |
//! | `budget.rs` | the memory that all requests and responses together may take |
//! | `listen.rs` | the listening socket |
//!
//! A WebAssembly module has one thread. Each connection is one local task, so its state is in `Cell`s, without locks.

mod budget;
mod chunks;
mod clients;
mod close;
mod connection;
mod date;
mod hyper_io;
mod incoming;
mod listen;
mod metrics;
mod outgoing;
mod response_body;
mod service;
mod tasks;

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clients::Clients;
use date::Date;
use telemetry::log;
use tokio::net::{TcpListener, TcpStream};

pub use budget::{MemoryBudget, Reservation};
pub use listen::listen;
pub use metrics::ServerMetrics;
pub use outgoing::RESPONSE_BUFFER_BYTES;
pub use response_body::ResponseBody;
pub use service::{Client, Refusal, Service};
pub use tasks::Tasks;

/// What one server allows.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections open at one time.
    pub max_connections: usize,
    /// Connections of one client open at one time.
    pub max_connections_per_client: Option<usize>,
    /// Bytes of a request line and its headers; at least 8,192.
    pub max_head_bytes: usize,
    /// Bytes of a request body as they arrive, with the framing of its chunks (RFC 9112, section 7.1).
    pub max_body_wire_bytes: usize,
    /// From a request's first byte to the end of its headers.
    pub head_timeout: Duration,
    /// Without a request in progress.
    pub idle_timeout: Duration,
    /// Without the client taking a byte of its response.
    pub write_timeout: Duration,
}

/// Connections over the limit that are being told so at one time. Further ones are closed at once: refusing must not
/// cost what the limit saves.
const MAX_REFUSALS: usize = 64;

/// How long to leave new connections in the queue when none can be accepted, most likely for want of file descriptors.
/// Long enough not to burn the processor, short enough not to be noticed when one is free again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Time between two messages that connections cannot be accepted.
const REPORT_INTERVAL: Duration = Duration::from_secs(60);

/// Serves `service` on `listener` for as long as the process lives. Runs as a local task.
pub async fn serve<S: Service>(
    listener: TcpListener,
    service: Rc<S>,
    limits: Limits,
    metrics: Arc<ServerMetrics>,
    tasks: Tasks,
) {
    let limits = Rc::new(limits);
    let refusals = Rc::new(Cell::new(0));
    let clients = Clients::default();
    let date = Rc::new(Date::default());
    // The runtime keeps the descriptor of its first timer. Now there is one left for it.
    tokio::time::sleep(Duration::from_millis(1)).await;
    let mut reported = None;
    loop {
        let (stream, client) = match accept(&listener).await {
            Ok(accepted) => accepted,
            // The client was gone before it was accepted.
            Err(error) if is_gone(&error) => continue,
            Err(error) => {
                if reported.is_none_or(|at: Instant| at.elapsed() >= REPORT_INTERVAL) {
                    reported = Some(Instant::now());
                    log::error(format_args!("cannot accept connections now: {error}"));
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let has_room = metrics.open_connections() < limits.max_connections;
        let of = client.and_then(|address| service.client_at(address));
        let counted = match of.zip(limits.max_connections_per_client) {
            Some((client, max)) => clients.enter(client, max).map(Some),
            None => Some(None),
        };
        let refusal = match counted {
            Some(of_client) if has_room => {
                let open = metrics.connection_opens();
                let (service, limits, metrics) = (service.clone(), limits.clone(), metrics.clone());
                let date = date.clone();
                tasks.spawn(async move {
                    connection::serve(stream, client, service, limits, &metrics, date).await;
                    drop((open, of_client));
                });
                continue;
            }
            Some(_) => Refusal::TooManyConnections,
            None => Refusal::TooManyOfClient,
        };
        metrics.refuse(refusal);
        if refusals.get() < MAX_REFUSALS {
            refusals.set(refusals.get() + 1);
            let response = service.refuse(refusal, client);
            let refusals = refusals.clone();
            tasks.spawn(async move {
                close::refuse(stream, response).await;
                refusals.set(refusals.get() - 1);
            });
        }
    }
}

async fn accept(listener: &TcpListener) -> io::Result<(TcpStream, Client)> {
    let (stream, address) = listener.accept().await?;
    Ok((stream, client(address)))
}

fn client(address: SocketAddr) -> Client {
    // IPv4 clients of a dual-stack socket come as ::ffff:a.b.c.d (RFC 4291, section 2.5.5.2).
    Some(address.ip().to_canonical()).filter(|address| !address.is_unspecified())
}

fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, NotConnected};
    matches!(error.kind(), NotConnected | ConnectionAborted | ConnectionReset | Interrupted)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn a_client_is_known_by_its_ipv4_address_where_it_has_one() {
        let client = |text: &str| client(text.parse().unwrap());
        assert_eq!(client("[::ffff:192.0.2.7]:1"), Some(IpAddr::from([192, 0, 2, 7])));
        assert_eq!(client("[2001:db8::7]:1"), Some("2001:db8::7".parse().unwrap()));
        assert_eq!(client("0.0.0.0:1"), None);
    }
}
