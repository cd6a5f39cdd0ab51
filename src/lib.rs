//! A todo HTTP API that compiles to one WebAssembly file and runs under WasmEdge.
//!
//! This crate is the API and the program. What it stands on are crates of their own, so that the compiler holds the
//! direction of dependencies:
//!
//! | crate | concern | may use |
//! |---|---|---|
//! | `http_server` | sockets: accepting, limits, deadlines; serves any [`http_server::Service`] | `telemetry` |
//! | `todo_store` | where todos live | `todo_model`, `todo_table`, `file_lease`, `postgres_pool`, `telemetry`, `clock` |
//! | `todo_table` | the rows of the durable store, by redb | – |
//! | `file_lease` | one server per file | – |
//! | `postgres_pool` | connections to a database | `telemetry` |
//! | `todo_model` | what a todo is; the only way to make one is through its checks | `clock` |
//! | `telemetry` | log lines and metrics | `clock`, `mio_wasi` |
//! | `mio_wasi` | readiness of sockets | – |
//! | `clock` | time as the API writes it | – |
//!
//! The server knows nothing of todos, and no store knows of HTTP.

pub mod access_log;
pub mod cli;
pub mod config;
pub mod http;
pub mod process;
pub mod transfer;
