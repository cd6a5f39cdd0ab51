//! The texts of a todo.

use std::fmt;

/// A title: 1 to 500 characters without white space around them, and without NUL, which not every database can store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Title(Box<str>);

impl Title {
    /// The longest title, in characters (Unicode scalar values).
    pub const MAX_CHARS: usize = 500;

    /// Trims `text` and checks its length.
    ///
    /// # Errors
    /// [`Invalid`] when nothing but white space is there, or more than [`MAX_CHARS`](Self::MAX_CHARS) characters.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let text = text.trim();
        if text.is_empty() {
            return Err(Invalid::new("title must not be blank"));
        }
        if text.contains('\0') {
            return Err(Invalid::new("title must not contain the character NUL"));
        }
        if exceeds(text, Self::MAX_CHARS) {
            return Err(Invalid::new("title must have at most 500 characters"));
        }
        Ok(Self(text.into()))
    }

    /// The title's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A description: at most 10,000 characters without NUL, kept as they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description(Box<str>);

impl Description {
    /// The longest description, in characters (Unicode scalar values).
    pub const MAX_CHARS: usize = 10_000;

    /// Checks the length of `text`.
    ///
    /// # Errors
    /// [`Invalid`] when there are more than [`MAX_CHARS`](Self::MAX_CHARS) characters.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if text.contains('\0') {
            return Err(Invalid::new("description must not contain the character NUL"));
        }
        if exceeds(text, Self::MAX_CHARS) {
            return Err(Invalid::new("description must have at most 10000 characters"));
        }
        Ok(Self(text.into()))
    }

    /// The description's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn exceeds(text: &str, max_chars: usize) -> bool {
    // A character has at most four bytes and at least one: the count is needed only in between.
    text.len() > max_chars && text.chars().count() > max_chars
}

/// Why something a client said of a todo cannot be taken: one short sentence that names the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invalid(&'static str);

impl Invalid {
    pub(super) fn new(reason: &'static str) -> Self {
        Self(reason)
    }

    /// The sentence.
    pub fn reason(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

impl std::error::Error for Invalid {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_trimmed() {
        assert_eq!(Title::parse(" \t\u{3000}청소 \r\n").unwrap().as_str(), "청소");
    }

    #[test]
    fn a_title_has_1_to_500_characters() {
        assert!(Title::parse("").is_err());
        assert!(Title::parse(" \u{2003} ").is_err());
        assert!(Title::parse(&"가".repeat(500)).is_ok());
        assert!(Title::parse(&"가".repeat(501)).is_err());
        assert!(Title::parse(&"🦀".repeat(500)).is_ok());
        assert!(Title::parse(&format!("  {}  ", "x".repeat(500))).is_ok());
    }

    #[test]
    fn nul_is_refused() {
        assert!(Title::parse("a\0b").is_err());
        assert!(Description::parse("\0").is_err());
    }

    #[test]
    fn a_description_is_kept_as_it_came_up_to_10000_characters() {
        assert_eq!(Description::parse(" a ").unwrap().as_str(), " a ");
        assert!(Description::parse(&"가".repeat(10_000)).is_ok());
        assert!(Description::parse(&"x".repeat(10_001)).is_err());
    }
}
