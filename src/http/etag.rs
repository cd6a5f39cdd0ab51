//! Entity tags and the conditions that clients make of them (RFC 9110, sections 8.8.3 and 13.1).

use hyper::header::{HeaderMap, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH};
use hyper::{Response, StatusCode};

use super::error::ApiError;
use super::response::Answer;
use http_server::ResponseBody;
use todo_model::Revision;
use todo_store::{Condition, Epoch, Revisions};

/// The strong entity tag of a todo at `revision`. With the store's epoch in it, no other state of this todo, or of one that
/// had its id in another store, ever has the same.
pub fn etag(epoch: Epoch, revision: Revision) -> HeaderValue {
    // Digits, dashes and quotes are valid in a header.
    HeaderValue::try_from(etag_text(epoch, revision)).unwrap_or(HeaderValue::from_static("\"\""))
}

/// The same as a text.
pub fn etag_text(epoch: Epoch, revision: Revision) -> String {
    let (epoch, mut revision_digits) = (epoch.digits(), itoa::Buffer::new());
    let epoch = str::from_utf8(&epoch).unwrap_or_default();
    ["\"", epoch, "-", revision_digits.format(revision), "\""].concat()
}

/// The condition of `If-Match` and `If-None-Match` for a todo in a store of this epoch.
///
/// # Errors
/// 400 when one of them is neither `*` nor a list of entity tags.
pub fn condition(epoch: Epoch, headers: &HeaderMap) -> Result<Condition, ApiError> {
    let one_of = match tags(headers, IF_MATCH)? {
        // Any state will do, and without one there is an error anyway.
        None | Some(Tags::Any) => None,
        // A weak tag never matches here.
        Some(Tags::These(tags)) => Some(revisions(epoch, tags.into_iter().filter(|tag| !tag.weak))),
    };
    let none_of = match tags(headers, IF_NONE_MATCH)? {
        None => Revisions::default(),
        Some(Tags::Any) => Revisions::All,
        Some(Tags::These(tags)) => Revisions::These(revisions(epoch, tags.into_iter())),
    };
    Ok(Condition { one_of, none_of })
}

/// `response` with the entity tag `etag`, a strong one with its quotes; or 304 if the client has it.
///
/// # Errors
/// 412 if the client wants it only in another state; 400 when one of the headers is neither `*` nor a list of entity tags.
pub fn unless_matched(
    headers: &HeaderMap,
    etag: &str,
    response: impl FnOnce() -> Response<ResponseBody>,
) -> Answer {
    let is_this = |tag: &Tag<'_>| tag.opaque == etag.trim_matches('"');
    let has = |tags: &Tags<'_>, weak_will_do: bool| match tags {
        Tags::Any => true,
        Tags::These(tags) => tags.iter().any(|tag| is_this(tag) && (weak_will_do || !tag.weak)),
    };
    if tags(headers, IF_MATCH)?.is_some_and(|tags| !has(&tags, false)) {
        let message = "it has another ETag than the request asks for";
        return Err(ApiError::new(StatusCode::PRECONDITION_FAILED, message));
    }
    if tags(headers, IF_NONE_MATCH)?.is_some_and(|tags| has(&tags, true)) {
        let mut response = Response::new(ResponseBody::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return Ok(response);
    }
    Ok(response())
}

enum Tags<'a> {
    Any,
    These(Vec<Tag<'a>>),
}

struct Tag<'a> {
    weak: bool,
    opaque: &'a str,
}

/// The revisions whose tags are among `tags`. Others are of no todo here, and match nothing.
fn revisions<'a>(epoch: Epoch, tags: impl Iterator<Item = Tag<'a>>) -> Vec<Revision> {
    let epoch = epoch.to_string();
    tags.filter_map(|tag| {
        let text = tag.opaque.strip_prefix(&epoch)?.strip_prefix('-')?;
        text.parse().ok().filter(|revision: &u64| revision.to_string() == text)
    })
    .collect()
}

fn tags(headers: &HeaderMap, name: HeaderName) -> Result<Option<Tags<'_>>, ApiError> {
    let values = headers.get_all(&name);
    if values.iter().next().is_none() {
        return Ok(None);
    }
    let malformed = || {
        ApiError::bad_request(format!("{name} must be * or a list of entity tags such as \"3\""))
    };
    let mut tags = Vec::new();
    for value in values {
        let value = value.to_str().map_err(|_| malformed())?;
        if value.trim() == "*" {
            return Ok(Some(Tags::Any));
        }
        let mut rest = value;
        loop {
            // Empty members of a list are allowed (RFC 9110, section 5.6.1).
            rest = rest.trim_start_matches([' ', '\t', ',']);
            if rest.is_empty() {
                break;
            }
            let (tag, behind) = tag(rest).ok_or_else(malformed)?;
            tags.push(tag);
            rest = behind.trim_start_matches([' ', '\t']);
            if !rest.is_empty() && !rest.starts_with(',') {
                return Err(malformed());
            }
        }
    }
    Ok(Some(Tags::These(tags)))
}

/// Takes one entity tag from the start of `text`. There may be commas within its quotes.
fn tag(text: &str) -> Option<(Tag<'_>, &str)> {
    let (weak, quoted) = match text.strip_prefix("W/") {
        Some(quoted) => (true, quoted),
        None => (false, text),
    };
    let (opaque, behind) = quoted.strip_prefix('"')?.split_once('"')?;
    Some((Tag { weak, opaque }, behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(name: HeaderName, values: &[&'static str]) -> Result<Condition, ApiError> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(&name, HeaderValue::from_static(value));
        }
        condition(Epoch::from(0xab), &headers)
    }

    #[test]
    fn without_headers_every_revision_will_do() {
        assert_eq!(parse(IF_MATCH, &[]).unwrap(), Condition::default());
        assert_eq!(parse(IF_MATCH, &["*"]).unwrap(), Condition::default());
    }

    #[test]
    fn if_match_names_the_revisions_that_will_do() {
        for (values, holds) in [
            (&["\"00000000000000ab-3\""][..], true),
            (&["\"00000000000000ab-1\", \"00000000000000ab-3\""], true),
            (&["\"00000000000000ab-1\"", "\"00000000000000ab-3\""], true),
            (&[" \"00000000000000ab-3\" ,"], true),
            (&["\"00000000000000ab-4\""], false),
            (&["W/\"00000000000000ab-3\""], false),
            (&["\"00000000000000ab-03\""], false),
            (&["\"other\""], false),
            (&["\"3\""], false),
            (&["\"00000000000000ac-3\""], false),
            (&["\"00000000000000AB-3\""], false),
            (&["\"00000000000000ab3\""], false),
            (&["\"a,b\", \"00000000000000ab-3\""], true),
            (&["\"\""], false),
        ] {
            assert_eq!(parse(IF_MATCH, values).unwrap().holds(3), holds, "{values:?}");
        }
    }

    #[test]
    fn if_none_match_names_those_that_will_not() {
        for (values, holds) in [
            (&["\"00000000000000ab-3\""][..], false),
            (&["W/\"00000000000000ab-3\""], false),
            (&["\"00000000000000ab-1\", \"00000000000000ab-2\""], true),
            (&["*"], false),
        ] {
            assert_eq!(parse(IF_NONE_MATCH, values).unwrap().holds(3), holds, "{values:?}");
        }
    }

    #[test]
    fn conditions_on_other_things_compare_whole_tags() {
        let status = |name: HeaderName, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static(value));
            let response = unless_matched(&headers, "\"a-gzip\"", Response::default);
            response.map_or_else(|error| error.status, |response| response.status()).as_u16()
        };
        for value in ["\"a-gzip\"", "W/\"a-gzip\"", "*", "\"b\", \"a-gzip\""] {
            assert_eq!(status(IF_NONE_MATCH, value), 304, "{value}");
        }
        for value in ["\"a\"", "\"A-gzip\"", ""] {
            assert_eq!(status(IF_NONE_MATCH, value), 200, "{value}");
        }
        for value in ["\"a-gzip\"", "*"] {
            assert_eq!(status(IF_MATCH, value), 200, "{value}");
        }
        for value in ["\"a\"", "W/\"a-gzip\""] {
            assert_eq!(status(IF_MATCH, value), 412, "{value}");
        }
    }

    #[test]
    fn what_is_no_entity_tag_is_told() {
        for value in [
            "\"00000000000000ab-1\" \"00000000000000ab-2\"",
            "\"a\"b\"",
            "3",
            "\"3",
            "3\"",
            "'3'",
            "w/\"00000000000000ab-3\"",
            "\"",
        ] {
            let error = parse(IF_MATCH, &[value]).unwrap_err();
            assert!(error.message.starts_with("if-match must be * or a list"), "{value}");
        }
    }
}
