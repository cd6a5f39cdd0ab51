//! How many cold sockets a call asks about while others are at work.

use std::time::{Duration, Instant};

use super::{GUESSING_TIME, ROUND_TIME};

/// The way around the cold sockets.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    /// The index of the socket to go on with.
    pub(super) next: usize,
    /// The time before this has had its share of the sockets.
    since: Option<Instant>,
}

impl Rounds {
    /// How long a wait may be while the round goes on.
    pub(super) const STEP: Duration = GUESSING_TIME;

    /// How many of `cold` sockets to ask about `now`, so that a round takes [`ROUND_TIME`].
    pub(super) fn share(&mut self, cold: usize, now: Instant) -> usize {
        let cold = u32::try_from(cold).unwrap_or(u32::MAX).max(1);
        let earliest = now.checked_sub(ROUND_TIME).unwrap_or(now);
        let since = self.since.map_or(earliest, |since| since.max(earliest));
        let passed = now.saturating_duration_since(since);
        let share = u128::from(cold) * passed.as_nanos() / ROUND_TIME.as_nanos();
        let share = u32::try_from(share).unwrap_or(cold);
        // What is less than a socket counts next time.
        self.since = Some(since + ROUND_TIME * share / cold);
        share as usize
    }

    /// All of them are asked about `now`.
    pub(super) fn all(&mut self, now: Instant) {
        self.since = Some(now);
    }
}
