//! Whether the limits that the stack and the cluster's files set for the server fit into the memory that they give it.

use std::collections::BTreeMap;
use std::fs;
use std::thread;

use e2e::{Client, repository};
use serde_json::json;

use crate::podman::{Container, UNIVERSAL, inspect, podman, wait_until};

/// A setting of the server as the file for the stack has it.
fn setting(name: &str) -> String {
    let file = fs::read_to_string(repository().join("runwasi-compose.yml")).unwrap();
    let line = file.lines().find_map(|line| line.trim().strip_prefix(&format!("{name}: ")));
    line.expect("the stack sets it").trim_matches('"').to_owned()
}

#[test]
#[ignore = "make test-container runs it"]
fn a_full_store_and_clients_that_read_all_of_it_fit_into_64_mib() {
    let (limit, container) = (setting("MAX_STORE_BYTES"), start());
    let mut client = container.connect();
    let mut count = 0;
    let body = json!({ "title": "t".repeat(400), "description": "d".repeat(9_000) }).to_string();
    loop {
        match client.post("/api/todos", &body).status {
            201 => count += 1,
            status => {
                assert_eq!(status, 507);
                break;
            }
        }
    }
    let process = container.process();
    let address = container.address();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(move || {
                for _ in 0..5 {
                    let answer = e2e::Client::connect(address).get("/api/todos");
                    assert!([200, 503].contains(&answer.status), "{}", answer.status);
                }
            });
        }
    });
    let most = container.memory("memory.max_usage_in_bytes", "memory.peak");
    println!("{count} todos, {limit} bytes: at most {} MiB in use", most >> 20);
    assert_eq!(container.process(), process, "it was not ended for its memory");

    podman(&["stop", container.id()]);
    podman(&["start", container.id()]);
    wait_until("an answer with a full store", || container.is_healthy());
    assert_eq!(inspect(container.id(), ".State.OOMKilled"), "false");
    let list = container.connect().get("/api/todos?limit=1").json();
    assert_eq!(list["total"], count + 2);
}

/// Starts the server with the limits that the stack sets.
fn start() -> Container {
    let limit = |name| format!("--env={name}={}", setting(name));
    let limits = [limit("MAX_STORE_BYTES"), limit("MAX_CONNECTIONS")];
    Container::start(UNIVERSAL, &["--env=ACCESS_LOG=off", &limits[0], &limits[1]])
}

#[test]
#[ignore = "make test-container runs it"]
fn slow_readers_and_the_largest_requests_on_all_connections_fit_into_64_mib() {
    let container = start();
    let mut client = container.connect();
    let body = json!({ "title": "t".repeat(400), "description": "d".repeat(9_000) }).to_string();
    while client.post("/api/todos", &body).status == 201 {}
    let (process, address) = (container.process(), container.address());
    // Each asks for the longest list and takes next to nothing of it.
    let readers: Vec<_> = (0..100)
        .map(|_| {
            let mut reader = Client::connect_with_buffers(address, 4_096);
            reader.try_send("GET /api/todos HTTP/1.1\r\nHost: test\r\n\r\n");
            reader
        })
        .collect();
    // Each sends the longest head and the largest body but for its last byte, so that all of them are in memory together. One
    // connection is the client's above.
    let rest = setting("MAX_CONNECTIONS").parse::<usize>().unwrap() - readers.len() - 1;
    let frame =
        "POST /api/todos HTTP/1.1\r\nHost: test\r\nContent-Length: 65536\r\nX-Long: \r\n\r\n";
    let long = format!("X-Long: {}", "x".repeat(16_384 - frame.len()));
    let largest = frame.replace("X-Long: ", &long) + &" ".repeat(65_535);
    let mut writers: Vec<_> = (0..rest)
        .map(|_| {
            let mut writer = Client::connect(address);
            writer.send_until_blocked(largest.as_bytes());
            writer
        })
        .collect();
    for writer in &mut writers {
        writer.try_send(" ");
    }
    let mut statuses = BTreeMap::new();
    for mut writer in writers {
        *statuses.entry(writer.response().status).or_insert(0) += 1;
    }
    assert!(statuses.keys().all(|status| [400, 503].contains(status)), "{statuses:?}");
    let most = container.memory("memory.max_usage_in_bytes", "memory.peak");
    println!("bodies: {statuses:?}; at most {} MiB in use", most >> 20);
    assert_eq!(container.process(), process, "it was not ended for its memory");
    assert_eq!(inspect(container.id(), ".State.OOMKilled"), "false");
    drop(readers);
    wait_until("an answer to others", || container.is_healthy());
    wait_until("room for bodies again", || {
        container.connect().post("/api/todos", "{}").status == 400
    });
}
