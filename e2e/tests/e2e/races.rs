//! Clients that change the same todo at the same time.

use std::thread;

use e2e::Server;
use serde_json::json;
use tempfile::TempDir;

const CLIENTS: usize = 8;

/// Each client reads a number out of a todo, adds one, and writes it back if nobody else was faster.
fn count_together(server: &Server, times: usize) {
    let address = server.address();
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(move || {
                let mut client = e2e::Client::connect(address);
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

fn no_update_is_lost(server: &Server, times: usize) {
    let mut client = server.connect();
    client.request("PATCH", "/api/todos/1", &[], br#"{"description":"0"}"#);
    count_together(server, times);
    let todo = client.get("/api/todos/1");
    assert_eq!(todo.json()["todo"]["description"], (CLIENTS * times).to_string());
    let revision = format!("-{}\"", CLIENTS * times + 2);
    assert!(todo.header("etag").unwrap().ends_with(&revision));
}

#[test]
fn no_update_is_lost_in_memory() {
    no_update_is_lost(&Server::builder().set("ACCESS_LOG", "off").start(), 1_000);
}

#[test]
fn no_update_is_lost_on_disk() {
    let folder = TempDir::new().unwrap();
    no_update_is_lost(
        &Server::builder().set("ACCESS_LOG", "off").data(folder.path()).start(),
        1_000,
    );
}
