//! Waiting, and registering for it.

use std::io;
use std::time::Duration;

use crate::event::{Events, Source};
use crate::selector::Selector;
use crate::{Interest, Token};

/// Waits for events.
#[derive(Debug)]
pub struct Poll {
    registry: Registry,
}

impl Poll {
    /// A new one, with nothing registered.
    ///
    /// # Errors
    /// None; the interface has it.
    pub fn new() -> io::Result<Self> {
        Ok(Self { registry: Registry { selector: Selector::default() } })
    }

    /// Where sources are registered.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Waits for events, at most for `timeout`.
    ///
    /// # Errors
    /// None; the interface has it. An interrupted wait returns without events.
    pub fn poll(&mut self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        self.registry.selector.select(&mut events.0, timeout);
        Ok(())
    }
}

/// Registers sources with a [`Poll`].
#[derive(Debug)]
pub struct Registry {
    pub(crate) selector: Selector,
}

impl Registry {
    /// Another handle to the same registry.
    ///
    /// # Errors
    /// None; the interface has it.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { selector: self.selector.clone() })
    }

    /// See [`Source::register`].
    ///
    /// # Errors
    /// As there.
    pub fn register(
        &self,
        source: &mut impl Source,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        source.register(self, token, interest)
    }

    /// See [`Source::deregister`].
    ///
    /// # Errors
    /// As there.
    pub fn deregister(&self, source: &mut impl Source) -> io::Result<()> {
        source.deregister(self)
    }
}

/// Makes the next wait of a [`Poll`], or the present one, return at once.
///
/// A WebAssembly module has no other thread that could call this. tokio calls it all the same, when a task wakes the
/// future that it was started with: without it that future would sleep until something else happens.
#[derive(Debug)]
pub struct Waker {
    selector: Selector,
}

impl Waker {
    /// A waker of the registry's poll.
    ///
    /// # Errors
    /// None; the interface has it.
    pub fn new(registry: &Registry, _: Token) -> io::Result<Self> {
        Ok(Self { selector: registry.selector.clone() })
    }

    /// Wakes.
    ///
    /// # Errors
    /// None; the interface has it.
    pub fn wake(&self) -> io::Result<()> {
        self.selector.wake();
        Ok(())
    }
}
