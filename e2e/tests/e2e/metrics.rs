//! What Prometheus is told.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use e2e::{Client, Server, repository, tool};
use regex_lite::Regex;
use serde_json::Value;
use tempfile::TempDir;

fn metrics(client: &mut Client) -> String {
    let answer = client.get("/metrics");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    String::from_utf8(answer.body).unwrap()
}

/// The value of one sample.
fn value(text: &str, sample: &str) -> f64 {
    let found = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    found.unwrap_or_else(|| panic!("{sample} in\n{text}")).parse().unwrap()
}

/// A server with a durable store that has seen a bit of everything.
fn used(folder: &TempDir) -> Server {
    let server = Server::builder().data(folder.path()).start();
    let mut client = server.connect();
    client.get("/");
    client.get("/health");
    client.request("HEAD", "/health", &[], b"");
    client.post("/api/todos", r#"{"title":"x"}"#);
    client.get("/api/todos/3");
    client.get("/api/todos/99");
    client.get("/nowhere");
    client.request("BREW", "/", &[], b"");
    let mut malformed = server.connect();
    malformed.send("nonsense\r\n\r\n");
    assert_eq!(malformed.response().status, 400);
    server
}

fn wait_for_open_connections(client: &mut Client, count: f64) {
    for _ in 0..10_000 {
        if value(&metrics(client), "http_connections_open") == count {
            return;
        }
        thread::sleep(Duration::from_millis(5));
    }
    panic!("there are never {count} connections");
}

#[test]
fn the_text_is_that_of_the_golden_file() {
    let folder = TempDir::new().unwrap();
    let server = used(&folder);
    let text = metrics(&mut server.connect());
    let masked = Regex::new(r"(?m)^([^#].*) [0-9.e+-]+$").unwrap().replace_all(&text, "$1 <n>");
    let masked = Regex::new(r#"((?:rust_)?version)="[^"]*""#)
        .unwrap()
        .replace_all(&masked, r#"$1="<version>""#);
    let path = repository().join("e2e/golden/metrics.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &*masked).unwrap();
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    for (number, (now, before)) in (1..).zip(masked.lines().zip(golden.lines())) {
        assert_eq!(now, before, "line {number}; UPDATE_GOLDEN=1 writes {} anew", path.display());
    }
    assert_eq!(masked.lines().count(), golden.lines().count());
}

#[test]
fn prometheus_itself_finds_nothing_wrong_with_the_text() {
    let folder = TempDir::new().unwrap();
    let server = used(&folder);
    let text = metrics(&mut server.connect());
    let mut promtool = Command::new(tool("promtool"))
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let words = [output.stdout, output.stderr].concat();
    assert!(output.status.success() && words.is_empty(), "{}", String::from_utf8_lossy(&words));
}

#[test]
fn numbers_are_those_of_what_was_done() {
    let folder = TempDir::new().unwrap();
    let server = used(&folder);
    let mut client = server.connect();
    let text = metrics(&mut client);
    for (sample, expected) in [
        (r#"http_requests_total{method="GET",route="/health",status="200"}"#, 1.0),
        (r#"http_requests_total{method="HEAD",route="/health",status="200"}"#, 1.0),
        (r#"http_requests_total{method="GET",route="/api/todos/{id}",status="404"}"#, 1.0),
        (r#"http_requests_total{method="other",route="/",status="405"}"#, 1.0),
        (r#"http_request_duration_seconds_count{method="GET",route="/api/todos/{id}"}"#, 2.0),
        (
            r#"http_request_duration_seconds_bucket{le="+Inf",method="GET",route="/api/todos/{id}"}"#,
            2.0,
        ),
        (r#"http_connections_refused_total{reason="malformed"}"#, 1.0),
        ("http_requests_in_flight", 1.0),
        (r#"store_operations_total{operation="create",outcome="ok"}"#, 1.0),
        (r#"store_operations_total{operation="get",outcome="ok"}"#, 2.0),
        (r#"todos{state="open"}"#, 2.0),
        (r#"todos{state="completed"}"#, 1.0),
        ("store_commit_duration_seconds_count", 1.0),
    ] {
        assert_eq!(value(&text, sample), expected, "{sample}");
    }
    assert!(value(&text, "wasm_memory_bytes") > 1e6);
    assert!(value(&text, "process_start_time_seconds") > 1.7e9);
    // Those of `used` end when their clients are noticed to be gone.
    wait_for_open_connections(&mut client, 1.0);
    let more: Vec<_> = (0..4).map(|_| server.connect()).collect();
    wait_for_open_connections(&mut client, 5.0);
    drop(more);
    wait_for_open_connections(&mut client, 1.0);
}

#[test]
fn connections_over_the_limit_are_counted() {
    let server = Server::builder().set("MAX_CONNECTIONS", 1).start();
    let mut client = server.connect();
    client.get("/health");
    for _ in 0..3 {
        assert_eq!(server.connect().response().status, 503);
    }
    let sample = r#"http_connections_refused_total{reason="too_many_connections"}"#;
    assert_eq!(value(&metrics(&mut client), sample), 3.0);
}

#[test]
fn ten_thousand_paths_and_methods_make_no_more_labels() {
    let server = Server::builder().set("ACCESS_LOG", "off").start();
    let mut client = server.connect();
    for number in 0..10_000 {
        let known = ["/", "/api/todos", "/nowhere/", "/api/todos/"][number % 4];
        let target = format!("{known}{number}");
        let method = ["GET".into(), format!("M{number}"), "PUT".into()][number % 3].clone();
        let answer = client.request(&method, &target, &[&format!("X-Request-Id: {number}")], b"");
        assert!([400, 404, 405].contains(&answer.status), "{method} {target}: {}", answer.status);
    }
    let text = metrics(&mut client);
    let labels = |name: &str| -> BTreeSet<String> {
        let form = Regex::new(&format!(r#"^http_.*[{{,]{name}="([^"]*)""#)).unwrap();
        let found = text.lines().filter_map(|line| form.captures(line));
        found.map(|captures| captures[1].to_owned()).collect()
    };
    assert_eq!(labels("method").into_iter().collect::<Vec<_>>(), ["GET", "PUT", "other"]);
    assert_eq!(labels("route").into_iter().collect::<Vec<_>>(), ["/api/todos/{id}", "other"]);
    assert_eq!(labels("status").into_iter().collect::<Vec<_>>(), ["400", "404", "405"]);
    let total: f64 = text
        .lines()
        .filter(|line| line.starts_with("http_requests_total{"))
        .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
        .sum();
    assert_eq!(total, 10_000.0);
    assert!(text.len() < 20_000, "{} bytes", text.len());
}

/// Every metric that is named in `expression`.
fn metrics_in(expression: &str) -> Vec<String> {
    let name = Regex::new(r"\b(?:http|store|todo|todos|process|wasm)(?:_[a-z]+)*\b").unwrap();
    // What is in braces or behind `by` are labels.
    let labels = Regex::new(r"\{[^}]*\}|by \([^)]*\)").unwrap();
    let bare = labels.replace_all(expression, "");
    name.find_iter(&bare).map(|found| found.as_str().to_owned()).collect()
}

/// Every metric that is named in `expression` with the value of a label, such as `outcome="full"`. Labels of Prometheus's own,
/// variables and patterns are left out.
fn label_values_in(expression: &str) -> Vec<(String, String)> {
    let selector = Regex::new(r"([a-z_]+)\{([^}]*)\}").unwrap();
    let matcher = Regex::new(r#"([a-z_]+)(?:=~|!~|!=|=)"([^"]*)""#).unwrap();
    let mut found = Vec::new();
    for selected in selector.captures_iter(expression) {
        for matched in matcher.captures_iter(&selected[2]) {
            let values =
                matched[2].split('|').filter(|value| !value.contains(['$', '.', '*', '+']));
            for value in values.filter(|_| !["job", "instance"].contains(&&matched[1])) {
                found.push((selected[1].to_owned(), format!("{}=\"{value}\"", &matched[1])));
            }
        }
    }
    found
}

#[test]
fn dashboard_and_alerts_ask_for_what_there_is() {
    let golden = fs::read_to_string(repository().join("e2e/golden/metrics.txt")).unwrap();
    let file = |name: &str| fs::read_to_string(repository().join("deploy").join(name)).unwrap();
    let dashboard: Value = serde_json::from_str(&file("grafana/todo.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let mut expressions: Vec<_> =
        targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect();
    assert!(expressions.len() >= 10);
    let alerts = file("prometheus/alerts.yml");
    let rules = alerts.split("expr: ").skip(1).map(|rest| rest.split("for: ").next().unwrap());
    expressions.extend(rules.map(Into::into));
    let (mut asked, mut values) = (0, 0);
    for name in expressions.iter().flat_map(|expression| metrics_in(expression)) {
        let is_there =
            |line: &str| line.strip_prefix(&name).is_some_and(|rest| rest.starts_with([' ', '{']));
        assert!(golden.lines().any(is_there), "{name}");
        asked += 1;
    }
    for (name, sample) in expressions.iter().flat_map(|expression| label_values_in(expression)) {
        let has = |line: &str| line.starts_with(&format!("{name}{{")) && line.contains(&sample);
        assert!(golden.lines().any(has), "{name} with {sample}");
        values += 1;
    }
    assert!(asked >= 15 && values >= 5, "{asked}, {values}");
}
