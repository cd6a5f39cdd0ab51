//! The API: a request in, a response out, never an error out.

mod access;
mod body;
mod cors;
mod error;
mod etag;
mod handlers;
mod negotiate;
mod openapi;
mod page;
mod proxies;
mod query;
mod request_id;
mod request_metrics;
mod route;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::body::Bytes;
use hyper::header::{
    ALLOW, CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderValue, RETRY_AFTER,
    TRANSFER_ENCODING, WWW_AUTHENTICATE,
};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use hyper::{Body, Method, Request, Response, StatusCode, Version};
use percent_encoding::percent_decode_str;
use tokio::sync::Semaphore;

use crate::access_log::{AccessLog, Entry};
use crate::execution::Execution;
use body::RequestBody;
use error::ApiError;
use http_server::Tasks;
use http_server::{Client, Payload, Refusal, Service};
use request_id::{RequestIds, X_REQUEST_ID};
use request_metrics::RequestMetrics;
use route::{Operation, Route};
use telemetry::metrics::Metrics;
use todo_model::TodoUpdate;
use todo_store::Store;

pub use access::Access;
pub use cors::Cors;
pub use proxies::TrustedProxies;

/// The longest request target, in bytes; a longer one is answered 414. RFC 9112, section 3, asks for at least 8,000.
const MAX_TARGET_BYTES: usize = 8_192;

/// The API over one store.
pub struct App<S> {
    store: Arc<S>,
    pages_kib: Arc<Semaphore>,
    access_log: Arc<AccessLog>,
    tasks: Tasks,
    metrics: Metrics,
    requests: Arc<RequestMetrics>,
    request_ids: RequestIds,
    limits: RequestLimits,
    rules: Rules,
    started: Instant,
    execution: Execution,
}

/// Who may do what, and whose word is taken.
pub struct Rules {
    /// Who may use the API at all.
    pub access: Access,
    /// Which pages may, in a browser.
    pub cors: Cors,
    /// Who may tell where a request comes from.
    pub proxies: TrustedProxies,
}

/// What a request may cost.
#[derive(Clone, Copy, Debug)]
pub struct RequestLimits {
    /// The longest head: target, names and values of headers, in bytes.
    pub max_head_bytes: usize,
    /// The longest body.
    pub max_body_bytes: usize,
    /// From the end of the headers to the end of the body.
    pub body_timeout: Duration,
}

impl<S: Store> App<S> {
    /// The API over `store`; its uptime starts now. It shows `metrics`, and its own with them.
    pub fn new(
        store: Arc<S>,
        access_log: Arc<AccessLog>,
        tasks: Tasks,
        mut metrics: Metrics,
        limits: RequestLimits,
        rules: Rules,
    ) -> Self {
        let requests = Arc::new(RequestMetrics::new());
        metrics.add(requests.clone());
        Self {
            store,
            pages_kib: Arc::new(Semaphore::new(handlers::MAX_PAGES_KIB)),
            access_log,
            tasks,
            metrics,
            requests,
            request_ids: RequestIds::new(),
            limits,
            rules,
            started: Instant::now(),
            execution: Execution::measure(),
        }
    }

    async fn answer(
        &self,
        head: &Parts,
        body: &mut RequestBody,
        path: Result<&str, ApiError>,
        found: Option<(&'static Route, &str)>,
    ) -> Result<Response<Payload>, ApiError> {
        check_head(head, self.limits.max_head_bytes)?;
        if cors::is_preflight(&head.method, &head.headers) {
            let mut answer = no_content();
            self.rules.cors.allow_preflight(&head.headers, answer.headers_mut());
            return Ok(answer);
        }
        let path = path?;
        if let Err(denied) = self.rules.access.check(path, &head.headers) {
            let error = ApiError::new(StatusCode::UNAUTHORIZED, denied.message());
            let mut answer = failure(&error);
            answer.headers_mut().insert(WWW_AUTHENTICATE, denied.challenge());
            return Ok(answer);
        }
        if path == "*" && head.method == Method::OPTIONS {
            // The server as a whole (RFC 9110, section 9.3.7).
            return Ok(allowing(no_content(), route::ALL_METHODS));
        }
        let Some((route, id)) = found else {
            return Err(ApiError::new(StatusCode::NOT_FOUND, "there is nothing at this path"));
        };
        let Some(operation) = route.operation(&head.method) else {
            let answer = if head.method == Method::OPTIONS {
                no_content()
            } else {
                let message = format!("{} takes only {}", route.pattern, route.allow);
                failure(&ApiError::new(StatusCode::METHOD_NOT_ALLOWED, message))
            };
            return Ok(allowing(answer, route.allow));
        };
        let (store, headers, query) = (&*self.store, &head.headers, head.uri.query());
        match operation {
            Operation::ServerInfo => match page::page(headers)? {
                Some(page) => Ok(page),
                None => {
                    let uptime = self.started.elapsed();
                    handlers::server_info(uptime, &self.tasks, store.kind(), self.execution)
                }
            },
            Operation::Health => handlers::health(self.started.elapsed()),
            Operation::Live => handlers::live(),
            Operation::Ready => handlers::ready(store).await,
            Operation::Metrics => handlers::show_metrics(&self.metrics),
            Operation::OpenApi => openapi::document(headers),
            Operation::ListTodos => handlers::list_todos(store, query, &self.pages_kib).await,
            Operation::CreateTodo => handlers::create_todo(store, body).await,
            Operation::DeleteCompleted => handlers::delete_completed(store, query).await,
            Operation::GetTodo => handlers::get_todo(store, id, headers).await,
            Operation::ReplaceTodo => {
                let read = TodoUpdate::replacement_from_fields;
                handlers::update_todo(store, id, headers, body, read).await
            }
            Operation::PatchTodo => {
                let read = TodoUpdate::patch_from_fields;
                handlers::update_todo(store, id, headers, body, read).await
            }
            Operation::DeleteTodo => handlers::delete_todo(store, id, headers).await,
        }
    }
}

impl<S: Store> Service for App<S> {
    async fn call(self: Arc<Self>, request: Request<Body>, peer: Client) -> Response<Payload> {
        let began = Instant::now();
        let under_way = self.requests.begin();
        let (head, body) = request.into_parts();
        let mut body = RequestBody::new(body, self.limits.max_body_bytes, self.limits.body_timeout);
        let path = decoded(head.uri.path());
        let found = path.as_deref().ok().and_then(route::find);
        let path = path.as_deref().map_err(Clone::clone);
        let answer = self.answer(&head, &mut body, path, found).await;
        let mut answer = answer.unwrap_or_else(|error| failure(&error));
        if body.is_unread() {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        self.rules.cors.allow_origin(&head.headers, answer.headers_mut());
        let (status, latency) = (answer.status(), began.elapsed());
        drop(under_way);
        let route = found.map(|(route, _)| route);
        self.requests.record(route, &head.method, status, latency);
        let request_id = self.request_ids.of(&head.headers);
        self.access_log.record(&Entry {
            status: status.as_u16(),
            latency,
            client: self.rules.proxies.client(peer, &head.headers),
            method: Some(head.method.as_str()),
            route: route.map(|route| route.pattern),
            path: Some(head.uri.path())
                .filter(|path| !path.is_empty())
                .or(head.uri.authority().map(Authority::as_str)),
            query: head.uri.query(),
            bytes: if head.method == Method::HEAD { 0 } else { answer.body().len() },
            request_id: request_id.as_str(),
        });
        answer.headers_mut().insert(X_REQUEST_ID, request_id.into_header());
        answer
    }

    fn refuse(&self, refusal: Refusal, client: Client) -> Response<Bytes> {
        let error = ApiError::from(refusal);
        let mut answer = Response::new(error.body());
        *answer.status_mut() = error.status;
        handlers::set_json(answer.headers_mut());
        if error.status == StatusCode::SERVICE_UNAVAILABLE {
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        let request_id = self.request_ids.make();
        self.access_log.record(&Entry {
            status: error.status.as_u16(),
            latency: Duration::ZERO,
            client,
            method: None,
            route: None,
            path: None,
            query: None,
            bytes: answer.body().len(),
            request_id: request_id.as_str(),
        });
        answer.headers_mut().insert(X_REQUEST_ID, request_id.into_header());
        answer
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

fn allowing(mut answer: Response<Payload>, methods: &'static str) -> Response<Payload> {
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
    answer
}

fn no_content() -> Response<Payload> {
    let mut answer = Response::new(Payload::empty());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    answer
}

fn failure(error: &ApiError) -> Response<Payload> {
    let mut answer = handlers::json_answer(error.status, error.body());
    if error.status == StatusCode::SERVICE_UNAVAILABLE {
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    answer
}
