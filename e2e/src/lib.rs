//! Starts the real module under the real runtime, and talks to it over real sockets.
//!
//! `E2E_LAUNCHER` in the environment names another launcher than `scripts/run-wasm.sh`, such as one that runs the module in
//! a container.
//!
//! No part of the server's source is used here: what these tests know of it is what any client knows.

mod client;
mod cluster;
mod connection;
mod description;
mod events;
mod linearizable;
mod paths;
mod port;
mod postgres;
mod process;
mod protocol;
mod proxy;
mod seccomp;
mod server;
mod strict;
mod usage;

pub use client::{Client, Response};
pub use description::{Description, Part};
pub use events::{Event, Events, Received};
pub use linearizable::{Call, Model, Stuck, linearize};
pub use paths::{native_module, plain_module, repository, tool};
pub use postgres::{Postgres, PostgresBuilder};
pub use process::{Process, status_field};
pub use proxy::{Cut, Proxy};
pub use seccomp::{Profile, Refusal};
pub use server::{Builder, Exit, Server, wait_until};
pub use strict::{Lines, Reading, Rest, Seen, read_strictly};
