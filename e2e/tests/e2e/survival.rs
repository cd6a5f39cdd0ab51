//! What the machine does to a server.

use std::thread;
use std::time::Duration;

use e2e::{Client, Server, wait_until};

/// A stopped and continued process finds its wait interrupted, like one in a frozen container or on a laptop that was
/// asleep. WasmEdge's poller then holds on to the sockets of that wait and refuses them in the next one, which tokio
/// takes for the end of the world.
#[test]
fn a_server_goes_on_after_it_was_stopped_and_continued() {
    let server = Server::start();
    let mut idle: Vec<_> = (0..5).map(|_| server.connect()).collect();
    let mut busy = server.connect();
    for _ in 0..20 {
        server.signal("STOP");
        server.signal("CONT");
        thread::sleep(Duration::from_millis(5));
        assert_eq!(busy.get("/health").status, 200);
    }
    for client in &mut idle {
        assert_eq!(client.get("/health").status, 200);
    }
    server.assert_serves();
}

#[test]
fn requests_that_came_while_it_was_stopped_are_answered() {
    let server = Server::start();
    let mut waiting: Vec<_> = (0..20).map(|_| server.connect()).collect();
    server.signal("STOP");
    for client in &mut waiting {
        client.send_request("GET", "/health", &[], b"");
    }
    server.signal("CONT");
    for client in &mut waiting {
        assert_eq!(client.response().status, 200);
    }
}

#[test]
fn an_idle_server_uses_no_processor_time() {
    let server = Server::start();
    let _idle: Vec<_> = (0..50).map(|_| server.connect()).collect();
    server.assert_serves();
    thread::sleep(Duration::from_millis(200));
    server.assert_idle();
}

/// WasmEdge ends every wait at once for such a client, and does not say why: see `State::ask` in the selector.
#[test]
fn a_client_that_closed_its_half_and_does_not_read_uses_no_processor_time() {
    let server = Server::builder().set("ACCESS_LOG", "off").start();
    let mut client = server.connect();
    let body = format!(r#"{{"title":"x","description":"{}"}}"#, "y".repeat(10_000));
    for _ in 0..20 {
        assert_eq!(client.post("/api/todos", &body).status, 201);
    }
    let mut stuck = Client::connect_with_buffers(server.address(), 4_096);
    stuck.send("GET /api/todos HTTP/1.1\r\nHost: test\r\n\r\n".repeat(100));
    stuck.half_close();
    thread::sleep(Duration::from_millis(100));
    server.assert_idle();
    for _ in 0..100 {
        assert_eq!(stuck.response().status, 200);
    }
    stuck.assert_closed();
}

#[test]
fn a_server_goes_on_when_nobody_reads_its_log_any_more() {
    let server = Server::builder().log_reader_leaves().start();
    for _ in 0..3 {
        server.assert_serves();
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_server_does_not_wait_for_a_reader_of_its_log_that_has_stopped() {
    let mut server = Server::builder().log_reader_stalls().start();
    let mut client = server.connect();
    let target = format!("/livez?{}", "x".repeat(500));
    // Far more than a pipe and the queue take together.
    for _ in 0..2_000 {
        assert_eq!(client.get(&target).status, 200);
    }
    let dropped = |server: &Server| {
        let page = String::from_utf8(server.connect().get("/metrics").body).unwrap();
        let count = page.lines().find_map(|line| line.strip_prefix("log_lines_dropped_total "));
        count.unwrap().parse::<u32>().unwrap()
    };
    assert!(dropped(&server) > 500);
    server.read_log_again();
    // The line of the request above may be among the dropped ones.
    wait_until("the log goes on", || {
        dropped(&server);
        server.output().contains("/metrics")
    });
    let lines = server.wait_for_log("/metrics", 1);
    assert!(lines.iter().all(|line| line.contains(" 200 ")), "{lines:?}");
    let before = dropped(&server);
    assert_eq!(client.get("/livez?again").status, 200);
    server.wait_for_log("/livez?again", 1);
    assert_eq!(dropped(&server), before);
}
