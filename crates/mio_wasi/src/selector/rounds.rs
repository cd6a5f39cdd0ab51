//! How many cold sockets are looked at before a call while others are at work.

use std::time::Instant;

use super::LOOK_TIME;

/// The way around the cold sockets.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    /// The index of the socket to go on with.
    pub(super) next: usize,
    /// Up to when sockets were looked at.
    since: Option<Instant>,
}

impl Rounds {
    /// How many of `cold` sockets to look at `now`: one per [`LOOK_TIME`] that has passed.
    pub(super) fn share(&mut self, cold: usize, now: Instant) -> usize {
        let passed = self.since.map(|since| (since, now.saturating_duration_since(since)));
        if let Some((since, passed)) = passed
            && let Ok(share) = u32::try_from(passed.as_nanos() / LOOK_TIME.as_nanos())
            && (share as usize) < cold
        {
            // What is less than a socket counts next time.
            self.since = Some(since + LOOK_TIME * share);
            return share as usize;
        }
        self.since = Some(now);
        cold
    }

    /// All of them are asked about `now`.
    pub(super) fn all(&mut self, now: Instant) {
        self.since = Some(now);
    }
}
