//! A connection's socket as hyper sees it, and what the connection is waiting for.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
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
    /// The client, which takes its answer.
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

/// What the socket, the service and the deadline of one connection tell each other.
///
/// A WebAssembly module has one thread: the atomics satisfy the compiler, and become plain loads and stores.
pub(super) struct Progress {
    start: Instant,
    /// The time of the present turn: one look at the clock serves the whole turn. Times are in milliseconds since
    /// `start`.
    now: AtomicU64,
    phase: AtomicU8,
    deadline: AtomicU64,
    line_seen: AtomicBool,
    write_blocked: AtomicBool,
    unread: AtomicBool,
    head_timeout: u64,
    idle_timeout: u64,
    write_timeout: u64,
}

const NEVER: u64 = u64::MAX;

impl Progress {
    pub(super) fn new(limits: &Limits) -> Self {
        let idle_timeout = milliseconds(limits.idle_timeout);
        Self {
            start: Instant::now(),
            now: AtomicU64::new(0),
            phase: AtomicU8::new(Phase::Idle as u8),
            deadline: AtomicU64::new(idle_timeout),
            line_seen: AtomicBool::new(false),
            write_blocked: AtomicBool::new(false),
            unread: AtomicBool::new(false),
            head_timeout: milliseconds(limits.head_timeout),
            idle_timeout,
            write_timeout: milliseconds(limits.write_timeout),
        }
    }

    /// To be called whenever the connection is polled.
    pub(super) fn begin_turn(&self) {
        self.now.store(milliseconds(self.start.elapsed()), Relaxed);
    }

    pub(super) fn phase(&self) -> Phase {
        Phase::from_index(self.phase.load(Relaxed))
    }

    /// The end of the present wait, if it has one.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.deadline.load(Relaxed) {
            NEVER => None,
            deadline => Some(self.start + Duration::from_millis(deadline)),
        }
    }

    /// The head of a request is complete, the service has it.
    pub(super) fn request_begins(&self) {
        self.enter(Phase::Service, NEVER);
    }

    /// The service has answered. `leaves_unread` if it left some of what the client sends, or may still send.
    pub(super) fn answer_begins(&self, leaves_unread: bool) {
        self.unread.store(leaves_unread, Relaxed);
        self.enter(Phase::Answer, NEVER);
    }

    /// The last answer left some of what the client sent.
    pub(super) fn is_unread(&self) -> bool {
        self.unread.load(Relaxed)
    }

    /// The present head has a complete request line.
    pub(super) fn is_line_seen(&self) -> bool {
        self.line_seen.load(Relaxed)
    }

    fn read_ends(&self, bytes: &[u8]) {
        if self.phase() == Phase::Idle && !bytes.is_empty() {
            self.line_seen.store(false, Relaxed);
            self.enter(Phase::Head, self.head_timeout);
        }
        if self.phase() == Phase::Head && bytes.contains(&b'\n') {
            self.line_seen.store(true, Relaxed);
        }
    }

    fn write_blocks(&self) {
        if !self.write_blocked.swap(true, Relaxed) {
            self.enter(self.phase(), self.write_timeout);
        }
    }

    fn write_proceeds(&self) {
        if self.write_blocked.swap(false, Relaxed) {
            self.enter(self.phase(), NEVER);
        }
    }

    fn flushes(&self) {
        // Answers are written whole, so this one is complete. Requests behind it may have been read already.
        if self.phase() == Phase::Answer {
            self.enter(Phase::Idle, self.idle_timeout);
        }
    }

    fn enter(&self, phase: Phase, wait: u64) {
        self.phase.store(phase as u8, Relaxed);
        self.deadline.store(self.now.load(Relaxed).saturating_add(wait), Relaxed);
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(NEVER)
}

/// The socket that hyper reads and writes.
///
/// It never shuts the socket down: how a connection ends is decided when hyper is done with it.
pub(super) struct Stream {
    socket: Arc<Mutex<TcpStream>>,
    progress: Arc<Progress>,
}

impl Stream {
    pub(super) fn new(socket: TcpStream, progress: Arc<Progress>) -> Self {
        Self { socket: Arc::new(Mutex::new(socket)), progress }
    }

    /// Another handle to the socket, which gives it back when this one is gone.
    pub(super) fn handle(&self) -> Handle {
        Handle(self.socket.clone())
    }

    fn with_socket<T>(&self, operation: impl FnOnce(Pin<&mut TcpStream>) -> T) -> T {
        // Only one future ever polls a connection, so this never waits.
        operation(Pin::new(&mut *self.socket.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// A claim to the socket of a [`Stream`] for the time after it.
pub(super) struct Handle(Arc<Mutex<TcpStream>>);

impl Handle {
    /// The socket, once its stream is dropped.
    pub(super) fn into_socket(self) -> Option<TcpStream> {
        let socket = Arc::into_inner(self.0)?;
        Some(socket.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = self.with_socket(|socket| socket.poll_read(context, buffer));
        if result.is_ready() {
            self.progress.read_ends(buffer.filled().get(before..).unwrap_or_default());
        }
        result
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        // Before a request is complete, all that hyper writes is its own answer to a bad head, without a body. The
        // connection ends after it, and the service's refusal goes out in its place.
        if matches!(self.progress.phase(), Phase::Idle | Phase::Head) {
            return Poll::Ready(Ok(bytes.len()));
        }
        let result = self.with_socket(|socket| socket.poll_write(context, bytes));
        match result {
            Poll::Pending => self.progress.write_blocks(),
            Poll::Ready(_) => self.progress.write_proceeds(),
        }
        result
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // hyper flushes when it has nothing left to write.
        self.progress.flushes();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
