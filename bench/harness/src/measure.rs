//! Runs the cases: all servers in turn, several times.

use std::thread::sleep;
use std::time::Duration;

use crate::Failure;
use crate::cases::{Case, Place};
use crate::client::Client;
use crate::database::Database;
use crate::disk;
use crate::load::{BODY, Sample, Wrk};
use crate::process::{Server, max_open_files};
use crate::programs::{Program, Store};
use crate::settings::Settings;
use crate::work::WorkFolder;

/// What is open in a server besides connections, at the most.
const OTHER_FILES: usize = 200;

/// How long a server is left alone before it is measured.
const REST: Duration = Duration::from_millis(100);

/// What one server did in one run.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// What the client saw.
    pub sample: Sample,
    /// Processor time of the server per request, in microseconds, and its private memory afterwards, in MiB. The disk
    /// has neither.
    pub cost: Option<(f64, f64)>,
}

/// What one server did in all runs.
#[derive(Clone, Debug)]
pub struct Row {
    /// The server.
    pub server: String,
    /// Its runs.
    pub runs: Vec<Run>,
    /// Why there are no more.
    pub failure: Option<String>,
}

/// What all servers did.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What was asked for.
    pub case: Case,
    /// One for each server.
    pub rows: Vec<Row>,
    /// Why nothing was measured.
    pub skipped: Option<String>,
}

/// What is needed to measure.
pub struct Bench<'a> {
    /// The servers.
    pub programs: &'a [Program],
    /// How long, how often.
    pub settings: &'a Settings,
    /// The client.
    pub wrk: &'a Wrk,
    /// Where files go.
    pub work: &'a WorkFolder,
    /// Where there are cases that need it.
    pub database: Option<&'a Database>,
}

impl Bench<'_> {
    /// Measures cases that share servers.
    pub fn run(&self, cases: &[Case]) -> Vec<Outcome> {
        match cases {
            [case] if case.needs_new_server() => vec![self.with_new_servers(*case)],
            _ => self.with_same_servers(cases),
        }
    }

    fn with_new_servers(&self, case: Case) -> Outcome {
        let mut outcome = self.outcome(case);
        let needed = case.idle.unwrap_or_default() + case.connections + OTHER_FILES;
        match max_open_files() {
            Ok(limit) if limit < needed => {
                let why =
                    format!("{needed} open files are needed, {limit} are allowed (ulimit -n)");
                outcome.skipped = Some(why);
                return outcome;
            }
            _ => {}
        }
        let mut disk = Row { server: "disk alone".to_owned(), runs: Vec::new(), failure: None };
        for _ in 0..self.settings.runs {
            for row in &mut outcome.rows {
                let program = self.programs.iter().find(|program| program.name == row.server);
                row.add(|| {
                    let server = self.server(&case, program.ok_or("it is not there")?)?;
                    let idle = Client::open(server.port, case.idle.unwrap_or_default())?;
                    let run = self.load(&case, &server);
                    drop(idle);
                    run
                });
            }
            if case.place == Place::Disk {
                disk.add(|| {
                    let sample = disk::measure(self.work.path(), self.settings.seconds)?;
                    Ok(Run { sample, cost: None })
                });
            }
        }
        if case.place == Place::Disk {
            outcome.rows.push(disk);
        }
        outcome
    }

    fn with_same_servers(&self, cases: &[Case]) -> Vec<Outcome> {
        let mut outcomes: Vec<_> = cases.iter().map(|case| self.outcome(*case)).collect();
        let Some(first) = cases.first() else { return outcomes };
        let mut servers: Vec<(&str, Result<Server, String>)> = Vec::new();
        for program in self
            .programs
            .iter()
            .filter(|program| !program.is_peer() || cases.iter().any(|case| case.has_peer))
        {
            // A database is filled once, and all use it.
            let started = if first.place == Place::Database && !servers.is_empty() {
                self.database_url(false)
                    .and_then(|url| program.start(Store::Database(url), self.work.path()))
            } else {
                self.server(first, program)
            };
            servers.push((&program.name, started.map_err(|error| error.to_string())));
        }
        for outcome in &mut outcomes {
            for _ in 0..self.settings.runs {
                for row in &mut outcome.rows {
                    let server = servers.iter().find(|(name, _)| *name == row.server);
                    row.add(|| match server {
                        Some((_, Ok(server))) => self.load(&outcome.case, server),
                        Some((_, Err(error))) => Err(error.clone().into()),
                        None => Err("it was not started".into()),
                    });
                }
            }
        }
        outcomes
    }

    /// Rows without runs.
    fn outcome(&self, case: Case) -> Outcome {
        let programs = self.programs.iter().filter(|program| case.has_peer || !program.is_peer());
        let row = |program: &Program| Row {
            server: program.name.clone(),
            runs: Vec::new(),
            failure: None,
        };
        Outcome { case, rows: programs.map(row).collect(), skipped: None }
    }

    /// A server with as many todos as the case asks for.
    ///
    /// # Errors
    /// It does not start, or does not take the todos.
    pub fn server(&self, case: &Case, program: &Program) -> Result<Server, Failure> {
        let data;
        let store = match case.place {
            Place::Memory => Store::Memory,
            Place::Disk => {
                data = self.work.folder("data")?;
                Store::Folder(&data)
            }
            Place::Database => Store::Database(self.database_url(true)?),
        };
        let server = program.start(store, self.work.path())?;
        // Two are there from the start.
        Client::connect(server.port)?.fill(case.todos.saturating_sub(2))?;
        Ok(server)
    }

    fn database_url(&self, is_empty: bool) -> Result<&str, Failure> {
        let database = self.database.ok_or("there is no database")?;
        if is_empty { database.emptied() } else { Ok(database.url()) }
    }

    /// Puts the case's load on a server.
    ///
    /// # Errors
    /// An answer is not what it should be, or a socket fails.
    pub fn load(&self, case: &Case, server: &Server) -> Result<Run, Failure> {
        // wrk tells failures from successes, but not one success from another.
        let mut client = Client::connect(server.port)?;
        let status =
            if case.is_post { client.post(case.path, BODY) } else { client.get(case.path) }?;
        if status != case.status() {
            return Err(format!("{} was answered {status}", case.path).into());
        }
        drop(client);
        sleep(REST);
        let before = server.processor_time()?;
        let sample = self.wrk.run(
            server.port,
            case.path,
            case.is_post,
            case.connections,
            self.settings.seconds,
        )?;
        let used = server.processor_time()? - before;
        let memory = server.private_memory()?;
        server.empty_log()?;
        Ok(Run { sample, cost: Some((used.as_secs_f64() * 1e6 / sample.requests, memory)) })
    }
}

impl Row {
    /// Adds one run, unless there was a failure before.
    fn add(&mut self, run: impl FnOnce() -> Result<Run, Failure>) {
        if self.failure.is_none() {
            match run() {
                Ok(run) => self.runs.push(run),
                Err(error) => self.failure = Some(error.to_string()),
            }
        }
    }
}
