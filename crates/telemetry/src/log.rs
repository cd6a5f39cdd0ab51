//! What the server tells its operator: messages, as lines of text or as JSON.
//!
//! ```text
//! todo: the store can be written again
//! {"time":"2026-11-22T08:22:01.101Z","level":"error","message":"the store cannot be written: …"}
//! ```
//!
//! Nothing here waits, fails or panics when nobody reads: see [`output`].

use std::fmt::Display;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use serde::{Serialize, Serializer};
use serde_json::ser::Formatter;

use crate::output::{self, Stream};
use clock::Timestamp;

/// How lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// How heavy a line weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// All is as it should be, or the client is at fault.
    Info,
    /// The operator has something to look after.
    Error,
}

/// Standard output and standard error are the process's, and so is how they are written.
static JSON: AtomicBool = AtomicBool::new(false);

/// Lines are written in `format` from now on.
pub fn set_format(format: Format) {
    JSON.store(format == Format::Json, Relaxed);
}

/// Writes a line to standard output.
pub fn info(message: impl Display) {
    write(Stream::Out, Level::Info, &message.to_string());
}

/// Writes a message to standard error, each line of it as one.
pub fn error(message: impl Display) {
    for line in message.to_string().lines() {
        write(Stream::Err, Level::Error, &format!("todo: {line}"));
    }
}

fn write(stream: Stream, level: Level, message: &str) {
    let line = if JSON.load(Relaxed) {
        json_line(Timestamp::now(), level, message)
    } else {
        format!("{message}\n")
    };
    output::write(stream, line.as_bytes());
}

fn json_line(time: Timestamp, level: Level, message: &str) -> String {
    #[derive(Serialize)]
    struct Line<'a> {
        time: Milliseconds,
        level: Level,
        message: &'a str,
    }
    let mut line = Vec::new();
    // Lines of text name the program, as a terminal may show several.
    let message = message.strip_prefix("todo: ").unwrap_or(message);
    push_json(&mut line, &Line { time: Milliseconds(time), level, message });
    String::from_utf8(line).unwrap_or_default()
}

/// A point in time with exactly three fractional digits, so that lines are as long as each other.
#[derive(Clone, Copy, Debug)]
pub struct Milliseconds(pub Timestamp);

impl Serialize for Milliseconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = Vec::with_capacity(24);
        self.0.append_milliseconds_to(&mut text);
        serializer.serialize_str(str::from_utf8(&text).unwrap_or_default())
    }
}

/// Appends `value` and the end of the line to `buffer`, in nothing but printable ASCII: what a client sent cannot end a
/// line, nor move the cursor or turn the direction of writing on a terminal.
pub fn push_json(buffer: &mut Vec<u8>, value: &impl Serialize) {
    let mut serializer = serde_json::Serializer::with_formatter(&mut *buffer, Ascii);
    // Writing into a Vec does not fail.
    let _ = value.serialize(&mut serializer);
    buffer.push(b'\n');
}

/// JSON without a character beyond ASCII (RFC 8259, section 7).
struct Ascii;

impl Formatter for Ascii {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let is_plain = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
        if fragment.as_bytes().iter().all(is_plain) {
            return writer.write_all(fragment.as_bytes());
        }
        for character in fragment.chars() {
            if character.is_ascii_graphic() || character == ' ' {
                write!(writer, "{character}")?;
            } else {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_message_is_one_object_on_one_line() {
        let time = Timestamp::from_nanoseconds(1_795_335_721_007_000_000);
        assert_eq!(
            json_line(time, Level::Error, "todo: no room"),
            "{\"time\":\"2026-11-22T08:22:01.007Z\",\"level\":\"error\",\"message\":\"no room\"}\n"
        );
    }

    #[test]
    fn a_line_of_json_is_printable_ascii_and_still_says_the_same() {
        let message = "a\"b\\c\nd\r\u{1b}[31m\u{7f}\u{85}\u{2028}\u{202e}한🦀 e";
        let line = json_line(Timestamp::default(), Level::Info, message);
        let line = line.strip_suffix('\n').unwrap();
        assert!(line.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{line}");
        let read: Value = serde_json::from_str(line).unwrap();
        assert_eq!(read["message"], message);
        assert_eq!(read["level"], "info");
    }
}
