//! Measures the server: `harness profile` shows where the processor time goes.

mod client;
mod load;
mod process;
mod profile;
mod programs;
mod settings;
mod statistics;
mod work;

use std::error::Error;
use std::process::ExitCode;

/// What ends a measurement.
type Failure = Box<dyn Error>;

fn main() -> ExitCode {
    let done = match std::env::args().nth(1).as_deref() {
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
