//! All interleavings of a few processes over a folder in memory.
//!
//! One step is one operation on the folder, as for the kernel. Between any two of them any other process may run, stop
//! for longer than [`TERM`], or be killed. A listing takes time: what is created or removed meanwhile may be in it or not.
//! A process that runs is taken to make its next step within [`TERM`].

mod files;
mod world;

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use world::{Fault, Run, World};

/// Walks everything that can happen, and tells the number of different states, or what is wrong and how it came to be.
fn explore(run: Run) -> Result<usize, String> {
    let start = World::new(run);
    let mut seen = HashSet::new();
    let mut path: Vec<(World, Vec<World>)> = Vec::new();
    let mut next = Some(start);
    loop {
        if let Some(world) = next.take() {
            let mut hasher = DefaultHasher::new();
            world.hash(&mut hasher);
            if seen.insert(hasher.finish()) {
                let mut successors = world.steps(run);
                let end = if successors.is_empty() { world.check_end() } else { Ok(()) };
                successors.extend(world.events());
                if let Err(fault) = world.check().and(end) {
                    path.push((world, Vec::new()));
                    let steps = path.iter().map(|(world, _)| format!("{world:?}\n"));
                    return Err(format!("{fault}\n{}", steps.collect::<String>()));
                }
                path.push((world, successors));
            }
        }
        match path.last_mut() {
            None => return Ok(seen.len()),
            Some((_, successors)) => match successors.pop() {
                Some(world) => next = Some(world),
                None => drop(path.pop()),
            },
        }
    }
}

const TWO: Run = Run { starters: 2, pauses: 1, kills: 1, releases: 1, fault: Fault::None };

fn walk(run: Run) {
    let states = explore(run).unwrap_or_else(|fault| panic!("{run:?}: {fault}"));
    println!("{states} states of {run:?}");
    assert!(states > 10_000, "{states}");
}

fn walk_three(pauses: u8, kills: u8, releases: u8) {
    walk(Run { starters: 3, pauses, kills, releases, fault: Fault::None });
}

#[test]
fn two_processes_lose_nothing_in_any_order() {
    walk(TWO);
}

#[test]
#[cfg_attr(target_os = "wasi", ignore = "takes the speed and the memory of the machine itself")]
fn three_processes_lose_nothing_in_any_order() {
    walk_three(1, 0, 0);
    walk_three(0, 1, 1);
}

#[test]
#[ignore = "takes minutes: make model"]
fn three_processes_with_more_faults_lose_nothing_in_any_order() {
    walk_three(1, 0, 1);
    walk_three(1, 1, 0);
    walk_three(2, 0, 0);
}

#[test]
fn faults_are_found() {
    for fault in [
        Fault::CreateIsNotExclusive,
        Fault::CopiesAreNotRemoved,
        Fault::StatusIsNotAsked,
        Fault::FileIsReadTooEarly,
        Fault::NoHeartbeat,
    ] {
        assert!(explore(Run { fault, ..TWO }).is_err(), "{fault:?}");
    }
}

#[test]
#[ignore = "takes minutes: make model"]
fn a_missing_lease_before_the_last_is_found() {
    let run =
        Run { starters: 3, pauses: 2, kills: 0, releases: 0, fault: Fault::NoLeaseBeforeStays };
    assert!(explore(run).is_err());
}
