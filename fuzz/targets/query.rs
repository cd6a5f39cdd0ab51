//! The query of a list: what is found is compared with a second reading of the query and a search through all todos.

#![no_main]

use std::borrow::Cow;
use std::collections::BTreeMap;

use fuzz::api::Api;
use hyper::{Body, Request};
use libfuzzer_sys::{Corpus, fuzz_target};
use serde_json::{Value, json};

const TITLES: [&str; 12] =
    ["a", "b", "B", "ab", "ba", "a b", "a+b", "100%", "Straße", "Docker 최적화", "İstanbul", "&=;"];

struct Fixture {
    api: Api,
    todos: Vec<Value>,
}

impl Fixture {
    fn new() -> Self {
        let api = Api::new(&[]);
        for (number, title) in TITLES.into_iter().enumerate() {
            let description = if number % 3 == 0 { "with a description" } else { "" };
            let todo = json!({ "title": title, "description": description }).to_string();
            assert_eq!(api.request("POST", "/api/todos", todo).status, 201);
            if number % 4 == 1 {
                let target = format!("/api/todos/{}", number + 1);
                assert_eq!(api.request("PATCH", &target, r#"{"completed":true}"#).status, 200);
            }
        }
        let list = api.request("GET", "/api/todos", "").json();
        Self { api, todos: list["todos"].as_array().expect("a list").clone() }
    }

    /// Asks for the list, and for the pages that it links to.
    fn check(&self, target: &str, follow: bool) -> Option<()> {
        let request = Request::builder().uri(target).header("Host", "test");
        let request = request.body(Body::empty()).ok()?;
        let expected = self.expected(request.uri().query().unwrap_or_default());
        let answer = self.api.send(request, None);
        let Some((total, page)) = expected else {
            assert_eq!(answer.status, 400);
            return Some(());
        };
        assert_eq!(answer.status, 200);
        let list = answer.json();
        assert_eq!((&list["total"], &list["todos"]), (&json!(total), &json!(page)));
        let links = answer.header("link").split(", ").filter(|link| !link.is_empty());
        for link in links.filter(|_| follow) {
            let target = link.strip_prefix('<').and_then(|link| link.split_once(">; rel="));
            let (target, _) = target.expect("a link");
            self.check(target, false).expect("a link to a list");
        }
        Some(())
    }

    /// How many todos a query finds, and those of its page. Nothing if the query cannot be right.
    fn expected(&self, query: &str) -> Option<(usize, Vec<&Value>)> {
        let mut values = BTreeMap::new();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let Some(name) = decoded(name) else { continue };
            if ["completed", "q", "sort", "limit", "offset"].contains(&&*name)
                && values.insert(name, decoded(value)?).is_some()
            {
                return None;
            }
        }
        let get = |name| values.get(name).map(|value: &String| value.as_str());
        let number = |name, default: u64, range: std::ops::RangeInclusive<u64>| match get(name) {
            None => Some(default),
            Some(text) if text.is_empty() || text.bytes().any(|byte| !byte.is_ascii_digit()) => {
                None
            }
            Some(text) => {
                let number = text.parse().unwrap_or(u64::MAX);
                range.contains(&number).then_some(number)
            }
        };
        let completed = match get("completed") {
            None => None,
            Some("true") => Some(true),
            Some("false") => Some(false),
            Some(_) => return None,
        };
        let limit = usize::try_from(number("limit", 1_000, 1..=1_000)?).ok()?;
        let offset = usize::try_from(number("offset", 0, 0..=u64::MAX)?).ok()?;
        let sort = get("sort").unwrap_or("id");
        let text = get("q").map(str::to_lowercase);
        let contains = |todo: &Value, key: &str, text: &str| {
            todo[key].as_str().is_some_and(|value| value.to_lowercase().contains(text))
        };
        let has = |todo: &Value| {
            completed.is_none_or(|completed| todo["completed"] == completed)
                && text.as_ref().is_none_or(|text| {
                    contains(todo, "title", text) || contains(todo, "description", text)
                })
        };
        let mut found: Vec<_> = self.todos.iter().filter(|todo| has(todo)).collect();
        match sort.strip_prefix('-').unwrap_or(sort) {
            "id" | "created_at" => {}
            "title" => found.sort_by_key(|todo| (todo["title"].as_str(), todo["id"].as_u64())),
            _ => return None,
        }
        if sort.starts_with('-') {
            found.reverse();
        }
        Some((found.len(), found.into_iter().skip(offset).take(limit).collect()))
    }
}

/// A text of a query: percent-encoded UTF-8, with `+` for a space.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        rest = behind;
        let hex = |byte: u8| char::from(byte).to_digit(16);
        match (first, behind) {
            (b'%', [high, low, behind @ ..]) if hex(*high).is_some() && hex(*low).is_some() => {
                let value = hex(*high)? * 16 + hex(*low)?;
                bytes.push(u8::try_from(value).ok()?);
                rest = behind;
            }
            (b'+', _) => bytes.push(b' '),
            (byte, _) => bytes.push(*byte),
        }
    }
    String::from_utf8(bytes).ok()
}

thread_local! {
    static FIXTURE: Fixture = Fixture::new();
}

fuzz_target!(|data: &[u8]| -> Corpus {
    let query: Cow<'_, str> = String::from_utf8_lossy(data);
    let is_request = FIXTURE.with(|fixture| fixture.check(&format!("/api/todos?{query}"), true));
    is_request.map_or(Corpus::Reject, |()| Corpus::Keep)
});
