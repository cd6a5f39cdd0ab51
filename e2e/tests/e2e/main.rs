//! Everything that only the real module under the real runtime can show.

mod addresses;
mod contract;
mod framing;
mod limits;
mod resets;
mod start;
mod structure;
mod survival;
