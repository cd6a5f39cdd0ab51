//! Where the processor time of one kind of request goes: system calls, and shares of kernel, runtime and module.
//!
//! WasmEdge can compile a module to a shared library, which has a symbol `fN` for function `N` of the module. perf sees
//! those, and the module, built with names, tells what they are called.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use wasmparser::{KnownCustom, Name, Parser, Payload};

use crate::Failure;
use crate::client::Client;
use crate::load::{Sample, Wrk};
use crate::process::{Server, output};
use crate::programs::{Program, Runtime, Store, tool};
use crate::settings::{number, repository, text};
use crate::work::WorkFolder;

/// How many functions are listed.
const FUNCTIONS: usize = 25;

/// How long a program needs to begin to watch.
const ATTACHES: Duration = Duration::from_millis(500);

/// What is asked for, and how.
struct Request {
    path: String,
    is_post: bool,
    todos: usize,
    connections: usize,
    seconds: u64,
}

/// Profiles the server in the newest WasmEdge. Settings: `PATH_AND_QUERY` (`/health`), `METHOD` (`GET`; or `POST`),
/// `TODOS` that are there before (2), `STORE` (`memory`; or `redb`), `CONNECTIONS` (10), `SECONDS_EACH` (3).
///
/// # Errors
/// perf or strace is not there, or may not look at other processes; the server fails.
pub fn run() -> Result<(), Failure> {
    let path = Some(text("PATH_AND_QUERY")).filter(|path| !path.is_empty());
    let request = Request {
        is_post: text("METHOD") == "POST",
        path: path.unwrap_or_else(|| "/health".to_owned()),
        todos: number("TODOS", 2)?,
        connections: number("CONNECTIONS", 10)?,
        seconds: number("SECONDS_EACH", 3)?,
    };
    let work = WorkFolder::new()?;
    let wrk = Wrk::new(tool("wrk")?.join("wrk"), work.path())?;
    let runtime = Runtime::find("wasmedge-0.17")?;
    let module = repository().join("target/wasm32-wasip1/profiling/todo.wasm");
    let library = library(&runtime, &module)?;
    let names = names(&fs::read(&module)?)?;

    let data = work.folder("data")?;
    let store = if text("STORE") == "redb" { Store::Folder(&data) } else { Store::Memory };
    let name = format!("WasmEdge {}", runtime.version);
    let server = Program::module(name, &runtime, library).start(store, work.path())?;
    Client::connect(server.port)?.fill(request.todos.saturating_sub(2))?;

    let before = server.processor_time()?;
    let sample = request.load(&wrk, &server)?;
    let cost = (server.processor_time()? - before).as_secs_f64() * 1e6 / sample.requests;
    let method = if request.is_post { "POST" } else { "GET" };
    println!(
        "{method} {}, {} connections, WasmEdge {}: {:.0} requests/s, {cost:.1} µs CPU per request",
        request.path, request.connections, runtime.version, sample.rate
    );
    println!("\nSystem calls per request (counted by strace, which slows them down):\n");
    print!("{}", system_calls(&request, &wrk, &server, work.path())?);
    let data = work.path().join("perf.data");
    record(&request, &wrk, &server, &data)?;
    println!("\nShares of the processor time, in %:\n");
    print!("{}", shares(&report(&data, "dso")?));
    println!("\nThe {FUNCTIONS} functions that take most of it, in %:\n");
    print!("{}", functions(&report(&data, "dso,symbol")?, &names));
    Ok(())
}

impl Request {
    fn load(&self, wrk: &Wrk, server: &Server) -> Result<Sample, Failure> {
        wrk.run(server.port, &self.path, self.is_post, self.connections, self.seconds)
    }
}

/// The module as a shared library, compiled if it is not there yet.
fn library(runtime: &Runtime, module: &Path) -> Result<PathBuf, Failure> {
    let library = module.with_extension(format!("{}.so", runtime.version));
    let modified = |path: &Path| fs::metadata(path).and_then(|data| data.modified()).ok();
    if modified(&library) < modified(module) {
        eprintln!("profile: compiling the module to {} ...", library.display());
        // WasmEdge goes by the name's end.
        let unfinished = module.with_extension("unfinished.so");
        output(&mut runtime.compiler(module, &unfinished))?;
        fs::rename(&unfinished, &library)?;
    }
    Ok(library)
}

/// The names of a module's functions, by number.
fn names(module: &[u8]) -> Result<HashMap<u32, String>, Failure> {
    let mut names = HashMap::new();
    for payload in Parser::new(0).parse_all(module) {
        let Payload::CustomSection(section) = payload? else { continue };
        let KnownCustom::Name(section) = section.as_known() else { continue };
        for part in section {
            let Name::Function(functions) = part? else { continue };
            for function in functions {
                let function = function?;
                let name = format!("{:#}", rustc_demangle::demangle(function.name));
                names.insert(function.index, name);
            }
        }
    }
    if names.is_empty() { Err("the module has no names".into()) } else { Ok(names) }
}

/// Lines with the calls per request, the most frequent ones first.
fn system_calls(
    request: &Request,
    wrk: &Wrk,
    server: &Server,
    work: &Path,
) -> Result<String, Failure> {
    let table = work.join("strace");
    let mut strace = Command::new("strace")
        .args(["-f", "-c", "-U", "name,calls", "-o"])
        .arg(&table)
        .args(["-p", &server.id().to_string()])
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("cannot run strace: {error}"))?;
    sleep(ATTACHES);
    let sample = request.load(wrk, server);
    // Not `kill`: it has to write its table.
    output(Command::new("kill").args(["-INT", &strace.id().to_string()]))?;
    strace.wait()?;
    let sample = sample?;
    let text = fs::read_to_string(&table)
        .map_err(|error| format!("strace may not look at the server: {error}"))?;
    Ok(calls(&text, sample.requests))
}

fn calls(table: &str, requests: f64) -> String {
    let mut calls: Vec<(f64, &str)> = table
        .lines()
        .filter_map(|line| {
            let (name, count) = line.trim().split_once(char::is_whitespace)?;
            Some((count.trim().parse::<f64>().ok()? / requests, name))
        })
        .collect();
    calls.sort_by(|a, b| b.0.total_cmp(&a.0));
    calls.iter().map(|(count, name)| format!("{count:10.3}  {name}\n")).collect()
}

/// Records where the server is, 997 times per second of processor time.
fn record(request: &Request, wrk: &Wrk, server: &Server, data: &Path) -> Result<(), Failure> {
    let mut perf = Command::new("perf")
        // Not the processor's counters, which virtual machines may not have.
        .args(["record", "-q", "-e", "cpu-clock", "-F", "997", "-p", &server.id().to_string()])
        .arg("-o")
        .arg(data)
        .args(["--", "sleep", &request.seconds.to_string()])
        .spawn()
        .map_err(|error| format!("cannot run perf: {error}"))?;
    let load = wrk
        .command(
            server.port,
            &request.path,
            request.is_post,
            request.connections,
            request.seconds + 1,
        )
        .output();
    let status = perf.wait()?;
    load?;
    if status.success() { Ok(()) } else { Err(format!("perf ended with {status}").into()) }
}

/// Lines of percentage and what it is of, divided by tabs.
fn report(data: &Path, by: &str) -> Result<String, Failure> {
    let mut command = Command::new("perf");
    command.args(["report", "-q", "--stdio", "-F", &format!("overhead,{by}"), "-t", "\t", "-i"]);
    // It has much to say of what it does not know.
    output(command.arg(data).stderr(Stdio::null()))
}

/// One line of [`report`]: the percentage, and the rest.
fn line(text: &str) -> Option<(f64, Vec<&str>)> {
    let mut parts = text.split('\t').map(str::trim);
    let share = parts.next()?.trim_end_matches('%').parse().ok()?;
    Some((share, parts.collect()))
}

fn shares(report: &str) -> String {
    let lines = report.lines().filter_map(line);
    lines.map(|(share, of)| format!("{share:10.1}  {}\n", owner(&of.concat()))).collect()
}

/// The short name of what code belongs to.
fn owner(object: &str) -> &str {
    match object {
        "[kernel.kallsyms]" => "kernel",
        object if object.starts_with("todo.") && object.ends_with(".so") => "module",
        object => object,
    }
}

fn functions(report: &str, names: &HashMap<u32, String>) -> String {
    let lines = report.lines().filter_map(line).filter_map(|(share, of)| {
        let [object, symbol] = of[..] else { return None };
        // Behind "[.] " for the program, "[k] " for the kernel.
        let symbol = symbol.split_once("] ").map_or(symbol, |(_, symbol)| symbol);
        let symbol = symbol.split_whitespace().next().unwrap_or(symbol);
        let number = symbol.strip_prefix('f').and_then(|number| number.parse().ok());
        let name = match (owner(object), number.and_then(|number| names.get(&number))) {
            ("module", Some(name)) => name,
            _ => symbol,
        };
        Some(format!("{share:10.2}  {:<22} {name}\n", owner(object)))
    });
    lines.take(FUNCTIONS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_of_the_module_get_their_names() {
        let module = wat::parse_str(r"(module (func $first) (func $_ZN4todo4http3App4callE))");
        let names = names(&module.unwrap()).unwrap();
        let report = " 24.65%\t[kernel.kallsyms]\t[k] finish_task_switch\n  \
            3.30%\ttodo.0.17.1.so\t[.] f1   -   -\n  1.04%\tlibwasmedge.so.0\t[.] f1\n";
        assert_eq!(
            functions(report, &names),
            "     24.65  kernel                 finish_task_switch\n      \
             3.30  module                 todo::http::App::call\n      \
             1.04  libwasmedge.so.0       f1\n"
        );
    }

    #[test]
    fn calls_are_counted_per_request() {
        let table =
            "syscall              calls\n----------- ---------\nsendmsg  100\nioctl    250\n";
        assert_eq!(calls(table, 100.0), "     2.500  ioctl\n     1.000  sendmsg\n");
    }
}
