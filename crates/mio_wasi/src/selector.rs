//! Which sockets can be read or written: asks WasmEdge's `poll_oneoff`, and as seldom as possible.
//!
//! `poll_oneoff` costs a system call per subscription, three for its time limit, and one or more per event. Under load
//! that is more than the requests themselves cost. So a connection that has just been read is reported readable once
//! more without asking, as long as more than half of such guesses find something, and for at most [`GUESSING_TIME`]:
//! then everybody else is asked about. A wait that was woken returns without asking, but not twice in a row. tokio wakes
//! the future that it was started with at every event for a task of a `LocalSet`, and polls it before it waits again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use wasmedge_wasi_socket::wasi_poll as wasi;

use crate::Token;
use crate::event::Event;
use crate::runtime::{self, clock_subscription, socket_subscription};

/// Time between two calls of `poll_oneoff` that may be filled with guesses. New connections, timers and blocked writes wait
/// for so long, and for what is being read when it ends. More would hardly make requests cheaper: at 10 µs each, 200 of
/// them share the cost of a call.
const GUESSING_TIME: Duration = Duration::from_millis(2);

/// How long to leave sockets alone that can only be written, after a call that returned without a reason: see
/// [`State::ask`].
const PAUSE: Duration = Duration::from_millis(10);

/// What a socket can be waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Read,
    Write,
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

#[derive(Debug, Default)]
struct State {
    slots: Vec<Option<Slot>>,
    free: Vec<usize>,
    /// Sockets that were read since the last look and may have more.
    recent: Vec<usize>,
    guessing: Guessing,
    subscriptions: Subscriptions,
    results: Vec<wasi::Event>,
    /// Somebody is to be looked after before the next wait.
    woken: bool,
    /// The wait before returned because it was woken, and without asking.
    skipped: bool,
    /// The next call leaves out the sockets that can only be written.
    pausing: bool,
}

#[derive(Debug)]
struct Slot {
    descriptor: wasi::Fd,
    token: Token,
    waits_to_read: bool,
    waits_to_write: bool,
}

impl Slot {
    fn only_waits_to_write(&self) -> bool {
        self.waits_to_write && !self.waits_to_read
    }
}

/// Whether guesses pay at present.
#[derive(Debug, Default)]
struct Guessing {
    on: bool,
    /// When the last call of `poll_oneoff` returned.
    since: Option<Instant>,
    /// Guesses of the last look.
    last: usize,
}

#[derive(Default)]
struct Subscriptions(Vec<wasi::Subscription>);

impl std::fmt::Debug for Subscriptions {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} subscriptions", self.0.len())
    }
}

impl Selector {
    pub(crate) fn register(
        &self,
        descriptor: wasi::Fd,
        token: Token,
        waits_to_write: bool,
    ) -> Registration {
        let mut state = lock(&self.state);
        let slot = Slot { descriptor, token, waits_to_read: true, waits_to_write };
        let index = state.free.pop().unwrap_or(state.slots.len());
        match state.slots.get_mut(index) {
            Some(free) => *free = Some(slot),
            None => state.slots.push(Some(slot)),
        }
        Registration { state: self.state.clone(), index }
    }

    /// Puts what is ready into `events`. Waits for it, at most for `timeout`, if nothing is.
    pub(crate) fn select(&self, events: &mut Vec<Event>, timeout: Option<Duration>) {
        events.clear();
        let mut state = lock(&self.state);
        let woken = std::mem::take(&mut state.woken);
        if state.guess(events) {
            return;
        }
        state.skipped = woken && !state.skipped;
        if state.skipped {
            return;
        }
        state.ask(events, if woken { Some(Duration::ZERO) } else { timeout });
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
    /// The operation has emptied or filled the socket.
    pub(crate) fn wait_after_success(&self, direction: Direction) {
        let mut state = lock(&self.state);
        if direction == Direction::Read {
            state.recent.push(self.index);
        }
        state.wait(self.index, direction);
    }

    /// The operation found nothing to do.
    pub(crate) fn wait_after_failure(&self, direction: Direction) {
        lock(&self.state).wait(self.index, direction);
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        if let Some(slot) = state.slots.get_mut(self.index) {
            *slot = None;
        }
        state.free.push(self.index);
    }
}

impl State {
    fn wait(&mut self, index: usize, direction: Direction) {
        if let Some(Some(slot)) = self.slots.get_mut(index) {
            match direction {
                Direction::Read => slot.waits_to_read = true,
                Direction::Write => slot.waits_to_write = true,
            }
        }
    }

    /// Reports the sockets readable that were read since the last look, if that is likely to be true.
    fn guess(&mut self, events: &mut Vec<Event>) -> bool {
        let Self { slots, recent, guessing, .. } = self;
        let found = recent.len();
        if guessing.last > 0 && found * 2 <= guessing.last {
            guessing.on = false;
        }
        guessing.last = 0;
        let is_late = || guessing.since.is_none_or(|since| since.elapsed() >= GUESSING_TIME);
        if !guessing.on || found == 0 || is_late() {
            recent.clear();
            return false;
        }
        for index in recent.drain(..) {
            // The slot may be gone, or another socket's by now; to that one a needless event does no harm.
            if let Some(Some(slot)) = slots.get_mut(index)
                && slot.waits_to_read
            {
                slot.waits_to_read = false;
                events.push(Event {
                    token: slot.token,
                    readable: true,
                    writable: false,
                    closed: false,
                });
            }
        }
        guessing.last = events.len();
        !events.is_empty()
    }

    /// Asks the runtime.
    ///
    /// A client that has closed its half and does not take its answers makes WasmEdge return at once, again and again,
    /// with no result: it subscribes to the end of the stream together with writability, and then does not report it.
    /// After such a call the sockets that can only be written are left out for a moment, and tried after it.
    fn ask(&mut self, events: &mut Vec<Event>, timeout: Option<Duration>) {
        let pausing = std::mem::take(&mut self.pausing);
        let timeout = if pausing { Some(timeout.map_or(PAUSE, |t| t.min(PAUSE))) } else { timeout };
        self.subscribe(timeout, pausing);
        let outcome = runtime::poll(&self.subscriptions.0, &mut self.results);
        self.guessing.since = Some(Instant::now());
        if outcome.is_err() {
            // Nothing to wait for: tokio's own loop decides what that means.
            return;
        }
        if self.results.iter().any(|result| runtime::is_interruption(result.error)) {
            runtime::clean_up(&mut self.results);
            return;
        }
        for result in &self.results {
            if result.type_ == wasi::EVENTTYPE_CLOCK {
                continue;
            }
            let Some(Some(slot)) =
                usize::try_from(result.userdata).ok().and_then(|index| self.slots.get_mut(index))
            else {
                continue;
            };
            // Whatever other error it is, the socket's next operation meets it and tells its owner.
            let readable = result.type_ == wasi::EVENTTYPE_FD_READ || result.error != 0;
            let writable = result.type_ == wasi::EVENTTYPE_FD_WRITE || result.error != 0;
            slot.waits_to_read &= !readable;
            slot.waits_to_write &= !writable;
            let hung_up = wasi::EVENTRWFLAGS_FD_READWRITE_HANGUP;
            let closed = result.fd_readwrite.flags & hung_up != 0;
            events.push(Event { token: slot.token, readable, writable, closed });
        }
        if pausing {
            for slot in self.slots.iter_mut().flatten().filter(|slot| slot.only_waits_to_write()) {
                slot.waits_to_write = false;
                events.push(Event {
                    token: slot.token,
                    readable: false,
                    writable: true,
                    closed: false,
                });
            }
        }
        self.pausing = self.results.is_empty();
        // One event at a time is a client that waits for its answer: it has nothing more to send.
        self.guessing.on = events.len() > 1;
    }

    fn subscribe(&mut self, timeout: Option<Duration>, pausing: bool) {
        let subscriptions = &mut self.subscriptions.0;
        subscriptions.clear();
        for (index, slot) in self.slots.iter().enumerate() {
            let Some(slot) = slot else { continue };
            if pausing && slot.only_waits_to_write() {
                continue;
            }
            if slot.waits_to_read {
                subscriptions.push(socket_subscription(
                    index,
                    slot.descriptor,
                    wasi::EVENTTYPE_FD_READ,
                ));
            }
            if slot.waits_to_write {
                subscriptions.push(socket_subscription(
                    index,
                    slot.descriptor,
                    wasi::EVENTTYPE_FD_WRITE,
                ));
            }
        }
        if let Some(timeout) = timeout {
            subscriptions.push(clock_subscription(timeout));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selector_with(sockets: u32) -> (Selector, Vec<Registration>) {
        let selector = Selector::default();
        // Never polled, so the descriptors need not exist.
        let registrations =
            (0..sockets).map(|n| selector.register(1_000 + n, Token(n as usize), true));
        let registrations = registrations.collect();
        (selector, registrations)
    }

    fn begin_guessing(selector: &Selector) {
        let mut state = lock(&selector.state);
        state.guessing.on = true;
        state.guessing.since = Some(Instant::now());
    }

    fn guess(selector: &Selector) -> Vec<usize> {
        let mut events = Vec::new();
        lock(&selector.state).guess(&mut events);
        assert!(events.iter().all(|event| event.readable && !event.writable));
        events.iter().map(|event| event.token.0).collect()
    }

    fn read(registrations: &[Registration]) {
        for registration in registrations {
            registration.wait_after_success(Direction::Read);
        }
    }

    #[test]
    fn what_was_just_read_is_guessed_to_have_more() {
        let (selector, sockets) = selector_with(3);
        begin_guessing(&selector);
        read(&sockets[1..]);
        assert_eq!(guess(&selector), [1, 2]);
        assert_eq!(guess(&selector), [] as [usize; 0], "a guess is made once");
    }

    #[test]
    fn guessing_ends_when_half_of_the_guesses_fail() {
        let (selector, sockets) = selector_with(4);
        begin_guessing(&selector);
        read(&sockets);
        assert_eq!(guess(&selector).len(), 4);
        read(&sockets[..3]);
        assert_eq!(guess(&selector).len(), 3, "three of four were right");
        read(&sockets[..1]);
        assert_eq!(guess(&selector).len(), 0, "one of three was right");
        read(&sockets);
        assert_eq!(guess(&selector).len(), 0, "until the runtime has been asked");
    }

    #[test]
    fn after_some_time_the_runtime_is_asked() {
        let (selector, sockets) = selector_with(2);
        begin_guessing(&selector);
        read(&sockets);
        std::thread::sleep(GUESSING_TIME);
        assert_eq!(guess(&selector), [] as [usize; 0]);
    }

    #[test]
    fn a_socket_that_is_gone_is_not_guessed() {
        let (selector, mut sockets) = selector_with(2);
        begin_guessing(&selector);
        read(&sockets);
        drop(sockets.remove(0));
        assert_eq!(guess(&selector), [1]);
    }

    #[test]
    fn a_wait_that_was_woken_returns_at_once() {
        let selector = Selector::default();
        let mut events = Vec::new();
        selector.wake();
        let start = Instant::now();
        selector.select(&mut events, Some(Duration::from_secs(3_600)));
        assert!(events.is_empty() && start.elapsed() < Duration::from_secs(60));
        selector.select(&mut events, Some(Duration::from_millis(20)));
        assert!(start.elapsed() >= Duration::from_millis(20), "it was woken once");
    }

    #[test]
    fn places_are_used_again() {
        let (selector, mut sockets) = selector_with(3);
        sockets.remove(1);
        let again = selector.register(2_000, Token(7), true);
        assert_eq!(again.index, 1);
        assert_eq!(lock(&selector.state).slots.len(), 3);
    }

    #[test]
    fn sockets_wait_for_what_their_operations_left_undone() {
        let (selector, sockets) = selector_with(1);
        let waits = |selector: &Selector| {
            let mut state = lock(&selector.state);
            state.subscribe(None, false);
            state.subscriptions.0.iter().map(|subscription| subscription.u.tag).collect::<Vec<_>>()
        };
        let both = [wasi::EVENTTYPE_FD_READ, wasi::EVENTTYPE_FD_WRITE];
        assert_eq!(waits(&selector), both, "a new socket waits for both");
        if let Some(Some(slot)) = lock(&selector.state).slots.get_mut(0) {
            (slot.waits_to_read, slot.waits_to_write) = (false, false);
        }
        assert!(waits(&selector).is_empty());
        sockets[0].wait_after_failure(Direction::Write);
        assert_eq!(waits(&selector), [wasi::EVENTTYPE_FD_WRITE]);
    }
}
