//! A second look at the framing of chunked bodies (RFC 9112, section 7.1).
//!
//! hyper takes a chunk's size line without a single digit for a size of zero, takes any bytes for an extension, and skips
//! whatever comes between the last chunk and an empty line, be it trailers or not. A proxy in front may see another end of
//! such a request. So the connection is closed after it.

/// The framing of one body, as far as it has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Chunks {
    /// Before the first digit of a size.
    #[default]
    SizeBegins,
    /// Behind at least one digit.
    Size(u64),
    /// In white space behind the size.
    Space(u64),
    /// In an extension.
    Extension(u64),
    /// Behind the CR of a size line.
    SizeEnds(u64),
    /// In the chunk's bytes and the line end behind them: so many are left.
    Data(u64),
    /// At the beginning of a trailer, or of the empty line behind all of them.
    TrailerBegins,
    /// In a trailer's name.
    Name,
    /// In a trailer's value.
    Value,
    /// Behind the CR of a trailer.
    TrailerEnds,
    /// Behind the CR of the empty line.
    LastLineEnds,
    /// Behind the body.
    Ended,
    /// Something is not as it must be.
    Doubtful,
}

impl Chunks {
    /// Goes over the next bytes of the body.
    pub fn feed(&mut self, mut bytes: &[u8]) {
        loop {
            *self = match (*self, bytes.split_first()) {
                (Self::Ended | Self::Doubtful, _) | (_, None) => return,
                (Self::Data(left), Some(_)) => {
                    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX).min(left);
                    bytes = bytes.get(usize::try_from(length).unwrap_or(0)..).unwrap_or_default();
                    if left == length { Self::SizeBegins } else { Self::Data(left - length) }
                }
                (state, Some((byte, rest))) => {
                    bytes = rest;
                    state.after(*byte)
                }
            };
        }
    }

    /// The request may have another end for somebody else.
    pub fn is_doubtful(self) -> bool {
        self == Self::Doubtful
    }

    fn after(self, byte: u8) -> Self {
        let digit = char::from(byte).to_digit(16).map(u64::from);
        let is_text = byte == b'\t' || !byte.is_ascii_control();
        match (self, byte) {
            (Self::SizeBegins, _) => digit.map_or(Self::Doubtful, Self::Size),
            // hyper refuses what does not fit.
            (Self::Size(size), _) if let Some(digit) = digit => {
                Self::Size(size.saturating_mul(16).saturating_add(digit))
            }
            (Self::Size(size) | Self::Space(size), b' ' | b'\t') => Self::Space(size),
            (Self::Size(size) | Self::Space(size), b';') => Self::Extension(size),
            (Self::Size(size) | Self::Space(size) | Self::Extension(size), b'\r') => {
                Self::SizeEnds(size)
            }
            (Self::Extension(size), _) if is_text => Self::Extension(size),
            (Self::SizeEnds(0), b'\n') => Self::TrailerBegins,
            (Self::SizeEnds(size), b'\n') => Self::Data(size.saturating_add(2)),
            (Self::TrailerBegins, b'\r') => Self::LastLineEnds,
            (Self::TrailerBegins | Self::Name, _) if is_part_of_name(byte) => Self::Name,
            (Self::Name, b':') => Self::Value,
            (Self::Value, b'\r') => Self::TrailerEnds,
            (Self::Value, _) if is_text => Self::Value,
            (Self::TrailerEnds, b'\n') => Self::TrailerBegins,
            (Self::LastLineEnds, b'\n') => Self::Ended,
            _ => Self::Doubtful,
        }
    }
}

/// RFC 9110, section 5.6.2.
fn is_part_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// What came behind the end of a request's head. hyper's parser takes line ends without CR as well.
pub fn behind_head(bytes: &[u8]) -> &[u8] {
    let is_end = |index: &usize| {
        let behind = bytes.get(*index..).unwrap_or_default();
        behind.starts_with(b"\n\r\n") || behind.starts_with(b"\n\n")
    };
    let lines = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    let end = lines.map(|(index, _)| index).find(is_end);
    let rest = end.and_then(|end| bytes.get(end + 1..)).unwrap_or_default();
    rest.strip_prefix(b"\r").unwrap_or(rest).strip_prefix(b"\n").unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of `body`, fed at once and byte by byte.
    fn state(body: &str) -> Chunks {
        let (mut whole, mut parts) = (Chunks::default(), Chunks::default());
        whole.feed(body.as_bytes());
        for byte in body.bytes() {
            parts.feed(&[byte]);
        }
        assert_eq!(whole, parts, "{body}");
        whole
    }

    #[test]
    fn well_formed_bodies_are_followed_to_their_last_chunk() {
        for body in [
            "0\r\n\r\n",
            "5\r\nhello\r\n0\r\n\r\n",
            "0005 ;x=\"y\"\r\nhello\r\n0;last\r\nTrailer: x\r\n\r\nGET / HTTP/1.1\r\n",
            "A\r\n0\r\n\r\n;\r\n\r\n\r\n00\r\n\r\n",
            "0 \t;\tx = y\r\nA:\r\nB: \u{e9}\t\r\n\r\n",
        ] {
            assert_eq!(state(body), Chunks::Ended, "{body}");
        }
        assert_eq!(state("5\r\nhel"), Chunks::Data(4));
    }

    #[test]
    fn a_size_line_without_a_digit_is_doubtful() {
        for body in
            ["\r\n\r\n", ";x\r\n\r\n", " 0\r\n", "5\r\nhello\r\n\r\n\r\n", "-1\r\n", "0x5\r\n"]
        {
            assert!(state(body).is_doubtful(), "{body}");
        }
    }

    #[test]
    fn what_is_no_extension_and_no_trailer_is_doubtful() {
        for body in [
            "5\nhello\r\n0\r\n\r\n",
            "5 5\r\nhello\r\n0\r\n\r\n",
            "5;\0\r\nhello\r\n0\r\n\r\n",
            "5;\n\r\nhello\r\n0\r\n\r\n",
            "5;\r;\r\nhello\r\n0\r\n\r\n",
            "0\r\nGET / HTTP/1.1\r\n",
            "0\r\nname\r\n\r\n",
            "0\r\n: value\r\n\r\n",
            "0\r\n folded: value\r\n\r\n",
            "0\r\nname : value\r\n\r\n",
            "0\r\nname: \0\r\n\r\n",
            "0\r\nname: value\n\n",
            "0\r\nname: value\r\r\n\r\n",
            "0\r\n\n",
            "0\r\n\r\r\n",
        ] {
            assert!(state(body).is_doubtful(), "{body:?}");
        }
    }

    #[test]
    fn the_largest_size_does_not_overflow() {
        assert_eq!(state("ffffffffffffffffff\r\nx"), Chunks::Data(u64::MAX - 1));
    }

    #[test]
    fn a_head_ends_with_its_first_empty_line() {
        assert_eq!(behind_head(b"GET / HTTP/1.1\r\na: b\r\n\r\n"), b"");
        assert_eq!(behind_head(b"a: b\r\n\r\n5\r\n\r\n"), b"5\r\n\r\n");
        assert_eq!(behind_head(b"a: b\n\nrest"), b"rest");
        assert_eq!(behind_head(b"a: b\r\nrest"), b"");
    }
}
