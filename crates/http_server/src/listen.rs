//! Opens the listening socket.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use tokio::net::TcpListener;

/// Listens on `host` and `port` (0: a free one) and tells the address that it got.
///
/// An IPv4 `host` is bound as the IPv4-mapped IPv6 address (RFC 4291, section 2.5.5.2) where the machine has IPv6: the
/// runtime tells the real addresses of such sockets' clients, while those of plain IPv4 sockets read as 0.0.0.0.
///
/// # Errors
/// [`io::ErrorKind::AddrInUse`] when the port is taken; others as the system has them, such as
/// [`io::ErrorKind::AddrNotAvailable`] for an address that is not the machine's.
///
/// # Panics
/// Outside of a tokio runtime.
pub fn listen(host: IpAddr, port: u16) -> io::Result<(TcpListener, SocketAddr)> {
    let mapped = match host {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    };
    let listener = match bind(mapped.into(), port) {
        Ok(listener) => listener,
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(error),
        Err(error) => bind(without_ipv6(host).ok_or(error)?, port)?,
    };
    let bound = listener.local_addr()?.port();
    let listener = TcpListener::from_std(listener)?;
    Ok((listener, SocketAddr::new(host, bound)))
}

#[cfg(target_os = "wasi")]
fn bind(host: IpAddr, port: u16) -> io::Result<wasmedge_wasi_socket::TcpListener> {
    const NONBLOCKING: bool = true;
    wasmedge_wasi_socket::TcpListener::bind((host, port), NONBLOCKING)
}

#[cfg(not(target_os = "wasi"))]
fn bind(host: IpAddr, port: u16) -> io::Result<std::net::TcpListener> {
    let listener = std::net::TcpListener::bind((host, port))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// The address that means `host` on a machine without IPv6, if there is one.
fn without_ipv6(host: IpAddr) -> Option<IpAddr> {
    match host {
        IpAddr::V4(address) => Some(address.into()),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Some(IpAddr::from([0, 0, 0, 0])),
        IpAddr::V6(_) => None,
    }
}
