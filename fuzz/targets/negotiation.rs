//! `Accept` and `Accept-Encoding` of `GET /`: what makes no difference in RFC 9110 must make none here.

#![no_main]

use arbitrary::Arbitrary;
use fuzz::api::Api;
use hyper::header::HeaderValue;
use hyper::{Body, Request};
use libfuzzer_sys::{Corpus, fuzz_target};

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    accept: Vec<&'a str>,
    accept_encoding: Vec<&'a str>,
}

/// What there is to choose from.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Representation {
    Json,
    Html,
    Gzip,
}

fn ask(api: &Api, accept: &[String], accept_encoding: &[String]) -> Option<Representation> {
    let mut request = Request::builder().uri("/").header("Host", "test");
    for (name, values) in [("Accept", accept), ("Accept-Encoding", accept_encoding)] {
        for value in values {
            request = request.header(name, HeaderValue::from_bytes(value.as_bytes()).ok()?);
        }
    }
    let answer = api.send(request.body(Body::empty()).ok()?, None);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("vary"), "Accept, Accept-Encoding");
    let is_gzip = answer.body.starts_with(&[0x1f, 0x8b]);
    assert_eq!(answer.header("content-encoding"), if is_gzip { "gzip" } else { "" });
    Some(match (answer.header("content-type"), is_gzip) {
        ("application/json; charset=utf-8", false) => Representation::Json,
        ("text/html; charset=utf-8", false) => Representation::Html,
        ("text/html; charset=utf-8", true) => Representation::Gzip,
        other => panic!("{other:?}"),
    })
}

fn run(api: &Api, input: &Input<'_>) -> Option<()> {
    let owned = |values: &[&str]| -> Vec<String> {
        values.iter().map(|value| (*value).to_owned()).collect()
    };
    let (accept, encoding) = (owned(&input.accept), owned(&input.accept_encoding));
    let is_text = |text: &String| text.bytes().all(|byte| matches!(byte, b'\t' | 32..=126));
    if !accept.iter().chain(&encoding).all(is_text) {
        // Of lines that are no text nothing is said but that the server goes on.
        ask(api, &accept, &encoding)?;
        return Some(());
    }
    let chosen = ask(api, &accept, &encoding)?;
    let changed = |change: &dyn Fn(&[String]) -> Vec<String>| {
        assert_eq!(ask(api, &change(&accept), &change(&encoding)), Some(chosen));
    };
    // Several lines are one list (section 5.3), in which members may be empty.
    changed(&|lines| if lines.is_empty() { Vec::new() } else { vec![lines.join(" ,,\t")] });
    // Types, codings and parameters' names are the same in capitals.
    changed(&|lines| lines.iter().map(|line| line.to_ascii_uppercase()).collect());
    // A member for something else changes nothing.
    changed(&|lines| {
        let mut lines = lines.to_vec();
        if !lines.is_empty() {
            lines.push("image/png, application/x-other;q=0.5".to_owned());
        }
        lines
    });
    let names = |lines: &[String], word: &str| {
        lines.iter().any(|line| line.to_ascii_lowercase().contains(word) || line.contains('*'))
    };
    assert!(chosen == Representation::Json || names(&accept, "text/"));
    assert!(chosen != Representation::Gzip || names(&encoding, "gzip"));
    // What is refused in so many words is not sent.
    let without = |lines: &[String], refused: &str| {
        let mut lines = lines.to_vec();
        lines.insert(0, refused.to_owned());
        lines
    };
    let refusing = ask(api, &accept, &without(&encoding, "gzip;q=0"));
    assert!(
        refusing == Some(Representation::Html)
            || chosen == Representation::Json
            || names(&encoding, "x-gzip")
    );
    Some(())
}

thread_local! {
    static API: Api = Api::new(&[]);
}

fuzz_target!(|input: Input<'_>| -> Corpus {
    let is_request = API.with(|api| run(api, &input));
    is_request.map_or(Corpus::Reject, |()| Corpus::Keep)
});
