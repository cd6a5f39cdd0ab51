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
    kind: Kind,
    is_cold: bool,
    /// When it last had an event. `None` until the next call asks about it.
    active_at: Option<Instant>,
}

impl Socket {
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
            Direction::Write => socket.waits_to_write = true,
        }
        self.warm_up(index);
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

    /// Calls `visit` with every warm socket. Those that have waited for too long become cold instead.
    pub(super) fn visit_warm(&mut self, now: Instant, mut visit: impl FnMut(usize, &Socket)) {
        let Self { places, warm, cold, .. } = self;
        let mut left = warm.len();
        warm.retain(|index| {
            let Some(place) = places.get_mut(*index) else { return false };
            let is_warm = match &mut place.socket {
                Some(socket) if !socket.is_cold => {
                    let active_at = *socket.active_at.get_or_insert(now);
                    socket.is_cold = left > MIN_WARM
                        && socket.kind == Kind::Stream
                        && now.saturating_duration_since(active_at) >= WARM_TIME;
                    *cold += usize::from(socket.is_cold);
                    !socket.is_cold
                }
                _ => false,
            };
            match &place.socket {
                Some(socket) if is_warm => visit(*index, socket),
                _ => {
                    left -= 1;
                    place.is_listed = false;
                }
            }
            is_warm
        });
    }

    /// Calls `visit` with up to `count` cold sockets, from `start` on and around. Tells where to go on.
    pub(super) fn visit_cold(
        &self,
        start: usize,
        count: usize,
        mut visit: impl FnMut(usize, &Socket),
    ) -> usize {
        let (behind, before) = self.places.split_at(start.min(self.places.len()));
        let indices = (behind.len()..self.places.len()).chain(0..behind.len());
        let mut cold = indices
            .zip(before.iter().chain(behind))
            .filter_map(|(index, place)| Some((index, place.socket.as_ref()?)))
            .filter(|(_, socket)| socket.is_cold);
        cold.by_ref().take(count).for_each(|(index, socket)| visit(index, socket));
        cold.next().map_or(0, |(index, _)| index)
    }
}
