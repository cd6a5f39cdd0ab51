//! Readiness of sockets for `tokio_wasi`: the part of mio's interface that it uses on WASI, over a selector made for
//! WasmEdge.
//!
//! It stands in for the published crate of the same name, which has three faults that a server feels:
//!
//! * One interrupted wait ends the process. A stop and continue, a debugger, a frozen container or a suspended laptop
//!   interrupts `poll_oneoff`; WasmEdge then reports "file exists" for every subscription of the following call, and the
//!   published crate hands that to tokio, which panics. Here the runtime's state is cleaned and the wait repeated.
//! * A wake-up is lost: the future that tokio's `block_on` runs sleeps on when one of its tasks wakes it, until a timer
//!   or a socket has something to say. Here the next wait returns at once.
//! * Every read and write subscribes to both directions again, although a socket is writable nearly always. Here a
//!   direction is subscribed to only when its owner has found nothing more to do in it.
//!
//! On top of that, [`selector`] looks for more requests on busy connections without asking the runtime first.

pub mod event;
pub mod net;
mod poll;
mod runtime;
mod selector;

use std::num::NonZeroU8;

pub use event::Events;
pub use poll::{Poll, Registry, Waker};
pub use runtime::writable_bytes;

/// What a source's events are known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub usize);

/// The directions that a source is registered for.
///
/// The selector does not look at it: what a source waits for follows from its operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Interest(NonZeroU8);

impl Interest {
    /// Reading.
    pub const READABLE: Self = Self(NonZeroU8::MIN);
    /// Writing.
    pub const WRITABLE: Self = Self(NonZeroU8::MIN.saturating_add(1));

    /// Both.
    #[must_use]
    #[allow(clippy::should_implement_trait)]
    pub const fn add(self, other: Self) -> Self {
        Self(NonZeroU8::MIN.saturating_add((self.0.get() | other.0.get()) - 1))
    }

    /// Reading is part of it.
    pub const fn is_readable(self) -> bool {
        self.0.get() & Self::READABLE.0.get() != 0
    }

    /// Writing is part of it.
    pub const fn is_writable(self) -> bool {
        self.0.get() & Self::WRITABLE.0.get() != 0
    }
}
