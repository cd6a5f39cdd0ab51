//! Uses a server for a long time, kills it ten times meanwhile, and looks for what grows, slows down or is lost.
//!
//! `make soak` runs it. `SOAK_SECONDS` sets the time that each store is used, `SOAK_FOLDER` where samples and chart go.

mod bounds;
mod chart;
mod sample;
mod work;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use e2e::{Builder, Postgres, Server, repository};
use tempfile::TempDir;

use crate::crash::{Writer, compare};
use sample::{Sample, csv};
use work::{read_events, use_server};

/// How often the server is started, and killed.
const LIVES: u64 = 10;
const CLIENTS: u64 = 6;
/// How many todos there are at the most, a few more aside.
const MAX_TODOS: usize = 2_000;

/// What is different for each store.
struct Store<'a> {
    name: &'static str,
    server: &'a dyn Fn() -> Builder,
    /// Bytes that it takes on the disk.
    size: &'a dyn Fn() -> u64,
    /// Waits until what a killed server has begun is over.
    settle: &'a dyn Fn(),
}

fn folder() -> PathBuf {
    std::env::var_os("SOAK_FOLDER").map_or_else(|| repository().join("target/soak"), PathBuf::from)
}

fn soak(store: &Store) {
    let seconds = std::env::var("SOAK_SECONDS").map_or(20, |text| text.parse().expect("a number"));
    let share = Duration::from_secs(seconds) / LIVES as u32;
    // Enough samples for medians in a short run, and no more lines than needed of a long one.
    let interval = (share / 20).clamp(Duration::from_millis(100), Duration::from_secs(5));
    let mut writers: Vec<_> = (0..CLIENTS).map(|_| Writer::default()).collect();
    let (mut samples, mut starts, mut last_id) = (Vec::new(), Vec::new(), 0);
    for life in 0..LIVES {
        let begun = Instant::now();
        let server = (store.server)().set("SEED_TODOS", "false").set("ACCESS_LOG", "off").start();
        starts.push(begun.elapsed());
        compare(&server, &mut writers, &mut last_id);
        let (address, stop) = (server.address(), AtomicBool::new(false));
        let (stop, latencies) = (&stop, &Mutex::new(Vec::new()));
        thread::scope(|scope| {
            for (client, writer) in (0..).zip(&mut writers) {
                let seed = life * CLIENTS + client + 1;
                scope.spawn(move || {
                    let room = MAX_TODOS / CLIENTS as usize;
                    use_server(address, writer, seed, room, latencies, stop);
                });
            }
            let events = scope.spawn(move || read_events(address));
            let begun = Instant::now();
            while begun.elapsed() < share {
                let since = Instant::now();
                thread::sleep(interval);
                let latencies = std::mem::take(&mut *latencies.lock().unwrap());
                let at = share * life as u32 + begun.elapsed();
                let mut sample = Sample::new(life, at, latencies, since.elapsed());
                sample.take(&server, (store.size)());
                samples.push(sample);
            }
            server.kill();
            stop.store(true, Ordering::Relaxed);
            assert!(events.join().unwrap() > 0, "nobody was told of a change");
        });
        (store.settle)();
        // What there is so far, should the rest fail.
        fs::create_dir_all(folder()).unwrap();
        fs::write(folder().join(format!("{}.csv", store.name)), csv(&samples)).unwrap();
    }
    let server = (store.server)().start();
    compare(&server, &mut writers, &mut last_id);
    chart::update(&folder());
    let changes: usize = writers.iter().map(|writer| writer.acknowledged).sum();
    starts.sort_unstable();
    println!(
        "{}: {LIVES} kills, none of {changes} answered changes lost; median start {:?}",
        store.name,
        starts[starts.len() / 2]
    );
    let report = bounds::report(&samples);
    println!("{}", report.text);
    assert!(report.broken.is_empty(), "{}: {}", store.name, report.broken.join("; "));
}

#[test]
#[ignore = "takes long: `make soak` runs it"]
fn a_server_with_a_file_stays_as_it_is() {
    let data = TempDir::new().unwrap();
    let size = |folder: &Path| -> u64 {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
        // What is not whole yet may go meanwhile.
        entries.filter_map(|entry| Some(entry.metadata().ok()?.len())).sum()
    };
    soak(&Store {
        name: "redb",
        server: &|| Server::builder().data(data.path()),
        size: &|| size(data.path()),
        settle: &|| {},
    });
}

#[test]
#[ignore = "takes long: `make soak` runs it"]
fn a_server_with_a_database_stays_as_it_is() {
    let database = Postgres::start();
    let number = |sql: &str| database.sql(sql).parse::<u64>().unwrap();
    soak(&Store {
        name: "postgres",
        server: &|| {
            let builder = Server::builder().set("DATABASE_URL", database.url());
            // A checkpoint on a busy disk is no failure.
            builder.set("DATABASE_TIMEOUT_MS", 60_000)
        },
        size: &|| {
            number(
                "SELECT sum(pg_total_relation_size(oid)) FROM pg_class \
                 WHERE relkind = 'r' AND relowner = 'todo'::regrole",
            )
        },
        settle: &|| {
            e2e::wait_until("the end of the killed server's transactions", || {
                number("SELECT count(*) FROM pg_stat_activity WHERE usename = 'todo'") == 0
            });
        },
    });
}
