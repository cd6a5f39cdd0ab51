//! What a connection receives.

use std::cell::RefCell;
use std::io::{self, IoSliceMut};
use std::task::{Context, Poll, ready};

use tokio::io::ReadBuf;
use tokio::net::TcpStream;

/// What is read at one time at the most.
const MAX_READ: usize = 16 * 1024;

thread_local! {
    /// Where bytes arrive before they are copied to their connection's own buffer, which is not initialized.
    static ARRIVALS: RefCell<Box<[u8; MAX_READ]>> = RefCell::new(Box::new([0; MAX_READ]));
}

/// Reads from `socket` into `buffer`.
///
/// A socket is waited for only when its connection wants to read, which [`AsyncRead`](tokio::io::AsyncRead) does not
/// tell the runtime: most requests leave their socket empty, and until they are answered nothing is read. With many
/// clients whose requests wait for a database, asking about their sockets would cost more than the requests.
pub(crate) fn poll_read(
    socket: &TcpStream,
    context: &mut Context<'_>,
    buffer: &mut ReadBuf<'_>,
) -> Poll<io::Result<()>> {
    ARRIVALS.with_borrow_mut(|arrivals| {
        let room = buffer.remaining().min(MAX_READ);
        let Some(room) = arrivals.get_mut(..room) else { return Poll::Ready(Ok(())) };
        loop {
            ready!(socket.poll_read_ready(context))?;
            match socket.try_read_vectored(&mut [IoSliceMut::new(room)]) {
                Ok(count) => {
                    buffer.put_slice(room.get(..count).unwrap_or_default());
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    })
}
