//! HTTP/1.1 and 1.0 on the wire (RFC 9112).

use std::thread;
use std::time::Duration;

use e2e::{Client, Server};

const TODO: &[u8] = br#"{"title":"x"}"#;

#[test]
fn a_head_may_come_byte_by_byte() {
    let server = Server::start();
    let mut client = server.connect();
    for byte in b"GET /health HTTP/1.1\r\nHost: test\r\n\r\n" {
        client.send([*byte]);
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(client.response().status, 200);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = Server::start();
    let mut client = server.connect();
    let mut bytes = Vec::new();
    for number in 0..200 {
        let body = format!(r#"{{"title":"todo {number}"}}"#);
        bytes.extend_from_slice(
            format!(
                "POST /api/todos HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
            .as_bytes(),
        );
    }
    client.send(bytes);
    for number in 0..200 {
        let response = client.response();
        assert_eq!(response.status, 201);
        assert_eq!(response.json()["todo"]["title"], format!("todo {number}"));
    }
}

#[test]
fn a_pipeline_that_turns_into_garbage_is_answered_up_to_there() {
    let server = Server::start();
    let mut client = server.connect();
    client.send("GET /health HTTP/1.1\r\nHost: test\r\n\r\n\0\0\0 garbage\r\n\r\n");
    assert_eq!(client.response().status, 200);
    let refused = client.response();
    assert_eq!((refused.status, refused.header("connection")), (400, Some("close")));
    assert_eq!(refused.error(), "the request is not valid HTTP/1.1");
    client.assert_closed();
}

#[test]
fn every_answer_leaves_in_one_send() {
    let server = Server::start();
    let mut client = server.connect();
    for _ in 0..20 {
        client.send_request("GET", "/api/todos", &[], b"");
        let bytes = client.read_once();
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.ends_with("]}"), "head and body come apart: {text:?}");
    }
}

#[test]
fn the_answers_to_a_pipeline_leave_in_one_send() {
    let server = Server::start();
    let mut client = server.connect();
    for _ in 0..20 {
        client.send("GET /health HTTP/1.1\r\nHost: test\r\n\r\n".repeat(5));
        let text = String::from_utf8(client.read_once()).unwrap();
        assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 5, "they come apart: {text:?}");
    }
}

#[test]
fn connections_stay_open_as_the_version_and_the_client_say() {
    let server = Server::start();
    for (version, connection, stays_open) in [
        ("1.1", "", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.0", "", false),
        ("1.0", "Connection: keep-alive\r\n", true),
    ] {
        let mut client = server.connect();
        let request = format!("GET /health HTTP/{version}\r\nHost: test\r\n{connection}\r\n");
        client.send(&request);
        assert_eq!(client.response().status, 200);
        if stays_open {
            client.send(&request);
            assert_eq!(client.response().status, 200, "{request:?}");
        } else {
            client.assert_closed();
        }
    }
}

#[test]
fn a_body_may_come_in_chunks() {
    let server = Server::start();
    let mut client = server.connect();
    client.send("POST /api/todos HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n");
    for piece in ["8;name=value\r\n{\"title\"\r\n", "5\r\n:\"x\"}\r\n", "0\r\nTrailer: 1\r\n\r\n"] {
        thread::sleep(Duration::from_millis(5));
        client.send(piece);
    }
    assert_eq!(client.response().status, 201);
    assert_eq!(client.get("/health").status, 200);
}

#[test]
fn malformed_chunks_are_told() {
    let server = Server::start();
    let mut client = server.connect();
    client.send(
        "POST /api/todos HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
    );
    let response = client.response();
    assert_eq!(response.status, 400);
    assert_eq!(response.error(), "the body is cut off or its chunks are malformed");
    client.assert_closed();
}

#[test]
fn a_client_that_expects_100_is_told_to_continue() {
    let server = Server::start();
    let mut client = server.connect();
    client.send("POST /api/todos HTTP/1.1\r\nHost: test\r\nContent-Length: 13\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(client.response().status, 100);
    client.send(TODO);
    assert_eq!(client.response().status, 201);
}

#[test]
fn a_client_that_expects_100_is_refused_before_it_sends_too_much() {
    let server = Server::start();
    let mut client = server.connect();
    client.send("POST /api/todos HTTP/1.1\r\nHost: test\r\nContent-Length: 2000000\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(client.response().status, 413);
}

#[test]
fn a_target_may_be_absolute() {
    let server = Server::start();
    let mut client = server.connect();
    assert_eq!(client.get("http://test/health").json()["status"], "healthy");
    assert_eq!(client.get("http://test").json()["platform"], "wasi/wasm32");
}

#[test]
fn head_is_answered_like_get_without_the_body() {
    let server = Server::start();
    let mut client = server.connect();
    for target in ["/", "/health", "/api/todos", "/nowhere"] {
        let get = client.get(target);
        let head = client.request("HEAD", target, &[], b"");
        assert_eq!(head.status, get.status);
        assert_eq!(head.header("content-type"), get.header("content-type"));
        assert!(head.header("content-length").unwrap().parse::<usize>().unwrap() > 0);
    }
    assert_eq!(client.get("/health").status, 200);
}

#[test]
fn a_request_needs_exactly_one_host() {
    let server = Server::start();
    for (head, status) in [
        ("GET /health HTTP/1.1\r\n\r\n", 400),
        ("GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        ("GET /health HTTP/1.1\r\nHost: a b/@\r\n\r\n", 400),
        ("GET /health HTTP/1.1\r\nHost:\r\n\r\n", 200),
        ("GET /health HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", 200),
        ("GET /health HTTP/1.0\r\n\r\n", 200),
    ] {
        let mut client = server.connect();
        client.send(head);
        assert_eq!(client.response().status, status, "{head:?}");
    }
}

#[test]
fn what_is_not_http_is_refused_in_json() {
    let server = Server::start();
    let tls = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    for garbage in [
        b"GARBAGE\r\n\r\n".as_slice(),
        b"GET\r\n\r\n",
        b"GET /health\r\n\r\n",
        b"GET /health HTTP/9.9\r\n\r\n",
        b"GET /a b HTTP/1.1\r\nHost: test\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost : test\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHo\0st: test\r\n\r\n",
        b"POST /api/todos HTTP/1.1\r\nHost: test\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/todos HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST /api/todos HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"POST /api/todos HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        tls,
    ] {
        let mut client = server.connect();
        client.send(garbage);
        let response = client.response();
        let sent = String::from_utf8_lossy(garbage);
        assert_eq!(
            (response.status, response.header("connection")),
            (400, Some("close")),
            "{sent:?}"
        );
        assert!(response.header("date").is_some());
        assert_eq!(response.error(), "the request is not valid HTTP/1.1");
        client.assert_closed();
    }
    server.wait_for_log(" 400 0s 127.0.0.1 - -", 13);
}

#[test]
fn two_ways_to_tell_a_bodys_length_end_the_connection() {
    let server = Server::start();
    let chunked = "Transfer-Encoding: chunked\r\n";
    let length = "Content-Length: 5\r\n";
    for (framing, status) in
        [(format!("{length}{chunked}"), 400), (format!("{chunked}{length}"), 201)]
    {
        let mut client = server.connect();
        client.send(format!(
            "POST /api/todos HTTP/1.1\r\nHost: test\r\n{framing}\r\n\
             d\r\n{{\"title\":\"x\"}}\r\n0\r\n\r\n\
             GET /smuggled HTTP/1.1\r\nHost: test\r\n\r\n",
        ));
        let response = client.response();
        assert_eq!((response.status, response.header("connection")), (status, Some("close")));
        client.assert_closed();
    }
    // The log is in order: what comes after these lines came later.
    server.connect().get("/last");
    server.wait_for_log("/last", 1);
    assert!(!server.output().contains("smuggled"));
}

#[test]
fn a_chunked_request_whose_head_comes_in_parts_is_the_last_one() {
    let server = Server::start();
    let mut client = server.connect();
    client
        .send("POST /api/todos HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\nContent-Le");
    thread::sleep(Duration::from_millis(50));
    client.send("ngth: 5\r\n\r\nd\r\n{\"title\":\"x\"}\r\n0\r\n\r\n");
    assert_eq!(client.response().header("connection"), Some("close"));
    client.assert_closed();
}

#[test]
fn a_chunk_without_a_size_ends_the_connection() {
    let server = Server::start();
    for end in ["\r\n\r\n", ";x\r\n\r\n", " \r\n\r\n"] {
        for is_cut in [false, true] {
            let mut client = server.connect();
            let head =
                "POST /api/todos HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n";
            client.send(format!("{head}d\r\n{{\"title\":\"x\"}}\r\n"));
            if is_cut {
                thread::sleep(Duration::from_millis(50));
            }
            client.send(format!("{end}GET /livez HTTP/1.1\r\nHost: test\r\n\r\n"));
            assert_eq!(client.response().header("connection"), Some("close"), "{end:?}");
            client.assert_closed();
        }
    }
}

#[test]
fn what_is_no_trailer_ends_the_connection() {
    let server = Server::start();
    for (extension, trailers) in [
        ("", "GET /hidden HTTP/1.1\r\nHost: test\r\n\r\n"),
        ("", "name\r\n\r\n"),
        ("", "name: \0\r\n\r\n"),
        ("", "name: value\n\nGET /hidden HTTP/1.1\r\nHost: test\r\n\r\n"),
        (";\0", "\r\n"),
    ] {
        let mut client = server.connect();
        client.send(format!(
            "POST /api/todos HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n\
             d{extension}\r\n{{\"title\":\"x\"}}\r\n0\r\n{trailers}\
             GET /livez HTTP/1.1\r\nHost: test\r\n\r\n",
        ));
        let response = client.response();
        assert_eq!((response.status, response.header("connection")), (201, Some("close")));
        client.assert_closed();
    }
}

#[test]
fn other_codings_than_chunked_are_not_known() {
    let server = Server::start();
    for coding in ["gzip, chunked", "chunked, chunked", "identity\r\nTransfer-Encoding: chunked"] {
        let mut client = server.connect();
        client.send(format!(
            "POST /api/todos HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: {coding}\r\n\r\n0\r\n\r\n",
        ));
        assert_eq!(client.response().status, 501, "{coding}");
    }
}

#[test]
fn a_client_that_closes_its_half_gets_its_answer() {
    let server = Server::start();
    let answer = |send: &dyn Fn(&mut Client)| {
        let mut client = server.connect();
        send(&mut client);
        client.half_close();
        let response = client.response();
        client.assert_closed();
        response
    };
    let complete = answer(&|client| client.send_request("POST", "/api/todos", &[], TODO));
    assert_eq!(complete.status, 201);
    let in_head = answer(&|client| client.send("GET /health HTTP/1.1\r\nHo"));
    assert_eq!(
        (in_head.status, in_head.error().as_str()),
        (400, "the request is not valid HTTP/1.1")
    );
    let in_body = answer(&|client| {
        client.send("POST /api/todos HTTP/1.1\r\nHost: test\r\nContent-Length: 13\r\n\r\n{\"ti");
    });
    assert_eq!(in_body.status, 400);
    assert_eq!(in_body.error(), "the body is cut off or its chunks are malformed");
}

#[test]
fn a_connection_without_a_request_is_closed_without_a_word() {
    let server = Server::start();
    let client = server.connect();
    client.half_close();
    client.assert_closed();
}

#[test]
fn a_body_that_nobody_reads_does_not_become_the_next_request() {
    let server = Server::start();
    let mut client = server.connect();
    let smuggled = b"GET /smuggled HTTP/1.1\r\nHost: test\r\n\r\n";
    let response = client.request("POST", "/nowhere", &[], smuggled);
    assert_eq!((response.status, response.header("connection")), (404, Some("close")));
    client.assert_closed();
    server.connect().get("/last");
    server.wait_for_log("/last", 1);
    assert!(!server.output().contains("smuggled"));
}
