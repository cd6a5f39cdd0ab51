//! Compares the system calls in traces with those that `deploy/seccomp.json` allows: `system_calls FOLDER`
//!
//! The files of the folder are written by `strace -ff -o`, one for each thread. The exit code is 1 if the profile lacks a call
//! that was made.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::{env, fs};

use e2e::Profile;

/// How often a process executes a program until WasmEdge runs: a script, and the program itself.
const EXECUTIONS: usize = 2;

fn main() -> ExitCode {
    let Some(folder) = env::args_os().nth(1) else {
        eprintln!("usage: system_calls FOLDER");
        return ExitCode::from(2);
    };
    let mut calls = Calls::default();
    for entry in fs::read_dir(folder).expect("a folder") {
        let file = fs::read(entry.expect("an entry").path()).expect("a trace");
        calls.add(&String::from_utf8_lossy(&file));
    }
    let profile = Profile::read();
    let allowed: BTreeSet<_> = profile.allowed().into_iter().collect();
    let refused: BTreeSet<_> = profile.refused().into_iter().collect();
    let seen: BTreeSet<_> = calls.count.keys().map(String::as_str).collect();
    println!("{} threads made {} different calls.", calls.threads, seen.len());
    for (name, count) in &calls.count {
        println!("{count:>10} {name}");
    }
    for name in profile.conditional() {
        let values = calls.arguments.get(name).into_iter().flatten();
        println!("Arguments of {name}:");
        values.for_each(|arguments| println!("    {arguments}"));
    }
    println!("The profile allows {} calls.", allowed.len());
    println!("Allowed, and not made: {:?}", allowed.difference(&seen).collect::<Vec<_>>());
    let wanted: BTreeSet<_> = seen.difference(&refused).copied().collect();
    let missing: Vec<_> = wanted.difference(&allowed).collect();
    println!("Made, and not allowed: {missing:?}");
    ExitCode::from(u8::from(!missing.is_empty()))
}

/// The calls of all traces.
#[derive(Default)]
struct Calls {
    threads: usize,
    count: BTreeMap<String, usize>,
    /// Of each call what stands in its parentheses, without what differs from call to call.
    arguments: BTreeMap<String, BTreeSet<String>>,
}

impl Calls {
    /// Adds the trace of one thread, from where WasmEdge runs.
    fn add(&mut self, trace: &str) {
        let lines: Vec<_> = trace.lines().collect();
        let is_execution = |line: &&str| line.starts_with("execve(") && line.ends_with("= 0");
        let executions: Vec<_> =
            (0..lines.len()).filter(|index| is_execution(&lines[*index])).collect();
        let start = executions.iter().take(EXECUTIONS).next_back().map_or(0, |last| last + 1);
        self.threads += 1;
        for line in &lines[start..] {
            // What remains are signals and ends.
            let Some((name, rest)) = line.split_once('(') else { continue };
            if !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_') {
                continue;
            }
            *self.count.entry(name.to_owned()).or_default() += 1;
            let arguments = rest.rsplit_once(" = ").map_or(rest, |(arguments, _)| arguments);
            let names = arguments.split([',', '(', ')', '{', '}', '=', ' ']);
            let names: Vec<_> =
                names.filter(|name| name.starts_with(|c: char| c.is_ascii_uppercase())).collect();
            self.arguments.entry(name.to_owned()).or_default().insert(names.join(" "));
        }
    }
}
