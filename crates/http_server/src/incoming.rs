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
    static ARRIVALS: RefCell<[u8; MAX_READ]> = const { RefCell::new([0; MAX_READ]) };
}

/// Reads from `socket` into `buffer`.
///
/// It goes by vectored reads, as after those a socket is waited for when its connection wants more. Through
/// [`AsyncRead`](tokio::io::AsyncRead) it would be waited for as soon as it is empty, though mostly nothing is read before
/// a request is answered: with many clients whose requests wait for a database, asking about their sockets would cost more
/// than the requests.
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

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::net::{IpAddr, Ipv4Addr};
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;
    use crate::listen;

    const LONG: Duration = Duration::from_secs(20);

    /// What comes within `time`.
    async fn read(socket: &TcpStream, room: usize, time: Duration) -> Option<Vec<u8>> {
        let mut bytes = vec![0; room];
        let mut buffer = ReadBuf::new(&mut bytes);
        let read = poll_fn(|context| poll_read(socket, context, &mut buffer));
        timeout(time, read).await.ok()?.unwrap();
        Some(buffer.filled().to_vec())
    }

    #[test]
    fn what_comes_is_read_in_pieces_of_any_length_and_then_waited_for() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (listener, address) = listen(IpAddr::V4(Ipv4Addr::LOCALHOST), 0).unwrap();
            let client = TcpStream::connect(address).await.unwrap();
            let (server, _) = listener.accept().await.unwrap();
            for length in [1, 100, MAX_READ - 1, MAX_READ, MAX_READ + 1, 3 * MAX_READ] {
                for room in [64, 8 * 1024, 2 * MAX_READ] {
                    let sent: Vec<u8> = (0..length).map(|number| number as u8).collect();
                    client.writable().await.unwrap();
                    assert_eq!(client.try_write(&sent).unwrap(), length, "it fits into the socket");
                    let mut received = Vec::new();
                    while received.len() < length {
                        received.extend(read(&server, room, LONG).await.expect("it was sent"));
                    }
                    assert_eq!(received, sent, "{length} bytes into {room}");
                    let nothing = read(&server, room, Duration::from_millis(2)).await;
                    assert!(nothing.is_none(), "nothing is left of {length} bytes");
                }
            }
            drop(client);
            assert_eq!(read(&server, 64, LONG).await, Some(Vec::new()), "the end");
        });
    }
}
