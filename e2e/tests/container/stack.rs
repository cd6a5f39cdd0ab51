//! The whole of `runwasi-compose.yml`: the server in its container behind nginx in another one.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use e2e::{Client, Response, status_field};
use serde_json::json;

use crate::podman::{enter, inspect, is_healthy, podman, run, wait_until};

const PORT: u16 = 18_080;
const API: &str = "todo_api_1";
const NGINX: &str = "todo_nginx_1";
const NGINX_IMAGE: &str = "localhost/nginx:test";
const WRITERS: usize = 4;
const KILLS: usize = 3;

/// An image of Debian's nginx in place of the one that the stack takes from a registry.
fn build_nginx() {
    let script = "set -e
        cd /tmp && rm -rf nginx && mkdir nginx
        bash /repository/scripts/container-closure.sh nginx/root /usr/sbin/nginx /usr/bin/busybox
        for name in sh wget; do ln -s busybox nginx/root/usr/bin/$name; done
        printf '%s\\n' 'FROM scratch' 'COPY root /' 'STOPSIGNAL SIGQUIT' \
            'ENTRYPOINT [\"/usr/sbin/nginx\", \"-g\", \"daemon off;\"]' >nginx/Containerfile";
    run(&["bash", "-c", script]);
    podman(&["build", "--quiet", "--tag", NGINX_IMAGE, "/tmp/nginx"]);
}

/// The running stack.
struct Stack;

impl Stack {
    fn up() -> Self {
        build_nginx();
        let output = Self::compose(&["up", "--detach", "--no-build"]);
        let stack = Self;
        assert!(output.0, "{}", output.1);
        wait_until("an answer through nginx", || is_healthy(Self::address()));
        stack
    }

    fn compose(arguments: &[&str]) -> (bool, String) {
        let port = format!("HTTP_PORT={PORT}");
        let image = format!("NGINX_IMAGE={NGINX_IMAGE}");
        let command =
            ["env", "WASM_RUNTIME=crun", "TODO_IMAGE=localhost/todo:latest", &port, &image];
        let compose = ["podman-compose", "--file", "runwasi-compose.yml"];
        let output = enter(&[&command[..], &compose, arguments].concat());
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    }

    fn address() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], PORT))
    }

    fn connect(&self) -> Client {
        Client::connect(Self::address())
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("--- the stack wrote ---\n{}---", Self::compose(&["logs", "--tail", "30"]).1);
        }
        Self::compose(&["down", "--volumes"]);
    }
}

/// What a client was told through nginx, and what it asked for.
#[derive(Default)]
struct Log {
    asked: BTreeSet<String>,
    acknowledged: BTreeMap<u64, String>,
    /// Answers of nginx in place of the server's.
    refused: usize,
    /// Connections that ended without an answer.
    cut: usize,
}

/// Creates todos until told to stop; whatever happens to the server, nginx goes on.
fn write(name: usize, stop: &AtomicBool, log: &Mutex<Log>) {
    let mut client = Client::connect(Stack::address());
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        number += 1;
        let title = format!("{name}-{number}");
        log.lock().unwrap().asked.insert(title.clone());
        let body = json!({ "title": title }).to_string();
        let answer = client.try_request("POST", "/api/todos", &[], body.as_bytes());
        let mut log = log.lock().unwrap();
        match answer {
            Some(answer) if answer.status == 201 => {
                let id = answer.json()["todo"]["id"].as_u64().unwrap();
                assert!(
                    log.acknowledged.insert(id, title).is_none(),
                    "id {id} was given out twice"
                );
            }
            Some(answer) => {
                assert!(
                    [502, 504].contains(&answer.status),
                    "{}: {}",
                    answer.status,
                    answer.error()
                );
                log.refused += 1;
                drop(log);
                thread::sleep(Duration::from_millis(5));
            }
            None => {
                log.cut += 1;
                client = Client::connect(Stack::address());
            }
        }
    }
}

fn assert_security_headers(response: &Response) {
    assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(response.header("x-frame-options"), Some("DENY"));
    assert_eq!(response.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(response.header("server"), Some("nginx"), "without a version");
}

/// All that was answered, found again; and nothing that nobody asked for.
fn compare(log: &Log) {
    let list = Client::connect(Stack::address()).get("/api/todos").json();
    let todos = list["todos"].as_array().unwrap().iter();
    let mut found: BTreeMap<u64, String> = todos
        .map(|todo| (todo["id"].as_u64().unwrap(), todo["title"].as_str().unwrap().to_owned()))
        .filter(|(id, _)| *id > 2)
        .collect();
    for (id, title) in &log.acknowledged {
        assert_eq!(found.remove(id).as_ref(), Some(title), "todo {id} was answered");
    }
    let invented: Vec<_> = found.values().filter(|title| !log.asked.contains(*title)).collect();
    assert!(invented.is_empty(), "nobody asked for {invented:?}");
}

#[test]
#[ignore = "make test-container runs it"]
fn nginx_hands_on_to_the_server_and_keeps_what_is_internal() {
    let stack = Stack::up();
    let mut client = stack.connect();
    let created = client.post("/api/todos", r#"{"title":"through nginx"}"#);
    assert_eq!(created.status, 201);
    assert_eq!(created.json()["todo"]["title"], "through nginx");
    assert_security_headers(&created);

    // Answers of the server reach the client as they are.
    let missing = client.get("/api/todos/99");
    assert_eq!((missing.status, missing.error()), (404, "there is no todo 99".into()));
    assert_security_headers(&missing);
    let long = client.post("/api/todos", vec![b' '; 70_000]);
    assert_eq!(long.status, 413);
    assert!(long.error().contains("65536"), "the server's own limit: {}", long.error());

    // nginx's own have the same form.
    for target in ["/metrics", "/metrics/", "/%6detrics", "//metrics", "/api/../metrics"] {
        let refused = stack.connect().get(target);
        assert_eq!((refused.status, refused.error()), (403, "not available from outside".into()));
    }
    let mut client = stack.connect();
    client.send("POST /api/todos HTTP/1.1\r\nHost: test\r\nContent-Length: 2000000\r\n\r\n");
    let refused = client.response();
    assert_eq!((refused.status, refused.error()), (413, "the body is too long".into()));
    assert_security_headers(&refused);
    for (line, status) in [
        ("GET /%00 HTTP/1.1", 400),
        ("GET x", 400),
        ("OPTIONS * HTTP/1.1", 400),
        ("TRACE / HTTP/1.1", 405),
        ("GET / HTTP/9.1", 505),
        ("GET /-/error HTTP/1.1", 404),
    ] {
        let mut client = stack.connect();
        client.send(format!("{line}\r\nHost: test\r\n\r\n"));
        let refused = client.response();
        assert_eq!(refused.status, status, "{line}");
        assert!(!refused.error().is_empty(), "{line}");
    }

    assert!(enter(&["podman", "healthcheck", "run", NGINX]).status.success());
}

#[test]
#[ignore = "make test-container runs it"]
fn the_stack_is_confined() {
    let _stack = Stack::up();
    let value = |name: &str, field: &str| {
        let status = run(&["cat", &format!("/proc/{}/status", inspect(name, ".State.Pid"))]);
        status_field(&status, field)
    };
    for name in [API, NGINX] {
        assert_eq!(value(name, "Uid"), "65534 65534 65534 65534", "{name}");
        assert_eq!(value(name, "NoNewPrivs"), "1", "{name}");
        assert_eq!(value(name, "Seccomp"), "2", "{name}");
        assert_eq!(inspect(name, ".HostConfig.ReadonlyRootfs"), "true", "{name}");
        assert_eq!(inspect(name, ".HostConfig.Memory"), (64 << 20).to_string(), "{name}");
    }
    // The one that has to be asked for because of the shim, and no other: CAP_NET_BIND_SERVICE.
    for set in ["CapEff", "CapBnd"] {
        assert_eq!(value(API, set), "0000000000000400", "{set}");
        assert_eq!(value(NGINX, set), "0000000000000000", "{set}");
    }
    // Only nginx can be reached from outside.
    assert_eq!(podman(&["port", API]), "");
}

#[test]
#[ignore = "make test-container runs it"]
fn nothing_that_was_answered_through_nginx_is_lost_when_the_server_is_killed() {
    let _stack = Stack::up();
    let (stop, log) = (AtomicBool::new(false), Mutex::new(Log::default()));
    let mut away = Vec::new();
    thread::scope(|scope| {
        for name in 0..WRITERS {
            let (stop, log) = (&stop, &log);
            scope.spawn(move || write(name, stop, log));
        }
        // Set even when this thread panics: the others would go on for ever.
        let _stop_at_end = SetAtEnd(&stop);
        for _ in 0..KILLS {
            let before = log.lock().unwrap().acknowledged.len();
            wait_until("writes", || log.lock().unwrap().acknowledged.len() > before + 100);
            let process = inspect(API, ".State.Pid");
            run(&["kill", "-KILL", &process]);
            let killed = Instant::now();
            wait_until("a new process", || {
                ![&process, "0"].contains(&&*inspect(API, ".State.Pid"))
            });
            wait_until("an answer", || is_healthy(Stack::address()));
            away.push(killed.elapsed());
        }
    });
    let log = log.into_inner().unwrap();
    compare(&log);
    println!(
        "{KILLS} kills under load: {} todos acknowledged, none lost; {} requests refused by nginx, {} cut off; away {away:.1?}",
        log.acknowledged.len(),
        log.refused,
        log.cut
    );
}

/// Sets a flag when it is dropped.
struct SetAtEnd<'a>(&'a AtomicBool);

impl Drop for SetAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
