//! The service without sockets: requests into the API, responses out of it.

// Each test program uses a part of it. clippy.toml frees tests of these lints, but not their helpers.
#![allow(clippy::unwrap_used, dead_code)]

use std::rc::Rc;
use std::time::Duration;

use http_server::{Service, Tasks};
use hyper::body::HttpBody;
use hyper::{Body, Request, Response};
use serde_json::Value;
use telemetry::metrics::Metrics;
use todo::access_log::AccessLog;
use todo::http::{App, Authorization, Cors, RequestLimits, Rules, TrustedProxies};
use todo_store::{AnyStore, ChangeError, FailingStore, MemoryStore, StoreError, StoreOptions};
use tokio::task::LocalSet;

pub const LIMITS: RequestLimits = RequestLimits {
    max_head_bytes: 16_384,
    max_body_bytes: 65_536,
    body_timeout: Duration::from_millis(100),
    max_buffer_bytes: 16 * 1024 * 1024,
    max_event_readers: 20,
    max_requests_per_second: 0,
};

pub fn app(store: AnyStore) -> Rc<App> {
    app_with(Rc::new(store), None, LIMITS)
}

pub fn app_with(store: Rc<AnyStore>, token: Option<&str>, limits: RequestLimits) -> Rc<App> {
    let rules = Rules {
        authorization: Authorization::new(token.map(Into::into), false),
        cors: Cors::new(None, token.is_some()),
        proxies: TrustedProxies::default(),
    };
    let (log, tasks) = (Rc::new(AccessLog::new(None)), Tasks::default());
    Rc::new(App::new(store, log, tasks, Metrics::default(), limits, rules))
}

pub fn memory(max_bytes: usize) -> AnyStore {
    AnyStore::Memory(MemoryStore::new(StoreOptions { max_bytes, samples: true }))
}

pub fn failing(error: StoreError) -> AnyStore {
    AnyStore::Failing(FailingStore(ChangeError::Store(error)))
}

pub fn sample_app() -> Rc<App> {
    app(memory(100_000))
}

pub fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, test)
}

pub fn request(method: &str, target: &str, body: impl Into<Body>) -> Request<Body> {
    Request::builder().method(method).uri(target).header("Host", "test").body(body.into()).unwrap()
}

pub async fn send(app: &Rc<App>, request: Request<Body>) -> (Response<()>, Value) {
    let answer = app.clone().call(request, None).await;
    let (head, mut body) = answer.into_parts();
    let mut bytes = Vec::new();
    while let Some(chunk) = body.data().await {
        bytes.extend_from_slice(&chunk.unwrap());
    }
    let value =
        if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
    (Response::from_parts(head, ()), value)
}
