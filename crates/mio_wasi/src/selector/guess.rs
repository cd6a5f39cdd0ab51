//! Guesses that a client which just got its answer has sent its next request.

use std::time::Instant;

use super::GUESSING_TIME;

/// Which sockets were written since the last look, and whether guesses pay at present.
#[derive(Debug, Default)]
pub(super) struct Guesses {
    on: bool,
    /// When the last call of `poll_oneoff` returned.
    since: Option<Instant>,
    /// How many were made at the last look, and how many reads found something since.
    made: usize,
    found: usize,
    written: Vec<usize>,
}

impl Guesses {
    /// A read found something.
    pub(super) fn found(&mut self) {
        self.found += 1;
    }

    /// Something was written to the socket at `index`.
    pub(super) fn written(&mut self, index: usize) {
        self.written.push(index);
    }

    /// The sockets to report, or none if that is not likely to be true.
    pub(super) fn take(&mut self) -> impl Iterator<Item = usize> + '_ {
        let found = std::mem::take(&mut self.found);
        if self.made > 0 && found * 2 <= self.made {
            self.on = false;
        }
        self.made = 0;
        if !self.on {
            self.written.clear();
        }
        self.written.drain(..)
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
    /// asking is as quick as it is.
    pub(super) fn asked(&mut self, events: usize, now: Instant) {
        self.since = Some(now);
        self.on = events > 1;
    }
}
