//! Long lists, pages and bodies, and the memory that they take. Runs inside WasmEdge.

// clippy.toml frees tests of this lint, but not their helpers.
#![allow(clippy::unwrap_used)]

mod common;

use std::rc::Rc;
use std::time::Duration;

use common::*;
use http_server::Service;
use hyper::body::{Bytes, HttpBody as _};
use hyper::{Body, Response};
use serde_json::json;
use todo::http::{App, RequestLimits};
use todo_model::{Description, NewTodo, Title};
use todo_store::{AnyStore, Store as _};

/// A store with `count` todos of 10,000 characters each, and the samples.
async fn store_of_long_todos(count: usize) -> Rc<AnyStore> {
    let store = memory(usize::MAX);
    let description = Description::parse(&"\u{1}".repeat(Description::MAX_CHARS)).unwrap();
    for _ in 0..count {
        let title = Title::parse("x").unwrap();
        store.create(NewTodo { title, description: description.clone() }, None).await.unwrap();
    }
    Rc::new(store)
}

#[test]
fn a_page_that_would_be_too_long_is_shortened_and_leads_on() {
    run(async {
        let app = app_with(store_of_long_todos(100).await, None, LIMITS);
        let (mut target, mut seen, mut pages) = ("/api/todos?limit=1000".to_owned(), Vec::new(), 0);
        loop {
            let (answer, page) = send(&app, request("GET", &target, "")).await;
            assert_eq!((answer.status().as_u16(), &page["total"]), (200, &json!(102)));
            assert!(page.to_string().len() < 1_200_000);
            seen.extend(page["todos"].as_array().unwrap().iter().map(|todo| todo["id"].clone()));
            pages += 1;
            let link = answer.headers().get("link").map(|link| link.to_str().unwrap());
            let Some(next) = link.and_then(|link| link.split(", ").find(|l| l.contains("next")))
            else {
                break;
            };
            target = next.trim_start_matches('<').split('>').next().unwrap().to_owned();
        }
        assert_eq!(seen, (1..=102).map(|id| json!(id)).collect::<Vec<_>>());
        assert!(pages > 5);
    });
}

#[test]
fn a_long_list_is_streamed_whole() {
    run(async {
        let app = app_with(store_of_long_todos(300).await, None, LIMITS);
        let answer = app.clone().call(request("GET", "/api/todos", ""), None).await;
        assert_eq!(answer.body().len(), None, "its length is not known before");
        let (_, list) = send(&app, request("GET", "/api/todos", "")).await;
        let ids: Vec<_> =
            list["todos"].as_array().unwrap().iter().map(|t| t["id"].clone()).collect();
        assert_eq!(ids, (1..=302).map(|id| json!(id)).collect::<Vec<_>>());
        assert_eq!(list["total"], 302);
    });
}

/// It would be sent on its own and wait 40 ms for an acknowledgement.
#[test]
fn nothing_short_follows_the_text_of_a_long_list() {
    run(async {
        let app = app_with(store_of_long_todos(10).await, None, LIMITS);
        let mut body = app.clone().call(request("GET", "/api/todos", ""), None).await.into_body();
        let mut parts = Vec::new();
        while let Some(part) = body.data().await {
            parts.push(part.unwrap().len());
        }
        assert!(parts.last().is_some_and(|last| *last > 16 * 1024), "{parts:?}");
    });
}

#[test]
fn what_does_not_fit_into_memory_is_refused_until_it_does() {
    run(async {
        let limits = RequestLimits { max_buffer_bytes: 1024 * 1024, ..LIMITS };
        let app = app_with(store_of_long_todos(300).await, None, limits);
        let ask = || app.clone().call(request("GET", "/api/todos", ""), None);
        let mut held = Vec::new();
        let refused = loop {
            let answer = ask().await;
            if answer.status() != 200 {
                break answer;
            }
            held.push(answer);
            assert!(held.len() < 10);
        };
        assert_eq!(refused.status(), 503);
        assert_eq!(refused.headers()["retry-after"], "1");
        let body = json!({ "title": "x", "more": "x".repeat(60_000) }).to_string();
        let refused = loop {
            // Bodies come out of the same memory: these stay unfinished.
            let (mut sender, unfinished) = Body::channel();
            let call = app.clone().call(request("POST", "/api/todos", unfinished), None);
            let call = tokio::task::spawn_local(call);
            let sent = sender.send_data(Bytes::from(body.clone())).await;
            tokio::task::yield_now().await;
            if sent.is_err() || call.is_finished() {
                break call.await.unwrap();
            }
            held.push(Response::default());
            std::mem::forget(sender);
            assert!(held.len() < 40);
        };
        assert_eq!(refused.status(), 503);
        held.clear();
        tokio::time::sleep(Duration::from_millis(150)).await;
        assert_eq!(ask().await.status(), 200);
        let (answer, _) = send(&app, request("POST", "/api/todos", body)).await;
        assert_eq!(answer.status(), 201);
    });
}

#[test]
fn a_list_is_made_once_until_something_changes() {
    run(async {
        let app = sample_app();
        let total = async |app: &Rc<App>| {
            send(app, request("GET", "/api/todos", "")).await.1["todos"].as_array().unwrap().len()
        };
        assert_eq!((total(&app).await, total(&app).await), (2, 2));
        send(&app, request("POST", "/api/todos", r#"{"title":"x"}"#)).await;
        assert_eq!(total(&app).await, 3);
        send(&app, request("DELETE", "/api/todos/1", "")).await;
        assert_eq!(total(&app).await, 2);
    });
}
