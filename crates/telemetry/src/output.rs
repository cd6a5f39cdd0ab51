//! Standard output and standard error, to which nobody ever waits to write.
//!
//! A pipe whose reader has stopped reading blocks whoever writes to it, and this process has one thread. So lines wait in
//! a queue of bounded length until the pipe has room. Lines that do not fit are dropped and counted. A reader that is gone
//! is as good as none.

use std::cell::RefCell;
use std::fmt;
use std::io::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::metrics::{Encoder, Source};

/// The longest queue of one stream, in bytes: some 3,000 lines.
const MAX_QUEUED: usize = 256 * 1024;

/// Where lines go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

thread_local! {
    static OUT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static ERR: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

static DROPPED: AtomicU64 = AtomicU64::new(0);

/// Writes whole lines, now as far as possible, the rest with the next [`flush`].
pub fn write(stream: Stream, lines: &[u8]) {
    stream.with_queue(|queue| {
        send(stream, queue);
        if queue.len() + lines.len() > MAX_QUEUED {
            let count = lines.iter().filter(|byte| **byte == b'\n').count();
            DROPPED.fetch_add(u64::try_from(count).unwrap_or(u64::MAX), Relaxed);
            return;
        }
        queue.extend_from_slice(lines);
        send(stream, queue);
    });
}

/// Writes what is queued, as far as possible. Tells whether nothing is left.
pub fn flush() -> bool {
    let sent = [Stream::Out, Stream::Err].map(|stream| {
        stream.with_queue(|queue| {
            send(stream, queue);
            queue.is_empty()
        })
    });
    sent.iter().all(|all| *all)
}

fn send(stream: Stream, queue: &mut Vec<u8>) {
    let mut sent = 0;
    while let Some(rest) = queue.get(sent..).filter(|rest| !rest.is_empty()) {
        let room = stream.room();
        if room == 0 {
            break;
        }
        let piece = rest.get(..room).unwrap_or(rest);
        // Whole lines, so that those of several writers do not mix.
        let end = piece.iter().rposition(|byte| *byte == b'\n').map_or(piece.len(), |end| end + 1);
        let piece = piece.get(..end).unwrap_or(piece);
        match stream.write(piece) {
            Ok(0) => break,
            Ok(count) => sent += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // A server whose log is on a full disk, or has no reader, serves on.
            Err(_) => sent = queue.len(),
        }
    }
    queue.drain(..sent);
}

impl Stream {
    fn with_queue<T>(self, change: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        let queue = match self {
            Self::Out => &OUT,
            Self::Err => &ERR,
        };
        queue.with_borrow_mut(change)
    }

    /// How many bytes it takes without waiting for its reader.
    #[cfg(target_os = "wasi")]
    fn room(self) -> usize {
        mio::writable_bytes(match self {
            Self::Out => 1,
            Self::Err => 2,
        })
    }

    /// Compiled for the machine itself, as bench/native is, it writes to files, which have room.
    #[cfg(not(target_os = "wasi"))]
    fn room(self) -> usize {
        usize::MAX
    }

    fn write(self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            // Its lock has a buffer, which keeps what comes behind the last line: there is nothing.
            Self::Out => {
                let mut output = io::stdout().lock();
                output.write_all(bytes)?;
                output.flush()?;
                Ok(bytes.len())
            }
            Self::Err => io::stderr().write(bytes),
        }
    }
}

/// What is counted about lines.
#[derive(Debug, Default)]
pub struct LogMetrics;

impl Source for LogMetrics {
    fn encode(&self, encoder: &mut Encoder<'_>) -> fmt::Result {
        let help = "Lines of the log that were dropped because nobody read those before.";
        encoder.totals("log_lines_dropped_total", help, [([], DROPPED.load(Relaxed))])
    }
}
