//! The sockets and what each waits for.

use std::time::Instant;

use wasmedge_wasi_socket::wasi_poll as wasi;

use super::{Direction, Kind, MIN_WARM, WARM_TIME};
use crate::Token;

/// All sockets, each at an index that stays the same until it is removed.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    places: Vec<Place>,
    free: Vec<usize>,
    /// The indices of all warm sockets, and of some that are no longer there. None twice.
    warm: Vec<usize>,
    cold: usize,
}

#[derive(Debug, Default)]
struct Place {
    socket: Option<Socket>,
    /// The index is in `Sockets::warm`.
    is_listed: bool,
}

/// One socket.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) descriptor: wasi::Fd,
    pub(super) token: Token,
    pub(super) waits_to_read: bool,
    pub(super) waits_to_write: bool,
    /// A vectored read has emptied it, and nothing was reported since.
    pub(super) is_drained: bool,
    /// It was reported that the connection is closed. tokio takes it for readable from then on, so a read must be a real one.
    pub(super) is_closed: bool,
    kind: Kind,
    is_cold: bool,
    /// When it last had an event. `None` until the next call asks about it.
    active_at: Option<Instant>,
}

impl Socket {
    /// There is something to read, or there may be: its owner is told.
    pub(super) fn becomes_readable(&mut self) {
        self.waits_to_read = false;
        self.is_drained = false;
    }

    pub(super) fn only_waits_to_write(&self) -> bool {
        self.waits_to_write && !self.waits_to_read
    }
}

impl Sockets {
    /// A stream waits for both directions at first: tokio is told of either.
    pub(super) fn insert(&mut self, descriptor: wasi::Fd, token: Token, kind: Kind) -> usize {
        let socket = Socket {
            descriptor,
            token,
            waits_to_read: true,
            waits_to_write: kind == Kind::Stream,
            is_drained: false,
            is_closed: false,
            kind,
            is_cold: false,
            active_at: None,
        };
        let index = self.free.pop().unwrap_or(self.places.len());
        if index == self.places.len() {
            self.places.push(Place::default());
        }
        if let Some(place) = self.places.get_mut(index) {
            place.socket = Some(socket);
        }
        self.list(index);
        index
    }

    pub(super) fn remove(&mut self, index: usize) {
        let socket = self.places.get_mut(index).and_then(|place| place.socket.take());
        if let Some(socket) = socket {
            self.cold -= usize::from(socket.is_cold);
            self.free.push(index);
        }
    }

    pub(super) fn get_mut(&mut self, index: usize) -> Option<&mut Socket> {
        self.places.get_mut(index)?.socket.as_mut()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Socket> {
        self.places.iter_mut().filter_map(|place| place.socket.as_mut())
    }

    /// Its owner waits for `direction` from now on.
    pub(super) fn wait(&mut self, index: usize, direction: Direction) {
        let Some(socket) = self.get_mut(index) else { return };
        match direction {
            Direction::Read => socket.waits_to_read = true,
            // A socket that can only be written is one whose client has closed its half, perhaps: see `State::plan`.
            Direction::Write => {
                socket.waits_to_write = true;
                socket.waits_to_read |= socket.is_drained;
            }
        }
        self.warm_up(index);
    }

    /// A vectored read has emptied it, and its owner does not wait for more yet.
    pub(super) fn mark_drained(&mut self, index: usize) {
        if let Some(socket) = self.get_mut(index) {
            socket.is_drained = !socket.is_closed;
        }
    }

    /// Its owner waits to read from now on if a read would find nothing, as far as is known. Tells whether that is so.
    pub(super) fn wait_if_drained(&mut self, index: usize) -> bool {
        let is_drained = self.get_mut(index).is_some_and(|socket| socket.is_drained);
        if is_drained {
            self.wait(index, Direction::Read);
        }
        is_drained
    }

    /// Nothing is known of any socket any more.
    pub(super) fn forget_drained(&mut self) {
        self.iter_mut().for_each(|socket| socket.is_drained = false);
    }

    /// Something happened to the socket, or its owner has used it.
    pub(super) fn warm_up(&mut self, index: usize) {
        let Some(socket) = self.get_mut(index) else { return };
        socket.active_at = None;
        if std::mem::take(&mut socket.is_cold) {
            self.cold -= 1;
            self.list(index);
        }
    }

    fn list(&mut self, index: usize) {
        if let Some(place) = self.places.get_mut(index)
            && !std::mem::replace(&mut place.is_listed, true)
        {
            self.warm.push(index);
        }
    }

    pub(super) fn cold(&self) -> usize {
        self.cold
    }

    /// Calls `visit` with every warm socket.
    pub(super) fn visit_warm(&mut self, mut visit: impl FnMut(usize, &Socket)) {
        let Self { places, warm, .. } = self;
        warm.retain(|index| {
            let Some(place) = places.get_mut(*index) else { return false };
            let socket = place.socket.as_ref().filter(|socket| !socket.is_cold);
            if let Some(socket) = socket {
                visit(*index, socket);
            }
            place.is_listed = socket.is_some();
            place.is_listed
        });
    }

    /// Warm sockets with which nothing has happened for too long become cold.
    pub(super) fn cool_down(&mut self, now: Instant) {
        let Self { places, warm, cold, .. } = self;
        let mut left = warm.len();
        for index in warm {
            let Some(place) = places.get_mut(*index) else { continue };
            let Some(socket) = &mut place.socket else { continue };
            let active_at = *socket.active_at.get_or_insert(now);
            let has_waited = now.saturating_duration_since(active_at) >= WARM_TIME;
            if left > MIN_WARM && socket.kind == Kind::Stream && has_waited {
                left -= 1;
                socket.is_cold = true;
                *cold += 1;
            }
        }
    }

    /// Calls `visit` with up to `count` cold sockets, from `start` on and around. Tells where to go on.
    pub(super) fn visit_cold(
        &self,
        start: usize,
        count: usize,
        mut visit: impl FnMut(usize, &Socket),
    ) -> usize {
        let (before, behind) = self.places.split_at(start.min(self.places.len()));
        let indices = (before.len()..self.places.len()).chain(0..before.len());
        let mut cold = indices
            .zip(behind.iter().chain(before))
            .filter_map(|(index, place)| Some((index, place.socket.as_ref()?)))
            .filter(|(_, socket)| socket.is_cold);
        cold.by_ref().take(count).for_each(|(index, socket)| visit(index, socket));
        cold.next().map_or(0, |(index, _)| index)
    }
}
