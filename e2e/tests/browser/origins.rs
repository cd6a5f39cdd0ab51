//! Pages of other origins.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::thread;

use e2e::Server;
use serde_json::json;

use crate::browser::{Browser, Wishes};

/// A page with nothing in it, on a port of its own.
fn another_page() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let _ = connection.read(&mut [0; 4_096]);
            let page = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 15\r\n\r\n<!doctype html>";
            let _ = connection.write_all(page.as_bytes());
        }
    });
    address
}

#[test]
fn a_page_of_another_origin_creates_changes_conditionally_and_turns_pages() {
    let server = Server::start();
    let browser = Browser::blank(Wishes::default());
    browser.go_to_address(another_page());
    let script = r#"return (async () => {
        const api = 'http://ADDRESS/api/todos';
        const send = (url, method, headers, body) =>
            fetch(url, { method, headers, body: body && JSON.stringify(body) });
        const created = await send(api, 'POST', { 'Content-Type': 'application/json' }, { title: 'from afar' });
        const location = created.headers.get('Location');
        const todo = new URL(location, api).href;
        const tag = created.headers.get('ETag');
        const changed = await send(todo, 'PATCH', { 'If-Match': tag }, { completed: true });
        const tooLate = await send(todo, 'PATCH', { 'If-Match': tag }, { completed: false });
        const same = await fetch(todo, { headers: { 'If-None-Match': changed.headers.get('ETag') }, cache: 'no-store' });
        const page = await fetch(api + '?limit=2');
        const link = page.headers.get('Link');
        const next = await fetch(new URL(link.match(/<([^>]*)>; rel="next"/)[1], api));
        return {
            statuses: [created, changed, tooLate, same, page, next].map((response) => response.status),
            tags: [tag, changed.headers.get('ETag')].every((tag) => /^"[0-9a-f]+-[0-9]+"$/.test(tag)),
            ids: [created, page].every((response) => response.headers.get('X-Request-Id')),
            titles: (await next.json()).todos.map((todo) => todo.title),
        };
    })()"#;
    let seen = browser.run(&script.replace("ADDRESS", &server.address().to_string()));
    assert_eq!(
        seen,
        json!({
            "statuses": [201, 200, 412, 304, 200, 200],
            "tags": true,
            "ids": true,
            "titles": ["from afar"],
        })
    );
}

#[test]
fn a_page_that_is_not_allowed_reads_nothing() {
    let server = Server::builder().set("CORS_ALLOW_ORIGINS", "https://example.com").start();
    let browser = Browser::blank(Wishes::default());
    browser.go_to_address(another_page());
    let script =
        r#"return fetch('http://ADDRESS/api/todos').then(() => 'read', (error) => error.name)"#;
    let seen = browser.run(&script.replace("ADDRESS", &server.address().to_string()));
    assert_eq!(seen, "TypeError");
}
