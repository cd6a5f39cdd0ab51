//! Clients that reset their connection at the wrong moment.
//!
//! The usual loop around `accept` ends when a client is gone before it is accepted, and the server with it. `RESETS=10000`
//! in the environment makes these tests as thorough as the project's figures are.

use e2e::{Client, Server};

/// Runs `misbehave` many times, then looks whether the server is as it was.
fn survives(misbehave: impl Fn(&Server)) {
    survives_in_batches(1, misbehave);
}

fn survives_in_batches(batch: usize, misbehave: impl Fn(&Server)) {
    let count: usize =
        std::env::var("RESETS").map_or(300, |count| count.parse().expect("a number"));
    let server = Server::builder().set("ACCESS_LOG", "off").start();
    let before = server.descriptors_at_rest();
    for _ in 0..count.div_ceil(batch) {
        misbehave(&server);
    }
    server.assert_serves();
    // A wait that a stop interrupts makes the runtime keep a second timer, once and for all.
    server.wait_for_descriptors(before + usize::from(batch > 1));
    server.assert_idle();
    server.assert_serves();
}

#[test]
fn resets_before_the_connection_is_accepted() {
    const BATCH: usize = 100;
    survives_in_batches(BATCH, |server| {
        // A stopped server accepts nothing; the system does so for it, up to 128 connections.
        server.signal("STOP");
        for client in (0..BATCH).map(|_| server.connect()).collect::<Vec<_>>() {
            client.reset();
        }
        server.signal("CONT");
        server.assert_serves();
    });
}

#[test]
fn resets_of_new_connections() {
    survives(|server| server.connect().reset());
}

#[test]
fn resets_of_idle_connections() {
    survives(|server| {
        let mut client = server.connect();
        assert_eq!(client.get("/health").status, 200);
        client.reset();
    });
}

#[test]
fn resets_within_the_head() {
    survives(|server| {
        let mut client = server.connect();
        client.send("GET /health HTTP/1.1\r\nHos");
        client.reset();
    });
}

#[test]
fn resets_within_the_body() {
    survives(|server| {
        let mut client = server.connect();
        client.send(
            "POST /api/todos HTTP/1.1\r\nHost: test\r\nContent-Length: 1000\r\n\r\n{\"title\":",
        );
        client.reset();
    });
}

#[test]
fn resets_while_the_answer_is_sent() {
    survives(|server| {
        // A pipeline of answers that do not fit into the small buffer of the client.
        let mut client = Client::connect_with_buffers(server.address(), 4_096);
        client.send("GET /api/todos HTTP/1.1\r\nHost: test\r\n\r\n".repeat(50));
        client.read_once();
        client.reset();
    });
}

#[test]
fn resets_right_after_the_request() {
    survives(|server| {
        let mut client = server.connect();
        client.send_request("GET", "/api/todos", &[], b"");
        client.reset();
    });
}
