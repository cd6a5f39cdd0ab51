//! The other headers: who the client is and what it may do, keys, origins, request ids, and where events go on.

#![no_main]

use std::net::IpAddr;

use arbitrary::Arbitrary;
use fuzz::SECRET;
use fuzz::api::Api;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Body, Request};
use libfuzzer_sys::{Corpus, fuzz_target};
use todo::http::TrustedProxies;
use todo_store::Mark;

const TOKEN: &str = "An.API_token-of-the~fuzzer";
const ORIGIN: &str = "https://example.com";

/// In `authorization` [`SECRET`] stands for the token.
#[derive(Arbitrary, Debug)]
struct Input<'a> {
    forwarded: Vec<&'a [u8]>,
    client: [u8; 16],
    is_ipv4: bool,
    is_own_line: bool,
    authorization: Vec<&'a str>,
    key: Vec<&'a [u8]>,
    origin: Vec<&'a [u8]>,
    request_id: Vec<&'a [u8]>,
    last_event_id: Vec<&'a [u8]>,
}

fn add(headers: &mut HeaderMap, name: &'static str, values: &[&[u8]]) -> Option<()> {
    for value in values {
        let value = HeaderValue::from_bytes(value.trim_ascii()).ok()?;
        headers.append(HeaderName::from_static(name), value);
    }
    Some(())
}

/// A proxy that is trusted appends its client to what that client sent. Whatever it was, the client is that one.
fn nobody_is_somebody_else(input: &Input<'_>) -> Option<()> {
    let trusted = ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().expect("a network"));
    let proxies = TrustedProxies::new(trusted.to_vec());
    let [a, b, c, d, ..] = input.client;
    let client =
        if input.is_ipv4 { IpAddr::from([a, b, c, d]) } else { IpAddr::from(input.client) };
    let client = client.to_canonical();
    let mut headers = HeaderMap::new();
    add(&mut headers, "x-forwarded-for", &input.forwarded)?;
    // Nobody's word but a proxy's is taken.
    let sender = Some(client).filter(|client| !proxies.trust(*client))?;
    assert_eq!(proxies.client(Some(sender), &headers), Some(sender));
    assert_eq!(proxies.client(None, &headers), None);
    let mut headers = HeaderMap::new();
    let (last, others) = match input.forwarded.split_last() {
        Some((last, others)) if !input.is_own_line => (Some(last), others),
        _ => (None, &input.forwarded[..]),
    };
    add(&mut headers, "x-forwarded-for", others)?;
    let appended = match last {
        Some(last) => [last, format!(", {sender}").as_bytes()].concat(),
        None => sender.to_string().into_bytes(),
    };
    // A line that is no text as a whole is no address, and ends the chain at the proxy.
    let is_text = appended.trim_ascii().iter().all(|byte| matches!(byte, b'\t' | 32..=126));
    add(&mut headers, "x-forwarded-for", &[&appended])?;
    let proxy = IpAddr::from([10, 0, 0, 1]);
    let expected = if is_text { sender } else { proxy };
    assert_eq!(proxies.client(Some(proxy), &headers), Some(expected));
    Some(())
}

fn run(api: &Api, input: &Input<'_>) -> Option<()> {
    let authorization: Vec<_> =
        input.authorization.iter().map(|value| value.replace(SECRET, TOKEN)).collect();
    let lines: Vec<_> = authorization.iter().map(String::as_bytes).collect();
    let mut headers = HeaderMap::new();
    add(&mut headers, "authorization", &lines)?;
    add(&mut headers, "idempotency-key", &input.key)?;
    add(&mut headers, "origin", &input.origin)?;
    add(&mut headers, "x-request-id", &input.request_id)?;
    add(&mut headers, "last-event-id", &input.last_event_id)?;
    headers.insert("host", HeaderValue::from_static("test"));
    let send = |method: &str, target: &str, body: &'static str| {
        let mut request = Request::new(Body::from(body));
        *request.method_mut() = method.parse().expect("a method");
        *request.uri_mut() = target.parse().expect("a target");
        *request.headers_mut() = headers.clone();
        let answer = api.send(request, None);
        let is_known = headers.get("origin").is_some_and(|origin| origin == ORIGIN);
        let expected = if is_known { ORIGIN } else { "" };
        assert_eq!(answer.header("access-control-allow-origin"), expected);
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
        if let Some(id) = headers.get("x-request-id").map(HeaderValue::as_bytes) {
            let is_id = (1..=64).contains(&id.len()) && id.iter().all(is_part);
            assert_eq!(answer.header("x-request-id").as_bytes() == id, is_id);
        }
        answer
    };
    let may = match &lines[..] {
        [line] => {
            let scheme = line.trim_ascii().split_at_checked(7);
            scheme.is_some_and(|(scheme, token)| {
                scheme.eq_ignore_ascii_case(b"Bearer ") && token.trim_ascii() == TOKEN.as_bytes()
            })
        }
        _ => false,
    };
    let made = send("POST", "/api/todos", r#"{"title":"a"}"#);
    if made.status == 431 {
        // With the token in many places the head is too long.
        return None;
    }
    if !may {
        assert_eq!(made.status, 401);
        assert!(made.header("www-authenticate").starts_with("Bearer "));
        return Some(());
    }
    let id = made.json()["todo"]["id"].clone();
    if made.status == 201 {
        let again = send("POST", "/api/todos", r#"{"title":"a"}"#);
        assert_eq!(again.json()["todo"]["id"] == id, !input.key.is_empty());
        let other = send("POST", "/api/todos", r#"{"title":"b"}"#);
        assert_eq!(other.status, if input.key.is_empty() { 201 } else { 422 });
        for answer in [made, again, other] {
            if answer.status == 201 {
                let path = answer.header("location").to_owned();
                let gone = send("DELETE", &path, "");
                assert!(matches!(gone.status, 204 | 404));
            }
        }
    } else {
        assert!(made.status == 400 && !input.key.is_empty());
    }
    let events = send("GET", "/api/todos/events", "");
    assert_eq!(events.header("content-type"), "text/event-stream");
    let text = String::from_utf8(events.body).expect("events are UTF-8");
    assert!(text.ends_with("\n\n"), "{text:?}");
    for mark in text.lines().filter_map(|line| line.strip_prefix("id: ")) {
        let read: Mark = mark.parse().expect("a mark");
        assert_eq!(read.to_string(), mark);
    }
    Some(())
}

thread_local! {
    static API: Api = Api::new(&[("API_TOKEN", TOKEN), ("CORS_ALLOW_ORIGINS", ORIGIN)]);
}

fuzz_target!(|input: Input<'_>| -> Corpus {
    nobody_is_somebody_else(&input);
    let is_request = API.with(|api| run(api, &input));
    is_request.map_or(Corpus::Reject, |()| Corpus::Keep)
});
