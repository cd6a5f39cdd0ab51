//! Clients that do at random what the API offers, and a judge who holds all that they were told against what the API promises:
//! every operation takes effect at one moment between request and answer, also over crashes and among several servers.
//!
//! `HISTORY_SEED` in the environment repeats the choices of one history, though not its timing. `HISTORY_SECONDS` goes on with
//! other seeds for so long per store; `make model-api` sets it.

mod cases;
mod faulty;
mod followers;
mod model;
mod record;
mod rules;
mod work;

use std::env;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use e2e::{Builder, Postgres, Proxy, Server};
use fastrand::Rng;
use tempfile::TempDir;

use faulty::{Fault, Faulty};
use record::{Outcome, Record, Request};
use rules::judge;
use work::{Size, World};

/// Runs histories for as long as the environment says, or with these seeds.
fn each_seed(store: &str, seeds: u64, mut history: impl FnMut(u64) -> Vec<Record>) {
    let number = |name: &str| env::var(name).ok().map(|text| text.parse().expect("a number"));
    let (only, seconds) = (number("HISTORY_SEED"), number("HISTORY_SECONDS"));
    let began = Instant::now();
    let first = match (only, seconds) {
        (Some(seed), _) => seed,
        (None, Some(_)) => fastrand::u64(..1 << 40),
        (None, None) => 1,
    };
    let (mut histories, mut operations, mut events, mut unknown) = (0, 0, 0, 0);
    for seed in first.. {
        println!("{store}: HISTORY_SEED={seed}");
        let records = history(seed);
        if let Err(reason) = judge(&records) {
            panic!("{store}, HISTORY_SEED={seed}: {reason}");
        }
        histories += 1;
        operations += records.len();
        events += records.iter().filter(|r| matches!(r.request, Request::Event { .. })).count();
        unknown += records.iter().filter(|r| matches!(r.outcome, Outcome::Unknown)).count();
        let is_enough = match (only, seconds) {
            (Some(_), _) => true,
            (None, Some(seconds)) => began.elapsed() >= Duration::from_secs(seconds),
            (None, None) => histories == seeds,
        };
        if is_enough {
            break;
        }
    }
    println!(
        "{store}: {histories} histories of {operations} operations, {events} of them events and {unknown} without an answer: all linearizable"
    );
}

fn server() -> Builder {
    Server::builder().set("ACCESS_LOG", "off").set("SEED_TODOS", "false")
}

#[test]
fn what_clients_are_told_of_todos_in_memory_fits_one_order() {
    each_seed("memory", 3, |seed| {
        let server = server().set("DATABASE_URL", "memory:").start();
        let size = Size { clients: 8, operations: 1_500 };
        let world = World::new(vec![server.address()]);
        let records = world.run(seed, size, |_| {});
        assert_eq!(world.interruptions.load(SeqCst), 0, "events go on where clients were");
        records
    });
}

#[test]
fn what_clients_are_told_of_todos_in_a_file_fits_one_order_over_kills() {
    each_seed("redb", 1, |seed| {
        let folder = TempDir::new().unwrap();
        let start = || server().data(folder.path()).start();
        let mut running = Some(start());
        let address = |server: &Option<Server>| vec![server.as_ref().unwrap().address()];
        let world = World::new(address(&running));
        let size = Size { clients: 8, operations: 1_200 };
        world.run(seed, size, |random| {
            for kill in 1..=2 {
                world.wait_for(kill * 400 + random.u64(..100));
                // Nobody is to talk to whom gets the port meanwhile.
                world.addresses.lock().unwrap().clear();
                running.take().unwrap().kill();
                running = Some(start());
                *world.addresses.lock().unwrap() = address(&running);
            }
        })
    });
}

/// Each of the servers reaches the database through a network of its own, which breaks now and then, and the database crashes.
/// In every second history they do not, so that all events have to come.
#[test]
fn what_clients_are_told_by_several_servers_of_a_database_fits_one_order() {
    let mut database = Postgres::start();
    each_seed("postgres", 2, |seed| {
        // Of another epoch than the history before.
        database.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION todo");
        let proxies = [0; 3].map(|_| Proxy::to(database.address()));
        let servers = proxies
            .each_ref()
            .map(|proxy| server().set("DATABASE_URL", database.url_at(proxy.address())).start());
        let world = World::new(servers.iter().map(Server::address).collect());
        let is_calm = seed.is_multiple_of(2);
        let records = world.run(seed, Size { clients: 8, operations: 1_000 }, |random| {
            for cut in (1..=12).filter(|_| !is_calm) {
                world.wait_for(cut * 75);
                let proxy = &proxies[random.usize(..proxies.len())];
                // There is one crash at least.
                match if cut == 6 { 7 } else { random.u8(..8) } {
                    0..3 => proxy.cut_all(),
                    3..5 => drop(proxy.cut_before(b"made AS")),
                    5..7 => drop(proxy.cut_after(b"made AS")),
                    _ => {
                        database.stop_immediate();
                        database.start_again();
                    }
                }
            }
        });
        let interruptions = world.interruptions.load(SeqCst);
        assert!(!is_calm || interruptions == 0, "events go on where clients were");
        println!("events were interrupted {interruptions} times");
        records
    });
}

/// A history of a server with a fault, with two crashes in it.
fn faulty_history(fault: Fault, seed: u64) -> Vec<Record> {
    let server = Faulty::start(fault);
    let world = World::new(vec![server.address]);
    let size = Size { clients: 6, operations: 1_000 };
    world.run(seed, size, |_: &mut Rng| {
        for crash in 1..=2 {
            world.wait_for(crash * 300);
            server.crash();
        }
    })
}

#[test]
fn a_server_without_a_fault_is_found_to_have_none() {
    for seed in 1..=10 {
        let records = faulty_history(Fault::Nothing, seed);
        assert_eq!(judge(&records), Ok(()), "seed {seed}");
        let answered = records.iter().filter(|r| matches!(r.outcome, Outcome::Answered(_)));
        assert!(answered.count() > 800, "seed {seed}");
    }
}

#[test]
fn every_fault_is_found_in_every_history() {
    for fault in Fault::ALL {
        for seed in 1..=3 {
            let found = judge(&faulty_history(fault, seed));
            let reason = found.expect_err(&format!("{fault:?} is not found, seed {seed}"));
            if seed == 1 {
                println!("{fault:?}: {}", reason.lines().next().unwrap_or_default());
            }
        }
    }
}
