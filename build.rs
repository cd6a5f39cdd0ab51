//! Tells the program which compiler built it: `GET /` answers with it.

use std::error::Error;
use std::process::Command;
use std::{env, str};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=RUSTC");
    let rustc = env::var_os("RUSTC").ok_or("cargo sets RUSTC")?;
    let output = Command::new(rustc).arg("--version").output()?;
    // "rustc 1.97.1 (8bab26f4f 2026-06-30)": the second word.
    let version = str::from_utf8(&output.stdout)?.split_whitespace().nth(1).unwrap_or("unknown");
    println!("cargo:rustc-env=TODO_RUST_VERSION={version}");
    Ok(())
}
