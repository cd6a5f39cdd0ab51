//! How a connection ends when the client may still be sending.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::time::{Duration, SystemTime};

use hyper::body::Bytes;
use hyper::header::{CONNECTION, CONTENT_LENGTH, DATE};
use hyper::{Response, Version};
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;
use tokio::task::yield_now;
use tokio::time::timeout;

/// How long a connection stays open after a response that leaves something unread. Closing at once would make the system
/// send a reset, which can take the response away from the client before it is read (RFC 9112, section 9.6).
const LINGER: Duration = Duration::from_secs(2);

/// What is discarded in that time at the most, and after how much of it other connections have their turn.
const MAX_DISCARDED: usize = 4 * 1024 * 1024;
const DISCARDED_PER_TURN: usize = 64 * 1024;

/// Sends `response` on a connection without a request, and closes it.
pub(crate) async fn refuse(socket: TcpStream, response: Response<Bytes>) {
    let bytes = encode(&response);
    if let Ok(Ok(())) = timeout(LINGER, send(&socket, &bytes)).await {
        linger(socket).await;
    }
}

/// `response` as it goes over the wire (RFC 9112, section 4), for where hyper cannot be asked to write it.
fn encode(response: &Response<Bytes>) -> Vec<u8> {
    let (status, body) = (response.status(), response.body());
    let reason = status.canonical_reason().unwrap_or_default();
    let mut bytes = format!(
        "{:?} {} {reason}\r\n{CONNECTION}: close\r\n{CONTENT_LENGTH}: {}\r\n{DATE}: {}\r\n",
        Version::HTTP_11,
        status.as_str(),
        body.len(),
        httpdate::HttpDate::from(SystemTime::now()),
    )
    .into_bytes();
    for (name, value) in response.headers() {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            bytes.extend_from_slice(part);
        }
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes
}

async fn send(socket: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        socket.writable().await?;
        match socket.try_write(bytes) {
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Tells the client that nothing more comes, then reads and discards what it still sends, for a moment.
pub(crate) async fn linger(mut socket: TcpStream) {
    let _ = timeout(LINGER, async {
        poll_fn(|context| Pin::new(&mut socket).poll_shutdown(context)).await?;
        let mut buffer = [0; 4096];
        let mut discarded = 0;
        let mut turn = DISCARDED_PER_TURN;
        while discarded < MAX_DISCARDED {
            socket.readable().await?;
            match socket.try_read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => discarded += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            if discarded >= turn {
                turn = discarded + DISCARDED_PER_TURN;
                yield_now().await;
            }
        }
        Ok::<(), io::Error>(())
    })
    .await;
}
