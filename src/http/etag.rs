//! Entity tags and the conditions that clients make of them (RFC 9110, sections 8.8.3 and 13.1).

use hyper::header::{HeaderMap, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH};

use super::error::ApiError;
use todo_model::Revision;
use todo_store::{Condition, Revisions};

/// The strong entity tag of a todo at `revision`: the number in quotes.
pub fn etag(revision: Revision) -> HeaderValue {
    // Digits and quotes are valid in a header.
    HeaderValue::try_from(format!("\"{revision}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

/// The condition of `If-Match` and `If-None-Match`.
///
/// # Errors
/// 400 when one of them is neither `*` nor a list of entity tags.
pub fn condition(headers: &HeaderMap) -> Result<Condition, ApiError> {
    let one_of = match tags(headers, IF_MATCH)? {
        // Any state will do, and without one there is an error anyway.
        None | Some(Tags::Any) => None,
        // A weak tag never matches here.
        Some(Tags::These(tags)) => Some(revisions(tags.into_iter().filter(|tag| !tag.weak))),
    };
    let none_of = match tags(headers, IF_NONE_MATCH)? {
        None => Revisions::default(),
        Some(Tags::Any) => Revisions::All,
        Some(Tags::These(tags)) => Revisions::These(revisions(tags.into_iter())),
    };
    Ok(Condition { one_of, none_of })
}

/// What a client's conditions come to for something that is not a todo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// The client has it: 304.
    Fresh,
    /// The client needs it.
    Stale,
    /// The client wants it only in another state: 412.
    Unwanted,
}

impl Validity {
    /// What `If-Match` and `If-None-Match` come to when the entity tag is `etag`, a strong one with its quotes.
    ///
    /// # Errors
    /// 400 when one of them is neither `*` nor a list of entity tags.
    pub fn of(headers: &HeaderMap, etag: &str) -> Result<Self, ApiError> {
        let is_this = |tag: &Tag<'_>| tag.opaque == etag.trim_matches('"');
        let has = |tags: &Tags<'_>, weak_will_do: bool| match tags {
            Tags::Any => true,
            Tags::These(tags) => tags.iter().any(|tag| is_this(tag) && (weak_will_do || !tag.weak)),
        };
        if tags(headers, IF_MATCH)?.is_some_and(|tags| !has(&tags, false)) {
            return Ok(Self::Unwanted);
        }
        let is_fresh = tags(headers, IF_NONE_MATCH)?.is_some_and(|tags| has(&tags, true));
        Ok(if is_fresh { Self::Fresh } else { Self::Stale })
    }
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
fn revisions<'a>(tags: impl Iterator<Item = Tag<'a>>) -> Vec<Revision> {
    let parse =
        |text: &str| text.parse().ok().filter(|revision: &u64| revision.to_string() == text);
    tags.filter_map(|tag| parse(tag.opaque)).collect()
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
        condition(&headers)
    }

    #[test]
    fn without_headers_every_revision_will_do() {
        assert_eq!(parse(IF_MATCH, &[]).unwrap(), Condition::default());
        assert_eq!(parse(IF_MATCH, &["*"]).unwrap(), Condition::default());
    }

    #[test]
    fn if_match_names_the_revisions_that_will_do() {
        for (values, holds) in [
            (&["\"3\""][..], true),
            (&["\"1\", \"3\""], true),
            (&["\"1\"", "\"3\""], true),
            (&[" \"3\" ,"], true),
            (&["\"4\""], false),
            (&["W/\"3\""], false),
            (&["\"03\""], false),
            (&["\"other\""], false),
            (&["\"a,b\", \"3\""], true),
            (&["\"\""], false),
        ] {
            assert_eq!(parse(IF_MATCH, values).unwrap().holds(3), holds, "{values:?}");
        }
    }

    #[test]
    fn if_none_match_names_those_that_will_not() {
        for (values, holds) in [
            (&["\"3\""][..], false),
            (&["W/\"3\""], false),
            (&["\"1\", \"2\""], true),
            (&["*"], false),
        ] {
            assert_eq!(parse(IF_NONE_MATCH, values).unwrap().holds(3), holds, "{values:?}");
        }
    }

    #[test]
    fn conditions_on_other_things_compare_whole_tags() {
        let validity = |name: HeaderName, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static(value));
            Validity::of(&headers, "\"a-gzip\"").unwrap()
        };
        for value in ["\"a-gzip\"", "W/\"a-gzip\"", "*", "\"b\", \"a-gzip\""] {
            assert_eq!(validity(IF_NONE_MATCH, value), Validity::Fresh, "{value}");
        }
        for value in ["\"a\"", "\"A-gzip\"", ""] {
            assert_eq!(validity(IF_NONE_MATCH, value), Validity::Stale, "{value}");
        }
        for value in ["\"a-gzip\"", "*"] {
            assert_eq!(validity(IF_MATCH, value), Validity::Stale, "{value}");
        }
        for value in ["\"a\"", "W/\"a-gzip\""] {
            assert_eq!(validity(IF_MATCH, value), Validity::Unwanted, "{value}");
        }
    }

    #[test]
    fn what_is_no_entity_tag_is_told() {
        for value in ["\"1\" \"2\"", "\"a\"b\"", "3", "\"3", "3\"", "'3'", "w/\"3\"", "\""] {
            let error = parse(IF_MATCH, &[value]).unwrap_err();
            assert!(error.message.starts_with("if-match must be * or a list"), "{value}");
        }
    }
}
