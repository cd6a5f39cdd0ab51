//! What happened, and what it can happen to.

use std::io;

use crate::{Interest, Registry, Token};

/// Readiness of one source.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    pub(crate) token: Token,
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    pub(crate) closed: bool,
}

impl Event {
    /// The token that the source was registered with.
    pub fn token(&self) -> Token {
        self.token
    }

    /// A read is worth trying.
    pub fn is_readable(&self) -> bool {
        self.readable
    }

    /// A write is worth trying.
    pub fn is_writable(&self) -> bool {
        self.writable
    }

    /// Nothing more will come.
    pub fn is_read_closed(&self) -> bool {
        self.readable && self.closed
    }

    /// Nothing more will be taken.
    pub fn is_write_closed(&self) -> bool {
        self.writable && self.closed
    }
}

/// The events of one wait.
#[derive(Debug)]
pub struct Events(pub(crate) Vec<Event>);

impl Events {
    /// Room for `capacity` events. There is always room for more.
    pub fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }

    /// The events, in no particular order.
    pub fn iter(&self) -> std::slice::Iter<'_, Event> {
        self.0.iter()
    }
}

/// Something that can be registered.
pub trait Source {
    /// Begins to report the source's events under `token`.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] when it is registered.
    fn register(&mut self, registry: &Registry, token: Token, interest: Interest)
    -> io::Result<()>;

    /// Reports the source's events under another token.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] when it is not registered.
    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()>;

    /// Ends the reporting.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] when it is not registered.
    fn deregister(&mut self, registry: &Registry) -> io::Result<()>;
}
