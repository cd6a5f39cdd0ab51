//! The name that a client gives to one creation, so that it can ask for it again.

/// A key for idempotency: 1 to 255 visible characters of ASCII. Requests with the same key are the same request, so what
/// it asks for is done once (draft-ietf-httpapi-idempotency-key-header).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdempotencyKey(Box<str>);

impl IdempotencyKey {
    /// The longest key, in characters, each of which is one byte.
    pub const MAX_CHARS: usize = 255;

    /// Takes a key without any quotes around it. `None` if it is too short or too long, or has another character.
    pub fn parse(text: &str) -> Option<Self> {
        let is_valid = (1..=Self::MAX_CHARS).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_graphic());
        is_valid.then(|| Self(text.into()))
    }

    /// The key's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_1_to_255_visible_characters() {
        for text in ["k", "8e03978e-40d5-43e8-bc93-6894a57f9324", "\"\\,;~!", &"x".repeat(255)] {
            assert_eq!(IdempotencyKey::parse(text).unwrap().as_str(), text);
        }
        for text in ["", " ", "a b", "a\t", "a\n", "\u{7f}", "é", "키", &"x".repeat(256)] {
            assert_eq!(IdempotencyKey::parse(text), None, "{text:?}");
        }
    }
}
