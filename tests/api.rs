//! The whole service without sockets. Runs inside WasmEdge.

mod common;

use common::*;
use http_server::{Refusal, Service};
use hyper::Body;
use hyper::body::Bytes;
use serde_json::{Value, json};
use std::rc::Rc;
use todo::http::App;
use todo_store::{AnyStore, ChangeError, FailingStore, StoreError};

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
fn a_request_with_a_key_can_be_sent_again() {
    run(async {
        let app = sample_app();
        let post = async |body: &str, keys: &[&str]| {
            let mut request = request("POST", "/api/todos", body.to_owned());
            for key in keys {
                request.headers_mut().append("idempotency-key", key.parse().unwrap());
            }
            send(&app, request).await
        };
        let (first, created) = post(r#"{"title":"a"}"#, &["\"k\""]).await;
        assert_eq!(first.status(), 201);
        let mut patch = request("PATCH", "/api/todos/3", r#"{"title":"b"}"#);
        // Where a key means nothing it may be anything.
        patch.headers_mut().insert("idempotency-key", "\"".parse().unwrap());
        assert_eq!(send(&app, patch).await.0.status(), 200);
        for (body, key) in [(r#"{"title":"a"}"#, "\"k\""), (r#"{"more":1,"title":" a "}"#, "k")] {
            let (again, repeated) = post(body, &[key]).await;
            assert_eq!((again.status().as_u16(), &repeated), (201, &created));
            for name in ["location", "etag"] {
                assert_eq!(again.headers()[name], first.headers()[name]);
            }
        }
        let (answer, error) = post(r#"{"title":"b"}"#, &["k"]).await;
        let sentence = "the idempotency-key was used before, for another title or description";
        assert_eq!((answer.status().as_u16(), &error["error"]), (422, &json!(sentence)));
        for keys in [&["\""][..], &["\"k\"", "\"k\""], &["k", "k"], &["k,k"], &["k k"]] {
            let (answer, error) = post(r#"{"title":"a"}"#, keys).await;
            assert_eq!(answer.status(), 400);
            assert!(error["error"].as_str().unwrap().starts_with("idempotency-key "), "{error}");
        }
        let (_, list) = send(&app, request("GET", "/api/todos", "")).await;
        assert_eq!(list["total"], 3);
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
        (Refusal::TooManyOfClient, 429),
    ] {
        let answer = app.refuse(refusal, None);
        assert_eq!(answer.status(), status);
        assert_eq!(answer.headers()["content-type"], "application/json; charset=utf-8");
        assert_eq!(answer.headers().contains_key("retry-after"), matches!(status, 429 | 503));
        assert!(answer.headers().contains_key("x-request-id"));
        let body: Value = serde_json::from_slice(answer.body()).unwrap();
        assert!(body["error"].is_string());
    }
}

#[test]
fn a_server_whose_store_fails_is_alive_and_not_ready() {
    run(async {
        let app = app(failing(StoreError::Unavailable));
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
        let app =
            app_with(Rc::new(failing(StoreError::Unavailable)), Some("0123456789abcdef"), LIMITS);
        for (method, target) in [
            ("GET", "/api/todos"),
            ("POST", "/api/todos"),
            ("DELETE", "/%61pi/todos?completed=true"),
            ("GET", "/api/todos/7/"),
            ("BREW", "/api/todos/7"),
            ("OPTIONS", "/api/todos"),
            ("GET", "/api/nowhere"),
            ("GET", "/nowhere"),
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
        preflight.headers_mut().insert("access-control-request-method", "PUT".parse().unwrap());
        let (answer, _) = send(&app, preflight).await;
        assert_eq!(answer.status(), 204);
        let allowed = answer.headers()["access-control-allow-headers"].to_str().unwrap();
        assert!(
            allowed.ends_with(",If-None-Match,Idempotency-Key,Authorization,X-Request-Id"),
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
    let changes = [
        ("PUT", "/api/todos/7", r#"{"title":"x"}"#),
        ("PATCH", "/api/todos/7", "{}"),
        ("DELETE", "/api/todos/7", ""),
    ];
    let others = [
        ("GET", "/api/todos", ""),
        ("GET", "/api/todos?limit=1", ""),
        ("GET", "/api/todos/7", ""),
        ("POST", "/api/todos", r#"{"title":"x"}"#),
        ("DELETE", "/api/todos?completed=true", ""),
    ];
    run(async {
        for (failure, status) in [
            (ChangeError::NotFound, 404),
            (ChangeError::ConditionFailed, 412),
            (ChangeError::Store(StoreError::Full), 507),
            (ChangeError::Store(StoreError::NoSpace), 507),
            (ChangeError::Store(StoreError::Unavailable), 500),
            (ChangeError::Store(StoreError::Unreachable), 503),
            (ChangeError::Store(StoreError::Busy), 503),
            (ChangeError::Store(StoreError::Undecided), 503),
        ] {
            let app = app(AnyStore::Failing(FailingStore(failure)));
            let others = others.iter().filter(|_| matches!(failure, ChangeError::Store(_)));
            for &(method, target, body) in changes.iter().chain(others) {
                let (answer, error) = send(&app, request(method, target, body)).await;
                assert_eq!(answer.status(), status, "{method} {target}");
                assert!(error["error"].is_string());
            }
        }
    });
}

#[test]
fn entity_tags_of_another_store_match_nothing() {
    run(async {
        let etag = async |app: &Rc<App>| {
            let (answer, _) = send(app, request("GET", "/api/todos/1", "")).await;
            answer.headers()["etag"].clone()
        };
        // The same todo, at the same revision, of a server that was started anew.
        let (before, after) = (sample_app(), sample_app());
        let old = etag(&before).await;
        assert_ne!(etag(&after).await, old);
        let mut get = request("GET", "/api/todos/1", "");
        get.headers_mut().insert("if-none-match", old.clone());
        assert_eq!(send(&after, get).await.0.status(), 200);
        let mut patch = request("PATCH", "/api/todos/1", r#"{"title":"x"}"#);
        patch.headers_mut().insert("if-match", old);
        assert_eq!(send(&after, patch).await.0.status(), 412);
    });
}

#[test]
fn every_answer_of_the_root_varies_by_what_is_accepted() {
    run(async {
        let app = sample_app();
        for (method, header, value, status) in [
            ("GET", "accept", "text/html", 200),
            ("GET", "accept", "*/*", 200),
            ("GET", "if-match", "x", 200),
            ("POST", "accept", "*/*", 405),
            ("OPTIONS", "accept", "*/*", 204),
        ] {
            let mut request = request(method, "/", "");
            request.headers_mut().insert(header, value.parse().unwrap());
            let answer = app.clone().call(request, None).await;
            assert_eq!(answer.status(), status, "{method} {header}: {value}");
            assert_eq!(answer.headers()["vary"], "Accept, Accept-Encoding");
        }
        for (value, status) in [("x", 400), ("\"x\"", 412)] {
            let mut request = request("GET", "/", "");
            request.headers_mut().insert("accept", "text/html".parse().unwrap());
            request.headers_mut().insert("if-match", value.parse().unwrap());
            let answer = app.clone().call(request, None).await;
            assert_eq!(answer.status(), status);
            assert_eq!(answer.headers()["vary"], "Accept, Accept-Encoding");
        }
    });
}
