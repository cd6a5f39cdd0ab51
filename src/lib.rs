//! A todo HTTP API that compiles to one WebAssembly file and runs under WasmEdge.
//!
//! | module | concern | may use |
//! |---|---|---|
//! | [`cli`] | the command line: its flags, the help text, exit codes | [`config`] |
//! | [`config`] | every setting, read from the environment | – |
//! | [`server`] | sockets: accepting, limits, deadlines; serves any [`server::Service`] | [`log`], [`metrics`], [`tasks`] |
//! | [`http`] | the API: request in, response out, never an error out | all but [`cli`] and [`config`] |
//! | [`store`] | where todos live | [`todo`], [`clock`], [`log`], [`metrics`] |
//! | [`todo`] | what a todo is; the only way to make one is through its checks | [`clock`] |
//! | [`execution`] | whether the runtime interprets this module | – |
//! | [`access_log`] | one line per request | [`clock`], [`log`] |
//! | [`metrics`] | numbers, as Prometheus reads them | – |
//! | [`log`] | messages to the operator, as text or JSON | [`clock`] |
//! | [`clock`] | time as the API writes it | – |
//! | [`tasks`] | starts tasks and counts the live ones | [`metrics`] |
//!
//! The direction is `main` → `http` → `store` → `todo`. `server`, `cli`, `config`, `access_log`, `metrics`, `log`,
//! `clock`, `execution` and `tasks` know nothing of todos, and nothing under `store` or `todo` knows of HTTP. A test in `e2e` holds this rule.

pub mod access_log;
pub mod cli;
pub mod clock;
pub mod config;
pub mod execution;
pub mod http;
pub mod log;
pub mod metrics;
pub mod server;
pub mod store;
pub mod tasks;
pub mod todo;
