//! Thousands of clients that misbehave: who else is served, what the others are told, and that all is well afterwards.

mod crowd;
mod table;

use std::collections::BTreeMap;
use std::fs;

use e2e::{Client, Server, wait_until};

use crowd::{Crowd, Kind};

/// Adds todos until there are so many bytes of descriptions.
fn fill(server: &Server, bytes: usize) {
    let mut client = server.connect();
    let body = format!(r#"{{"title":"x","description":"{}"}}"#, "d".repeat(9_000));
    for _ in 0..bytes / 9_000 {
        assert_eq!(client.post("/api/todos", &body).status, 201);
    }
}

/// A client that behaves is answered, whether it was there before or is new.
fn assert_serves_others(server: &Server, known: &mut Client) {
    for number in 0..50 {
        assert_eq!(known.get("/api/todos/1").status, 200);
        if number % 10 == 0 {
            assert_eq!(server.connect().post("/api/todos", r#"{"title":"y"}"#).status, 201);
        }
    }
}

/// So many connections as tests may have here, `most` at the most.
fn connections(most: usize) -> usize {
    let limits = fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    let limit = line.split_whitespace().next().unwrap().parse().unwrap_or(most + 1_000);
    most.min(limit - 200)
}

#[test]
fn thousands_of_slow_heads_and_bodies_leave_the_others_served_until_they_are_cut_off() {
    let server = Server::builder()
        .set("MAX_CONNECTIONS", 8_192)
        .set("HEAD_TIMEOUT_MS", 3_000)
        .set("BODY_TIMEOUT_MS", 3_000)
        .start();
    let before = server.descriptors_at_rest();
    let mut known = server.connect();
    for kind in [Kind::slow_heads(), Kind::slow_bodies()] {
        let crowd = Crowd::gather(&server, &kind, connections(2_000), false);
        assert_serves_others(&server, &mut known);
        server.wait_for_descriptors(before + 1);
        for client in crowd.clients.lock().unwrap().iter_mut() {
            assert_eq!(client.response().status, 408);
        }
    }
}

#[test]
fn when_slow_clients_have_taken_all_connections_the_others_are_told_and_the_probe_knew_before() {
    let server =
        Server::builder().set("MAX_CONNECTIONS", 100).set("HEAD_TIMEOUT_MS", 10_000).start();
    let (mut known, mut probe) = (server.connect(), server.connect());
    assert_eq!(known.get("/health").status, 200);
    assert_eq!(probe.get("/readyz").status, 200);
    let crowd = Crowd::gather(&server, &Kind::slow_heads(), 90, false);
    wait_until("the probe's no", || probe.get("/readyz").status == 503);
    assert_eq!(server.connect().get("/health").status, 200, "there is room yet");
    // Beyond 64 at one time they would be closed without a word.
    let more = Crowd::gather(&server, &Kind::slow_heads(), 40, false);
    let refused = server.connect().response();
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    assert!(!refused.error().is_empty());
    assert_eq!(known.get("/api/todos/1").status, 200);
    let mut statuses = BTreeMap::new();
    for client in crowd.clients.lock().unwrap().iter_mut() {
        *statuses.entry(client.response().status).or_insert(0) += 1;
    }
    assert_eq!(statuses, BTreeMap::from([(408, 90)]));
    drop((crowd, more));
    wait_until("the probe's yes", || probe.get("/readyz").status == 200);
    server.assert_serves();
}

#[test]
fn one_client_with_slow_heads_does_not_keep_out_the_others() {
    let server =
        Server::builder().set("MAX_CONNECTIONS", 100).set("MAX_CONNECTIONS_PER_CLIENT", 50).start();
    let mut known = server.connect();
    let crowd = Crowd::gather(&server, &Kind::slow_heads().from(2), 110, false);
    assert_serves_others(&server, &mut known);
    assert_eq!(known.get("/readyz").status, 200);
    let mut clients = crowd.clients.lock().unwrap();
    for client in &mut clients[50..] {
        assert_eq!(client.response().status, 429);
    }
}

#[test]
fn hundreds_that_do_not_read_long_lists_leave_the_others_served() {
    let server = Server::builder().set("WRITE_TIMEOUT_MS", 3_000).set("ACCESS_LOG", "off").start();
    let before = server.descriptors_at_rest();
    fill(&server, 4_000_000);
    let mut known = server.connect();
    let crowd = Crowd::gather(&server, &Kind::slow_readers(), 500, false);
    // Their lists may take all memory that is for lists and bodies.
    for _ in 0..50 {
        assert_eq!(known.get("/api/todos/1").status, 200);
        assert!([201, 503].contains(&known.post("/api/todos", r#"{"title":"y"}"#).status));
    }
    server.wait_for_descriptors(before + 1);
    assert_serves_others(&server, &mut known);
    drop(crowd);
}

#[test]
fn ten_thousand_idle_connections_leave_the_others_served() {
    let server = Server::builder().set("MAX_CONNECTIONS", 65_536).set("ACCESS_LOG", "off").start();
    let mut known = server.connect();
    let crowd = Crowd::gather(&server, &Kind::idle(), connections(10_000), false);
    assert_serves_others(&server, &mut known);
    for client in crowd.clients.lock().unwrap().iter_mut() {
        assert_eq!(client.response().status, 200);
    }
}

/// The files for containers set these limits and 64 MiB, of which the runtime takes up to 20 (`container/memory.rs` tests it
/// with the real limit).
#[test]
fn a_full_store_and_the_largest_requests_on_256_connections_take_44_mib_at_most() {
    let server = Server::builder()
        .set("MAX_STORE_BYTES", 8_388_608)
        .set("MAX_CONNECTIONS", 256)
        .set("ACCESS_LOG", "off")
        .start();
    let before = server.private_memory();
    fill(&server, 8_000_000);
    let mut known = server.connect();
    let crowd = Crowd::gather(&server, &Kind::largest_requests(), 255, false);
    let mut statuses = BTreeMap::new();
    for client in crowd.clients.lock().unwrap().iter_mut() {
        assert_eq!(known.get("/api/todos/1").status, 200);
        client.try_send(" ");
        *statuses.entry(client.response().status).or_insert(0) += 1;
    }
    assert!(statuses.keys().all(|status| [400, 503].contains(status)), "{statuses:?}");
    let memory = (server.private_memory() - before) >> 20;
    println!("{statuses:?}, {memory} MiB");
    assert!(memory < 44, "{memory} MiB");
}
