//! What the server asks of a service.

use std::future::Future;
use std::net::IpAddr;
use std::rc::Rc;

use hyper::body::Bytes;
use hyper::{Body, Request, Response};

use crate::ResponseBody;

/// What a server serves.
pub trait Service: 'static {
    /// Answers one request.
    ///
    /// A response with `Connection: close` ends the connection; whatever the client still sends is read and discarded
    /// for a moment, so that it gets to see the response.
    fn call(
        self: Rc<Self>,
        request: Request<Body>,
        client: Client,
    ) -> impl Future<Output = Response<ResponseBody>>;

    /// Whose connection it is that comes from `address`, for [`Limits::max_connections_per_client`]. `None` where the
    /// address stands for many clients, as that of a proxy does.
    ///
    /// [`Limits::max_connections_per_client`]: crate::Limits::max_connections_per_client
    fn client_at(&self, address: IpAddr) -> Option<IpAddr>;

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
    /// The head took longer than [`Limits::head_timeout`](crate::Limits::head_timeout).
    HeadTimeout,
    /// The request target alone exceeds [`Limits::max_head_bytes`](crate::Limits::max_head_bytes).
    TargetTooLong,
    /// The head exceeds [`Limits::max_head_bytes`](crate::Limits::max_head_bytes) or has more than 100 fields.
    HeadTooLarge,
    /// [`Limits::max_connections`](crate::Limits::max_connections) are open.
    TooManyConnections,
    /// [`Limits::max_connections_per_client`](crate::Limits::max_connections_per_client) of one client are open.
    TooManyOfClient,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Malformed,
        Self::HeadTimeout,
        Self::TargetTooLong,
        Self::HeadTooLarge,
        Self::TooManyConnections,
        Self::TooManyOfClient,
    ];

    /// Its name in metrics.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::HeadTimeout => "head_timeout",
            Self::TargetTooLong => "target_too_long",
            Self::HeadTooLarge => "head_too_large",
            Self::TooManyConnections => "too_many_connections",
            Self::TooManyOfClient => "too_many_connections_of_client",
        }
    }
}
