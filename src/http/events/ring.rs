//! The last events, each at a place that is a number. Places rise, and are never used twice.

use std::collections::VecDeque;

use http_server::Reservation;
use hyper::body::Bytes;

/// What a ring holds at the most: events, and their bytes.
pub const MAX_EVENTS: usize = 1_024;
pub const MAX_BYTES: usize = 1024 * 1024;

/// Events that are in memory once, however many read them.
#[derive(Default)]
pub struct Ring {
    events: VecDeque<(Bytes, Reservation)>,
    /// The place of the first of them.
    first: u64,
    bytes: usize,
}

/// What is at a place.
#[derive(Debug, PartialEq, Eq)]
pub enum Place {
    /// An event.
    Event(Bytes),
    /// Nothing yet.
    Ahead,
    /// Nothing any more.
    Gone,
}

impl Ring {
    /// The place of the next event.
    pub fn end(&self) -> u64 {
        self.first + u64::try_from(self.events.len()).unwrap_or(u64::MAX)
    }

    /// What is at `place`.
    pub fn at(&self, place: u64) -> Place {
        let Some(index) = place.checked_sub(self.first) else { return Place::Gone };
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        self.events.get(index).map_or(Place::Ahead, |(event, _)| Place::Event(event.clone()))
    }

    /// Puts an event at the end, with the memory that it takes. The oldest make room for it.
    pub fn push(&mut self, event: Bytes, memory: Reservation) {
        self.bytes += event.len();
        self.events.push_back((event, memory));
        while self.events.len() > MAX_EVENTS || self.bytes > MAX_BYTES {
            let Some((oldest, _)) = self.events.pop_front() else { return };
            self.bytes -= oldest.len();
            self.first += 1;
        }
    }

    /// An event is missing: whoever waits for the next one finds that it is gone.
    pub fn lose(&mut self) {
        self.first = self.end() + 1;
        self.events.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_server::MemoryBudget;

    fn push(ring: &mut Ring, budget: &MemoryBudget, length: usize) {
        ring.push(vec![b'x'; length].into(), budget.reserve(length).unwrap());
    }

    #[test]
    fn places_stay_when_the_oldest_events_go() {
        let (mut ring, budget) = (Ring::default(), MemoryBudget::new(usize::MAX));
        assert_eq!((ring.end(), ring.at(0)), (0, Place::Ahead));
        for length in 1..=MAX_EVENTS + 2 {
            push(&mut ring, &budget, length % 7);
        }
        assert_eq!(ring.end(), u64::try_from(MAX_EVENTS + 2).unwrap());
        assert_eq!((ring.at(1), ring.at(2)), (Place::Gone, Place::Event("xxx".into())));
        assert_eq!(ring.at(ring.end()), Place::Ahead);
    }

    #[test]
    fn its_bytes_are_bounded_and_given_back() {
        let (mut ring, budget) = (Ring::default(), MemoryBudget::new(usize::MAX));
        for _ in 0..5 {
            push(&mut ring, &budget, MAX_BYTES / 3);
        }
        assert_eq!(budget.reserved(), MAX_BYTES / 3 * 3);
        assert_eq!(ring.at(1), Place::Gone);
        ring.lose();
        assert_eq!(budget.reserved(), 0);
        assert_eq!((ring.at(5), ring.at(6)), (Place::Gone, Place::Ahead));
    }
}
