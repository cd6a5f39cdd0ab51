//! JSON bodies of POST, PUT and PATCH: what comes of them is compared with what a reader of any JSON makes of the same.

#![no_main]

use fuzz::api::Api;
use libfuzzer_sys::{Corpus, fuzz_target};
use serde_json::{Value, json};

thread_local! {
    static API: Api = Api::new(&[]);
}

/// A field's value, if it can be one: `null` is no text.
enum Field {
    Missing,
    Text(String),
    Flag(bool),
    Wrong,
}

fn text(fields: &Value, key: &str, max_chars: usize) -> Field {
    match fields.get(key) {
        None | Some(Value::Null) => Field::Missing,
        Some(Value::String(text)) => {
            let text = if key == "title" { text.trim() } else { text };
            let is_blank = key == "title" && text.is_empty();
            let is_wrong = is_blank || text.contains('\0') || text.chars().count() > max_chars;
            if is_wrong { Field::Wrong } else { Field::Text(text.to_owned()) }
        }
        Some(_) => Field::Wrong,
    }
}

fn flag(fields: &Value) -> Field {
    match fields.get("completed") {
        None => Field::Missing,
        Some(Value::Bool(flag)) => Field::Flag(*flag),
        Some(_) => Field::Wrong,
    }
}

/// Title, description and completed of the todo that `fields` make of `before`. Nothing where they cannot be taken.
fn expected_todo(method: &str, fields: &Value, before: &Value) -> Option<Value> {
    let is_patch = method == "PATCH";
    let title = match text(fields, "title", 500) {
        Field::Text(title) => json!(title),
        Field::Missing if is_patch && fields.get("title").is_none() => before["title"].clone(),
        _ => return None,
    };
    let description = match text(fields, "description", 10_000) {
        Field::Text(description) => json!(description),
        Field::Missing if is_patch && fields.get("description").is_none() => {
            before["description"].clone()
        }
        Field::Missing => json!(""),
        _ => return None,
    };
    let completed = match flag(fields) {
        _ if method == "POST" => json!(false),
        Field::Flag(flag) => json!(flag),
        Field::Missing if is_patch => before["completed"].clone(),
        Field::Missing => json!(false),
        _ => return None,
    };
    Some(json!({ "title": title, "description": description, "completed": completed }))
}

fn run(api: &Api, method: &str, body: &[u8]) {
    let made = api.request("POST", "/api/todos", r#"{"title":"before","description":"d"}"#);
    let before = made.json()["todo"].clone();
    let path = |todo: &Value| format!("/api/todos/{}", todo["id"]);
    let target = if method == "POST" { "/api/todos".to_owned() } else { path(&before) };
    let answer = api.request(method, &target, body.to_vec());
    let is_done = matches!(answer.status, 200 | 201);
    // Deep nesting and huge numbers under keys that mean nothing are passed over, where a reader of everything gives up.
    if let Ok(fields) = serde_json::from_slice::<Value>(body) {
        let expected = Some(&fields).filter(|fields| fields.is_object());
        let expected = expected.and_then(|fields| expected_todo(method, fields, &before));
        assert_eq!(is_done, expected.is_some(), "{} for {fields}", answer.status);
        for (key, value) in expected.iter().filter_map(Value::as_object).flatten() {
            assert_eq!(answer.json()["todo"][key], *value, "{key}");
        }
    }
    if is_done {
        let todo = answer.json()["todo"].clone();
        let read = api.request("GET", &path(&todo), "");
        assert_eq!(read.json()["todo"], todo);
        assert_eq!(read.header("etag"), answer.header("etag"));
        // What the server wrote it can read, and nothing is different then.
        let again = api.request("PUT", &path(&todo), todo.to_string());
        assert_eq!((again.status, &again.json()["todo"]), (200, &todo));
        assert_eq!(again.header("etag"), answer.header("etag"));
        api.request("DELETE", &path(&todo), "");
    }
    api.request("DELETE", &path(&before), "");
}

fuzz_target!(|data: &[u8]| -> Corpus {
    let Some((first, body)) = data.split_first() else { return Corpus::Reject };
    let method = match first {
        b'0' => "POST",
        b'1' => "PUT",
        b'2' => "PATCH",
        _ => return Corpus::Reject,
    };
    API.with(|api| run(api, method, body));
    Corpus::Keep
});
