//! The web page as HTTP shows it. `tests/browser` uses it.

use std::io::Read;

use e2e::{Client, Response, Server};
use flate2::read::GzDecoder;

/// What Chromium sends.
const BROWSER: &str = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
const GZIP: &str = "Accept-Encoding: gzip, deflate, br, zstd";

fn page(client: &mut Client, headers: &[&str]) -> Response {
    client.request("GET", "/", &[&[BROWSER], headers].concat(), b"")
}

#[test]
fn a_browser_gets_one_small_page_and_others_get_json() {
    let server = Server::start();
    let mut client = server.connect();
    let plain = page(&mut client, &[]);
    assert_eq!(plain.status, 200);
    assert_eq!(plain.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(plain.header("vary"), Some("Accept, Accept-Encoding"));
    assert_eq!(plain.header("content-encoding"), None);
    assert!(plain.body.starts_with(b"<!doctype html>"));
    assert!(plain.body.len() < 32_000, "{} bytes", plain.body.len());

    let json = client.get("/");
    assert_eq!(json.header("vary"), Some("Accept, Accept-Encoding"));
    assert_eq!(json.json()["platform"], "wasi/wasm32");
}

#[test]
fn who_takes_gzip_gets_the_same_page_in_less_bytes() {
    let server = Server::start();
    let mut client = server.connect();
    let plain = page(&mut client, &["Accept-Encoding: gzip;q=0, br"]);
    let gzip = page(&mut client, &[GZIP]);
    assert_eq!(gzip.header("content-encoding"), Some("gzip"));
    assert!(gzip.body.len() * 2 < plain.body.len());
    let mut unpacked = Vec::new();
    GzDecoder::new(&*gzip.body).read_to_end(&mut unpacked).unwrap();
    assert_eq!(unpacked, plain.body);
    assert_ne!(gzip.header("etag"), plain.header("etag"));
}

#[test]
fn an_unchanged_page_is_not_sent_again() {
    let server = Server::start();
    let mut client = server.connect();
    for encoding in ["Accept-Encoding: identity", GZIP] {
        let first = page(&mut client, &[encoding]);
        let etag = first.header("etag").unwrap();
        assert!(etag.starts_with('"'), "{etag} is strong");
        let again = page(&mut client, &[encoding, &format!("If-None-Match: \"x\", {etag}")]);
        assert_eq!((again.status, again.body.len()), (304, 0));
        for name in ["etag", "vary", "cache-control", "content-security-policy"] {
            assert_eq!(again.header(name), first.header(name), "{name}");
        }
        let other = page(&mut client, &[encoding, "If-None-Match: \"x\""]);
        assert_eq!(other.body, first.body);
        assert_eq!(page(&mut client, &[encoding, "If-Match: \"x\""]).status, 412);
    }
}

#[test]
fn head_is_the_page_without_its_bytes() {
    let server = Server::start();
    let mut client = server.connect();
    let get = page(&mut client, &[GZIP]);
    let head = client.request("HEAD", "/", &[BROWSER, GZIP], b"");
    // Without those that differ from one answer to the next.
    let headers = |response: &Response| {
        let differ = |name: &str| ["date", "x-request-id"].contains(&name);
        let headers = response.headers.iter().filter(|(name, _)| !differ(name));
        headers.cloned().collect::<Vec<_>>()
    };
    assert_eq!((head.status, headers(&head)), (200, headers(&get)));
    assert_eq!(head.header("content-length"), Some(get.body.len().to_string().as_str()));
}

#[test]
fn the_page_is_locked_down() {
    let server = Server::start();
    let page = page(&mut server.connect(), &[]);
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(page.header("x-frame-options"), Some("DENY"));
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    let policy = page.header("content-security-policy").unwrap();
    let directives: Vec<_> = policy.split("; ").collect();
    for directive in [
        "default-src 'none'",
        "connect-src 'self'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ] {
        assert!(directives.contains(&directive), "{directive}: {policy}");
    }
    for name in ["script-src", "style-src"] {
        let sources = directives.iter().find_map(|text| text.strip_prefix(name)).unwrap();
        let is_one_hash = sources.starts_with(" 'sha256-") && sources.matches(' ').count() == 1;
        assert!(is_one_hash, "{name}{sources}");
    }
    // Nothing that the policy would have to allow, and no address but the name of SVG.
    let html = String::from_utf8(page.body).unwrap();
    for (text, times) in [(" style=", 0), (" onclick=", 0), ("innerHTML", 0), ("://", 1)] {
        assert_eq!(html.matches(text).count(), times, "{text}");
    }
    assert!(html.contains("http://www.w3.org/2000/svg"));
}
