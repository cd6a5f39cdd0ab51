//! The access log in the face of clients that want other lines in it; request ids; who the client is.

use e2e::Server;
use regex_lite::Regex;
use serde_json::Value;

/// Requests that try to end a line, to hide one, to add words or fields to one, or to take over a terminal.
const FORGERIES: [&str; 10] = [
    "GET /a%0d%0a2026-11-22T00:00:00.000Z%20200%201s%2010.0.0.1%20GET%20/forged HTTP/1.1",
    "GET /a\"} HTTP/1.1\r\nX-Request-Id: a\"},{\"level\":\"forged",
    "GET /\"status\":200,\"x\":\"\\ HTTP/1.1",
    "GET /?q=\"}%0a{\"level\":\"forged\" HTTP/1.1",
    "GET /\u{2028}\u{85}\u{202e}forged\u{1f980} HTTP/1.1",
    "GET /a HTTP/1.1\r\nX-Request-Id: a b c",
    "GET /a HTTP/1.1\r\nX-Request-Id: \u{2028}\u{202e}forged",
    "GET /a HTTP/1.1\r\nX-Request-Id:\tx\tforged",
    "GET /a HTTP/1.1\r\nX-Forwarded-For: 10.0.0.1 200 forged, \", 1.2.3.4\u{2028}",
    "GE`|~'T /a HTTP/1.1\r\nUser-Agent: \u{9b}2Jforged",
];

/// Bytes that no HTTP/1.1 request has.
const MALFORMED: [&str; 5] = [
    "GET /\u{1b}[2Jforged HTTP/1.1",
    "GET /a\rforged HTTP/1.1",
    "GET /a HTTP/1.1\r\nX-Request-Id: \u{1b}[31mforged",
    "G\"T /a HTTP/1.1",
    "2026-11-22T00:00:00.000Z 200 1s 10.0.0.1 GET /forged",
];

/// Sends all of them, and gives the lines about them.
fn attack(server: &Server) -> Vec<String> {
    for request in FORGERIES {
        let mut client = server.connect();
        client.send(format!("{request}\r\nHost: test\r\n\r\n"));
        let status = client.response().status;
        assert!([200, 400, 404].contains(&status), "{request:?}: {status}");
    }
    for request in MALFORMED {
        let mut client = server.connect();
        client.send(format!("{request}\r\nHost: test\r\n\r\n"));
        assert_eq!(client.response().status, 400, "{request:?}");
    }
    server.connect().get("/?last");
    server.wait_for_log("last", 1);
    let output = server.output();
    output
        .lines()
        .skip_while(|line| !line.contains(" listens on "))
        .skip(1)
        .map(Into::into)
        .collect()
}

#[test]
fn a_client_cannot_forge_a_line_of_text() {
    let server = Server::builder().set("TRUSTED_PROXIES", "127.0.0.1").start();
    let lines = attack(&server);
    assert_eq!(lines.len(), FORGERIES.len() + MALFORMED.len() + 1, "{lines:#?}");
    let form = concat!(
        r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z [2-5]\d\d [0-9.]+(s|ms|µs|ns) ",
        r"127\.0\.0\.1 (GET|GE`\|~'T|-) (/[!-~]*|-) [0-9a-f]{12}-\d+$"
    );
    let form = Regex::new(form).unwrap();
    for line in lines {
        assert!(form.is_match(&line), "{line:?}");
    }
}

#[test]
fn a_client_cannot_forge_a_line_of_json() {
    let server =
        Server::builder().set("LOG_FORMAT", "json").set("TRUSTED_PROXIES", "127.0.0.1").start();
    let lines = attack(&server);
    assert_eq!(lines.len(), FORGERIES.len() + MALFORMED.len() + 1, "{lines:#?}");
    let keys = [
        "bytes",
        "client",
        "duration_ms",
        "level",
        "method",
        "path",
        "query",
        "request_id",
        "route",
        "status",
        "time",
    ];
    for line in lines {
        assert!(line.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{line:?}");
        let value: Value = serde_json::from_str(&line).unwrap();
        let mut found: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
        found.sort_unstable();
        assert_eq!(found, keys, "{line}");
        assert_eq!(
            (value["level"].as_str(), value["client"].as_str()),
            (Some("info"), Some("127.0.0.1"))
        );
    }
}

#[test]
fn every_line_is_json_where_it_is_to_be() {
    let server = Server::builder().set("LOG_FORMAT", "json").start();
    let answer = server.connect().request("POST", "/api/todos/?x=1", &["X-Request-Id: abc"], b"{}");
    assert_eq!(answer.status, 400);
    server.connect().request("HEAD", "/health", &[], b"");
    server.wait_for_log("HEAD", 1);
    let lines: Vec<Value> =
        server.output().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines[0]["message"].as_str().unwrap().starts_with("todos are in memory"));
    assert!(lines[1]["message"].as_str().unwrap().contains(" listens on http://127.0.0.1:"));
    let line = &lines[2];
    let expected: [(&str, Value); 9] = [
        ("method", "POST".into()),
        ("route", "/api/todos".into()),
        ("path", "/api/todos/".into()),
        ("query", "x=1".into()),
        ("status", 400.into()),
        ("bytes", answer.body.len().into()),
        ("client", "127.0.0.1".into()),
        ("request_id", "abc".into()),
        ("level", "info".into()),
    ];
    for (key, value) in expected {
        assert_eq!(line[key], value, "{key}");
    }
    assert!(line["duration_ms"].as_f64().unwrap() > 0.0);
    assert_eq!(lines[3]["bytes"], 0, "the answer to HEAD has no body");

    let exit = Server::builder().set("LOG_FORMAT", "json").set("HOST", "192.0.2.1").run();
    let line: Value = serde_json::from_str(exit.stderr.trim_end()).unwrap();
    assert_eq!(line["message"], "HOST=192.0.2.1 is not an address of this machine");
    assert_eq!(line["level"], "error");
}

#[test]
fn a_request_id_is_echoed_and_logged_and_a_huge_one_is_replaced() {
    let server = Server::builder().set("MAX_CONNECTIONS", 1).start();
    let mut client = server.connect();
    let mut ask = |id: &str| {
        let header = format!("X-Request-Id: {id}");
        let answer = client.request("GET", "/nowhere", &[&header], b"");
        assert_eq!(answer.status, 404);
        answer.header("x-request-id").unwrap().to_owned()
    };
    assert_eq!(ask("from.the_client-1"), "from.the_client-1");
    let longest = "x".repeat(64);
    assert_eq!(ask(&longest), longest);
    let made = Regex::new("^[0-9a-f]{12}-[0-9]+$").unwrap();
    let mut ids = vec![ask(&"x".repeat(65)), ask(&"y".repeat(10_240)), ask("not one"), ask("")];
    // Refused without a request.
    let refused = server.connect().response();
    assert_eq!(refused.status, 503);
    ids.push(refused.header("x-request-id").unwrap().to_owned());
    drop(client);
    for id in &ids {
        assert!(made.is_match(id), "{id}");
        server.wait_for_log(&format!(" {id}"), 1);
    }
    server.wait_for_log(" from.the_client-1", 1);
    assert!(!server.output().contains("yyy"));
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 5);
}

#[test]
fn the_word_of_a_trusted_proxy_tells_the_client() {
    let ask = |server: &Server, name: &str, values: &[&str]| {
        let headers: Vec<_> =
            values.iter().map(|value| format!("X-Forwarded-For: {value}")).collect();
        let headers: Vec<_> = headers.iter().map(String::as_str).collect();
        server.connect().request("GET", &format!("/{name}"), &headers, b"");
        let line = server.wait_for_log(&format!(" /{name} "), 1).remove(0);
        line.split(' ').nth(3).unwrap().to_owned()
    };
    let trusting = Server::builder().set("TRUSTED_PROXIES", "127.0.0.0/8, 10.0.0.0/8").start();
    assert_eq!(ask(&trusting, "none", &[]), "127.0.0.1");
    assert_eq!(ask(&trusting, "one", &["192.0.2.7"]), "192.0.2.7");
    assert_eq!(ask(&trusting, "hops", &["6.6.6.6", "192.0.2.7, 10.1.1.1"]), "192.0.2.7");
    assert_eq!(ask(&trusting, "garbage", &["6.6.6.6, \u{1f980}"]), "127.0.0.1");
    assert_eq!(ask(&trusting, "v6", &["2001:db8::7"]), "2001:db8::7");
    let plain = Server::start();
    assert_eq!(ask(&plain, "forged", &["192.0.2.7"]), "127.0.0.1");
}
