//! Measures the server. `harness bench` compares it with the same program compiled for the machine itself, and with
//! another server; `harness profile` shows where its processor time goes.

mod bench;
mod cases;
mod chart;
mod client;
mod database;
mod disk;
mod documents;
mod load;
mod measure;
mod process;
mod profile;
mod programs;
mod report;
mod settings;
mod start;
mod statistics;
mod work;

use std::error::Error;
use std::process::ExitCode;

/// What ends a measurement.
type Failure = Box<dyn Error>;

fn main() -> ExitCode {
    let done = match std::env::args().nth(1).as_deref() {
        Some("bench") => bench::run(),
        Some("profile") => profile::run(),
        _ => Err("usage: harness bench|profile".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("harness: {error}");
            ExitCode::FAILURE
        }
    }
}
