//! What one client may take of a server, and that others are served.

use std::net::IpAddr;

use e2e::{Client, Server, wait_until};

fn connect_from(last: u8, server: &Server) -> Client {
    Client::connect_from(IpAddr::from([127, 0, 0, last]), server.address())
}

#[test]
fn one_client_cannot_take_every_connection() {
    let server = Server::builder().set("MAX_CONNECTIONS_PER_CLIENT", 3).start();
    let mut open: Vec<_> = (0..3).map(|_| connect_from(2, &server)).collect();
    for client in &mut open {
        assert_eq!(client.get("/health").status, 200);
    }
    for _ in 0..5 {
        let mut refused = connect_from(2, &server);
        let response = refused.response();
        assert_eq!((response.status, response.header("retry-after")), (429, Some("1")));
        assert_eq!(response.error(), "too many connections from this address, try again later");
        refused.assert_closed();
    }
    assert_eq!(connect_from(3, &server).get("/health").status, 200);
    drop(open.pop());
    wait_until("the client may connect again", || {
        connect_from(2, &server).get("/health").status == 200
    });
}

#[test]
fn the_connections_of_a_trusted_proxy_are_not_counted() {
    let server = Server::builder()
        .set("MAX_CONNECTIONS_PER_CLIENT", 1)
        .set("TRUSTED_PROXIES", "127.0.0.2")
        .start();
    let mut open: Vec<_> = (0..5).map(|_| connect_from(2, &server)).collect();
    for client in &mut open {
        assert_eq!(client.get("/health").status, 200);
    }
    let _stranger = connect_from(3, &server);
    assert_eq!(connect_from(3, &server).response().status, 429);
}

#[test]
fn one_client_cannot_send_every_request() {
    let server = Server::builder().set("MAX_REQUESTS_PER_SECOND", 1).start();
    let mut greedy = connect_from(2, &server);
    wait_until("it has sent too much", || {
        let response = greedy.get("/health");
        if response.status == 200 {
            return false;
        }
        assert_eq!((response.status, response.header("retry-after")), (429, Some("1")));
        assert_eq!(response.error(), "too many requests from this address, try again later");
        true
    });
    for path in ["/livez", "/readyz"] {
        assert_eq!(greedy.get(path).status, 200, "a probe is always answered");
    }
    assert_eq!(connect_from(3, &server).get("/health").status, 200, "and so are others");
    wait_until("it may ask again", || greedy.get("/health").status == 200);
}

#[test]
fn behind_a_trusted_proxy_requests_are_counted_for_its_clients() {
    let server = Server::builder()
        .set("MAX_REQUESTS_PER_SECOND", 1)
        .set("TRUSTED_PROXIES", "127.0.0.1")
        .start();
    let mut proxy = server.connect();
    let mut ask_for = |client: &str| {
        let header = format!("X-Forwarded-For: {client}");
        proxy.request("GET", "/health", &[&header], b"").status
    };
    wait_until("one has sent too much", || ask_for("192.0.2.1") == 429);
    assert_eq!(ask_for("192.0.2.2"), 200);
    // Without a proxy that is trusted the header does not make another client.
    let server = Server::builder().set("MAX_REQUESTS_PER_SECOND", 1).start();
    let mut client = server.connect();
    let mut number = 0;
    wait_until("the one client has sent too much", || {
        number += 1;
        let header = format!("X-Forwarded-For: 192.0.2.{}", number % 256);
        client.request("GET", "/health", &[&header], b"").status == 429
    });
}

#[test]
fn a_server_is_not_ready_before_it_refuses_connections() {
    let server = Server::builder().set("MAX_CONNECTIONS", 10).start();
    let mut probe = server.connect();
    let mut open: Vec<_> = (0..8).map(|_| server.connect()).collect();
    for client in &mut open {
        assert_eq!(client.get("/health").status, 200);
    }
    assert_eq!(probe.get("/readyz").status, 200);
    let mut last = server.connect();
    assert_eq!(last.get("/health").status, 200, "there is room for it");
    let response = probe.get("/readyz");
    assert_eq!((response.status, response.header("retry-after")), (503, Some("1")));
    assert_eq!(response.error(), "nearly as many connections are open as may");
    assert_eq!(probe.get("/livez").status, 200, "a restart would not help");
    drop(last);
    wait_until("it is ready again", || probe.get("/readyz").status == 200);
}
