//! Guesses that a socket which was just read has more to read.

use std::time::Instant;

use super::GUESSING_TIME;

/// Which sockets were read since the last look, and whether guesses pay at present.
#[derive(Debug, Default)]
pub(super) struct Guesses {
    on: bool,
    /// When the last call of `poll_oneoff` returned.
    since: Option<Instant>,
    /// How many were made at the last look.
    made: usize,
    recent: Vec<usize>,
}

impl Guesses {
    /// The socket at `index` was read, and may have more.
    pub(super) fn found(&mut self, index: usize) {
        self.recent.push(index);
    }

    /// The sockets to report, or none if that is not likely to be true.
    pub(super) fn take(&mut self) -> impl Iterator<Item = usize> + '_ {
        let found = self.recent.len();
        if self.made > 0 && found * 2 <= self.made {
            self.on = false;
        }
        self.made = 0;
        if !self.on {
            self.recent.clear();
        }
        self.recent.drain(..)
    }

    /// So many were made.
    pub(super) fn made(&mut self, count: usize) {
        self.made = count;
    }

    /// Everybody else is to be asked about now.
    pub(super) fn are_due(&self, now: Instant) -> bool {
        self.since.is_none_or(|since| now.saturating_duration_since(since) >= GUESSING_TIME)
    }

    /// The runtime was asked, and there were so many events in all. One at a time is a client that waits for its answer:
    /// it has nothing more to send.
    pub(super) fn asked(&mut self, events: usize, now: Instant) {
        self.since = Some(now);
        self.on = events > 1;
    }
}
