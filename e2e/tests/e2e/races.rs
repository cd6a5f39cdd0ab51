//! Clients that change the same todo at the same time.

use std::thread;

use e2e::Server;
use serde_json::json;
use tempfile::TempDir;

const CLIENTS: usize = 8;

/// Each client reads a number out of a todo, adds one, and writes it back if nobody else was faster.
fn count_together(servers: &[&Server], times: usize) {
    thread::scope(|scope| {
        for number in 0..CLIENTS {
            let server = servers[number % servers.len()];
            scope.spawn(move || {
                let mut client = server.connect();
                let mut added = 0;
                while added < times {
                    let read = client.get("/api/todos/1");
                    let tag = read.header("etag").unwrap().to_owned();
                    let number: u64 =
                        read.json()["todo"]["description"].as_str().unwrap().parse().unwrap();
                    let body = json!({ "description": (number + 1).to_string() }).to_string();
                    let condition = format!("If-Match: {tag}");
                    let written =
                        client.request("PATCH", "/api/todos/1", &[&condition], body.as_bytes());
                    match written.status {
                        200 => added += 1,
                        412 => {}
                        other => panic!("{other}"),
                    }
                }
            });
        }
    });
}

/// The servers share their todos.
pub fn no_update_is_lost(servers: &[&Server], times: usize) {
    let mut client = servers[0].connect();
    client.request("PATCH", "/api/todos/1", &[], br#"{"description":"0"}"#);
    count_together(servers, times);
    let todo = client.get("/api/todos/1");
    assert_eq!(todo.json()["todo"]["description"], (CLIENTS * times).to_string());
    let revision = format!("-{}\"", CLIENTS * times + 2);
    assert!(todo.header("etag").unwrap().ends_with(&revision));
}

#[test]
fn no_update_is_lost_in_memory() {
    no_update_is_lost(&[&Server::builder().set("ACCESS_LOG", "off").start()], 1_000);
}

#[test]
fn no_update_is_lost_on_disk() {
    let folder = TempDir::new().unwrap();
    no_update_is_lost(
        &[&Server::builder().set("ACCESS_LOG", "off").data(folder.path()).start()],
        1_000,
    );
}
