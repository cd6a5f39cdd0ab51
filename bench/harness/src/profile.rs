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
use crate::cases::{CASES, Case};
use crate::client::Client;
use crate::database::Database;
use crate::load::Wrk;
use crate::measure::Bench;
use crate::process::{Server, output};
use crate::programs::{Program, Runtime, tool};
use crate::settings::{Settings, number, repository, text};
use crate::work::WorkFolder;

/// How many functions are listed.
const FUNCTIONS: usize = 25;

/// How long a program needs to begin to watch.
const ATTACHES: Duration = Duration::from_millis(500);

/// Profiles the server in the newest WasmEdge. Settings: `CASE` ([`CASES`] has the names; `health-10`), and
/// `PATH_AND_QUERY` and `CONNECTIONS` in place of the case's own, `SECONDS_EACH` (3).
///
/// # Errors
/// perf or strace is not there, or may not look at other processes; the server fails.
pub fn run() -> Result<(), Failure> {
    let case = case()?;
    let settings = Settings { seconds: number("SECONDS_EACH", 3)?, ..Settings::from_env()? };
    let work = WorkFolder::new()?;
    let wrk = Wrk::new(tool("wrk")?.join("wrk"), work.path())?;
    let runtime = Runtime::find("wasmedge-0.17")?;
    let module = repository().join("target/wasm32-wasip1/profiling/todo.wasm");
    let library = library(&runtime, &module)?;
    let names = names(&fs::read(&module)?)?;
    let database = Database::for_cases(&[case])?;
    let programs = [Program::module(format!("WasmEdge {}", runtime.version), &runtime, library)];
    let bench = Bench {
        programs: &programs,
        settings: &settings,
        wrk: &wrk,
        work: &work,
        database: database.as_ref(),
    };
    let server = bench.server(&case, &programs[0])?;
    let idle = Client::open(server.port, case.idle.unwrap_or_default())?;

    let run = bench.load(&case, &server)?;
    println!(
        "{} {}, {} connections, WasmEdge {}: {:.0} requests/s, {:.1} µs CPU per request",
        if case.is_post { "POST" } else { "GET" },
        case.path,
        case.connections,
        runtime.version,
        run.sample.rate,
        run.cost.map_or(0.0, |cost| cost.0)
    );
    println!("\nSystem calls per request (counted by strace, which slows them down):\n");
    print!("{}", system_calls(&bench, &case, &server)?);
    let data = work.path().join("perf.data");
    record(&bench, &case, &server, &data)?;
    println!("\nShares of the processor time, in %:\n");
    print!("{}", shares(&report(&data, "dso")?));
    println!("\nThe {FUNCTIONS} functions that take most of it, in %:\n");
    print!("{}", functions(&report(&data, "dso,symbol")?, &names));
    drop(idle);
    Ok(())
}

fn case() -> Result<Case, Failure> {
    let name = Some(text("CASE")).filter(|name| !name.is_empty());
    let name = name.unwrap_or_else(|| CASES[0].name.to_owned());
    let Some(case) = CASES.iter().find(|case| case.name == name) else {
        let names: Vec<_> = CASES.iter().map(|case| case.name).collect();
        return Err(format!("CASE={name} is none of {}", names.join(", ")).into());
    };
    let path = match text("PATH_AND_QUERY") {
        path if path.is_empty() => case.path,
        // It lives as long as the program.
        path => path.leak(),
    };
    Ok(Case { path, connections: number("CONNECTIONS", case.connections)?, ..*case })
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
fn system_calls(bench: &Bench<'_>, case: &Case, server: &Server) -> Result<String, Failure> {
    let table = bench.work.path().join("strace");
    let mut strace = Command::new("strace")
        .args(["-f", "-c", "-U", "name,calls", "-o"])
        .arg(&table)
        .args(["-p", &server.id().to_string()])
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("cannot run strace: {error}"))?;
    sleep(ATTACHES);
    let run = bench.load(case, server);
    // Not `kill`: it has to write its table.
    output(Command::new("kill").args(["-INT", &strace.id().to_string()]))?;
    strace.wait()?;
    let run = run?;
    let text = fs::read_to_string(&table)
        .map_err(|error| format!("strace may not look at the server: {error}"))?;
    Ok(calls(&text, run.sample.requests))
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
fn record(bench: &Bench<'_>, case: &Case, server: &Server, data: &Path) -> Result<(), Failure> {
    let seconds = bench.settings.seconds;
    let mut perf = Command::new("perf")
        // Not the processor's counters, which virtual machines may not have.
        .args(["record", "-q", "-e", "cpu-clock", "-F", "997", "-p", &server.id().to_string()])
        .arg("-o")
        .arg(data)
        .args(["--", "sleep", &seconds.to_string()])
        .spawn()
        .map_err(|error| format!("cannot run perf: {error}"))?;
    let load = bench
        .wrk
        .command(server.port, case.path, case.is_post, case.connections, seconds + 1)
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
