//! The whole API as clients see it, held against `golden/contract.txt` and the API's own description.
//!
//! `UPDATE_GOLDEN=1` in the environment writes that file anew, for a reader to compare.

use std::fmt::Write as _;
use std::fs;

use e2e::{Description, Postgres, Response, Server, repository};
use regex_lite::Regex;
use serde_json::Value;

/// Headers that are part of the contract.
const HEADERS: [&str; 12] = [
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "access-control-max-age",
    "allow",
    "connection",
    "content-type",
    "etag",
    "link",
    "location",
    "vary",
];

struct Transcript {
    text: String,
    server: Server,
    description: Description,
    /// Of the store; it stands as `EPOCH` in the transcript.
    epoch: String,
}

impl Transcript {
    fn request(&mut self, method: &str, target: &str, headers: &[&str], body: impl AsRef<[u8]>) {
        let body = body.as_ref();
        let sent: Vec<_> =
            headers.iter().map(|header| header.replace("EPOCH", &self.epoch)).collect();
        let sent: Vec<_> = sent.iter().map(String::as_str).collect();
        let response = self.server.connect().request(method, target, &sent, body);
        self.description.check(method, target, &sent, &response);
        writeln!(self.text, "> {method} {target}").unwrap();
        for header in headers {
            writeln!(self.text, "> {header}").unwrap();
        }
        if !body.is_empty() {
            let body = match std::str::from_utf8(body) {
                Ok(text) => text.replace('\n', "\\n"),
                Err(_) => body.escape_ascii().to_string(),
            };
            writeln!(self.text, "> {body}").unwrap();
        }
        let described = describe(&response).replace(&self.epoch, "EPOCH");
        writeln!(self.text, "{described}\n").unwrap();
    }

    fn get(&mut self, target: &str) {
        self.request("GET", target, &[], "");
    }

    fn post(&mut self, body: impl AsRef<[u8]>) {
        self.request("POST", "/api/todos", &[], body);
    }
}

fn describe(response: &Response) -> String {
    let mut text = format!("< {}", response.status);
    for name in HEADERS {
        if let Some(value) = response.header(name) {
            write!(text, "\n< {name}: {value}").unwrap();
        }
    }
    if !response.body.is_empty() {
        let mut body = response.json();
        replace_what_varies(&mut body);
        write!(text, "\n< {body}").unwrap();
    }
    text
}

/// Puts names in place of values that are never the same, if they have the form that the contract gives them.
fn replace_what_varies(value: &mut Value) {
    let timestamp = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,8}[1-9])?Z$";
    let duration = r"^(\d+h)?(\d+m)?\d+(\.\d{0,8}[1-9])?(s|ms|µs|ns)$";
    let form = |key: &str| match key {
        "timestamp" | "created_at" => Some(timestamp),
        "uptime" => Some(duration),
        // These depend on where the tests run the module: natively or not, with a folder for data or without.
        "store" => Some("^(memory|redb|postgres)$"),
        "rust_version" => Some(r"^1\.\d+\.\d+"),
        "memory_mb" => Some(r"^[1-9]\d?$"),
        "tasks" => Some(r"^[1-9]\d?$"),
        _ => None,
    };
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                match form(key) {
                    Some(form) => {
                        let is_number = value.is_number();
                        let text = value.as_str().map_or_else(|| value.to_string(), Into::into);
                        assert!(Regex::new(form).unwrap().is_match(&text), "{key}: {value}");
                        let kind = if is_number { "number" } else { "string" };
                        *value = format!("<{kind}>").into();
                    }
                    None => replace_what_varies(value),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(replace_what_varies),
        _ => {}
    }
}

#[test]
fn the_answers_are_those_of_the_golden_file() {
    compare(Server::start());
}

#[test]
fn the_answers_are_the_same_with_a_database() {
    let database = Postgres::start();
    compare(Server::builder().set("DATABASE_URL", database.url()).start());
}

fn compare(server: Server) {
    let etag = server.connect().get("/api/todos/1").header("etag").unwrap().to_owned();
    let epoch = etag.trim_matches('"').split('-').next().unwrap().to_owned();
    let description = Description::read();
    let mut api = Transcript { text: String::new(), server, description, epoch };

    api.get("/");
    api.request("GET", "/", &["Accept: application/json, text/html;q=0.9"], "");
    api.get("/health");
    api.get("/health/");
    api.get("/livez");
    api.get("/readyz");
    api.get("/api/todos");
    api.get("/api/todos/");

    api.post(r#"{"title":"x","description":"y"}"#);
    api.post(r#"{"title":"  장보기  ","id":99,"completed":true,"created_at":"never","more":[1e999,"\udc00"]}"#);
    api.request("POST", "/api/todos/", &["Content-Type: text/plain"], r#"{"title":"z"}"#);
    api.get("/api/todos");

    api.post("");
    api.post("{");
    api.post(r#"{"title":"#);
    api.post(r#"{"description":"y"}"#);
    api.post(r#"{"title":null}"#);
    api.post(r#"{"title":""}"#);
    api.post(r#"{"title":" \t\n"}"#);
    api.post(r#"{"title":7}"#);
    api.post(r#"{"title":"x","description":["y"]}"#);
    api.post(r#"{"title":"a\u0000b"}"#);
    api.post(r#"{"title":"x"} and more"#);
    api.post(r#"{"title":"x",}"#);
    api.post(r#"["title"]"#);
    api.post("\"title\"");
    api.post(b"{\"title\":\"\xff\"}");
    api.post(r#"{"title":"\ud800"}"#);

    let one = "/api/todos/3";
    api.get(one);
    api.get("/api/todos/3/");
    api.request("GET", one, &["If-None-Match: \"EPOCH-1\""], "");
    api.request("GET", one, &["If-None-Match: W/\"EPOCH-1\", \"EPOCH-7\""], "");
    api.request("GET", one, &["If-None-Match: \"EPOCH-2\""], "");
    api.request("GET", one, &["If-Match: \"EPOCH-2\""], "");
    api.request("PUT", one, &[], r#"{"title":"put","description":"d","completed":true}"#);
    api.request("PUT", one, &["If-Match: \"EPOCH-1\""], r#"{"title":"late"}"#);
    api.request("PUT", one, &["If-Match: \"EPOCH-2\""], r#"{"title":"put again"}"#);
    api.request("PUT", one, &["If-None-Match: *"], r#"{"title":"x"}"#);
    api.request("PUT", one, &["If-Match: 3"], r#"{"title":"x"}"#);
    api.request("PUT", one, &[], r#"{"description":"y"}"#);
    api.request("PUT", one, &[], r#"{"title":"x","completed":null}"#);
    api.request("PUT", "/api/todos/99", &[], r#"{"title":"x"}"#);
    api.request("PATCH", one, &[], r#"{"description":"patched"}"#);
    api.request("PATCH", one, &[], r#"{"completed":true,"id":9,"more":1}"#);
    api.request("PATCH", one, &["If-Match: *"], r#"{"description":null}"#);
    api.request("PATCH", one, &[], "{}");
    api.request("PATCH", one, &["If-Match: \"EPOCH-1\", \"EPOCH-2\""], r#"{"title":"late"}"#);
    api.request("PATCH", one, &[], r#"{"title":null}"#);
    api.request("PATCH", one, &[], r#"{"completed":"yes"}"#);
    api.request("PATCH", one, &[], r#"[{"op":"remove","path":"/title"}]"#);
    api.request("PATCH", "/api/todos/99", &[], "{}");

    api.get("/api/todos?completed=true");
    api.get("/api/todos?completed=false&sort=-title&limit=2");
    api.get("/api/todos?completed=false&sort=-title&limit=2&offset=2");
    api.get("/api/todos?q=DOCKER");
    api.get("/api/todos?q=%EC%9E%A5&sort=-created_at");
    api.get("/api/todos?limit=1&offset=99");
    api.get("/api/todos?unknown=1");
    api.get("/api/todos?limit=0");
    api.get("/api/todos?offset=-1");
    api.get("/api/todos?completed=maybe");
    api.get("/api/todos?sort=size");
    api.get("/api/todos?q=a&q=b");

    api.request("DELETE", one, &["If-Match: \"EPOCH-1\""], "");
    api.request("DELETE", one, &[], "");
    api.request("DELETE", one, &[], "");
    api.get(one);
    api.request("DELETE", "/api/todos", &[], "");
    api.request("DELETE", "/api/todos?completed=false", &[], "");
    api.request("DELETE", "/api/todos?completed=true", &[], "");
    api.request("DELETE", "/api/todos?completed=true", &[], "");
    api.get("/api/todos");
    api.post(r#"{"title":"ids go on"}"#);

    api.request("HEAD", "/api/todos/events", &[], "");
    api.request("HEAD", "/api/todos/events?last_event_id=1&last_event_id=2", &[], "");
    api.request("POST", "/api/todos/events", &[], "{}");

    for id in ["abc", "0", "-1", "01", "1.0", "99999999999999999999999"] {
        api.get(&format!("/api/todos/{id}"));
    }
    api.request("POST", "/api/todos/1", &[], "{}");

    api.get("/nowhere");
    api.get("/api");
    api.get("/api/todos//");
    api.request("PUT", "/health", &[], "");
    api.request("PATCH", "/api/todos", &[], "{}");
    api.request("BREW", "/", &[], "");

    let origin = "Origin: http://page.test";
    api.request("GET", "/health", &[origin], "");
    api.request("GET", "/nowhere", &[origin], "");
    api.request("POST", "/api/todos", &[origin], "{}");
    api.request("OPTIONS", "/api/todos", &[origin, "Access-Control-Request-Method: POST"], "");
    api.request("OPTIONS", "/nowhere", &[origin, "Access-Control-Request-Method: POST"], "");
    api.request("OPTIONS", "/api/todos", &[], "");
    api.request("OPTIONS", "*", &[], "");
    api.get("/%68ealth");
    api.get("/%ff");

    let key = "Idempotency-Key: \"8e03978e-40d5\"";
    api.request("POST", "/api/todos", &[key], r#"{"title":"once","description":"d"}"#);
    api.request("POST", "/api/todos", &[key], r#"{"description":"d","title":" once "}"#);
    let bare = "Idempotency-Key: 8e03978e-40d5";
    api.request("POST", "/api/todos", &[bare], r#"{"title":"once","description":"d"}"#);
    api.request("POST", "/api/todos", &[key], r#"{"title":"once"}"#);
    api.request("POST", "/api/todos", &[key, key], r#"{"title":"once","description":"d"}"#);
    api.request("POST", "/api/todos", &["Idempotency-Key: \"no end"], r#"{"title":"x"}"#);
    api.request("GET", "/api/todos", &["Idempotency-Key: \"no end"], "");

    let path = repository().join("e2e/golden/contract.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &api.text).unwrap();
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    for (number, (now, before)) in (1..).zip(api.text.lines().zip(golden.lines())) {
        assert_eq!(now, before, "line {number}; UPDATE_GOLDEN=1 writes {} anew", path.display());
    }
    assert_eq!(api.text.lines().count(), golden.lines().count());
}

#[test]
fn lengths_are_counted_in_characters() {
    let server = Server::start();
    let mut client = server.connect();
    let mut post = |title: &str, description: &str| {
        let body = format!(r#"{{"title":"{title}","description":"{description}"}}"#);
        client.post("/api/todos", body)
    };
    assert_eq!(post(&"가".repeat(500), &"🦀".repeat(10_000)).status, 201);
    assert_eq!(post(&"가".repeat(501), "").error(), "title must have at most 500 characters");
    let long = post("x", &"가".repeat(10_001));
    assert_eq!(long.error(), "description must have at most 10000 characters");
}
