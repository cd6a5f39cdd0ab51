//! The API without sockets: requests into the product's own handlers, answers out of them.

use std::rc::Rc;

use http_server::{Client, Service as _, Tasks};
use hyper::body::HttpBody as _;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Body, Request};
use serde_json::Value;
use telemetry::metrics::Metrics;
use todo::access_log::AccessLog;
use todo::config::Config;
use todo::http::App;
use todo_store::{AnyStore, MemoryStore, StoreOptions};
use tokio::runtime::{Builder, Runtime};
use tokio::task::LocalSet;

/// Runs what has to wait for something. One per thread will do.
pub struct Executor {
    runtime: Runtime,
    tasks: LocalSet,
}

impl Default for Executor {
    fn default() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build();
        Self { runtime: runtime.expect("a runtime"), tasks: LocalSet::new() }
    }
}

impl Executor {
    /// Runs `future`, and local tasks meanwhile.
    pub fn run<T>(&self, future: impl Future<Output = T>) -> T {
        self.tasks.block_on(&self.runtime, future)
    }
}

/// The API over one store.
pub struct Api {
    executor: Executor,
    app: Rc<App>,
}

/// One answer.
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, or the beginning of one without an end.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Panics
    /// If it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }

    /// A header's value, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("a text"))
    }
}

/// The server's own settings, but for these.
pub fn config(settings: &[(&str, &str)]) -> Config {
    let value = |name: &str| settings.iter().find(|(known, _)| *known == name);
    let lookup = |name: &str| value(name).map(|(_, value)| (*value).to_owned());
    Config::from_lookup(lookup, |_| Err(std::io::ErrorKind::NotFound.into())).expect("settings")
}

/// The API over `store`.
pub fn app(store: Rc<AnyStore>, settings: &[(&str, &str)]) -> Rc<App> {
    let config = config(settings);
    let log = Rc::new(AccessLog::new(None));
    let (limits, rules) = (config.request_limits(), config.rules());
    Rc::new(App::new(store, log, Tasks::default(), Metrics::default(), limits, rules))
}

/// A store in memory that takes a million bytes.
pub fn memory() -> Rc<AnyStore> {
    let options = StoreOptions { max_bytes: 1_000_000, samples: false };
    Rc::new(AnyStore::Memory(MemoryStore::new(options)))
}

impl Api {
    /// The API over a store in memory.
    pub fn new(settings: &[(&str, &str)]) -> Self {
        Self::over(memory(), settings)
    }

    /// The API over `store`.
    pub fn over(store: Rc<AnyStore>, settings: &[(&str, &str)]) -> Self {
        Self { executor: Executor::default(), app: app(store, settings) }
    }

    /// Runs a local task whenever a request is answered.
    pub fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.executor.tasks.spawn_local(task);
    }

    /// Sends a request, and asserts what holds for every answer.
    ///
    /// # Panics
    /// If it does not hold.
    pub fn send(&self, request: Request<Body>, peer: Client) -> Answer {
        let is_events = request.uri().path() == "/api/todos/events";
        let answer = self.executor.run(async {
            let (head, mut body) = self.app.clone().call(request, peer).await.into_parts();
            let mut bytes = Vec::new();
            while let Some(part) = body.data().await {
                bytes.extend_from_slice(&part.expect("a whole body"));
                // Events have no end.
                if is_events {
                    break;
                }
            }
            Answer { status: head.status.as_u16(), headers: head.headers, body: bytes }
        });
        assert!((200..500).contains(&answer.status), "{}", answer.status);
        let id = answer.header("x-request-id");
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        assert!((1..=64).contains(&id.len()) && id.bytes().all(is_part), "{id:?}");
        let json = HeaderValue::from_static("application/json; charset=utf-8");
        if answer.headers.get(CONTENT_TYPE) == Some(&json) {
            let value = answer.json();
            assert_eq!(answer.status >= 400, value["error"].is_string(), "{value}");
        } else {
            assert!(answer.status < 400, "an error that is not JSON");
        }
        answer
    }

    /// Sends what is most often sent.
    ///
    /// # Panics
    /// As for [`send`](Self::send), and if it cannot be a request.
    pub fn request(&self, method: &str, target: &str, body: impl Into<Body>) -> Answer {
        let request = Request::builder().method(method).uri(target).header("Host", "test");
        self.send(request.body(body.into()).expect("a request"), None)
    }
}
