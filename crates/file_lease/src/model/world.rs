//! The processes, the folder and what can happen to them.

use std::collections::BTreeSet;
use std::time::Duration;

use super::files::{Files, Name, View, Writes};
use crate::protocol::{Action, Starter, challenge, lease};
use crate::{AcquireError, TERM};

pub const FILE: &str = "x";

/// What is broken on purpose, to see that it is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    /// Two processes can create the same file.
    CreateIsNotExclusive,
    /// Copies of others stay.
    CopiesAreNotRemoved,
    /// Leases are removed to the last one.
    NoLeaseBeforeStays,
    /// Writes are acknowledged without a look at the leases.
    StatusIsNotAsked,
    /// The file is read before there is a lease.
    FileIsReadTooEarly,
    /// A challenge is not answered.
    NoHeartbeat,
}

/// One run of the model.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    pub starters: usize,
    pub pauses: u8,
    pub kills: u8,
    pub releases: u8,
    pub fault: Fault,
}

#[derive(Clone, Debug, Hash)]
enum State {
    Starting(Starter),
    /// It holds the lease with this number and goes on to the file.
    OpenCopy(u64),
    ReadFile {
        number: u64,
        copy: usize,
    },
    WriteCopy {
        number: u64,
        copy: usize,
        read: Writes,
    },
    Publish {
        number: u64,
        copy: usize,
    },
    /// It may acknowledge what it has written once neither of the two looks finds it lost.
    Write {
        number: u64,
        copy: usize,
    },
    LookAtNext {
        number: u64,
        copy: usize,
    },
    LookAtOwn {
        number: u64,
        copy: usize,
    },
    Serving {
        number: u64,
        copy: usize,
    },
    RemoveCopy {
        number: Option<u64>,
    },
    OpenOwn(u64),
    Release(usize),
    Ended {
        in_use: bool,
    },
    Lost,
}

#[derive(Clone, Debug, Hash)]
struct Process {
    state: State,
    /// The name of its copy.
    copy: Name,
    /// A listing under way: the names that were there all the time, and those that were there at some time.
    listing: Option<(BTreeSet<Name>, BTreeSet<Name>)>,
    paused: bool,
    killed: bool,
    was_paused: bool,
    early: Option<Writes>,
}

#[derive(Clone, Debug, Hash)]
pub struct World {
    files: Files,
    processes: Vec<Process>,
    acknowledged: Writes,
    pauses: u8,
    kills: u8,
    releases: u8,
}

impl World {
    pub fn new(run: Run) -> Self {
        let mut files = Files::default();
        files.create(FILE);
        let processes = (0..run.starters).map(|index| {
            let state = State::Starting(Starter::new(FILE, &format!("{index:x}")));
            let (paused, killed, was_paused) = (false, false, false);
            let copy = String::new();
            Process { state, copy, listing: None, paused, killed, was_paused, early: None }
        });
        let processes = processes.collect();
        let Run { pauses, kills, releases, .. } = run;
        Self { files, processes, acknowledged: 0, pauses, kills, releases }
    }

    /// What happens next if nobody is stopped or killed, or ends.
    pub fn steps(&self, run: Run) -> Vec<Self> {
        let mut successors = Vec::new();
        for (index, process) in self.processes.iter().enumerate() {
            if process.paused && !process.killed {
                successors.push(self.with(index, |process| process.paused = false));
            } else if !process.killed {
                self.step(index, run, &mut successors);
            }
        }
        successors
    }

    /// What happens to processes from outside.
    pub fn events(&self) -> Vec<Self> {
        let mut successors = Vec::new();
        for (index, process) in self.processes.iter().enumerate() {
            let has_ended = matches!(process.state, State::Ended { .. } | State::Lost);
            if process.paused || process.killed || has_ended {
                continue;
            }
            if self.pauses > 0 {
                let mut world = self.with(index, |process| {
                    (process.paused, process.was_paused) = (true, true);
                });
                world.pauses -= 1;
                successors.push(world);
            }
            if self.kills > 0 {
                let mut world = self.with(index, |process| process.killed = true);
                world.kills -= 1;
                successors.push(world);
            }
            if self.releases > 0
                && let State::Serving { number, .. } = process.state
            {
                let mut world = self.with(index, |process| {
                    process.state = State::RemoveCopy { number: Some(number) };
                });
                world.releases -= 1;
                successors.push(world);
            }
        }
        successors
    }

    fn with(&self, index: usize, change: impl FnOnce(&mut Process)) -> Self {
        let mut world = self.clone();
        change(&mut world.processes[index]);
        world
    }

    fn step(&self, index: usize, run: Run, successors: &mut Vec<Self>) {
        let process = &self.processes[index];
        let State::Starting(starter) = &process.state else {
            return self.step_of_holder(index, run, successors);
        };
        if starter.lists() {
            let Some((always, sometimes)) = &process.listing else {
                let names: BTreeSet<_> = self.files.names.keys().cloned().collect();
                successors.push(self.with(index, |p| p.listing = Some((names.clone(), names))));
                return;
            };
            let unsure: Vec<_> = sometimes.difference(always).collect();
            for choice in 0..1_u32 << unsure.len() {
                let chosen = unsure.iter().enumerate().filter(|(bit, _)| choice >> bit & 1 == 1);
                let mut names = always.clone();
                names.extend(chosen.map(|(_, name)| (*name).clone()));
                self.step_of_starter(index, run, Some(&names), Duration::ZERO, successors);
            }
            return;
        }
        self.step_of_starter(index, run, None, Duration::ZERO, successors);
        if let Some(number) = starter.watches()
            && !self.is_running(number)
        {
            self.step_of_starter(index, run, None, TERM, successors);
        }
    }

    /// Whether the process whose lease has this number runs, and so answers a challenge in time.
    fn is_running(&self, number: u64) -> bool {
        self.processes.iter().any(|process| {
            !process.paused && !process.killed && process.state.number() == Some(number)
        })
    }

    fn step_of_starter(
        &self,
        index: usize,
        run: Run,
        listing: Option<&BTreeSet<Name>>,
        now: Duration,
        successors: &mut Vec<Self>,
    ) {
        let mut world = self.clone();
        let World { files, processes, .. } = &mut world;
        let process = &mut processes[index];
        let State::Starting(starter) = &mut process.state else { return };
        if run.fault == Fault::FileIsReadTooEarly && process.early.is_none() {
            process.early = files.names.get(FILE).map(|file| files.contents[*file].0);
        }
        let keeps = starter.claims().map(|number| starter.copy(number)).unwrap_or_default();
        let mut view = View { files, listing, fault: run.fault, keeps: &keeps };
        match starter.step(&mut view, now) {
            Ok(Action::Continue) => {}
            Ok(Action::Wait(_)) => return,
            Ok(Action::Hold(number)) => {
                if run.fault == Fault::NoLeaseBeforeStays {
                    files.names.remove(&lease(FILE, number - 1));
                }
                process.copy = keeps;
                process.state = State::OpenCopy(number);
            }
            Err(AcquireError::InUse) => process.state = State::RemoveCopy { number: None },
            Err(AcquireError::Io(_)) => process.state = State::Lost,
        }
        process.listing = None;
        successors.push(world.noted());
    }

    /// Tells listings under way of what has changed.
    fn noted(mut self) -> Self {
        let names: BTreeSet<_> = self.files.names.keys().cloned().collect();
        for process in &mut self.processes {
            if let Some((always, sometimes)) = &mut process.listing {
                always.retain(|name| names.contains(name));
                sometimes.extend(names.iter().cloned());
            }
        }
        self
    }

    fn step_of_holder(&self, index: usize, run: Run, successors: &mut Vec<Self>) {
        let mut push = |change: &dyn Fn(&mut Self) -> State| {
            let mut world = self.clone();
            world.processes[index].state = change(&mut world);
            successors.push(world.noted());
        };
        let process = &self.processes[index];
        let bit = 1 << index;
        match process.state {
            State::Starting(_) | State::Ended { .. } | State::Lost => {}
            State::OpenCopy(number) => push(&|world| match world.files.names.get(&process.copy) {
                Some(copy) => State::ReadFile { number, copy: *copy },
                // Two others took the lease while this one listed the folder.
                None if world.files.has_lease_above(number) => State::Ended { in_use: true },
                None => State::Lost,
            }),
            State::ReadFile { number, copy } => push(&|world| {
                let file = world.files.names[FILE];
                let read = process.early.unwrap_or(world.files.contents[file].0);
                State::WriteCopy { number, copy, read }
            }),
            State::WriteCopy { number, copy, read } => push(&|world| {
                world.files.contents[copy].0 = read;
                State::Publish { number, copy }
            }),
            State::Publish { number, copy } => {
                push(&|world| match world.files.names.remove(&process.copy) {
                    Some(file) => {
                        world.files.names.insert(FILE.to_owned(), file);
                        State::Write { number, copy }
                    }
                    None if world.files.has_lease_above(number) => State::Ended { in_use: true },
                    None => State::Lost,
                })
            }
            State::Write { number, copy } => push(&|world| {
                world.files.contents[copy].0 |= bit;
                if run.fault == Fault::StatusIsNotAsked {
                    world.acknowledged |= bit;
                    return State::Serving { number, copy };
                }
                State::LookAtNext { number, copy }
            }),
            State::LookAtNext { number, copy } => push(&|world| {
                let is_lost = world.files.names.contains_key(&lease(FILE, number + 1));
                if is_lost { State::Lost } else { State::LookAtOwn { number, copy } }
            }),
            State::LookAtOwn { number, copy } => push(&|world| {
                if !world.files.names.contains_key(&lease(FILE, number)) {
                    return State::Lost;
                }
                world.acknowledged |= bit;
                State::Serving { number, copy }
            }),
            State::Serving { number, copy } => {
                // It notices at last that there is a newer lease.
                let is_there = |number| self.files.names.contains_key(&lease(FILE, number));
                if is_there(number + 1) || !is_there(number) {
                    push(&|_| State::LookAtNext { number, copy });
                }
            }
            State::RemoveCopy { number } => push(&|world| {
                world.files.names.remove(&process.copy);
                number.map_or(State::Ended { in_use: true }, State::OpenOwn)
            }),
            State::OpenOwn(number) => push(&|world| {
                let own = world.files.names.get(&lease(FILE, number));
                own.map_or(State::Ended { in_use: false }, |own| State::Release(*own))
            }),
            State::Release(own) => push(&|world| {
                world.files.contents[own].1 = true;
                State::Ended { in_use: false }
            }),
        }
        // A holder answers challenges at any time.
        if let Some(number) = process.state.number()
            && run.fault != Fault::NoHeartbeat
            && self.files.names.contains_key(&challenge(FILE, number))
        {
            push(&|world| {
                world.files.names.remove(&challenge(FILE, number));
                process.state.clone()
            });
        }
    }

    /// What must be true at any time.
    pub fn check(&self) -> Result<(), &'static str> {
        let file = self.files.names.get(FILE).ok_or("the file is gone")?;
        if self.acknowledged & !self.files.contents[*file].0 != 0 {
            return Err("an acknowledged write is not in the file");
        }
        let is_healthy_and_lost =
            |process: &Process| matches!(process.state, State::Lost) && !process.was_paused;
        if self.processes.iter().any(is_healthy_and_lost) {
            return Err("a holder that was never stopped has lost its lease");
        }
        Ok(())
    }

    /// What must be true when nothing more happens.
    pub fn check_end(&self) -> Result<(), &'static str> {
        let live = || self.processes.iter().filter(|process| !process.killed);
        let serving = live().filter(|p| matches!(p.state, State::Serving { .. })).count();
        let is_done = |process: &Process| {
            matches!(process.state, State::Serving { .. } | State::Ended { .. } | State::Lost)
        };
        if !live().all(is_done) {
            return Err("a process waits for ever");
        }
        let in_vain = live().filter(|p| matches!(p.state, State::Ended { in_use: true })).count();
        if serving > 1 {
            return Err("two processes take themselves for the holder");
        }
        if in_vain == self.processes.len() {
            return Err("everybody found somebody else in the way");
        }
        Ok(())
    }
}

impl State {
    /// The number of the lease that it holds.
    fn number(&self) -> Option<u64> {
        match *self {
            Self::OpenCopy(number)
            | Self::ReadFile { number, .. }
            | Self::WriteCopy { number, .. }
            | Self::Publish { number, .. }
            | Self::Write { number, .. }
            | Self::LookAtNext { number, .. }
            | Self::LookAtOwn { number, .. }
            | Self::Serving { number, .. } => Some(number),
            Self::Starting(ref starter) => starter.claims(),
            _ => None,
        }
    }
}
