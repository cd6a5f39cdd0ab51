//! The header `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header, section 2.1).

use hyper::header::HeaderMap;

use super::error::ApiError;
use todo_model::IdempotencyKey;

const NAME: &str = "idempotency-key";

/// The key that the request carries, if any: a string as structured fields have it (RFC 9651, section 3.3.3), or, as many
/// clients send it, the key alone.
///
/// # Errors
/// 400 when the header is there twice, or is neither.
pub fn idempotency_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, ApiError> {
    let mut values = headers.get_all(NAME).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let key = value.to_str().ok().and_then(parse).filter(|_| values.next().is_none());
    key.map(Some).ok_or_else(|| {
        let example = "8e03978e-40d5-43e8-bc93-6894a57f9324";
        ApiError::bad_request(format!(
            "{NAME} must be there once and have 1 to {} visible characters, such as \"{example}\"",
            IdempotencyKey::MAX_CHARS
        ))
    })
}

fn parse(value: &str) -> Option<IdempotencyKey> {
    let Some(rest) = value.strip_prefix('"') else {
        // With a comma it may be two headers that a proxy has joined.
        return IdempotencyKey::parse(value).filter(|_| !value.contains(['"', ',']));
    };
    let inner = rest.strip_suffix('"')?;
    let mut key = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        key.push(match character {
            '"' => return None,
            '\\' => characters.next().filter(|escaped| ['"', '\\'].contains(escaped))?,
            plain => plain,
        });
    }
    IdempotencyKey::parse(&key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    fn key(values: &[&str]) -> Result<Option<String>, ApiError> {
        let values = values.iter().map(|value| HeaderValue::from_bytes(value.as_bytes()).unwrap());
        let name = hyper::header::HeaderName::from_static(NAME);
        let mut headers = HeaderMap::new();
        values.for_each(|value| {
            headers.append(name.clone(), value);
        });
        idempotency_key(&headers).map(|key| key.map(|key| key.as_str().to_owned()))
    }

    #[test]
    fn a_key_is_a_string_or_stands_alone() {
        let longest = "x".repeat(255);
        for (value, expected) in [
            (r#""8e03978e-40d5""#, "8e03978e-40d5"),
            ("8e03978e-40d5", "8e03978e-40d5"),
            (r#""a\"b\\c""#, r#"a"b\c"#),
            (r#""a,b;c""#, "a,b;c"),
            (r"a\b;c=?1", r"a\b;c=?1"),
            (&format!("\"{longest}\""), &longest),
            (&format!("\"{}\"", r"\\".repeat(255)), &r"\".repeat(255)),
            (&longest, &longest),
        ] {
            assert_eq!(key(&[value]), Ok(Some(expected.to_owned())), "{value}");
        }
        assert_eq!(key(&[]), Ok(None));
    }

    #[test]
    fn everything_else_is_refused_by_name() {
        let too_long = "x".repeat(256);
        for values in [
            &[""][..],
            &["\""],
            &["\"\""],
            &["\"a"],
            &["a\""],
            &["a\"b"],
            &["\"a\"b\""],
            &["\"a\\\""],
            &["\"a\\b\""],
            &["\"a\";b=1"],
            &["\"a\", \"b\""],
            &["a,b"],
            &["a b"],
            &["\"a b\""],
            &["é"],
            &["\"é\""],
            &[&too_long],
            &[&format!("\"{too_long}\"")],
            &["a", "a"],
            &["\"a\"", "\"b\""],
        ] {
            let error = key(values).unwrap_err();
            assert_eq!(error.status, 400, "{values:?}");
            assert!(error.message.starts_with("idempotency-key must "), "{error}");
        }
    }
}
