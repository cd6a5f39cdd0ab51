//! TCP sockets that tell the selector what they are waiting for.

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, RawFd};

use wasmedge_wasi_socket as wasi;
use wasmedge_wasi_socket::socket::{AddressFamily, MSG_PEEK, Socket, SocketType};

use crate::event::Source;
use crate::selector::{Direction, Kind, Registration};
use crate::{Interest, Registry, Token};

const NONBLOCKING: bool = true;

/// WASI's error number for a connection that is being made.
const INPROGRESS: i32 = 26;

/// A socket and its place in a selector.
struct Registered<S> {
    socket: S,
    registration: Option<Registration>,
    kind: Kind,
}

impl<S> Registered<S> {
    fn new(socket: S, kind: Kind) -> Self {
        Self { socket, registration: None, kind }
    }

    /// Waits for `direction` from now on if an operation of that direction has used up what was there.
    fn finish<T>(
        &self,
        direction: Direction,
        result: io::Result<T>,
        used_up: impl FnOnce(&T) -> bool,
    ) -> io::Result<T> {
        if let Some(registration) = &self.registration {
            match &result {
                Ok(value) => registration.has_succeeded(direction, used_up(value)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    registration.would_block(direction);
                }
                _ => {}
            }
        }
        result
    }
}

impl<S: AsRawFd> Source for Registered<S> {
    fn register(&mut self, registry: &Registry, token: Token, _: Interest) -> io::Result<()> {
        if self.registration.is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let descriptor = u32::try_from(self.socket.as_raw_fd())
            .map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        self.registration = Some(registry.selector.register(descriptor, token, self.kind));
        Ok(())
    }

    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        self.deregister(registry)?;
        self.register(registry, token, interest)
    }

    fn deregister(&mut self, _: &Registry) -> io::Result<()> {
        match self.registration.take() {
            Some(_) => Ok(()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

macro_rules! delegate_source {
    ($socket:ty) => {
        impl Source for $socket {
            fn register(
                &mut self,
                registry: &Registry,
                token: Token,
                interest: Interest,
            ) -> io::Result<()> {
                self.0.register(registry, token, interest)
            }

            fn reregister(
                &mut self,
                registry: &Registry,
                token: Token,
                interest: Interest,
            ) -> io::Result<()> {
                self.0.reregister(registry, token, interest)
            }

            fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
                self.0.deregister(registry)
            }
        }

        impl AsRawFd for $socket {
            fn as_raw_fd(&self) -> RawFd {
                self.0.socket.as_raw_fd()
            }
        }

        impl IntoRawFd for $socket {
            fn into_raw_fd(self) -> RawFd {
                self.0.socket.into_raw_fd()
            }
        }

        impl fmt::Debug for $socket {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.socket.fmt(formatter)
            }
        }
    };
}

/// A listening TCP socket.
pub struct TcpListener(Registered<wasi::TcpListener>);

delegate_source!(TcpListener);

impl TcpListener {
    /// Listens on `address`.
    ///
    /// # Errors
    /// As the system has them.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        wasi::TcpListener::bind(address, NONBLOCKING).map(Self::from_std)
    }

    /// Takes over a socket that is in non-blocking mode.
    pub fn from_std(listener: wasi::TcpListener) -> Self {
        Self(Registered::new(listener, Kind::Listener))
    }

    /// Accepts one connection, in non-blocking mode.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when none is waiting; others as the system has them.
    pub fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let result = self.0.socket.accept(NONBLOCKING);
        let (stream, address) = self.0.finish(Direction::Read, result, |_| false)?;
        Ok((TcpStream::from_std(stream), address))
    }

    /// The address that it listens on.
    ///
    /// # Errors
    /// As the system has them.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.socket.local_addr()
    }

    /// Not known to the runtime.
    ///
    /// # Errors
    /// Always [`io::ErrorKind::Unsupported`].
    pub fn ttl(&self) -> io::Result<u32> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Not known to the runtime.
    ///
    /// # Errors
    /// Always [`io::ErrorKind::Unsupported`].
    pub fn set_ttl(&self, _: u32) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl FromRawFd for TcpListener {
    unsafe fn from_raw_fd(descriptor: RawFd) -> Self {
        // SAFETY: the caller's promise is the same as ours.
        Self::from_std(unsafe { wasi::TcpListener::from_raw_fd(descriptor) })
    }
}

/// A connected TCP socket.
pub struct TcpStream(Registered<wasi::TcpStream>);

delegate_source!(TcpStream);

impl TcpStream {
    /// Begins to connect to `address`. The socket is writable when it has succeeded or failed.
    ///
    /// # Errors
    /// As the system has them, but for [`take_error`](Self::take_error).
    pub fn connect(address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(AddressFamily::from(&address), SocketType::Stream)?;
        socket.set_nonblocking(NONBLOCKING)?;
        match socket.connect(&address) {
            Err(error) if error.raw_os_error() != Some(INPROGRESS) => Err(error),
            _ => Ok(Self::from_std(socket.into())),
        }
    }

    /// Takes over a socket that is in non-blocking mode.
    pub fn from_std(stream: wasi::TcpStream) -> Self {
        Self(Registered::new(stream, Kind::Stream))
    }

    /// The address of this end.
    ///
    /// # Errors
    /// As the system has them.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.socket.local_addr()
    }

    /// The address of the other end.
    ///
    /// # Errors
    /// As the system has them.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.socket.peer_addr()
    }

    /// Ends one direction or both.
    ///
    /// # Errors
    /// As the system has them.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.0.socket.shutdown(how)
    }

    /// The error that is pending on the socket.
    ///
    /// # Errors
    /// As the system has them.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        Ok(self.0.socket.as_ref().take_error().err())
    }

    /// Reads without taking.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when nothing is there; others as the system has them.
    pub fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut copy = vec![MaybeUninit::new(0_u8); buffer.len()];
        let result = self.0.socket.as_ref().recv_with_flags(&mut copy, MSG_PEEK);
        let (count, _) = self.0.finish(Direction::Read, result, |_| false)?;
        for (to, from) in buffer.iter_mut().zip(copy).take(count) {
            // SAFETY: all of `copy` was initialized above.
            *to = unsafe { from.assume_init() };
        }
        Ok(count)
    }

    /// Runs an operation of the caller's, which may have been of either direction.
    ///
    /// # Errors
    /// Those of the operation.
    pub fn try_io<T>(&self, operation: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let result = self.0.finish(Direction::Read, operation(), |_| true);
        self.0.finish(Direction::Write, result, |_| true)
    }

    /// Not known to the runtime.
    ///
    /// # Errors
    /// Always [`io::ErrorKind::Unsupported`].
    pub fn nodelay(&self) -> io::Result<bool> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Not known to the runtime.
    ///
    /// # Errors
    /// Always [`io::ErrorKind::Unsupported`].
    pub fn set_nodelay(&self, _: bool) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Not known to the runtime.
    ///
    /// # Errors
    /// Always [`io::ErrorKind::Unsupported`].
    pub fn ttl(&self) -> io::Result<u32> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Not known to the runtime.
    ///
    /// # Errors
    /// Always [`io::ErrorKind::Unsupported`].
    pub fn set_ttl(&self, _: u32) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl FromRawFd for TcpStream {
    unsafe fn from_raw_fd(descriptor: RawFd) -> Self {
        // SAFETY: the caller's promise is the same as ours.
        Self::from_std(unsafe { wasi::TcpStream::from_raw_fd(descriptor) })
    }
}

impl Read for &TcpStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer.len();
        let result = (&self.0.socket).read(buffer);
        // A buffer that is not full has emptied the socket. At the end of the stream nothing is left to wait for.
        self.0.finish(Direction::Read, result, |&count| 0 < count && count < room)
    }

    /// Reads into the first of `buffers` that has room.
    ///
    /// After a `read` that has emptied the socket tokio reads again only when there was an event, so that one begins to
    /// wait. After this one tokio may read at any time, and the wait begins when it does: sockets whose owners want nothing
    /// cost nothing.
    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let Some(buffer) = buffers.iter_mut().find(|buffer| !buffer.is_empty()) else {
            return Ok(0);
        };
        let registration = self.0.registration.as_ref();
        if registration.is_some_and(Registration::wait_if_drained) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let room = buffer.len();
        let count = self.0.finish(Direction::Read, (&self.0.socket).read(buffer), |_| false)?;
        if let Some(registration) = registration.filter(|_| (1..room).contains(&count)) {
            registration.mark_drained();
        }
        Ok(count)
    }
}

impl Write for &TcpStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let result = (&self.0.socket).write(bytes);
        self.0.finish(Direction::Write, result, |&count| count < bytes.len())
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let length: usize = slices.iter().map(|slice| slice.len()).sum();
        let result = self.0.socket.as_ref().send_vectored(slices, 0);
        self.0.finish(Direction::Write, result, |&count| count < length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
