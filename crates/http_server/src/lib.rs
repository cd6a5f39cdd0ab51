//! Serves HTTP/1.1 and 1.0 connections: accepts them, bounds their number and their time, survives what they do.
//!
//! Nothing here knows what is served: that is a [`Service`].

mod activity;
mod connection;
mod listen;
mod progress;
mod response_body;
mod stream;
mod tasks;

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::body::Bytes;
use hyper::{Body, Request, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use telemetry::log;

pub use activity::Activity;
pub use listen::listen;
pub use response_body::Payload;
pub use tasks::Tasks;

/// What a server serves.
pub trait Service: Send + Sync + 'static {
    /// Answers one request.
    ///
    /// An answer with `Connection: close` ends the connection; whatever the client still sends is read and thrown away
    /// for a moment, so that it gets to see the answer.
    fn call(
        self: Arc<Self>,
        request: Request<Body>,
        client: Client,
    ) -> impl Future<Output = Response<Payload>> + Send;

    /// Answers what never became a request. The connection ends with it.
    fn refuse(&self, refusal: Refusal, client: Client) -> Response<Bytes>;
}

/// The other end of a connection. `None` where the system does not tell its address.
pub type Client = Option<IpAddr>;

/// Why bytes on a connection never became a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// They are not HTTP, or ended in the middle of a request's head.
    Malformed,
    /// The head took longer than [`Limits::head_timeout`].
    HeadTimeout,
    /// The request target alone exceeds [`Limits::max_head_bytes`].
    TargetTooLong,
    /// The head exceeds [`Limits::max_head_bytes`] or has more than 100 fields.
    HeadTooLarge,
    /// [`Limits::max_connections`] are open.
    TooManyConnections,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Malformed,
        Self::HeadTimeout,
        Self::TargetTooLong,
        Self::HeadTooLarge,
        Self::TooManyConnections,
    ];

    /// Its name in metrics.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::HeadTimeout => "head_timeout",
            Self::TargetTooLong => "target_too_long",
            Self::HeadTooLarge => "head_too_large",
            Self::TooManyConnections => "too_many_connections",
        }
    }
}

/// What one server bears.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections open at one time.
    pub max_connections: usize,
    /// Bytes of a request line and its headers; at least 8,192.
    pub max_head_bytes: usize,
    /// Bytes of a request's body as they come, with the framing of its chunks (RFC 9112, section 7.1).
    pub max_body_wire_bytes: usize,
    /// From a request's first byte to the end of its headers.
    pub head_timeout: Duration,
    /// Without a request under way.
    pub idle_timeout: Duration,
    /// Without the client taking a byte of its answer.
    pub write_timeout: Duration,
}

/// Connections over the limit that are being told so at one time. Further ones are closed without a word: telling
/// must not cost what the limit saves.
const MAX_REFUSALS: usize = 64;

/// How long to leave new connections in the queue when none can be accepted, most likely for want of file descriptors.
/// Long enough not to burn the processor, short enough not to be noticed when one is free again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long after a first message that none can be accepted the next one may come.
const TELL_AGAIN: Duration = Duration::from_secs(60);

/// Serves `service` on `listener` for as long as the process lives.
pub async fn serve<S: Service>(
    listener: TcpListener,
    service: Arc<S>,
    limits: Limits,
    activity: Arc<Activity>,
    tasks: Tasks,
) {
    let connections = Arc::new(Semaphore::new(limits.max_connections));
    let refusals = Arc::new(Semaphore::new(MAX_REFUSALS));
    let limits = Arc::new(limits);
    // The runtime keeps the descriptor of its first timer. Now there is one left for it.
    tokio::time::sleep(Duration::from_millis(1)).await;
    let mut told = None;
    loop {
        let (stream, client) = match accept(&listener).await {
            Ok(accepted) => accepted,
            // A client that is gone before it was accepted is its own affair.
            Err(error) if is_gone(&error) => continue,
            Err(error) => {
                if told.is_none_or(|told: Instant| told.elapsed() >= TELL_AGAIN) {
                    told = Some(Instant::now());
                    log::error(format_args!("cannot accept connections now: {error}"));
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        if let Ok(permit) = connections.clone().try_acquire_owned() {
            let (service, limits, activity) = (service.clone(), limits.clone(), activity.clone());
            tasks.spawn(async move {
                let open = activity.open.enter();
                connection::serve(stream, client, service, &limits, &activity).await;
                drop((permit, open));
            });
            continue;
        }
        activity.refuse(Refusal::TooManyConnections);
        if let Ok(permit) = refusals.clone().try_acquire_owned() {
            let answer = service.refuse(Refusal::TooManyConnections, client);
            tasks.spawn(async move {
                connection::refuse(stream, answer).await;
                drop(permit);
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
    use super::*;

    #[test]
    fn a_client_is_known_by_its_ipv4_address_where_it_has_one() {
        let client = |text: &str| client(text.parse().unwrap());
        assert_eq!(client("[::ffff:192.0.2.7]:1"), Some(IpAddr::from([192, 0, 2, 7])));
        assert_eq!(client("[2001:db8::7]:1"), Some("2001:db8::7".parse().unwrap()));
        assert_eq!(client("0.0.0.0:1"), None);
    }
}
