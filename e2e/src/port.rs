//! A port of 127.0.0.1 that stays a test's own.

use std::net::{Ipv4Addr, SocketAddr};

use socket2::{Domain, Socket, Type};

/// A port of 127.0.0.1 that nobody else gets while this lives, also when nothing listens there for a while.
///
/// Its socket is bound and does not listen. Another one may then listen on the same port if it sets `SO_REUSEADDR`, as
/// PostgreSQL and the standard library do; but the system gives the port to nobody who asks for any free one.
pub(crate) struct Port {
    socket: Socket,
}

impl Port {
    pub fn reserve() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.set_reuse_address(true).expect("an option that sockets have");
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        socket.bind(&any.into()).expect("a free port");
        Self { socket }
    }

    pub fn address(&self) -> SocketAddr {
        let address = self.socket.local_addr().expect("it is bound");
        address.as_socket().expect("an address of IPv4")
    }
}
