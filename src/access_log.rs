//! The access log: one line per request, on standard output.
//!
//! ```text
//! 2026-11-22T08:22:01.101Z 200 35.2µs 127.0.0.1 GET /api/todos?x=1
//! ```
//!
//! Time (RFC 3339, UTC), status, latency from the complete request head to the answer, client address, method and
//! target. What is not known is `-`.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::Notify;

use crate::clock::{GoDuration, Timestamp};

/// How long a line may stay in memory. Under load this bounds the log to 20 writes per second, and a server that goes
/// idle has written everything this much later.
const DELAY: Duration = Duration::from_millis(50);

/// Lines are written at once when this many bytes have gathered.
const FULL: usize = 64 * 1024;

/// The longest method and target that are written out, in characters; of a longer one the start.
const MAX_METHOD_CHARS: usize = 16;
const MAX_TARGET_CHARS: usize = 512;

/// What one line tells.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// The answer's status code.
    pub status: u16,
    /// From the complete request head to the answer.
    pub latency: Duration,
    /// The client's address.
    pub client: Option<IpAddr>,
    /// The request's method.
    pub method: Option<&'a str>,
    /// The request's path and query.
    pub target: Option<&'a str>,
}

/// Gathers lines and writes them in batches, so that a line costs no system call under load.
///
/// [`run`](Self::run) must be running for lines to appear.
pub struct AccessLog {
    lines: Option<Mutex<Lines>>,
    gathering: Notify,
}

#[derive(Default)]
struct Lines {
    buffer: String,
    /// The second that `date` is the text of.
    second: u64,
    /// `2026-11-22T08:22:01`: the same for every line of one second.
    date: String,
}

impl AccessLog {
    /// A log that writes, or one that does nothing.
    pub fn new(enabled: bool) -> Self {
        Self { lines: enabled.then(Mutex::default), gathering: Notify::new() }
    }

    /// Adds the line of a request that was answered just now.
    pub fn record(&self, entry: &Entry<'_>) {
        let Some(lines) = &self.lines else { return };
        let mut lines = lock(lines);
        if lines.buffer.is_empty() {
            self.gathering.notify_one();
        }
        lines.push(SystemTime::now(), entry);
        if lines.buffer.len() >= FULL {
            lines.write();
        }
    }

    /// Writes lines out a moment after they came, for ever.
    pub async fn run(&self) {
        let Some(lines) = &self.lines else { return };
        loop {
            self.gathering.notified().await;
            tokio::time::sleep(DELAY).await;
            lock(lines).write();
        }
    }
}

fn lock(lines: &Mutex<Lines>) -> MutexGuard<'_, Lines> {
    lines.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Lines {
    fn push(&mut self, time: SystemTime, entry: &Entry<'_>) {
        let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let (second, milliseconds) = (since_epoch.as_secs(), since_epoch.subsec_millis());
        if second != self.second || self.date.is_empty() {
            self.second = second;
            self.date = Timestamp::from(UNIX_EPOCH + Duration::from_secs(second)).to_string();
            self.date.pop(); // the Z: the milliseconds come before it
        }
        let Self { buffer, date, .. } = self;
        let Entry { status, latency, client, method, target } = entry;
        // Writing into a String does not fail.
        let _ = write!(buffer, "{date}.{milliseconds:03}Z {status} {} ", GoDuration(*latency));
        let _ = match client {
            Some(client) => write!(buffer, "{client}"),
            None => buffer.write_str("-"),
        };
        for (word, max_chars) in [(method, MAX_METHOD_CHARS), (target, MAX_TARGET_CHARS)] {
            buffer.push(' ');
            push_word(buffer, word.unwrap_or("-"), max_chars);
        }
        buffer.push('\n');
    }

    fn write(&mut self) {
        // A server whose log is on a full disk serves on.
        let mut output = io::stdout().lock();
        let _ = output.write_all(self.buffer.as_bytes()).and_then(|()| output.flush());
        self.buffer.clear();
    }
}

/// Writes `word` so that it stays one word of printable ASCII, whatever the client sent.
fn push_word(buffer: &mut String, word: &str, max_chars: usize) {
    let mut characters = word.chars();
    for character in characters.by_ref().take(max_chars) {
        if character.is_ascii_graphic() {
            buffer.push(character);
        } else {
            let _ = write!(buffer, "{}", character.escape_unicode());
        }
    }
    if characters.next().is_some() {
        buffer.push_str("...");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(target: &str) -> String {
        let mut lines = Lines::default();
        let entry = Entry {
            status: 200,
            latency: Duration::from_nanos(35_200),
            client: Some(IpAddr::from([127, 0, 0, 1])),
            method: Some("GET"),
            target: Some(target),
        };
        lines.push(UNIX_EPOCH + Duration::from_millis(1_795_335_721_007), &entry);
        lines.buffer
    }

    #[test]
    fn a_line_has_time_status_latency_client_method_and_target() {
        let expected = "2026-11-22T08:22:01.007Z 200 35.2µs 127.0.0.1 GET /api/todos?q=1\n";
        assert_eq!(line("/api/todos?q=1"), expected);
    }

    #[test]
    fn what_is_not_known_is_a_dash() {
        let mut lines = Lines::default();
        let entry = Entry {
            status: 400,
            latency: Duration::ZERO,
            client: None,
            method: None,
            target: None,
        };
        lines.push(UNIX_EPOCH, &entry);
        assert_eq!(lines.buffer, "1970-01-01T00:00:00.000Z 400 0s - - -\n");
    }

    #[test]
    fn the_date_follows_the_clock() {
        let mut lines = Lines::default();
        let entry = Entry {
            status: 200,
            latency: Duration::ZERO,
            client: None,
            method: None,
            target: None,
        };
        for second in [0, 1, 86_400] {
            lines.push(UNIX_EPOCH + Duration::from_secs(second), &entry);
        }
        let times: Vec<_> =
            lines.buffer.lines().map(|line| line.split('.').next().unwrap()).collect();
        assert_eq!(times, ["1970-01-01T00:00:00", "1970-01-01T00:00:01", "1970-01-02T00:00:00"]);
    }

    #[test]
    fn a_client_cannot_forge_a_line() {
        let text = line("/a\r\n2026 200 \u{202e}\u{7f} x");
        assert_eq!(text.lines().count(), 1);
        assert_eq!(text.split(' ').count(), 6, "{text}");
    }

    #[test]
    fn of_a_long_target_the_start_is_kept() {
        assert!(line(&"a".repeat(600)).ends_with("aaa...\n"));
        assert!(line(&"a".repeat(512)).ends_with("aaa\n"));
    }
}
