//! The measurement as a whole.

use std::fs;
use std::path::PathBuf;
use std::thread::available_parallelism;

use crate::Failure;
use crate::cases::{CASES, Case, START};
use crate::chart;
use crate::database::Database;
use crate::documents;
use crate::load::Wrk;
use crate::measure::Bench;
use crate::programs::{Program, Runtime, plain_module, tool};
use crate::report::{failures, tables};
use crate::settings::{Settings, repository};
use crate::start;
use crate::work::WorkFolder;

/// The versions of WasmEdge, the newest first.
const RUNTIMES: [&str; 2] = ["wasmedge-0.17", "wasmedge-0.14"];

/// Measures what the settings ask for, prints tables, and leaves them and a picture in `target/bench`.
///
/// # Errors
/// Something that is needed cannot be had, or a case failed: then the others were measured nevertheless.
pub fn run() -> Result<(), Failure> {
    let settings = Settings::from_env()?;
    let wants_start = settings.wants(START);
    let cases: Vec<_> = CASES.iter().copied().filter(|case| settings.wants(case.name)).collect();
    if cases.is_empty() && !wants_start {
        let names: Vec<_> = CASES.iter().map(|case| case.name).chain([START]).collect();
        return Err(format!("CASES fits none of {}", names.join(", ")).into());
    }
    let work = WorkFolder::new()?;
    let wrk = Wrk::new(tool("wrk")?.join("wrk"), work.path())?;
    let runtimes =
        RUNTIMES.iter().map(|tool| Runtime::find(tool)).collect::<Result<Vec<_>, _>>()?;
    let programs = programs(&settings, &runtimes)?;
    let database = Database::for_cases(&cases)?;
    let bench = Bench {
        programs: &programs,
        settings: &settings,
        wrk: &wrk,
        work: &work,
        database: database.as_ref(),
    };
    let mut outcomes = Vec::new();
    for cases in cases.chunk_by(Case::shares_servers_with) {
        let names: Vec<_> = cases.iter().map(|case| case.name).collect();
        eprintln!("bench: {} ...", names.join(", "));
        outcomes.extend(bench.run(cases));
        // What was measured so far, in case that somebody ends this.
        write(&settings, &tables(&outcomes, &[]))?;
    }
    let mut starts = Vec::new();
    if wants_start {
        eprintln!("bench: {START} ...");
        starts = start::measure(&runtimes, &programs, settings.runs, &work)?;
    }
    let text = write(&settings, &tables(&outcomes, &starts))?;
    print!("{text}");
    let folder = folder();
    let picture = chart::svg(&outcomes);
    if let Some(picture) = &picture {
        fs::write(folder.join("performance.svg"), picture)?;
    }
    eprintln!("bench: the tables and the picture are in {}", folder.display());
    let failures = failures(&outcomes, &starts);
    if !failures.is_empty() {
        return Err(failures.join("\n").into());
    }
    if settings.updates_docs {
        documents::update(&text, picture.as_deref())?;
    }
    Ok(())
}

fn folder() -> PathBuf {
    repository().join("target/bench")
}

/// Writes `tables` with what they depend on, and returns the same.
fn write(settings: &Settings, tables: &str) -> Result<String, Failure> {
    let text = format!("{}\n\n{tables}", machine(settings));
    fs::write(folder().join("results.md"), &text)?;
    Ok(text)
}

fn programs(settings: &Settings, runtimes: &[Runtime]) -> Result<Vec<Program>, Failure> {
    let mut programs = Vec::new();
    for runtime in runtimes {
        let name = format!("WasmEdge {}", runtime.version);
        programs.push(Program::module(name, runtime, runtime.compiled(&plain_module())?));
    }
    programs.push(Program::native(native()?));
    programs.extend(settings.peer.clone().map(Program::peer));
    Ok(programs)
}

/// The native server, which is built in the same workspace as this program.
fn native() -> Result<PathBuf, Failure> {
    let own = std::env::current_exe()?;
    let path = own.ancestors().nth(2).map(|folder| folder.join("release/native"));
    let path = path.filter(|path| path.is_file());
    path.ok_or_else(|| "the native server is not built: make bench does that".into())
}

/// What the figures depend on.
fn machine(settings: &Settings) -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("unknown processor", |line| line.trim_start_matches([' ', '\t', ':']));
    let cores = available_parallelism().map_or(1, usize::from);
    let kernel = read("/proc/sys/kernel/osrelease");
    let kernel = kernel.split(['-', '\n']).next().unwrap_or_default();
    format!(
        "{cores} cores ({model}), shared with the client; Linux {kernel}. Medians of {} runs of {} s, smallest and largest in \
         parentheses.",
        settings.runs, settings.seconds
    )
}
