//! What to ask the runtime, and what follows from its answers. The call itself is not here, so tests can give answers.

use std::time::{Duration, Instant};

use wasmedge_wasi_socket::wasi_poll as wasi;

use super::guess::Guesses;
use super::rounds::Rounds;
use super::sockets::{Socket, Sockets};
use super::{HARDLY, Kind, PAUSE, QUIET_TIME, STEP_TIME};
use crate::Token;
use crate::event::Event;
use crate::runtime::{clock_subscription, socket_subscription};

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) sockets: Sockets,
    pub(super) guesses: Guesses,
    rounds: Rounds,
    pub(super) subscriptions: Subscriptions,
    pub(super) results: Vec<wasi::Event>,
    /// Cold sockets that were looked at and have something to read.
    found: Vec<usize>,
    /// Somebody is to be looked after before the next wait.
    pub(super) woken: bool,
    /// The wait before returned because it was woken, and without asking.
    skipped: bool,
    /// The present call leaves out the sockets that can only be written.
    pausing: bool,
    /// The call before returned without a reason.
    found_nothing: bool,
    /// When something last happened.
    active_at: Option<Instant>,
    /// The last time that is known.
    known_at: Option<Instant>,
}

#[derive(Default)]
pub(super) struct Subscriptions(pub(super) Vec<wasi::Subscription>);

impl std::fmt::Debug for Subscriptions {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} subscriptions", self.0.len())
    }
}

impl Subscriptions {
    fn add(&mut self, index: usize, socket: &Socket, pausing: bool) {
        if pausing && socket.only_waits_to_write() {
            return;
        }
        for (waits, tag) in [
            (socket.waits_to_read, wasi::EVENTTYPE_FD_READ),
            (socket.waits_to_write, wasi::EVENTTYPE_FD_WRITE),
        ] {
            if waits {
                self.0.push(socket_subscription(index, socket.descriptor, tag));
            }
        }
    }
}

impl State {
    pub(super) fn register(&mut self, descriptor: wasi::Fd, token: Token, kind: Kind) -> usize {
        self.sockets.insert(descriptor, token, kind)
    }

    /// Puts what can be told without asking the runtime into `events`, and what to ask it into `subscriptions`. Tells whether
    /// to ask it at all.
    ///
    /// A client that has closed its half and does not take its answers makes WasmEdge return at once, again and again,
    /// with no result: it subscribes to the end of the stream together with writability, and then does not report it.
    /// After such a call the sockets that can only be written are left out for a moment, and tried after it.
    ///
    /// Between two calls the process may have been stopped, and deadlines may have passed. Then all sockets that wait are
    /// asked about first: what clients have sent meanwhile must be known before anybody looks at the deadlines.
    pub(super) fn plan(
        &mut self,
        events: &mut Vec<Event>,
        timeout: Option<Duration>,
        now: Instant,
        has_something_to_read: impl Fn(wasi::Fd) -> bool,
    ) -> bool {
        let last = self.known_at.replace(now);
        let stood_still = last.is_some_and(|at| now.saturating_duration_since(at) >= QUIET_TIME);
        if stood_still {
            // The next read of each socket is a real one.
            self.sockets.forget_drained();
        }
        let woken = std::mem::take(&mut self.woken);
        self.guess(events);
        let has_guessed = !events.is_empty();
        if has_guessed && !stood_still && !self.guesses.are_due(now) {
            return false;
        }
        self.skipped = woken && !self.skipped && !has_guessed && !stood_still;
        if self.skipped {
            return false;
        }
        self.pausing = std::mem::take(&mut self.found_nothing);
        let timeout = match timeout {
            // Zero would leave out the cold sockets.
            _ if stood_still => Some(HARDLY),
            _ if woken || has_guessed => Some(Duration::ZERO),
            timeout => timeout,
        };
        let timeout = if self.pausing { Some(at_most(timeout, PAUSE)) } else { timeout };
        self.subscribe(events, timeout, now, has_something_to_read);
        true
    }

    /// Reports the sockets readable that were written since the last look, if that is likely to be true.
    fn guess(&mut self, events: &mut Vec<Event>) {
        let Self { sockets, guesses, .. } = self;
        for index in guesses.take() {
            // The socket may be gone, or another one by now; to that one a needless event does no harm.
            if let Some(socket) = sockets.get_mut(index).filter(|socket| socket.waits_to_read) {
                socket.becomes_readable();
                events.push(event(socket.token, true, false));
            }
        }
        guesses.made(events.len());
    }

    fn subscribe(
        &mut self,
        events: &mut Vec<Event>,
        mut timeout: Option<Duration>,
        now: Instant,
        has_something_to_read: impl Fn(wasi::Fd) -> bool,
    ) {
        let Self { sockets, rounds, subscriptions, found, pausing, .. } = self;
        subscriptions.0.clear();
        sockets.visit_warm(|index, socket| subscriptions.add(index, socket, *pausing));
        let is_quiet =
            self.active_at.is_none_or(|at| now.saturating_duration_since(at) >= QUIET_TIME);
        if sockets.cold() > 0 && is_quiet && timeout != Some(Duration::ZERO) {
            rounds.all(now);
            sockets.visit_cold(0, usize::MAX, |index, socket| {
                subscriptions.add(index, socket, *pausing);
            });
        } else if sockets.cold() > 0 {
            let share = rounds.share(sockets.cold(), now);
            rounds.next = sockets.visit_cold(rounds.next, share, |index, socket| {
                if socket.waits_to_write {
                    subscriptions.add(index, socket, *pausing);
                } else if socket.waits_to_read && has_something_to_read(socket.descriptor) {
                    found.push(index);
                }
            });
            timeout = Some(at_most(timeout, STEP_TIME));
        }
        for index in found.drain(..) {
            if let Some(socket) = sockets.get_mut(index) {
                socket.becomes_readable();
                events.push(event(socket.token, true, false));
            }
            sockets.warm_up(index);
            timeout = Some(Duration::ZERO);
        }
        if let Some(timeout) = timeout {
            subscriptions.0.push(clock_subscription(timeout));
        }
        sockets.cool_down(now);
    }

    /// Puts what the runtime has answered into `events`.
    pub(super) fn take_results(&mut self, events: &mut Vec<Event>, now: Instant) {
        for result in &self.results {
            if result.type_ == wasi::EVENTTYPE_CLOCK {
                continue;
            }
            let Ok(index) = usize::try_from(result.userdata) else { continue };
            let Some(socket) = self.sockets.get_mut(index) else { continue };
            // Whatever other error it is, the socket's next operation meets it and tells its owner.
            let readable = result.type_ == wasi::EVENTTYPE_FD_READ || result.error != 0;
            let writable = result.type_ == wasi::EVENTTYPE_FD_WRITE || result.error != 0;
            if readable {
                socket.becomes_readable();
            }
            socket.waits_to_write &= !writable;
            let hung_up = wasi::EVENTRWFLAGS_FD_READWRITE_HANGUP;
            let closed = result.fd_readwrite.flags & hung_up != 0;
            socket.is_closed |= closed;
            events.push(Event { closed, ..event(socket.token, readable, writable) });
            self.sockets.warm_up(index);
        }
        self.found_nothing = self.results.is_empty();
        if self.pausing {
            for socket in self.sockets.iter_mut().filter(|socket| socket.only_waits_to_write()) {
                socket.waits_to_write = false;
                events.push(event(socket.token, false, true));
            }
        }
        self.known_at = Some(now);
        if !events.is_empty() {
            self.active_at = Some(now);
        }
        self.guesses.asked(events.len(), now);
    }
}

fn event(token: Token, readable: bool, writable: bool) -> Event {
    Event { token, readable, writable, closed: false }
}

fn at_most(timeout: Option<Duration>, limit: Duration) -> Duration {
    timeout.map_or(limit, |timeout| timeout.min(limit))
}
