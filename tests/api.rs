//! The whole service without sockets: requests into the API, answers out of it. Runs inside WasmEdge.

// clippy.toml frees tests of this lint, but not their helpers.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use http_server::Tasks;
use http_server::{Refusal, Service};
use hyper::body::{Bytes, HttpBody};
use hyper::{Body, Request, Response};
use serde_json::{Value, json};
use telemetry::metrics::Metrics;
use todo::access_log::AccessLog;
use todo::http::{Access, App, Cors, RequestLimits, Rules, TrustedProxies};
use todo_model::{Todo, TodoId};
use todo_store::{AllTodos, Change, Count, MemoryStore, Outcome, Page, Query, Store, StoreError};

const LIMITS: RequestLimits = RequestLimits {
    max_head_bytes: 16_384,
    max_body_bytes: 65_536,
    body_timeout: Duration::from_millis(100),
};

fn app<S: Store>(store: S) -> Arc<App<S>> {
    app_with(store, None)
}

fn app_with<S: Store>(store: S, token: Option<&str>) -> Arc<App<S>> {
    let rules = Rules {
        access: Access::new(token.map(Into::into), false),
        cors: Cors::new(None, token.is_some()),
        proxies: TrustedProxies::default(),
    };
    let (log, tasks) = (Arc::new(AccessLog::new(None)), Tasks::default());
    Arc::new(App::new(Arc::new(store), log, tasks, Metrics::default(), LIMITS, rules))
}

fn sample_app() -> Arc<App<MemoryStore>> {
    app(MemoryStore::new(100_000, true))
}

fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
}

fn request(method: &str, target: &str, body: impl Into<Body>) -> Request<Body> {
    Request::builder().method(method).uri(target).header("Host", "test").body(body.into()).unwrap()
}

async fn send<S: Store>(app: &Arc<App<S>>, request: Request<Body>) -> (Response<()>, Value) {
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

#[test]
fn what_was_created_is_listed() {
    run(async {
        let app = sample_app();
        let body = json!({ "title": " 장보기 ", "description": "우유" }).to_string();
        let (answer, created) = send(&app, request("POST", "/api/todos", body)).await;
        assert_eq!(answer.status(), 201);
        assert_eq!(answer.headers()["location"], "/api/todos/3");
        let (_, list) = send(&app, request("GET", "/api/todos", "")).await;
        assert_eq!(list["total"], 3);
        assert_eq!(list["todos"][2], created["todo"]);
        assert_eq!(list["todos"][2]["title"], "장보기");
    });
}

#[test]
fn what_was_refused_is_not_listed() {
    run(async {
        let app = sample_app();
        for body in ["", "{", "[]", r#"{"title":" "}"#, r#"{"title":1}"#] {
            let (answer, error) = send(&app, request("POST", "/api/todos", body)).await;
            assert_eq!(answer.status(), 400, "{body}");
            assert!(error["error"].as_str().is_some_and(|text| !text.is_empty()), "{body}");
        }
        let (_, list) = send(&app, request("GET", "/api/todos", "")).await;
        assert_eq!(list["total"], 2);
    });
}

#[test]
fn a_body_that_does_not_come_is_given_up() {
    run(async {
        let app = sample_app();
        let (sender, body) = Body::channel();
        let (answer, error) = send(&app, request("POST", "/api/todos", body)).await;
        assert_eq!(
            (answer.status().as_u16(), &error["error"]),
            (408, &json!("the request's body took too long"))
        );
        assert_eq!(answer.headers()["connection"], "close");
        drop(sender);
    });
}

#[test]
fn a_body_that_ends_too_early_is_told() {
    run(async {
        let app = sample_app();
        let (mut sender, body) = Body::channel();
        sender.send_data(Bytes::from("{\"title\"")).await.unwrap();
        sender.abort();
        let (answer, _) = send(&app, request("POST", "/api/todos", body)).await;
        assert_eq!(answer.status(), 400);
    });
}

#[test]
fn errors_are_shown_to_pages_of_every_origin() {
    run(async {
        let app = sample_app();
        let mut request = request("GET", "/nowhere", "");
        request.headers_mut().insert("origin", "http://page.test".parse().unwrap());
        let (answer, _) = send(&app, request).await;
        assert_eq!(answer.status(), 404);
        assert_eq!(answer.headers()["access-control-allow-origin"], "*");
    });
}

#[test]
fn every_refusal_has_its_status_and_a_sentence() {
    let app = sample_app();
    for (refusal, status) in [
        (Refusal::Malformed, 400),
        (Refusal::HeadTimeout, 408),
        (Refusal::TargetTooLong, 414),
        (Refusal::HeadTooLarge, 431),
        (Refusal::TooManyConnections, 503),
    ] {
        let answer = app.refuse(refusal, None);
        assert_eq!(answer.status(), status);
        assert_eq!(answer.headers()["content-type"], "application/json; charset=utf-8");
        assert_eq!(answer.headers().contains_key("retry-after"), status == 503);
        assert!(answer.headers().contains_key("x-request-id"));
        let body: Value = serde_json::from_slice(answer.body()).unwrap();
        assert!(body["error"].is_string());
    }
}

/// A store that fails at everything it can fail at, in one way.
struct FailingStore(StoreError);

impl Store for FailingStore {
    fn kind(&self) -> &'static str {
        "failing"
    }

    async fn get(&self, _: TodoId) -> Result<Option<Arc<Todo>>, StoreError> {
        Err(self.0)
    }

    async fn all(&self) -> Result<AllTodos, StoreError> {
        Err(self.0)
    }

    async fn find(&self, _: &Query) -> Result<Page, StoreError> {
        Err(self.0)
    }

    async fn change(&self, _: Change) -> Result<Outcome, StoreError> {
        Err(self.0)
    }

    async fn check(&self) -> Result<(), StoreError> {
        Err(self.0)
    }

    fn count(&self) -> Count {
        Count::default()
    }
}

#[test]
fn a_server_whose_store_fails_is_alive_and_not_ready() {
    run(async {
        let app = app(FailingStore(StoreError::Failed));
        for (target, status) in [("/livez", 200), ("/readyz", 503), ("/health", 200)] {
            for method in ["GET", "HEAD"] {
                let (answer, _) = send(&app, request(method, target, "")).await;
                assert_eq!(answer.status(), status, "{method} {target}");
            }
        }
        let (answer, error) = send(&app, request("GET", "/readyz", "")).await;
        assert_eq!(error, json!({ "error": "the store does not work at the moment" }));
        assert_eq!(answer.headers()["retry-after"], "1");
    });
}

#[test]
fn a_request_without_the_token_does_not_reach_the_store() {
    run(async {
        // What reaches this store is answered 500.
        let app = app_with(FailingStore(StoreError::Failed), Some("0123456789abcdef"));
        for (method, target) in [
            ("GET", "/api/todos"),
            ("POST", "/api/todos"),
            ("DELETE", "/%61pi/todos?completed=true"),
            ("GET", "/api/todos/7/"),
            ("BREW", "/api/todos/7"),
            ("OPTIONS", "/api/todos"),
            ("GET", "/api/nowhere"),
        ] {
            let (answer, error) = send(&app, request(method, target, "")).await;
            assert_eq!(answer.status(), 401, "{method} {target}");
            assert_eq!(answer.headers()["www-authenticate"], "Bearer realm=\"todo\"");
            assert!(error["error"].is_string());
            let mut wrong = request(method, target, "");
            wrong.headers_mut().insert("authorization", "Bearer 0123456789abcdeF".parse().unwrap());
            let (answer, _) = send(&app, wrong).await;
            assert_eq!(answer.status(), 401, "{method} {target}");
            let challenge = "Bearer realm=\"todo\", error=\"invalid_token\"";
            assert_eq!(answer.headers()["www-authenticate"], challenge);
        }
        let mut right = request("GET", "/api/todos", "");
        right.headers_mut().insert("authorization", "Bearer 0123456789abcdef".parse().unwrap());
        assert_eq!(send(&app, right).await.0.status(), 500);
        for target in ["/", "/health", "/livez", "/metrics"] {
            assert_ne!(app.clone().call(request("GET", target, ""), None).await.status(), 401);
        }
        let mut preflight = request("OPTIONS", "/api/todos", "");
        preflight.headers_mut().insert("origin", "http://page.test".parse().unwrap());
        let (answer, _) = send(&app, preflight).await;
        assert_eq!(answer.status(), 204);
        let allowed = answer.headers()["access-control-allow-headers"].to_str().unwrap();
        assert!(
            allowed.ends_with(",Authorization,If-Match,If-None-Match,X-Request-Id"),
            "{allowed}"
        );
    });
}

#[test]
fn every_answer_has_the_id_that_the_client_gave_or_a_new_one() {
    run(async {
        let app = sample_app();
        let mut seen = Vec::new();
        for (target, given) in [
            ("/health", None),
            ("/nowhere", None),
            ("/%ff", None),
            ("/health", Some("a.b_c-1")),
            ("/nowhere", Some("a.b_c-1")),
            ("/health", Some("not one")),
        ] {
            let mut request = request("GET", target, "");
            if let Some(given) = given {
                request.headers_mut().insert("x-request-id", given.parse().unwrap());
            }
            let (answer, _) = send(&app, request).await;
            seen.push(answer.headers()["x-request-id"].to_str().unwrap().to_owned());
        }
        assert_eq!((seen[3].as_str(), seen[4].as_str()), ("a.b_c-1", "a.b_c-1"));
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 5, "{seen:?}");
    });
}

#[test]
fn every_failure_of_the_store_has_its_status_and_a_sentence() {
    run(async {
        for (failure, status) in [
            (StoreError::NotFound(7), 404),
            (StoreError::ConditionFailed(7), 412),
            (StoreError::TooLong, 400),
            (StoreError::Busy, 503),
            (StoreError::Full, 507),
            (StoreError::NoSpace, 507),
            (StoreError::Failed, 500),
        ] {
            let app = app(FailingStore(failure));
            for (method, target, body) in [
                ("GET", "/api/todos", ""),
                ("GET", "/api/todos?limit=1", ""),
                ("GET", "/api/todos/7", ""),
                ("POST", "/api/todos", r#"{"title":"x"}"#),
                ("PUT", "/api/todos/7", r#"{"title":"x"}"#),
                ("PATCH", "/api/todos/7", "{}"),
                ("DELETE", "/api/todos/7", ""),
                ("DELETE", "/api/todos?completed=true", ""),
            ] {
                let (answer, error) = send(&app, request(method, target, body)).await;
                assert_eq!(answer.status(), status, "{method} {target}");
                assert!(error["error"].is_string());
                assert_eq!(answer.headers().contains_key("retry-after"), status == 503);
            }
        }
    });
}
