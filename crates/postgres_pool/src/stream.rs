//! A socket to a database, as tokio-postgres wants it.

use std::cell::RefCell;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead as _, AsyncWrite as _};
use tokio::net::TcpStream;

/// How long the addresses of a name are taken to be the right ones, even if none of them can be reached.
const LOOK_UP_INTERVAL: Duration = Duration::from_secs(30);

/// A connected socket of tokio_wasi with the traits of upstream's tokio.
pub(crate) struct Stream(TcpStream);

impl Stream {
    /// Connects to a host, by name or by address: to the first of its addresses that can be reached.
    ///
    /// # Errors
    /// As the system has them for the last address. WasmEdge connects to IPv4 addresses only.
    pub(crate) async fn connect(host: &str, port: u16, resolver: &Resolver) -> io::Result<Self> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no IPv4 address");
        for address in resolver.addresses(host)? {
            match TcpStream::connect(SocketAddr::new(address, port)).await {
                Ok(stream) => return Ok(Self(stream)),
                Err(error) => last = error,
            }
        }
        resolver.doubt(host);
        Err(last)
    }
}

/// Looks names up, and remembers their addresses for as long as one of them can be reached.
///
/// The runtime asks the system's resolver, and the whole program waits for it: 10 seconds where the resolver is silent. So
/// it is asked once at the start, and then at most every [`LOOK_UP_INTERVAL`] for a host that cannot be reached.
#[derive(Default)]
pub(crate) struct Resolver(RefCell<Vec<Known>>);

struct Known {
    host: String,
    addresses: Vec<IpAddr>,
    looked_up: Instant,
    in_doubt: bool,
}

impl Resolver {
    fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![address.to_canonical()]);
        }
        let mut known = self.0.borrow_mut();
        let found = known.iter().find(|known| known.host == host);
        let is_good =
            |known: &&Known| !known.in_doubt || known.looked_up.elapsed() < LOOK_UP_INTERVAL;
        if let Some(known) = found.filter(is_good) {
            return Ok(known.addresses.clone());
        }
        let addresses = look_up(host)?;
        let (host, looked_up) = (host.to_owned(), Instant::now());
        known.retain(|known| known.host != host);
        known.push(Known { host, addresses: addresses.clone(), looked_up, in_doubt: false });
        Ok(addresses)
    }

    /// None of the addresses can be reached at present.
    fn doubt(&self, host: &str) {
        let mut known = self.0.borrow_mut();
        known.iter_mut().filter(|known| known.host == host).for_each(|known| known.in_doubt = true);
    }
}

fn look_up(host: &str) -> io::Result<Vec<IpAddr>> {
    // The runtime's error numbers have no texts.
    #[cfg(target_os = "wasi")]
    let found = wasmedge_wasi_socket::nslookup(host, "")
        .map_err(|_| io::Error::new(io::ErrorKind::NotFound, "the name cannot be looked up"))?;
    #[cfg(not(target_os = "wasi"))]
    let found: Vec<_> = std::net::ToSocketAddrs::to_socket_addrs(&(host, 0))?.collect();
    let mut addresses: Vec<_> = found.iter().map(SocketAddr::ip).collect();
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
