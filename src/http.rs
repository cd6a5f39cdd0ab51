//! The API: a request in, a response out, never an error out.
//!
//! A request passes [`App::call`](Service::call) and [`App::answer`] from top to bottom: its head is checked, its route is
//! found, its token is checked, its handler is called; then the response gets what every response has, and is counted and
//! logged.

mod access;
mod body;
mod cors;
mod error;
mod etag;
mod events;
mod handlers;
mod idempotency_key;
mod lists;
mod negotiate;
mod openapi;
mod proxies;
mod query;
mod rate_limit;
mod request_id;
mod request_metrics;
mod response;
mod route;
mod web_page;

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::body::Bytes;
use hyper::header::{
    ALLOW, CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderValue, TRANSFER_ENCODING, VARY,
    WWW_AUTHENTICATE,
};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use hyper::{Body, Method, Request, Response, StatusCode, Version};
use percent_encoding::percent_decode_str;

use crate::access_log::{AccessLog, Entry};
use body::{BodyLimits, RequestBody};
use clock::{GoDuration, Timestamp, WallClock};
use error::ApiError;
use events::Feed;
use handlers::Call;
use http_server::{
    Client, MemoryBudget, Refusal, Reservation, ResponseBody, ServerMetrics, Service, Tasks,
};
use lists::CachedList;
use rate_limit::RateLimit;
use request_id::{RequestIds, X_REQUEST_ID};
use request_metrics::RequestMetrics;
use response::{Answer, failure, no_content, set_json, set_retry_after};
use route::{Access, Found, Handler};
use telemetry::metrics::Metrics;
use todo_store::{AnyStore, Measured};
use tokio::sync::Semaphore;

pub use access::Authorization;
pub use cors::Cors;
pub use proxies::TrustedProxies;

/// The longest request target, in bytes; a longer one is answered 414. RFC 9112, section 3, asks for at least 8,000.
const MAX_TARGET_BYTES: usize = 8_192;

/// The API over one store.
pub struct App {
    store: Measured,
    access_log: Rc<AccessLog>,
    tasks: Tasks,
    metrics: Metrics,
    requests: Arc<RequestMetrics>,
    request_ids: RequestIds,
    limits: RequestLimits,
    budget: MemoryBudget,
    rules: Rules,
    started: Instant,
    clock: WallClock,
    cached_list: RefCell<Option<Rc<CachedList>>>,
    /// Of long texts one is made at a time.
    long_texts: Semaphore,
    feed: Feed,
    rate_limit: RateLimit,
    /// The server's connections, and how many of them are nearly all.
    connections: Option<(Arc<ServerMetrics>, usize)>,
}

/// Who may do what, and whose word is taken.
pub struct Rules {
    /// Who may use the API at all.
    pub authorization: Authorization,
    /// Which pages may, in a browser.
    pub cors: Cors,
    /// Who may tell where a request comes from.
    pub proxies: TrustedProxies,
}

/// What requests may cost.
#[derive(Clone, Copy, Debug)]
pub struct RequestLimits {
    /// The longest head: target, names and values of headers, in bytes.
    pub max_head_bytes: usize,
    /// The longest body.
    pub max_body_bytes: usize,
    /// From the end of the headers to the end of the body.
    pub body_timeout: Duration,
    /// The memory that bodies, lists and pages may take, all together.
    pub max_buffer_bytes: usize,
    /// Clients that read events at one time.
    pub max_event_readers: usize,
    /// Requests of one client in a second; 0 for any number.
    pub max_requests_per_second: u32,
}

impl App {
    /// The API over `store`; its uptime starts now. It shows `metrics`, and its own with them.
    pub fn new(
        store: Rc<AnyStore>,
        access_log: Rc<AccessLog>,
        tasks: Tasks,
        mut metrics: Metrics,
        limits: RequestLimits,
        rules: Rules,
    ) -> Self {
        let store = Measured::new(store);
        let requests = Arc::new(RequestMetrics::new());
        metrics.add(store.metrics());
        metrics.add(requests.clone());
        let feed = Feed::new(limits.max_event_readers);
        metrics.add(feed.metrics());
        Self {
            store,
            access_log,
            tasks,
            metrics,
            requests,
            request_ids: RequestIds::new(),
            limits,
            budget: MemoryBudget::new(limits.max_buffer_bytes),
            rules,
            started: Instant::now(),
            clock: WallClock::default(),
            cached_list: RefCell::default(),
            long_texts: Semaphore::new(1),
            feed,
            rate_limit: RateLimit::new(limits.max_requests_per_second),
            connections: None,
        }
    }

    /// The same, and not ready any more when `nearly_all` connections of `server` are open beside the one that asks.
    pub fn watching(self, server: Arc<ServerMetrics>, nearly_all: usize) -> Self {
        Self { connections: Some((server, nearly_all)), ..self }
    }

    /// New connections may be refused soon.
    fn is_nearly_full(&self) -> bool {
        let connections = self.connections.as_ref();
        connections.is_some_and(|(server, nearly_all)| server.open_connections() > *nearly_all)
    }

    /// How long it has been there at `instant`, as Go writes durations.
    fn uptime(&self, instant: Instant) -> GoDuration {
        GoDuration(instant.saturating_duration_since(self.started))
    }

    async fn metrics_text(&self) -> Result<String, fmt::Error> {
        self.store.count_todos().await;
        self.requests.show_buffers(self.budget.reserved(), self.budget.limit());
        self.metrics.text()
    }

    /// Reserves memory. If there is none left, the list that is kept for later goes first.
    ///
    /// # Errors
    /// 503.
    fn reserve(&self, bytes: usize) -> Result<Reservation, ApiError> {
        let again = || {
            self.cached_list.take();
            self.budget.reserve(bytes)
        };
        self.budget.reserve(bytes).or_else(again).ok_or_else(ApiError::busy)
    }

    async fn answer(
        self: &Rc<Self>,
        began: Instant,
        client: Client,
        head: &Parts,
        body: &mut RequestBody,
        path: Result<&str, ApiError>,
        found: Option<Found<'_>>,
    ) -> Answer {
        check_head(head, self.limits.max_head_bytes)?;
        let is_probe = found.is_some_and(|found| route::PROBES.contains(&found.pattern));
        if !is_probe && !self.rate_limit.admits(client, began) {
            return Err(ApiError::too_many_requests());
        }
        if cors::is_preflight(&head.method, &head.headers) {
            let mut response = no_content();
            self.rules.cors.allow_preflight(&head.headers, response.headers_mut());
            return Ok(response);
        }
        if path? == "*" && head.method == Method::OPTIONS {
            // The server as a whole (RFC 9110, section 9.3.7).
            return Ok(allowing(no_content(), &route::all_methods()));
        }
        let route = found.and_then(|found| found.route(&head.method));
        let access = match (route, found) {
            (Some(route), _) => route.access,
            (None, Some(found)) => found.access(),
            (None, None) => Access::Token,
        };
        if let Err(denied) = self.rules.authorization.check(access, &head.headers) {
            let mut response = failure(&ApiError::new(StatusCode::UNAUTHORIZED, denied.message()));
            response.headers_mut().insert(WWW_AUTHENTICATE, denied.challenge());
            return Ok(response);
        }
        let Some(found) = found else {
            return Err(ApiError::new(StatusCode::NOT_FOUND, "there is nothing at this path"));
        };
        let Some(route) = route else {
            let allow = found.allow();
            let response = if head.method == Method::OPTIONS {
                no_content()
            } else {
                let message = format!("{} takes only {allow}", found.pattern);
                failure(&ApiError::new(StatusCode::METHOD_NOT_ALLOWED, message))
            };
            return Ok(allowing(response, &allow));
        };
        let call = Call { began, head, id: found.id, body };
        match route.handler {
            Handler::Now(handler) => handler(self, &call),
            Handler::Later(handler) => handler(self, call).await,
        }
    }
}

impl Service for App {
    async fn call(self: Rc<Self>, request: Request<Body>, peer: Client) -> Response<ResponseBody> {
        let began = Instant::now();
        let in_flight = self.requests.begin();
        let (head, body) = request.into_parts();
        let limits = BodyLimits {
            max_bytes: self.limits.max_body_bytes,
            timeout: self.limits.body_timeout,
            budget: self.budget.clone(),
        };
        let mut body = RequestBody::new(body, limits);
        let client = self.rules.proxies.client(peer, &head.headers);
        let path = decoded(head.uri.path());
        let found = path.as_deref().ok().and_then(route::find);
        let path = path.as_deref().map_err(Clone::clone);
        let answer = self.answer(began, client, &head, &mut body, path, found).await;
        let mut response = answer.unwrap_or_else(|error| failure(&error));
        if body.is_unread() {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if found.is_some_and(|found| found.pattern == route::ROOT) {
            response.headers_mut().insert(VARY, HeaderValue::from_static(negotiate::VARY));
        }
        self.rules.cors.allow_origin(&head.headers, response.headers_mut());
        let (status, latency) = (response.status(), began.elapsed());
        drop(in_flight);
        self.requests.record(found.map(|found| found.index), &head.method, status, latency);
        let request_id = self.request_ids.of(&head.headers);
        self.access_log.record(&Entry {
            time: self.clock.at(began + latency),
            status: status.as_u16(),
            latency,
            client,
            method: Some(head.method.as_str()),
            route: found.map(|found| found.pattern),
            path: Some(head.uri.path())
                .filter(|path| !path.is_empty())
                .or(head.uri.authority().map(Authority::as_str)),
            query: head.uri.query(),
            bytes: if head.method == Method::HEAD { Some(0) } else { response.body().len() },
            request_id: request_id.as_str(),
        });
        response.headers_mut().insert(X_REQUEST_ID, request_id.into_header());
        response
    }

    fn client_at(&self, address: IpAddr) -> Option<IpAddr> {
        (!self.rules.proxies.trust(address)).then(|| rate_limit::network(address))
    }

    fn refuse(&self, refusal: Refusal, client: Client) -> Response<Bytes> {
        let error = ApiError::from(refusal);
        let mut response = Response::new(error.body());
        *response.status_mut() = error.status;
        set_json(response.headers_mut());
        set_retry_after(&error, response.headers_mut());
        let request_id = self.request_ids.make();
        self.access_log.record(&Entry {
            time: Timestamp::now(),
            status: error.status.as_u16(),
            latency: Duration::ZERO,
            client,
            method: None,
            route: None,
            path: None,
            query: None,
            bytes: Some(response.body().len()),
            request_id: request_id.as_str(),
        });
        response.headers_mut().insert(X_REQUEST_ID, request_id.into_header());
        response
    }
}

/// Checks what HTTP asks of every request and hyper leaves to its user.
fn check_head(head: &Parts, max_bytes: usize) -> Result<(), ApiError> {
    let target = head.uri.path_and_query().map_or(0, |target| target.as_str().len());
    if target > MAX_TARGET_BYTES {
        return Err(ApiError::from(Refusal::TargetTooLong));
    }
    let headers = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len());
    if target + headers.sum::<usize>() > max_bytes {
        // hyper looks at the length only while the end is not in sight.
        return Err(ApiError::from(Refusal::HeadTooLarge));
    }
    check_host(head)?;
    check_framing(&head.headers)
}

/// RFC 9112, section 3.2.
fn check_host(head: &Parts) -> Result<(), ApiError> {
    let mut hosts = head.headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, None) if head.version == Version::HTTP_10 => Ok(()),
        (Some(host), None) => {
            let is_part_of_host =
                |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:[]".contains(byte);
            if host.as_bytes().iter().all(is_part_of_host) {
                Ok(())
            } else {
                Err(ApiError::bad_request("the Host header is not a host"))
            }
        }
        _ => Err(ApiError::bad_request("the request must have exactly one Host header")),
    }
}

/// Refuses what two readers could take for two different requests (RFC 9112, section 6).
fn check_framing(headers: &HeaderMap) -> Result<(), ApiError> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let Some(coding) = codings.next() else { return Ok(()) };
    if headers.contains_key(CONTENT_LENGTH) {
        let message = "the request must not have both Content-Length and Transfer-Encoding";
        return Err(ApiError::bad_request(message));
    }
    if codings.next().is_some() || !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
        let message = "the only Transfer-Encoding known here is chunked";
        return Err(ApiError::new(StatusCode::NOT_IMPLEMENTED, message));
    }
    Ok(())
}

/// A path with its percent-encodings resolved (RFC 3986, section 2.1).
fn decoded(path: &str) -> Result<Cow<'_, str>, ApiError> {
    percent_decode_str(path)
        .decode_utf8()
        .map_err(|_| ApiError::bad_request("the path is not UTF-8"))
}

fn allowing(mut response: Response<ResponseBody>, methods: &str) -> Response<ResponseBody> {
    // Names of methods are valid in a header.
    let methods = HeaderValue::try_from(methods).unwrap_or(HeaderValue::from_static(""));
    response.headers_mut().insert(ALLOW, methods);
    response
}
