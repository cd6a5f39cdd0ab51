//! One JSON object per line.

use std::net::IpAddr;

use serde::Serialize;

use super::{Entry, MAX_METHOD_CHARS, MAX_TARGET_CHARS};
use telemetry::log::{Level, Milliseconds, push_json};

/// What a line holds. What is not known is `null`.
#[derive(Serialize)]
struct Line<'a> {
    /// RFC 3339, UTC, with milliseconds.
    time: Milliseconds,
    /// `error` when the server is at fault (5xx), else `info`.
    level: Level,
    method: Option<&'a str>,
    /// The route's pattern, such as `/api/todos/{id}`.
    route: Option<&'a str>,
    path: Option<&'a str>,
    query: Option<&'a str>,
    status: u16,
    duration_ms: f64,
    bytes: Option<usize>,
    client: Option<IpAddr>,
    request_id: &'a str,
}

/// Appends the line of `entry`.
pub(super) fn push(buffer: &mut Vec<u8>, entry: &Entry<'_>) {
    push_json(
        buffer,
        &Line {
            time: Milliseconds(entry.time),
            level: if entry.status >= 500 { Level::Error } else { Level::Info },
            method: entry.method.map(|method| start(method, MAX_METHOD_CHARS)),
            route: entry.route,
            path: entry.path.map(|path| start(path, MAX_TARGET_CHARS)),
            query: entry.query.map(|query| start(query, MAX_TARGET_CHARS)),
            status: entry.status,
            duration_ms: entry.latency.as_secs_f64() * 1e3,
            bytes: entry.bytes,
            client: entry.client,
            request_id: entry.request_id,
        },
    );
}

fn start(text: &str, max_chars: usize) -> &str {
    let end = text.char_indices().nth(max_chars).map_or(text.len(), |(end, _)| end);
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;
    use crate::access_log::Lines;
    use clock::Timestamp;
    use telemetry::log::Format;

    fn line(entry: Entry<'_>) -> Value {
        let mut lines = Lines::default();
        lines.push(Format::Json, &entry);
        let text = String::from_utf8(lines.buffer).unwrap();
        assert_eq!((text.lines().count(), text.is_ascii()), (1, true), "{text}");
        serde_json::from_str(&text).unwrap()
    }

    const ENTRY: Entry<'_> = Entry {
        time: Timestamp::from_nanoseconds(1_795_335_721_007_000_000),
        status: 201,
        latency: Duration::from_micros(1_250),
        client: None,
        method: Some("POST"),
        route: Some("/api/todos"),
        path: Some("/api/todos/"),
        query: None,
        bytes: Some(127),
        request_id: "id-1",
    };

    #[test]
    fn a_line_is_an_object_with_every_field() {
        let expected = json!({
            "time": "2026-11-22T08:22:01.007Z", "level": "info",
            "method": "POST", "route": "/api/todos", "path": "/api/todos/", "query": null,
            "status": 201, "duration_ms": 1.25, "bytes": 127, "client": null, "request_id": "id-1",
        });
        assert_eq!(line(ENTRY), expected);
        let client = Some(IpAddr::from([192, 0, 2, 7]));
        assert_eq!(line(Entry { client, ..ENTRY })["client"], "192.0.2.7");
    }

    #[test]
    fn faults_of_the_server_are_errors() {
        for (status, level) in [(499, "info"), (500, "error"), (503, "error")] {
            assert_eq!(line(Entry { status, ..ENTRY })["level"], level);
        }
    }

    #[test]
    fn a_client_cannot_forge_a_line() {
        let forged = "/\",\"status\":200}\r\n{\"a\":\"\u{1b}[2J\u{2028}\u{202e}\\";
        let read = line(Entry { path: Some(forged), query: Some(forged), ..ENTRY });
        assert_eq!((&read["path"], &read["query"]), (&json!(forged), &json!(forged)));
        assert_eq!(read["status"], 201);
    }

    #[test]
    fn of_long_words_the_start_is_kept() {
        let long = "가".repeat(600);
        let read =
            line(Entry { method: Some(&long), path: Some(&long), query: Some(&long), ..ENTRY });
        let length = |key: &str| read[key].as_str().unwrap().chars().count();
        assert_eq!((length("method"), length("path"), length("query")), (16, 512, 512));
    }
}
