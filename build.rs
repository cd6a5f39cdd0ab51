//! Tells the program which compiler built it: `GET /` answers with it.

use std::env;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=RUSTC");
    let rustc = env::var_os("RUSTC").expect("cargo sets RUSTC");
    let output = Command::new(rustc)
        .arg("--version")
        .output()
        .expect("the compiler tells its version");
    // "rustc 1.97.1 (8bab26f4f 2026-06-30)": the second word.
    let text = String::from_utf8(output.stdout).expect("the version is text");
    let version = text.split_whitespace().nth(1).unwrap_or("unknown");
    println!("cargo:rustc-env=TODO_RUST_VERSION={version}");
}
