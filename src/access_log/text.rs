//! Lines for people.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::IpAddr;

use super::{Entry, MAX_METHOD_CHARS, MAX_TARGET_CHARS};
use clock::GoDuration;

/// The client of the line before, as text: behind a proxy, and under load, it is mostly the same.
#[derive(Default)]
pub(super) struct Clients {
    last: Option<IpAddr>,
    text: String,
}

impl Clients {
    fn text(&mut self, client: Option<IpAddr>) -> &str {
        if client.is_some() && self.last != client {
            self.last = client;
            self.text.clear();
            // Writing into a String does not fail.
            let _ = client.map(|client| write!(self.text, "{client}"));
        }
        client.map_or("-", |_| &self.text)
    }
}

/// Appends the line of `entry`.
pub(super) fn push(buffer: &mut Vec<u8>, clients: &mut Clients, entry: &Entry<'_>) {
    let Entry { time, status, latency, client, method, path, query, request_id, .. } = entry;
    time.append_milliseconds_to(buffer);
    buffer.push(b' ');
    buffer.extend_from_slice(itoa::Buffer::new().format(*status).as_bytes());
    buffer.push(b' ');
    GoDuration(*latency).append_to(buffer);
    buffer.push(b' ');
    buffer.extend_from_slice(clients.text(*client).as_bytes());
    buffer.push(b' ');
    push_word(buffer, method.unwrap_or("-"), MAX_METHOD_CHARS);
    buffer.push(b' ');
    let rest = push_word(buffer, path.unwrap_or("-"), MAX_TARGET_CHARS);
    if let Some(query) = query
        && rest > 0
    {
        buffer.push(b'?');
        push_word(buffer, query, rest - 1);
    }
    buffer.push(b' ');
    // Checked or made by the server: it is one word.
    buffer.extend_from_slice(request_id.as_bytes());
    buffer.push(b'\n');
}

/// Writes `word` so that it stays one word of printable ASCII, whatever the client sent. Tells how many more characters
/// there is room for.
fn push_word(buffer: &mut Vec<u8>, word: &str, max_chars: usize) -> usize {
    if word.len() <= max_chars && word.bytes().all(|byte| byte.is_ascii_graphic()) {
        buffer.extend_from_slice(word.as_bytes());
        return max_chars - word.len();
    }
    let mut characters = word.chars();
    let mut room = max_chars;
    for character in characters.by_ref().take(max_chars) {
        room -= 1;
        if character.is_ascii_graphic() {
            let _ = write!(buffer, "{character}");
        } else {
            let _ = write!(buffer, "{}", character.escape_unicode());
        }
    }
    if characters.next().is_some() {
        buffer.extend_from_slice(b"...");
    }
    room
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clock::Timestamp;

    use super::*;
    use crate::access_log::Lines;
    use telemetry::log::Format;

    const EPOCH: Timestamp = Timestamp::from_nanoseconds(0);
    const UNKNOWN: Entry<'_> = Entry {
        time: EPOCH,
        status: 400,
        latency: Duration::ZERO,
        client: None,
        method: None,
        route: None,
        path: None,
        query: None,
        bytes: Some(0),
        request_id: "id-1",
    };

    fn lines(entries: &[Entry<'_>]) -> String {
        let mut lines = Lines::default();
        for entry in entries {
            lines.push(Format::Text, entry);
        }
        String::from_utf8(lines.buffer).unwrap()
    }

    fn line(path: &str, query: Option<&str>) -> String {
        let entry = Entry {
            status: 200,
            latency: Duration::from_nanos(35_200),
            client: Some(IpAddr::from([127, 0, 0, 1])),
            method: Some("GET"),
            path: Some(path),
            query,
            time: Timestamp::from_nanoseconds(1_795_335_721_007_000_000),
            ..UNKNOWN
        };
        lines(&[entry])
    }

    #[test]
    fn a_line_has_time_status_latency_client_method_target_and_id() {
        let expected = "2026-11-22T08:22:01.007Z 200 35.2µs 127.0.0.1 GET /api/todos?q=1 id-1\n";
        assert_eq!(line("/api/todos", Some("q=1")), expected);
        assert!(line("/", None).ends_with(" GET / id-1\n"));
        assert!(line("/", Some("")).ends_with(" GET /? id-1\n"));
    }

    #[test]
    fn what_is_not_known_is_a_dash() {
        let expected = "1970-01-01T00:00:00.000Z 400 0s - - - id-1\n";
        assert_eq!(lines(&[UNKNOWN]), expected);
    }

    #[test]
    fn the_client_is_that_of_the_request() {
        let clients = [Some("127.0.0.1"), None, Some("127.0.0.1"), Some("::1"), Some("192.0.2.7")];
        let entries = clients
            .map(|client| Entry { client: client.map(|text| text.parse().unwrap()), ..UNKNOWN });
        let lines = lines(&entries);
        let shown: Vec<_> = lines.lines().map(|line| line.split(' ').nth(3).unwrap()).collect();
        assert_eq!(shown, ["127.0.0.1", "-", "127.0.0.1", "::1", "192.0.2.7"]);
    }

    #[test]
    fn the_date_follows_the_clock() {
        let entries = [0, 1, 86_400].map(|second| Entry {
            time: Timestamp::from_nanoseconds(second * 1_000_000_000),
            ..UNKNOWN
        });
        let lines = lines(&entries);
        let times: Vec<_> = lines.lines().map(|line| line.split('.').next().unwrap()).collect();
        assert_eq!(times, ["1970-01-01T00:00:00", "1970-01-01T00:00:01", "1970-01-02T00:00:00"]);
    }

    #[test]
    fn a_client_cannot_forge_a_line() {
        let forged = "/a\r\n2026 200 \u{1b}[2J\u{2028}\u{202e}\u{85}\u{7f} x";
        for text in [line(forged, None), line("/", Some(forged))] {
            assert_eq!(text.lines().count(), 1);
            assert_eq!(text.split(' ').count(), 7, "{text}");
            let printable = |c: char| c.is_ascii_graphic() || " µ\n".contains(c);
            assert!(text.chars().all(printable), "{text:?}");
        }
    }

    #[test]
    fn of_a_long_target_the_start_is_kept() {
        assert!(line(&"a".repeat(600), None).ends_with("aaa... id-1\n"));
        assert!(line(&"a".repeat(512), None).ends_with("aaa id-1\n"));
        assert!(line(&"a".repeat(512), Some("q")).ends_with("aaa id-1\n"));
        assert!(line("/", Some(&"a".repeat(511))).ends_with("aaa... id-1\n"));
        assert!(line("/", Some(&"a".repeat(510))).ends_with("aaa id-1\n"));
    }
}
