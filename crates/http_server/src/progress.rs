//! What one connection is waiting for, and until when.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

use super::Limits;

/// What a connection is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The first byte of a request.
    Idle,
    /// The rest of a request's head.
    Head,
    /// The service, which has deadlines of its own.
    Service,
    /// hyper, which encodes the answer.
    Answer,
}

impl Phase {
    fn from_index(index: u8) -> Self {
        match index {
            0 => Self::Idle,
            1 => Self::Head,
            2 => Self::Service,
            _ => Self::Answer,
        }
    }
}

/// What the socket, the service and the deadlines of one connection tell each other.
///
/// Times are in milliseconds since `start`. A WebAssembly module has one thread: the atomics satisfy the compiler, and
/// become plain loads and stores.
pub(super) struct Progress {
    limits: Limits,
    start: Instant,
    /// The time of the present turn: one look at the clock serves the whole turn.
    now: AtomicU64,
    phase: AtomicU8,
    phase_deadline: AtomicU64,
    write_deadline: AtomicU64,
    /// hyper has taken the last byte of the answer from the service.
    encoded: AtomicBool,
    /// The answer left some of what the client sent, or may still send.
    unread: AtomicBool,
    /// Bytes of the present request's body, as they came.
    body_bytes: AtomicUsize,
    body_bytes_of_turn: AtomicUsize,
    head: Head,
}

/// What came since the last request.
#[derive(Default)]
struct Head {
    reads: AtomicUsize,
    has_line: AtomicBool,
    has_length: AtomicBool,
}

const NEVER: u64 = u64::MAX;

impl Progress {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            limits: limits.clone(),
            start: Instant::now(),
            now: AtomicU64::new(0),
            phase: AtomicU8::new(Phase::Idle as u8),
            phase_deadline: AtomicU64::new(milliseconds(limits.idle_timeout)),
            write_deadline: AtomicU64::new(NEVER),
            encoded: AtomicBool::new(false),
            unread: AtomicBool::new(false),
            body_bytes: AtomicUsize::new(0),
            body_bytes_of_turn: AtomicUsize::new(0),
            head: Head::default(),
        }
    }

    /// To be called whenever the connection is polled.
    pub(super) fn begin_turn(&self) {
        self.now.store(milliseconds(self.start.elapsed()), Relaxed);
        self.body_bytes_of_turn.store(0, Relaxed);
    }

    /// When the connection has waited too long, if it is waiting for anything that has a limit.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.phase_deadline.load(Relaxed).min(self.write_deadline.load(Relaxed)) {
            NEVER => None,
            deadline => Some(self.start + Duration::from_millis(deadline)),
        }
    }

    pub(super) fn phase(&self) -> Phase {
        Phase::from_index(self.phase.load(Relaxed))
    }

    pub(super) fn is_write_blocked(&self) -> bool {
        self.write_deadline.load(Relaxed) != NEVER
    }

    /// hyper writes because a request was made, not because it could not read one.
    pub(super) fn is_answer_due(&self) -> bool {
        matches!(self.phase(), Phase::Service | Phase::Answer)
    }

    pub(super) fn is_unread(&self) -> bool {
        self.unread.load(Relaxed)
    }

    /// The present head has a complete request line.
    pub(super) fn is_line_complete(&self) -> bool {
        self.head.has_line.load(Relaxed)
    }

    pub(super) fn body_bytes_of_turn(&self) -> usize {
        self.body_bytes_of_turn.load(Relaxed)
    }

    /// Bytes came from the client.
    ///
    /// # Errors
    /// When they are more than any body within the limits needs.
    pub(super) fn read(&self, bytes: &[u8]) -> io::Result<()> {
        match self.phase() {
            Phase::Idle | Phase::Head => {
                if self.phase() == Phase::Idle && !bytes.is_empty() {
                    self.enter(Phase::Head, self.limits.head_timeout);
                }
                self.head.read(bytes);
                Ok(())
            }
            Phase::Service | Phase::Answer => {
                self.body_bytes_of_turn.fetch_add(bytes.len(), Relaxed);
                let body_bytes = self.body_bytes.fetch_add(bytes.len(), Relaxed) + bytes.len();
                if body_bytes > self.limits.max_body_wire_bytes {
                    return Err(io::ErrorKind::FileTooLarge.into());
                }
                Ok(())
            }
        }
    }

    /// The head of a request is complete, the service has it.
    ///
    /// Tells whether a `Content-Length` may have been there, even if hyper does not show one: it drops those that come
    /// after `Transfer-Encoding`.
    pub(super) fn request_begins(&self) -> bool {
        self.body_bytes.store(0, Relaxed);
        self.encoded.store(false, Relaxed);
        self.phase.store(Phase::Service as u8, Relaxed);
        self.phase_deadline.store(NEVER, Relaxed);
        self.head.take_may_have_length()
    }

    /// The service has answered. `leaves_unread` if it left some of what the client sends, or may still send.
    pub(super) fn answer_begins(&self, leaves_unread: bool) {
        self.unread.store(leaves_unread, Relaxed);
        self.phase.store(Phase::Answer as u8, Relaxed);
    }

    /// hyper has the whole answer.
    pub(super) fn answer_ends(&self) {
        self.encoded.store(true, Relaxed);
    }

    /// hyper has nothing left to write.
    pub(super) fn flush(&self) {
        if self.phase() == Phase::Answer && self.encoded.load(Relaxed) {
            self.enter(Phase::Idle, self.limits.idle_timeout);
        }
    }

    /// The client does not take what was written.
    pub(super) fn write_blocks(&self) {
        if !self.is_write_blocked() {
            self.write_deadline.store(self.after(self.limits.write_timeout), Relaxed);
        }
    }

    /// The client took some of it.
    pub(super) fn write_proceeds(&self) {
        self.write_deadline.store(NEVER, Relaxed);
    }

    fn enter(&self, phase: Phase, wait: Duration) {
        self.phase.store(phase as u8, Relaxed);
        self.phase_deadline.store(self.after(wait), Relaxed);
    }

    fn after(&self, wait: Duration) -> u64 {
        self.now.load(Relaxed).saturating_add(milliseconds(wait))
    }
}

impl Head {
    fn read(&self, bytes: &[u8]) {
        const CONTENT_LENGTH: &[u8] = b"content-length";
        self.reads.fetch_add(1, Relaxed);
        let is_length = |name: &[u8]| name.eq_ignore_ascii_case(CONTENT_LENGTH);
        if bytes.windows(CONTENT_LENGTH.len()).any(is_length) {
            self.has_length.store(true, Relaxed);
        }
        // Empty lines before a request do not count (RFC 9112, section 2.2).
        if bytes.trim_ascii_start().contains(&b'\n') {
            self.has_line.store(true, Relaxed);
        }
    }

    /// What came in several reads, or before the last answer, was not looked at as a whole: it may have anything.
    fn take_may_have_length(&self) -> bool {
        self.has_line.store(false, Relaxed);
        self.reads.swap(0, Relaxed) != 1 || self.has_length.swap(false, Relaxed)
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(NEVER)
}
