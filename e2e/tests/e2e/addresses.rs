//! Where the server listens, and who it says its clients are.

use std::net::SocketAddr;

use e2e::{Client, Server};

/// In release builds the addresses of plain IPv4 sockets read as 0.0.0.0: see `listen` in `src/server/listen.rs`.
#[test]
fn the_log_shows_the_real_address_of_an_ipv4_client() {
    let server = Server::start();
    assert_eq!(server.address().ip().to_string(), "127.0.0.1");
    server.assert_serves();
    server.wait_for_log(" 127.0.0.1 GET /health", 1);
}

#[test]
fn the_log_shows_the_real_address_of_an_ipv6_client() {
    let server = Server::builder().set("HOST", "::1").start();
    server.assert_serves();
    server.wait_for_log(" ::1 GET /health", 1);
}

#[test]
fn an_ipv4_host_is_not_reached_through_another_address() {
    let server = Server::builder().set("HOST", "127.0.0.2").start();
    server.assert_serves();
    for address in ["127.0.0.1", "[::1]"] {
        let address: SocketAddr = format!("{address}:{}", server.address().port()).parse().unwrap();
        assert!(std::net::TcpStream::connect(address).is_err(), "{address}");
    }
}

#[test]
fn each_request_is_one_line_and_all_lines_come_without_further_requests() {
    let server = Server::start();
    let mut client = server.connect();
    client.get("/health?a=1");
    client.post("/api/todos", "{}");
    client.request("OPTIONS", "/api/todos", &["Origin: http://a"], b"");
    drop(client);
    server.wait_for_log(" 200 ", 1);
    server.wait_for_log(" 400 ", 1);
    let last = server.wait_for_log(" 204 ", 1).remove(0);
    let words: Vec<_> = last.split(' ').collect();
    assert_eq!(words.len(), 7, "{last}");
    assert!(words[0].ends_with('Z') && words[2].ends_with('s'), "{last}");
    assert_eq!(words[3..6], ["127.0.0.1", "OPTIONS", "/api/todos"]);
    assert_eq!(server.wait_for_log(" 127.0.0.1 ", 3).len(), 3);
}

#[test]
fn a_burst_is_logged_line_by_line() {
    let server = Server::start();
    let mut client = server.connect();
    for _ in 0..5 {
        client.send("GET /health HTTP/1.1\r\nHost: test\r\n\r\n".repeat(1_000));
        for _ in 0..1_000 {
            client.response();
        }
    }
    assert_eq!(server.wait_for_log("GET /health", 5_000).len(), 5_000);
}

#[test]
fn the_log_can_be_turned_off() {
    let server = Server::builder().set("ACCESS_LOG", "off").start();
    server.assert_serves();
    Client::connect(server.address()).get("/api/todos");
    std::thread::sleep(std::time::Duration::from_millis(200));
    let output = server.output();
    assert!(!output.contains("GET"), "{output}");
}
