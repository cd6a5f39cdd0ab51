//! A name for every request, which the client, the log and whoever stands in between can use to speak of the same one.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use hyper::header::{HeaderMap, HeaderName, HeaderValue};

/// `X-Request-Id`, as proxies call it; no standard has it.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is taken from a client, in characters.
const MAX_LENGTH: usize = 64;

/// The id of one request: 1 to 64 letters, digits, dots, dashes and underscores of ASCII.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// Its text.
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// The value of `X-Request-Id`.
    pub fn into_header(self) -> HeaderValue {
        self.0
    }
}

/// Gives requests their ids.
pub struct RequestIds {
    /// Twelve digits and a dash. They tell the ids of this process from those of others, and of itself after a restart.
    prefix: String,
    made: AtomicU64,
}

impl RequestIds {
    /// Ids that begin with a random number of 48 bits.
    pub fn new() -> Self {
        Self::after(RandomState::new().build_hasher().finish() >> 16, 0)
    }

    fn after(prefix: u64, made: u64) -> Self {
        Self { prefix: format!("{prefix:012x}-"), made: AtomicU64::new(made) }
    }

    /// The id that the client gave, if it is one, else a new one.
    pub fn of(&self, request: &HeaderMap) -> RequestId {
        match request.get(X_REQUEST_ID) {
            Some(given) if is_id(given.as_bytes()) => RequestId(given.clone()),
            _ => self.make(),
        }
    }

    /// A new id.
    pub fn make(&self) -> RequestId {
        let number = self.made.fetch_add(1, Relaxed) + 1;
        let id = [self.prefix.as_str(), itoa::Buffer::new().format(number)].concat();
        RequestId(HeaderValue::try_from(id).unwrap_or(HeaderValue::from_static("-")))
    }
}

fn is_id(text: &[u8]) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
    (1..=MAX_LENGTH).contains(&text.len()) && text.iter().all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(text: &[u8]) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(X_REQUEST_ID, HeaderValue::from_bytes(text).unwrap());
        RequestIds::after(0xab, 6).of(&headers).as_str().to_owned()
    }

    #[test]
    fn a_good_id_is_kept() {
        for id in ["a", "7f3a-9._Z", &"x".repeat(64)] {
            assert_eq!(given(id.as_bytes()), id);
        }
    }

    #[test]
    fn in_place_of_a_bad_id_there_is_a_new_one() {
        for id in ["", " ", "a b", "a\tb", "a\"b", "a{b", "a%0ab", &"x".repeat(65)] {
            assert_eq!(given(id.as_bytes()), "0000000000ab-7", "{id:?}");
        }
        assert_eq!(given("é".as_bytes()), "0000000000ab-7");
    }

    #[test]
    fn made_ids_are_all_different_and_good() {
        let ids = RequestIds::new();
        let (first, second) = (ids.make(), ids.make());
        assert_ne!(first, second);
        assert_ne!(RequestIds::new().make(), first, "another process has another prefix");
        let longest = RequestIds::after(u64::MAX >> 16, u64::MAX - 1);
        let longest = longest.make();
        assert_eq!(longest.as_str(), "ffffffffffff-18446744073709551615");
        for id in [first, second, longest] {
            assert!(is_id(id.as_str().as_bytes()), "{id:?}");
        }
    }
}
