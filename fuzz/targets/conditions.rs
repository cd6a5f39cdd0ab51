//! `If-Match` and `If-None-Match`, compared with RFC 9110, sections 8.8.3 and 13.1, read to the letter.

#![no_main]

use arbitrary::Arbitrary;
use fuzz::SECRET;
use fuzz::api::Api;
use hyper::header::HeaderValue;
use hyper::{Body, Request};
use libfuzzer_sys::{Corpus, fuzz_target};

/// The values of both headers. In them [`SECRET`] stands for the todo's entity tag without its quotes.
#[derive(Arbitrary, Debug)]
struct Input<'a> {
    is_change: bool,
    if_match: Vec<&'a str>,
    if_none_match: Vec<&'a str>,
}

struct Fixture {
    api: Api,
    /// Without its quotes.
    tag: String,
}

impl Fixture {
    fn new() -> Self {
        let api = Api::new(&[]);
        let made = api.request("POST", "/api/todos", r#"{"title":"a"}"#);
        let tag = made.header("etag").trim_matches('"').to_owned();
        Self { api, tag }
    }
}

/// What a header says.
#[derive(Debug, PartialEq)]
enum Tags {
    Absent,
    Any,
    /// Weak, and the opaque part.
    These(Vec<(bool, String)>),
    /// The grammar has no such value.
    Malformed,
}

fn tags(values: &[String]) -> Tags {
    match values {
        [] => return Tags::Absent,
        [value] if value.trim_matches([' ', '\t']) == "*" => return Tags::Any,
        _ => {}
    }
    // Several lines are one list (section 5.3). No quoted text goes on in the next line.
    let mut tags = Vec::new();
    match values.iter().try_for_each(|value| members(value, &mut tags)) {
        Some(()) => Tags::These(tags),
        None => Tags::Malformed,
    }
}

/// Adds the members of one line. Nothing if it is malformed.
fn members(line: &str, tags: &mut Vec<(bool, String)>) -> Option<()> {
    let mut rest = line;
    loop {
        rest = rest.trim_start_matches([' ', '\t']);
        if let Some(behind) = rest.strip_prefix(',') {
            rest = behind;
            continue;
        }
        if rest.is_empty() {
            return Some(());
        }
        let (weak, quoted) = match rest.strip_prefix("W/") {
            Some(quoted) => (true, quoted),
            None => (false, rest),
        };
        let (opaque, behind) = quoted.strip_prefix('"')?.split_once('"')?;
        let behind = behind.trim_start_matches([' ', '\t']);
        let is_tag = opaque.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_tag || !(behind.is_empty() || behind.starts_with(',')) {
            return None;
        }
        tags.push((weak, opaque.to_owned()));
        rest = behind;
    }
}

fn run(Fixture { api, tag }: &Fixture, input: &Input<'_>) -> Option<()> {
    let with_tag = |values: &[&str]| -> Vec<String> {
        values.iter().map(|value| value.replace(SECRET, tag)).collect()
    };
    let (if_match, if_none_match) = (with_tag(&input.if_match), with_tag(&input.if_none_match));
    let method = if input.is_change { "PATCH" } else { "GET" };
    let mut request = Request::builder().method(method).uri("/api/todos/1").header("Host", "test");
    for (name, values) in [("If-Match", &if_match), ("If-None-Match", &if_none_match)] {
        for value in values {
            // A field's value has no blanks around it when it has arrived.
            let value = value.trim_matches([' ', '\t']);
            request = request.header(name, HeaderValue::from_bytes(value.as_bytes()).ok()?);
        }
    }
    // The title that it has: nothing changes.
    let answer = api.send(request.body(Body::from(r#"{"title":"a"}"#)).ok()?, None);
    if answer.status == 431 {
        // With the tag in many places the head is too long.
        return None;
    }
    if (200..300).contains(&answer.status) {
        assert_eq!(answer.header("etag").trim_matches('"'), tag);
    }
    let (one_of, none_of) = (tags(&if_match), tags(&if_none_match));
    if one_of == Tags::Malformed || none_of == Tags::Malformed {
        // It may be read more generously, but not so that a change is made that names no such state.
        let names_it = if_match.iter().any(|value| value.contains(tag) || value.contains('*'));
        assert!(one_of == Tags::Absent || answer.status != 200 || names_it || one_of == Tags::Any);
        return Some(());
    }
    let is_wanted = match &one_of {
        Tags::These(tags) => tags.iter().any(|(weak, opaque)| !weak && opaque == tag),
        _ => true,
    };
    let is_known = match &none_of {
        Tags::These(tags) => tags.iter().any(|(_, opaque)| opaque == tag),
        other => *other == Tags::Any,
    };
    let expected = match (is_wanted, is_known, input.is_change) {
        (false, ..) | (true, true, true) => 412,
        (true, true, false) => 304,
        (true, false, _) => 200,
    };
    assert_eq!(answer.status, expected);
    Some(())
}

thread_local! {
    static FIXTURE: Fixture = Fixture::new();
}

fuzz_target!(|input: Input<'_>| -> Corpus {
    let is_request = FIXTURE.with(|fixture| run(fixture, &input));
    is_request.map_or(Corpus::Reject, |()| Corpus::Keep)
});
