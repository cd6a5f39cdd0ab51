//! Which sockets can be read or written: asks WasmEdge's `poll_oneoff`, and as seldom as possible.
//!
//! `poll_oneoff` forgets what it was asked. Each call costs a system call per subscription, three for its time limit, one
//! per event, and one for each subscription of the call before that is not in it. Under load that is more than the
//! requests themselves cost. So sockets are of three kinds:
//!
//! * **Busy** ones have just been written: their clients have an answer, and may ask again. They are reported readable
//!   without asking the runtime, as long as more than half of such guesses find something ([`guess`]).
//! * **Warm** ones had an event, or were used, not long ago. Every call asks about those whose owners wait.
//! * **Cold** ones had none for [`WARM_TIME`]. While others are at work, one after the other is looked at between the
//!   calls, one per [`LOOK_TIME`] ([`rounds`]). A look costs one system call, and to be asked about once two slower ones.
//!   When nothing happens a call asks about all whose owners wait.
//!
//! What an owner waits for follows from what it does. A client whose request is served is not waited for: a vectored read
//! that empties the socket only marks it as drained, and the next one, which finds it so, begins to wait. tokio's
//! `AsyncRead` does not read again without an event, so such a read begins to wait itself.
//!
//! # What always holds
//!
//! 1. Of the sockets whose owners wait, a warm one is asked about in every call, and a cold one is looked at within
//!    [`LOOK_TIME`] for each cold socket and one call. Between two calls are at most [`GUESSING_TIME`] of guesses, and what tokio does with them.
//! 2. A call asks about each direction of a socket once, and only if its owner waits for it.
//! 3. A call that may take longer than [`STEP_TIME`] asks about everything that anybody waits for.
//! 4. Listening sockets, and the first [`MIN_WARM`] sockets, do not become cold.
//!
//! The tests walk random histories of sockets and check these.
//!
//! A wait that was woken returns without asking, but not twice in a row. tokio wakes the future that it was started with
//! at every event for a task of a `LocalSet`, and polls it before it waits again.

mod guess;
mod rounds;
mod sockets;
mod state;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use wasmedge_wasi_socket::wasi_poll as wasi;

use crate::Token;
use crate::event::Event;
use crate::runtime;
use state::State;

/// Time between two calls of `poll_oneoff` that may be filled with guesses. New connections, timers and blocked writes wait
/// for so long, and for what is being read when it ends. More would hardly make requests cheaper: at 10 µs each, 200 of
/// them share the cost of a call.
const GUESSING_TIME: Duration = Duration::from_millis(2);

/// How long a socket stays warm without an event.
const WARM_TIME: Duration = Duration::from_millis(100);

/// So many sockets stay warm however long they wait: asking about them costs less than a request.
const MIN_WARM: usize = 32;

/// While others are at work one cold socket is looked at per so much time, so that all of them take about a sixth of the
/// processor, however many there are: with thousands of sockets nothing of them is in the processor's caches, and a look
/// costs 2.5 µs. What comes on one of 4,000 waits for 60 ms then.
const LOOK_TIME: Duration = Duration::from_micros(15);

/// How long a wait may be while cold sockets are looked at.
const STEP_TIME: Duration = Duration::from_millis(5);

/// After so long without an event all sockets are asked about at once, and the wait may be long. With thousands of
/// sockets such a call costs as much as hundreds of requests, so it must be seldom.
const QUIET_TIME: Duration = Duration::from_secs(1);

/// How long to leave sockets alone that can only be written, after a call that returned without a reason: see
/// [`State::plan`].
const PAUSE: Duration = Duration::from_millis(10);

/// The shortest wait that there is.
const HARDLY: Duration = Duration::from_nanos(1);

/// What a socket can be waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Read,
    Write,
}

/// What kind of socket one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Listener,
    Stream,
}

/// The sockets of one [`Poll`](crate::Poll). Clones are handles to the same ones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selector {
    state: Arc<Mutex<State>>,
}

/// A socket's place in a selector, until it is dropped.
pub(crate) struct Registration {
    state: Arc<Mutex<State>>,
    index: usize,
}

impl Selector {
    pub(crate) fn register(&self, descriptor: wasi::Fd, token: Token, kind: Kind) -> Registration {
        let index = lock(&self.state).register(descriptor, token, kind);
        Registration { state: self.state.clone(), index }
    }

    /// Puts what is ready into `events`. Waits for it, at most for `timeout`, if nothing is.
    pub(crate) fn select(&self, events: &mut Vec<Event>, timeout: Option<Duration>) {
        events.clear();
        let mut state = lock(&self.state);
        // A call is interrupted when the process was stopped, and then followed by one that hardly waits: see `plan`.
        for timeout in [timeout, Some(HARDLY)] {
            let now = Instant::now();
            if !state.plan(events, timeout, now, runtime::has_something_to_read) {
                return;
            }
            let State { subscriptions, results, .. } = &mut *state;
            if runtime::poll(&subscriptions.0, results).is_err() {
                // Nothing to wait for: tokio's own loop decides what that means.
                return;
            }
            if !results.iter().any(|result| runtime::is_interruption(result.error)) {
                state.take_results(events, Instant::now());
                return;
            }
            runtime::clean_up(results);
        }
    }

    /// The next call of [`select`](Self::select) does not wait.
    pub(crate) fn wake(&self) {
        lock(&self.state).woken = true;
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Registration {
    /// The operation has done something, and perhaps emptied or filled the socket.
    pub(crate) fn has_succeeded(&self, direction: Direction, waits: bool) {
        let mut state = lock(&self.state);
        match direction {
            Direction::Read => state.guesses.found(),
            Direction::Write => state.guesses.written(self.index),
        }
        if waits {
            state.sockets.wait(self.index, direction);
        }
    }

    /// A vectored read has emptied the socket, and its owner does not wait for more yet.
    pub(crate) fn mark_drained(&self) {
        lock(&self.state).sockets.mark_drained(self.index);
    }

    /// Waits to read from now on if there is nothing to read, as far as is known. Tells whether that is so.
    pub(crate) fn wait_if_drained(&self) -> bool {
        lock(&self.state).sockets.wait_if_drained(self.index)
    }

    /// The operation found nothing to do.
    pub(crate) fn would_block(&self, direction: Direction) {
        lock(&self.state).sockets.wait(self.index, direction);
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        lock(&self.state).sockets.remove(self.index);
    }
}
