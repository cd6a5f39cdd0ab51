//! Everything that only the real module under the real runtime can show.

mod access;
mod addresses;
mod attack;
mod command_line;
mod contract;
mod crash;
mod documents;
mod durability;
mod events;
mod framing;
mod idempotency;
mod lease;
mod limits;
mod logs;
mod metrics;
mod openapi;
mod outages;
mod page;
mod postgres;
mod probes;
mod races;
mod resets;
mod start;
mod structure;
mod survival;
mod transfer;
