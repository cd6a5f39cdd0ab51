//! Every limit: what the client is told, and that the others are still served.

use std::thread;
use std::time::Duration;

use e2e::{Client, Server};

#[test]
fn a_body_over_the_limit_is_refused_and_one_at_the_limit_is_taken() {
    let server = Server::builder().set("MAX_BODY_BYTES", 1_000).start();
    let body = |length: usize| {
        let frame = r#"{"title":"x","description":""}"#;
        let filling = "y".repeat(length - frame.len());
        frame.replace(r#""""#, &format!("\"{filling}\""))
    };
    let mut client = server.connect();
    assert_eq!(client.post("/api/todos", body(1_000)).status, 201);
    let refused = client.post("/api/todos", body(1_001));
    assert_eq!((refused.status, refused.header("connection")), (413, Some("close")));
    assert_eq!(refused.error(), "the body has more than 1000 bytes");
}

#[test]
fn a_chunked_body_over_the_limit_is_refused() {
    let server = Server::builder().set("MAX_BODY_BYTES", 1_000).start();
    let mut client = server.connect();
    client.send("POST /api/todos HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n");
    let chunk = format!("100\r\n{}\r\n", " ".repeat(256));
    for _ in 0..8 {
        client.send(&chunk);
    }
    assert_eq!(client.response().status, 413);
}

#[test]
fn endless_chunk_framing_is_cut_off() {
    let server = Server::builder().set("MAX_BODY_BYTES", 1_000).start();
    for endless in ["1;", "0\r\nA: "] {
        let mut client = server.connect();
        client.send("POST /api/todos HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n");
        client.send(endless);
        let mut sent = 0;
        while sent < 100_000_000 && client.try_send([b'z'; 65_536]) {
            sent += 65_536;
        }
        assert!(sent < 100_000_000, "it is read for ever");
    }
    server.assert_serves();
}

#[test]
fn the_refusal_of_a_large_body_reaches_a_client_that_sends_all_of_it_first() {
    let server = Server::start();
    // Nothing of the body can hide in a buffer: the server has to take it.
    let mut client = Client::connect_with_buffers(server.address(), 4_096);
    let title = "x".repeat(2_000_000);
    let response = client.post("/api/todos", format!(r#"{{"title":"{title}"}}"#));
    assert_eq!(response.status, 413);
    assert_eq!(response.error(), "the body has more than 65536 bytes");
}

#[test]
fn large_heads_are_refused() {
    let server = Server::builder().set("MAX_HEAD_BYTES", 16_384).start();
    let refused = |head: String| {
        let mut client = server.connect();
        client.try_send(head);
        let response = client.response();
        assert!(!response.error().is_empty());
        response.status
    };
    let over = "x".repeat(16_384);
    assert_eq!(
        refused(format!("GET /health HTTP/1.1\r\nHost: test\r\nX-Over: {over}\r\n\r\n")),
        431
    );
    let long = "x".repeat(100_000);
    assert_eq!(refused(format!("\r\n\r\nGET /{long} HTTP/1.1\r\nHost: test\r\n\r\n")), 414);
    assert_eq!(
        refused(format!("GET /health HTTP/1.1\r\nHost: test\r\nX-Long: {long}\r\n\r\n")),
        431
    );
    let many = "X: y\r\n".repeat(101);
    assert_eq!(refused(format!("GET /health HTTP/1.1\r\nHost: test\r\n{many}\r\n")), 431);
    assert_eq!(refused(format!("GET /{long} HTTP/1.1\r\nHost: test\r\n\r\n")), 414);
    server.assert_serves();
}

#[test]
fn a_long_target_is_refused_even_where_the_head_fits() {
    let server = Server::start();
    let mut client = server.connect();
    let response = client.get(&format!("/{}", "x".repeat(8_191)));
    assert_eq!(response.status, 404);
    let response = client.get(&format!("/{}", "x".repeat(8_192)));
    assert_eq!(
        (response.status, response.error().as_str()),
        (414, "the request target is too long")
    );
    assert_eq!(client.get("/health").status, 200);
}

#[test]
fn a_slow_head_is_cut_off_however_it_trickles() {
    let server = Server::builder().set("HEAD_TIMEOUT_MS", 300).start();
    let mut client = server.connect();
    client.send("GET /health HTTP/1.1\r\n");
    while client.try_send("X: y\r\n") && !server.output().contains(" 408 ") {
        thread::sleep(Duration::from_millis(20));
    }
    let response = client.response();
    assert_eq!((response.status, response.header("connection")), (408, Some("close")));
    assert_eq!(response.error(), "the request's headers took too long");
    server.assert_serves();
}

#[test]
fn a_slow_body_is_cut_off_however_it_trickles() {
    let server = Server::builder().set("BODY_TIMEOUT_MS", 300).start();
    let mut client = server.connect();
    client.send("POST /api/todos HTTP/1.1\r\nHost: test\r\nContent-Length: 60000\r\n\r\n");
    while client.try_send(" ") && !server.output().contains(" 408 ") {
        thread::sleep(Duration::from_millis(20));
    }
    let response = client.response();
    assert_eq!((response.status, response.header("connection")), (408, Some("close")));
    assert_eq!(response.error(), "the request's body took too long");
    server.assert_serves();
}

#[test]
fn an_idle_connection_is_closed_without_a_word() {
    let server = Server::builder().set("IDLE_TIMEOUT_MS", 200).start();
    let never_used = server.connect();
    let mut used = server.connect();
    assert_eq!(used.get("/health").status, 200);
    never_used.assert_closed();
    used.assert_closed();
}

#[test]
fn a_connection_in_use_is_not_idle() {
    let server = Server::builder().set("IDLE_TIMEOUT_MS", 1_000).start();
    let mut client = server.connect();
    for _ in 0..6 {
        thread::sleep(Duration::from_millis(300));
        assert_eq!(client.get("/health").status, 200);
    }
}

#[test]
fn a_client_that_does_not_take_its_answers_is_dropped() {
    let server = Server::builder().set("WRITE_TIMEOUT_MS", 300).set("ACCESS_LOG", "off").start();
    let before = server.descriptors_at_rest();
    let description = "x".repeat(10_000);
    let mut client = server.connect();
    for _ in 0..20 {
        let body = format!(r#"{{"title":"x","description":"{description}"}}"#);
        assert_eq!(client.post("/api/todos", body).status, 201);
    }
    drop(client);
    // 20 todos make an answer of 200 kB; a thousand of them are more than any socket buffer takes.
    let mut stuck = Client::connect_with_buffers(server.address(), 4_096);
    stuck.send_until_blocked(&b"GET /api/todos HTTP/1.1\r\nHost: test\r\n\r\n".repeat(1_000));
    server.wait_for_descriptors(before);
    server.assert_serves();
}

#[test]
fn connections_over_the_limit_are_refused_and_the_others_are_served() {
    let server = Server::builder().set("MAX_CONNECTIONS", 3).start();
    let mut open: Vec<_> = (0..3).map(|_| server.connect()).collect();
    for client in &mut open {
        assert_eq!(client.get("/health").status, 200);
    }
    for _ in 0..10 {
        let mut refused = server.connect();
        let response = refused.response();
        assert_eq!((response.status, response.header("retry-after")), (503, Some("1")));
        assert_eq!(response.error(), "too many connections, try again later");
        refused.assert_closed();
    }
    for client in &mut open {
        assert_eq!(client.get("/health").status, 200);
    }
    drop(open.pop());
    // The server notices the end of a connection when it looks: until then, a new one may be refused.
    while server.connect().get("/health").status != 200 {
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_thousand_idle_connections_leave_the_others_served() {
    let server = Server::start();
    let before = server.descriptors_at_rest();
    let mut idle: Vec<_> = (0..1_000).map(|_| server.connect()).collect();
    for client in &mut idle {
        assert_eq!(client.get("/health").status, 200);
    }
    let mut busy = server.connect();
    for _ in 0..500 {
        assert_eq!(busy.get("/health").status, 200);
    }
    assert!(server.descriptors() >= before + 1_000);
    for client in &mut idle {
        assert_eq!(client.get("/health").status, 200);
    }
    drop((idle, busy));
    server.wait_for_descriptors(before);
}

#[test]
fn a_server_out_of_descriptors_serves_who_is_there_and_recovers() {
    let server = Server::builder().max_descriptors(60).start();
    let before = server.descriptors_at_rest();
    let mut first = server.connect();
    assert_eq!(first.get("/health").status, 200);
    // The system accepts up to 128 connections on the server's behalf; most of these wait there.
    let waiting: Vec<_> = (0..100).map(|_| server.connect()).collect();
    server.wait_for_log("cannot accept connections now", 1);
    for _ in 0..100 {
        assert_eq!(first.get("/health").status, 200);
    }
    server.assert_idle();
    drop((first, waiting));
    server.wait_for_descriptors(before);
    server.assert_serves();
    assert_eq!(server.wait_for_log("cannot accept connections now", 1).len(), 1, "told once");
}

#[test]
fn a_full_store_says_so_and_serves_on() {
    let server = Server::builder().set("MAX_STORE_BYTES", 1_000).start();
    let mut client = server.connect();
    let body = format!(r#"{{"title":"x","description":"{}"}}"#, "y".repeat(600));
    assert_eq!(client.post("/api/todos", &body).status, 201);
    let refused = client.post("/api/todos", &body);
    assert_eq!((refused.status, refused.error().as_str()), (507, "the store is full"));
    assert_eq!(client.get("/api/todos").json()["total"], 3);
}
