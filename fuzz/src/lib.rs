//! What the targets share. Each target is a program in `targets`, named after what it is about; libFuzzer calls it with one
//! input after the other and keeps those that reach new code. What must hold is asserted: a failed assertion is a finding.

pub mod api;
pub mod files;
#[path = "../../e2e/src/strict.rs"]
pub mod strict;

/// What stands in inputs for a text that no fuzzer can guess, such as a token.
pub const SECRET: char = '\u{1}';
