//! A connection's socket as hyper sees it: reads are bounded, writes are gathered.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::progress::Progress;

/// What is gathered before hyper has to wait. All answers to a pipeline leave in one send as long as they fit: in one
/// send each, Nagle's algorithm (RFC 896) would hold them back until the client acknowledges, which takes it 40 ms.
const GATHERED: usize = 64 * 1024;

/// What one connection may read of a body before the others have their turn. hyper takes malicious chunk framing apart
/// byte by byte, at up to 1 µs each.
const TURN: usize = 16 * 1024;

/// The socket and what is still to be sent.
pub(super) struct Transport {
    socket: TcpStream,
    gathered: Vec<u8>,
    sent: usize,
}

impl Transport {
    /// Sends what was gathered.
    pub(super) fn poll_send(
        &mut self,
        context: &mut Context<'_>,
        progress: &Progress,
    ) -> Poll<io::Result<()>> {
        while let Some(rest) = self.gathered.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match Pin::new(&mut self.socket).poll_write(context, rest) {
                Poll::Ready(result) => {
                    self.sent += result?;
                    progress.write_proceeds();
                }
                Poll::Pending => {
                    progress.write_blocks();
                    return Poll::Pending;
                }
            }
        }
        self.sent = 0;
        self.gathered.clear();
        // An idle connection does not keep what a large answer needed.
        self.gathered.shrink_to(GATHERED / 16);
        Poll::Ready(Ok(()))
    }

    pub(super) fn into_socket(self) -> TcpStream {
        self.socket
    }
}

/// The [`Transport`] of one connection. Only one task uses it, so its lock is always free.
#[derive(Clone)]
pub(super) struct SharedTransport(Arc<Mutex<Transport>>);

impl SharedTransport {
    pub(super) fn new(socket: TcpStream) -> Self {
        Self(Arc::new(Mutex::new(Transport { socket, gathered: Vec::new(), sent: 0 })))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Transport> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The transport, if nobody else has it any more.
    pub(super) fn into_inner(self) -> Option<Transport> {
        Arc::into_inner(self.0)
            .map(|lock| lock.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What hyper reads and writes.
///
/// It never shuts the socket down: how a connection ends is decided when hyper is done with it.
pub(super) struct Stream {
    pub(super) transport: SharedTransport,
    pub(super) progress: Arc<Progress>,
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.progress.body_bytes_of_turn() >= TURN {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.transport.lock().socket).poll_read(context, buffer))?;
        Poll::Ready(self.progress.read(buffer.filled().get(before..).unwrap_or_default()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        // Without a request, all that hyper writes is its own answer to a bad head, which has no body. The connection
        // ends after it, and the service's refusal goes out in its place.
        if !self.progress.is_answer_due() {
            return Poll::Ready(Ok(bytes.len()));
        }
        let mut transport = self.transport.lock();
        if transport.gathered.len() >= GATHERED {
            ready!(transport.poll_send(context, &self.progress))?;
        }
        let taken = bytes.get(..GATHERED).unwrap_or(bytes);
        transport.gathered.extend_from_slice(taken);
        Poll::Ready(Ok(taken.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // What was gathered is sent at the end of the turn.
        self.progress.flush();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
