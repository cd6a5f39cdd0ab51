//! One holder per file, where there are no file locks, no signals and no process ids.
//!
//! WASI has none of these, and a process that is killed leaves everything as it is. What there is: of several processes
//! that create a file, exactly one succeeds; everybody sees which files there are; and a file keeps its contents when its
//! name is taken away.
//!
//! # Files
//!
//! | beside the file `x` | what it is |
//! |---|---|
//! | `x.lease.N` | the lease with the number N; empty, or `released` when its holder has given it up |
//! | `x.lease.N.challenge` | somebody wants to know whether the holder of N is alive |
//! | `x.lease.N.TOKEN.copy` | what the holder of N works on until it takes the place of `x` |
//!
//! The holder is whoever created the lease with the highest number. The highest is never removed, so numbers only rise.
//!
//! # States
//!
//! | state | does | goes on to |
//! |---|---|---|
//! | starter | looks for the highest lease | claims N+1 if N is released or there is none, else challenges N |
//! | challenger | creates the challenge of N and watches it for [`TERM`] | if it is removed, N is alive: [`AcquireError::InUse`]; if it stays, claims N+1 |
//! | claimant | creates the lease N+1, then its own copy; looks whether there is a higher lease | starter again if it was not the first, or there is a higher one |
//! | new holder | removes other copies up to its number, then older leases but the one before its own | holder |
//! | holder | removes challenges of its own lease ([`Lease::tick`]) | [`Status::Lost`] when there is a lease with the next number |
//!
//! # Why it is safe
//!
//! A holder that was stopped for longer than [`TERM`] loses the lease, and takes itself for the holder when it goes on. No
//! two of them ever write to the same file:
//!
//! * A holder works on its own copy, which it renames to `x` ([`Lease::publish`]).
//! * A new holder removes the copies of earlier ones *after* its lease exists and *before* it reads `x`. A copy that a former holder
//!   or a slower claimant made earlier is gone then, so it cannot be renamed any more. Whoever makes one later looks at
//!   the leases after that, and finds the newer one.
//! * A former holder that has renamed its copy before goes on writing to that file, which loses its name when the new
//!   holder publishes its own.
//!
//! A holder acknowledges a write only if [`Lease::status`] is [`Status::Held`] *after* the write is on the disk. Then there
//! was no newer lease at that time; whoever has one later reads `x` later, and finds the write in it.
//!
//! The lease before the present one stays, so that a listing of the folder that takes long cannot miss both: for that, two
//! takeovers would have to take place during one listing.
//!
//! A challenge needs an answer within [`TERM`]. A holder that cannot run for so long, in a slow `fsync` for example, loses
//! the lease if another process starts just then. It loses no acknowledged write.
//!
//! A test walks all interleavings of two and of three processes, which are stopped, killed and end at any point.
//!
//! # What is assumed of the file system
//!
//! Creating a file with `O_EXCL`, renaming and removing are atomic, and a listing shows every file that is there from its
//! beginning to its end. Local file systems promise that. After a rename the file is synced and then its folder. Some systems do not
//! let folders be opened or synced; WasmEdge 0.17 is one of them, 0.14 is not. There the new name reaches the disk with the file: a
//! journal, as ext4, XFS and btrfs have one, writes both in one transaction. Any other error of these fails the publication.

mod lease;
#[cfg(test)]
mod model;
mod protocol;
mod resolve;

use std::fmt;
use std::io;
use std::time::Duration;

pub use lease::{Acquisition, Heartbeat, Lease, Step, has_holder, rename};
pub use protocol::{Action, Folder, Starter};
pub use resolve::resolve;

/// How long a challenge waits for an answer. A holder looks for one ten times a second; a busy machine or a slow disk
/// delays some of these looks. This is also how long a start waits after the holder was killed.
pub const TERM: Duration = Duration::from_secs(3);

/// Whether a lease is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// There is no newer one.
    Held,
    /// There is a newer one, or it was taken away.
    Lost,
    /// The folder cannot be looked at, at the moment.
    Unknown,
}

/// Why a lease cannot be had.
#[derive(Debug)]
pub enum AcquireError {
    /// Its holder is alive.
    InUse,
    /// The folder cannot be read or written.
    Io(io::Error),
}

impl From<io::Error> for AcquireError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl fmt::Display for AcquireError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse => formatter.write_str("another process holds the lease"),
            Self::Io(error) => write!(formatter, "the lease cannot be taken: {error}"),
        }
    }
}

impl std::error::Error for AcquireError {}
