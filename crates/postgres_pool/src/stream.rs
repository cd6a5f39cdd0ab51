//! A socket to a database, as tokio-postgres wants it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead as _, AsyncWrite as _};
use tokio::net::TcpStream;

/// A connected socket of tokio_wasi with the traits of upstream's tokio.
pub(crate) struct Stream(TcpStream);

impl Stream {
    /// Connects to a host, by name or by address: to the first of its addresses that can be reached.
    ///
    /// # Errors
    /// As the system has them for the last address. WasmEdge connects to IPv4 addresses only.
    pub(crate) async fn connect(host: &str, port: u16) -> io::Result<Self> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no IPv4 address");
        for address in look_up(host, port)? {
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok(Self(stream)),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

/// The addresses of a host. The runtime asks the system's resolver, which blocks this thread until it answers.
fn look_up(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address.to_canonical(), port)]);
    }
    let unknown = |_| io::Error::new(io::ErrorKind::NotFound, "the name cannot be looked up");
    let mut addresses = wasmedge_wasi_socket::nslookup(host, "").map_err(unknown)?;
    addresses.iter_mut().for_each(|address| address.set_port(port));
    // One address comes once per type of socket.
    addresses.dedup();
    Ok(addresses)
}

impl tokio_io::io::AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut tokio_io::io::ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut inner = tokio::io::ReadBuf::new(buffer.initialize_unfilled());
        let result = Pin::new(&mut self.0).poll_read(context, &mut inner);
        let count = inner.filled().len();
        buffer.advance(count);
        result
    }
}

impl tokio_io::io::AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
