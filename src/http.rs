//! The API: a request in, a response out, never an error out.

mod body;
mod cors;
mod error;
mod handlers;
mod route;

use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::body::Bytes;
use hyper::header::{
    ALLOW, CONNECTION, CONTENT_LENGTH, HOST, HeaderValue, RETRY_AFTER, TRANSFER_ENCODING,
};
use hyper::http::request::Parts;
use hyper::{Body, Method, Request, Response, StatusCode, Version};

use crate::access_log::{AccessLog, Entry};
use crate::server::{Client, Refusal, Service};
use crate::store::Store;
use crate::tasks::Tasks;
use body::RequestBody;
use error::ApiError;
use route::Operation;

/// The longest request target, in bytes; a longer one is answered 414. RFC 9112, section 3, asks for at least 8,000.
const MAX_TARGET_BYTES: usize = 8_192;

/// The API over one store.
pub struct App<S> {
    store: S,
    access_log: Arc<AccessLog>,
    tasks: Tasks,
    limits: BodyLimits,
    started: Instant,
}

/// What a request's body may cost.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// The longest body.
    pub max_bytes: usize,
    /// From the end of the headers to the end of the body.
    pub timeout: Duration,
}

impl<S: Store> App<S> {
    /// The API over `store`; its uptime starts now.
    pub fn new(store: S, access_log: Arc<AccessLog>, tasks: Tasks, limits: BodyLimits) -> Self {
        Self { store, access_log, tasks, limits, started: Instant::now() }
    }

    async fn answer(
        &self,
        head: &Parts,
        body: &mut RequestBody,
    ) -> Result<Response<Body>, ApiError> {
        check_head(head)?;
        if cors::is_preflight(&head.method, &head.headers) {
            let mut answer = no_content();
            cors::allow_preflight(answer.headers_mut());
            return Ok(answer);
        }
        let path = head.uri.path();
        let Some(route) = route::find(path) else {
            return Err(ApiError::new(StatusCode::NOT_FOUND, "there is nothing at this path"));
        };
        let Some(operation) = route.operation(&head.method) else {
            let mut answer = if head.method == Method::OPTIONS {
                no_content()
            } else {
                let message = format!("{} takes only {}", route.path, route.allow);
                failure(&ApiError::new(StatusCode::METHOD_NOT_ALLOWED, message))
            };
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static(route.allow));
            return Ok(answer);
        };
        match operation {
            Operation::ServerInfo => handlers::server_info(self.started.elapsed(), &self.tasks),
            Operation::Health => handlers::health(self.started.elapsed()),
            Operation::ListTodos => handlers::list_todos(&self.store).await,
            Operation::CreateTodo => handlers::create_todo(&self.store, body).await,
        }
    }
}

impl<S: Store> Service for App<S> {
    async fn call(self: Arc<Self>, request: Request<Body>, client: Client) -> Response<Body> {
        let began = Instant::now();
        let (head, body) = request.into_parts();
        let mut body = RequestBody::new(body, self.limits.max_bytes, self.limits.timeout);
        let answer = self.answer(&head, &mut body).await;
        let mut answer = answer.unwrap_or_else(|error| failure(&error));
        if body.is_unread() {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if cors::is_cross_origin(&head.headers) {
            cors::allow_origin(answer.headers_mut());
        }
        let target = head.uri.path_and_query().map_or(head.uri.path(), |target| target.as_str());
        self.access_log.record(&Entry {
            status: answer.status().as_u16(),
            latency: began.elapsed(),
            client,
            method: Some(head.method.as_str()),
            target: Some(target),
        });
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
        self.access_log.record(&Entry {
            status: error.status.as_u16(),
            latency: Duration::ZERO,
            client,
            method: None,
            target: None,
        });
        answer
    }
}

/// Checks what HTTP asks of every request and hyper leaves to its user.
fn check_head(head: &Parts) -> Result<(), ApiError> {
    let hosts = head.headers.get_all(HOST).iter().count();
    if hosts > 1 || (hosts == 0 && head.version == Version::HTTP_11) {
        // RFC 9112, section 3.2.
        return Err(ApiError::bad_request("the request must have exactly one Host header"));
    }
    if head.headers.contains_key(TRANSFER_ENCODING) && head.headers.contains_key(CONTENT_LENGTH) {
        // RFC 9112, section 6.3: the mark of request smuggling.
        let message = "the request must not have both Content-Length and Transfer-Encoding";
        return Err(ApiError::bad_request(message));
    }
    let target = head.uri.path_and_query().map_or(0, |target| target.as_str().len());
    if target > MAX_TARGET_BYTES {
        return Err(ApiError::from(Refusal::TargetTooLong));
    }
    Ok(())
}

fn no_content() -> Response<Body> {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    answer
}

fn failure(error: &ApiError) -> Response<Body> {
    handlers::json_answer(error.status, error.body().into())
}
