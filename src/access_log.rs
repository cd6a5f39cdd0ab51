//! The access log: one line per request, on standard output.
//!
//! ```text
//! 2026-11-22T08:22:01.101Z 200 35.2µs 127.0.0.1 GET /api/todos?x=1 7f3a9c1e2b44-1
//! ```
//!
//! Time (RFC 3339, UTC), status, latency from the complete request head to the answer, client address, method, target
//! and request id. What is not known is `-`. As JSON a line has the same, and route, query and length of the answer.

mod json;
mod text;

use std::cell::RefCell;
use std::net::IpAddr;
use std::time::Duration;

use tokio::sync::Notify;

use clock::Timestamp;
use telemetry::log::Format;
use telemetry::output::{self, Stream};

/// How long a line may stay in memory. Under load this bounds the log to 20 writes per second, and a server that goes
/// idle has written everything this much later.
const DELAY: Duration = Duration::from_millis(50);

/// Lines are written at once when this many bytes have gathered.
const FULL: usize = 64 * 1024;

/// The longest method, and the longest path and query, that are written out, in characters; of a longer one the start.
const MAX_METHOD_CHARS: usize = 16;
const MAX_TARGET_CHARS: usize = 512;

/// What one line tells.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// When it was answered.
    pub time: Timestamp,
    /// The response's status code.
    pub status: u16,
    /// From the complete request head to the answer.
    pub latency: Duration,
    /// The client's address.
    pub client: Option<IpAddr>,
    /// The request's method.
    pub method: Option<&'a str>,
    /// The pattern of the request's route.
    pub route: Option<&'a str>,
    /// The request's path.
    pub path: Option<&'a str>,
    /// What came after `?`.
    pub query: Option<&'a str>,
    /// The length of the response's body. `None` where it was not known when it began.
    pub bytes: Option<usize>,
    /// The request's id.
    pub request_id: &'a str,
}

/// Gathers lines and writes them in batches, so that a line costs no system call under load.
///
/// [`run`](Self::run) must be running for lines to appear.
pub struct AccessLog {
    lines: Option<RefCell<Lines>>,
    gathering: Notify,
    format: Format,
}

#[derive(Default)]
struct Lines {
    buffer: Vec<u8>,
    clients: text::Clients,
}

impl AccessLog {
    /// A log that writes in this format, or one that does nothing.
    pub fn new(format: Option<Format>) -> Self {
        Self {
            lines: format.map(|_| RefCell::default()),
            gathering: Notify::new(),
            format: format.unwrap_or_default(),
        }
    }

    /// Adds the line of a request that was answered.
    pub fn record(&self, entry: &Entry<'_>) {
        let Some(lines) = &self.lines else { return };
        let mut lines = lines.borrow_mut();
        if lines.buffer.is_empty() {
            self.gathering.notify_one();
        }
        lines.push(self.format, entry);
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
            lines.borrow_mut().write();
            // What a slow reader has left is tried again, also when no more requests come.
            while !output::flush() {
                tokio::time::sleep(DELAY).await;
                lines.borrow_mut().write();
            }
        }
    }
}

impl Lines {
    fn push(&mut self, format: Format, entry: &Entry<'_>) {
        match format {
            Format::Text => text::push(&mut self.buffer, &mut self.clients, entry),
            Format::Json => json::push(&mut self.buffer, entry),
        }
    }

    fn write(&mut self) {
        output::write(Stream::Out, &self.buffer);
        self.buffer.clear();
    }
}
