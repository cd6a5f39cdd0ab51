//! Starts: how long until the first answer, and how much memory a server has that nobody asks anything.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::Failure;
use crate::client::Client;
use crate::process::{output, private_memory};
use crate::programs::{Program, Runtime, Store};
use crate::settings::repository;
use crate::work::WorkFolder;

/// Todos in the file of the start with many.
const MANY: usize = 100_000;

/// How long a server is left alone before its memory is looked at.
const REST: Duration = Duration::from_millis(200);

/// Says that it is there, and waits: what it takes is what the runtime takes.
const EMPTY_MODULE: &str = r#"
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\10\00\00\00\06\00\00\00")
  (data (i32.const 16) "ready\n")
  (func (export "_start")
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32)))
    (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 32)))))
"#;

/// One line of the table.
#[derive(Clone, Debug)]
pub struct StartRow {
    /// What was started.
    pub what: String,
    /// From the start of the process to its first 200, in milliseconds.
    pub times: Vec<f64>,
    /// Private memory at rest, in MiB.
    pub memory: Vec<f64>,
    /// Why there are no more.
    pub failure: Option<String>,
}

enum What<'a> {
    Server(&'a Program),
    ServerWithMany(&'a Program),
    Empty(&'a Runtime, PathBuf),
}

/// Starts everything in turn, `runs` times.
///
/// # Errors
/// What is to be started cannot be made.
pub fn measure(
    runtimes: &[Runtime],
    programs: &[Program],
    runs: usize,
    work: &WorkFolder,
) -> Result<Vec<StartRow>, Failure> {
    let universal = repository().join("dist/todo-universal.wasm");
    let universals: Vec<_> = runtimes
        .iter()
        .filter(|_| universal.is_file())
        .map(|runtime| {
            let name = format!("WasmEdge {}, dist/todo-universal.wasm", runtime.version);
            Program::module(name, runtime, universal.clone())
        })
        .collect();
    let many = work.folder("many")?;
    let mut rows = Vec::new();
    for program in programs.iter().chain(&universals) {
        rows.push((program.name.clone(), What::Server(program)));
    }
    if let Some(first) = programs.first() {
        let server = first.start(Store::Folder(&many), work.path())?;
        Client::connect(server.port)?.fill(MANY - 2)?;
    }
    for program in programs.iter().filter(|program| !program.is_peer()) {
        rows.push((
            format!("{}, 100,000 todos in a file", program.name),
            What::ServerWithMany(program),
        ));
    }
    for runtime in runtimes {
        let name = format!("WasmEdge {}, a module that does nothing", runtime.version);
        rows.push((name, What::Empty(runtime, empty_module(runtime, work.path())?)));
    }
    let mut rows: Vec<_> = rows
        .into_iter()
        .map(|(what, how)| {
            (StartRow { what, times: Vec::new(), memory: Vec::new(), failure: None }, how)
        })
        .collect();
    for _ in 0..runs {
        for (row, how) in rows.iter_mut().filter(|(row, _)| row.failure.is_none()) {
            let started = match how {
                What::Server(program) => start(program, Store::Memory, work.path()),
                What::ServerWithMany(program) => forget_owner(&many)
                    .and_then(|()| start(program, Store::Folder(&many), work.path())),
                What::Empty(runtime, module) => start_empty(runtime, module),
            };
            match started {
                Ok((time, memory)) => {
                    row.times.push(time.as_secs_f64() * 1e3);
                    row.memory.push(memory);
                }
                Err(error) => row.failure = Some(error.to_string()),
            }
        }
    }
    Ok(rows.into_iter().map(|(row, _)| row).collect())
}

fn start(program: &Program, store: Store<'_>, work: &Path) -> Result<(Duration, f64), Failure> {
    let server = program.start(store, work)?;
    sleep(REST);
    Ok((server.start, server.private_memory()?))
}

/// As after a clean end: otherwise a start waits to see whether the last owner of the file is alive.
fn forget_owner(folder: &Path) -> Result<(), Failure> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.to_string_lossy().contains(".lease.") {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

fn empty_module(runtime: &Runtime, work: &Path) -> Result<PathBuf, Failure> {
    let plain = work.join("empty.wasm");
    fs::write(&plain, wat::parse_str(EMPTY_MODULE)?)?;
    let compiled = work.join(format!("empty.{}.wasm", runtime.version));
    output(&mut runtime.compiler(&plain, &compiled))?;
    Ok(compiled)
}

fn start_empty(runtime: &Runtime, module: &Path) -> Result<(Duration, f64), Failure> {
    let began = Instant::now();
    // Its input stays open and silent.
    let mut command = runtime.command(module, &[]);
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut child = Ended(child);
    let mut line = String::new();
    if let Some(stdout) = child.0.stdout.take() {
        BufReader::new(stdout).read_line(&mut line)?;
    }
    if line != "ready\n" {
        return Err(format!("the module printed {line:?}").into());
    }
    let time = began.elapsed();
    sleep(REST);
    Ok((time, private_memory(child.0.id())?))
}

/// A process that ends when this is dropped.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_empty_module_is_a_module() {
        assert!(wat::parse_str(super::EMPTY_MODULE).unwrap().starts_with(b"\0asm"));
    }
}
