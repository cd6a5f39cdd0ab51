//! Server-sent events without sockets. Runs inside WasmEdge.

// clippy.toml frees tests of this lint, but not their helpers.
#![allow(clippy::unwrap_used)]

mod common;

use std::rc::Rc;
use std::time::Duration;

use common::*;
use http_server::{ResponseBody, Service};
use hyper::Request;
use hyper::body::HttpBody;
use serde_json::{Value, json};
use todo::http::{App, RequestLimits};
use todo_store::StoreError;
use tokio::time::timeout;

const EVENTS: &str = "/api/todos/events";

/// One event: its fields, without those that are not there.
#[derive(Debug, Default)]
struct Event {
    id: String,
    name: String,
    data: Value,
}

struct Reader {
    body: ResponseBody,
    text: String,
}

impl Reader {
    async fn new(app: &Rc<App>, headers: &[(&'static str, &str)]) -> Self {
        let mut request = request("GET", EVENTS, "");
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        Self::of(app, request).await
    }

    async fn of(app: &Rc<App>, request: Request<hyper::Body>) -> Self {
        let answer = app.clone().call(request, None).await;
        assert_eq!(answer.status(), 200);
        Self { body: answer.into_body(), text: String::new() }
    }

    /// The next block; `None` at the end.
    async fn block(&mut self) -> Option<Event> {
        while !self.text.contains("\n\n") {
            let chunk = timeout(Duration::from_secs(60), self.body.data()).await.unwrap()?;
            self.text.push_str(std::str::from_utf8(&chunk.unwrap()).unwrap());
        }
        let (block, rest) = self.text.split_once("\n\n").unwrap();
        let mut event = Event::default();
        for line in block.lines() {
            // Without a field it is a comment.
            match line.split_once(": ").unwrap_or(("retry", "2000")) {
                ("id", id) => event.id = id.to_owned(),
                ("event", name) => event.name = name.to_owned(),
                ("data", data) => event.data = serde_json::from_str(data).unwrap(),
                field => assert_eq!(field, ("retry", "2000")),
            }
        }
        self.text = rest.to_owned();
        Some(event)
    }

    /// The next event with data.
    async fn event(&mut self) -> Event {
        loop {
            let event = self.block().await.unwrap();
            if !event.name.is_empty() {
                return event;
            }
        }
    }
}

async fn post(app: &Rc<App>, title: &str) -> Value {
    let body = json!({ "title": title }).to_string();
    let (answer, created) = send(app, request("POST", "/api/todos", body)).await;
    assert_eq!(answer.status(), 201);
    let etag = answer.headers()["etag"].to_str().unwrap();
    json!({ "todo": created.get("todo").unwrap(), "etag": etag })
}

#[test]
fn every_change_becomes_an_event() {
    run(async {
        let app = sample_app();
        let answer = app.clone().call(request("GET", EVENTS, ""), None).await;
        for (name, value) in [
            ("content-type", "text/event-stream"),
            ("cache-control", "no-store"),
            ("x-accel-buffering", "no"),
        ] {
            assert_eq!(answer.headers()[name], value);
        }
        let mut reader = Reader { body: answer.into_body(), text: String::new() };
        let created = post(&app, "a\r\nb\u{2028}").await;
        let event = reader.event().await;
        assert_eq!((event.name.as_str(), event.data), ("todo", created));

        let patch = request("PATCH", "/api/todos/3", r#"{"completed":true}"#);
        let (answer, updated) = send(&app, patch).await;
        let etag = answer.headers()["etag"].to_str().unwrap();
        let event = reader.event().await;
        assert_eq!(event.data, json!({ "todo": updated["todo"], "etag": etag }));

        send(&app, request("DELETE", "/api/todos/1", "")).await;
        let event = reader.event().await;
        assert_eq!((event.name.as_str(), event.data), ("deleted", json!({ "id": 1 })));
    });
}

#[test]
fn who_comes_back_gets_what_it_has_missed_and_then_what_comes() {
    run(async {
        let app = sample_app();
        let mut reader = Reader::new(&app, &[]).await;
        // Nothing has happened yet, and the client knows where to go on.
        let start = reader.block().await.unwrap().id;
        post(&app, "a").await;
        let first = reader.event().await.id;
        drop(reader);
        for title in ["b", "c"] {
            post(&app, title).await;
        }
        for (last, missed) in [(&start, &["a", "b", "c"][..]), (&first, &["b", "c"])] {
            let by_header = Reader::new(&app, &[("last-event-id", last)]).await;
            let target = format!("{EVENTS}?last_event_id={last}");
            let by_parameter = Reader::of(&app, request("GET", &target, "")).await;
            for mut reader in [by_header, by_parameter] {
                for title in missed {
                    assert_eq!(reader.event().await.data["todo"]["title"], *title);
                }
                let next = post(&app, "next").await;
                // Those before it are of the readers before.
                while reader.event().await.data != next {}
            }
        }
    });
}

#[test]
fn who_cannot_be_told_what_it_has_missed_begins_anew() {
    run(async {
        let app = sample_app();
        let start = Reader::new(&app, &[]).await.block().await.unwrap().id;
        let (stream, number) = start.split_once('-').unwrap();
        let later = format!("{stream}-{}", number.parse::<u64>().unwrap() + 1);
        let other = format!("0000000000000007-{number}");
        for last in [later.as_str(), &other, "7", "no id at all", "\u{e9}"] {
            let mut reader = Reader::new(&app, &[("last-event-id", last)]).await;
            let event = reader.event().await;
            let found = (event.name.as_str(), event.data, event.id.as_str());
            assert_eq!(found, ("reset", json!({}), start.as_str()), "{last}");
        }
        // One change more than are kept.
        for number in 0..1_025 {
            let (id, title) = (number % 2 + 1, number / 2);
            let body = format!(r#"{{"title":"{title}"}}"#);
            send(&app, request("PATCH", &format!("/api/todos/{id}"), body)).await;
        }
        let mut reader = Reader::new(&app, &[("last-event-id", &start)]).await;
        assert_eq!(reader.event().await.name, "reset");
        // So do those who read all the time, and only then it goes on.
        post(&app, "x").await;
        assert_eq!(reader.event().await.name, "reset");
        let created = post(&app, "y").await;
        assert_eq!(reader.event().await.data, created);
    });
}

#[test]
fn a_reader_that_is_too_slow_is_told_so_and_its_response_ends() {
    run(async {
        let app = app(memory(1_000_000));
        let (mut slow, mut fast) = (Reader::new(&app, &[]).await, Reader::new(&app, &[]).await);
        slow.block().await;
        let mut last = String::new();
        // One event more than are kept, each by itself.
        for _ in 0..1_025 {
            post(&app, "x").await;
            last = fast.event().await.id;
        }
        let event = slow.event().await;
        assert_eq!((event.name.as_str(), event.data), ("reset", json!({})));
        assert_eq!(event.id, last);
        assert!(slow.block().await.is_none());
        let created = post(&app, "x").await;
        assert_eq!(fast.event().await.data, created);
        let metrics = metrics(&app).await;
        for line in ["event_readers 1", "event_readers_dropped_total 1", "events_total 1026"] {
            assert!(metrics.lines().any(|found| found == line), "{line} in {metrics}");
        }
    });
}

async fn metrics(app: &Rc<App>) -> String {
    let mut body = app.clone().call(request("GET", "/metrics", ""), None).await.into_body();
    let mut text = String::new();
    while let Some(chunk) = body.data().await {
        text.push_str(std::str::from_utf8(&chunk.unwrap()).unwrap());
    }
    text
}

#[test]
fn there_is_an_end_to_the_number_of_readers() {
    run(async {
        let app = sample_app();
        let mut readers = Vec::new();
        for _ in 0..LIMITS.max_event_readers {
            readers.push(Reader::new(&app, &[]).await);
        }
        let (answer, error) = send(&app, request("GET", EVENTS, "")).await;
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["retry-after"]),
            (503, &"1".parse().unwrap())
        );
        assert_eq!(error, json!({ "error": "too many clients read events, try again later" }));
        readers.pop();
        Reader::new(&app, &[]).await;
    });
}

#[test]
fn without_memory_readers_begin_anew() {
    run(async {
        let limits = RequestLimits { max_buffer_bytes: 10_000, ..LIMITS };
        let app = app_with(Rc::new(memory(100_000)), None, limits);
        let mut reader = Reader::new(&app, &[]).await;
        // The request fits, and the event has more around the texts.
        let body = json!({ "title": "x", "description": "x".repeat(9_900) }).to_string();
        let (answer, _) = send(&app, request("POST", "/api/todos", body)).await;
        assert_eq!(answer.status(), 201);
        assert_eq!(reader.event().await.name, "reset");
        assert!(reader.block().await.is_none());
    });
}

#[test]
fn a_store_that_fails_has_no_events() {
    run(async {
        for (error, status) in [(StoreError::Unavailable, 500), (StoreError::Unreachable, 503)] {
            let app = app(failing(error));
            let (answer, error) = send(&app, request("GET", EVENTS, "")).await;
            assert_eq!(answer.status(), status);
            assert!(error["error"].is_string());
            assert!(metrics(&app).await.contains("\nevent_readers 0\n"));
        }
    });
}

#[test]
fn head_is_answered_at_once() {
    run(async {
        let app = sample_app();
        let answer = app.clone().call(request("HEAD", EVENTS, ""), None).await;
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        assert!(answer.into_body().data().await.is_none());
    });
}
