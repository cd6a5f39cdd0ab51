//! Kills the server at random moments while clients change todos, and compares what is left with what was answered.
//!
//! `CRASH_ROUNDS` in the environment sets the number of kills, of several servers when there are many; `make crash` runs this alone.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use e2e::{Client, Response, Server};
use serde_json::{Value, json};
use tempfile::TempDir;

const WRITERS: u64 = 6;

/// Servers that are killed at the same time, each with a file of its own.
const MAX_SERVERS: u64 = 4;

/// Title, and whether it is completed.
type State = (String, bool);

/// What one writer was told, and what it asked for without an answer when the server died.
#[derive(Default)]
pub struct Writer {
    /// Its todos that are there.
    known: BTreeMap<u64, State>,
    last_id: u64,
    unanswered: Option<Unanswered>,
    /// How many changes were answered.
    pub acknowledged: usize,
}

enum Unanswered {
    Create(String),
    Change(u64, Option<State>),
}

/// Small, fast and the same for the same seed; what it decides need not be more random.
pub struct Random(pub u64);

impl Random {
    /// A number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// Sends a request and gives the answer, if there is one.
pub type Ask<'a> = &'a mut dyn FnMut(&str, &str, &[&str], &[u8]) -> Option<Response>;

impl Writer {
    /// One of its todos, if it has any.
    pub fn any(&self, random: &mut Random) -> Option<u64> {
        let count = self.known.len() as u64;
        let index = (count > 0).then(|| random.below(count) as usize)?;
        self.known.keys().nth(index).copied()
    }

    /// Reads a todo of its own, which must be as it was left, and gives its entity tag. `None` without an answer.
    pub fn read(&self, id: u64, ask: Ask) -> Option<String> {
        let answer = ask("GET", &format!("/api/todos/{id}"), &[], b"")?;
        assert_eq!(answer.status, 200, "todo {id}");
        let todo = &answer.json()["todo"];
        assert_eq!(&state(todo), &self.known[&id], "todo {id}");
        Some(answer.header("etag").expect("an entity tag").to_owned())
    }

    /// Makes a change to todos of its own, of which there are `room` at the most. `None` without an answer.
    pub fn change(&mut self, name: u64, room: usize, random: &mut Random, ask: Ask) -> Option<()> {
        let title = format!("writer {name} says {}", random.below(1_000_000));
        let wants = random.below(10);
        let any = self.any(random);
        let change = match any {
            Some(id) if wants >= 8 || (wants < 5 && self.known.len() >= room) => Some((id, None)),
            Some(id) if wants >= 5 => Some((id, Some((title.clone(), wants == 7)))),
            _ => None,
        };
        let (method, target, body) = match &change {
            None => ("POST", "/api/todos".to_owned(), json!({ "title": title }).to_string()),
            Some((id, Some((title, completed)))) => {
                let body = json!({ "title": title, "completed": completed });
                ("PUT", format!("/api/todos/{id}"), body.to_string())
            }
            Some((id, None)) => ("DELETE", format!("/api/todos/{id}"), String::new()),
        };
        let tag = match &change {
            Some((id, Some(_))) => Some(format!("If-Match: {}", self.read(*id, ask)?)),
            _ => None,
        };
        let headers: Vec<&str> = tag.iter().map(String::as_str).collect();
        let Some(answer) = ask(method, &target, &headers, body.as_bytes()) else {
            self.unanswered = Some(match change {
                None => Unanswered::Create(title),
                Some((id, state)) => Unanswered::Change(id, state),
            });
            return None;
        };
        let expected =
            [201, 200, 204][["POST", "PUT", "DELETE"].iter().position(|m| *m == method)?];
        assert_eq!(answer.status, expected, "{method} {target}");
        self.acknowledged += 1;
        match change {
            None => {
                let id = answer.json()["todo"]["id"].as_u64().unwrap();
                assert!(id > self.last_id, "{id} comes after {}", self.last_id);
                self.last_id = id;
                self.known.insert(id, (title, false));
            }
            Some((id, state)) => self.set(id, state),
        }
        Some(())
    }

    fn set(&mut self, id: u64, state: Option<State>) {
        match state {
            Some(state) => drop(self.known.insert(id, state)),
            None => drop(self.known.remove(&id)),
        }
    }

    /// Takes out of `found` what must be there, and what may be there as nobody answered.
    fn take(&mut self, found: &mut BTreeMap<u64, State>) {
        let unanswered = self.unanswered.take();
        let changed = self.known.iter().find(|(id, known)| found.get(id) != Some(known));
        if let Some((&id, known)) = changed {
            let there = found.get(&id).cloned();
            match &unanswered {
                Some(Unanswered::Change(changed, state)) if *changed == id && there == *state => {}
                _ => panic!("todo {id} was answered to be {known:?} and is {there:?}"),
            }
            self.set(id, there);
        }
        for (id, known) in &self.known {
            let there = found.remove(id);
            assert_eq!(there.as_ref(), Some(known), "todo {id}");
        }
        if let Some(Unanswered::Create(title)) = unanswered {
            let created =
                found.iter().find(|(_, (found, completed))| *found == title && !completed);
            if let Some((&id, _)) = created {
                self.set(id, found.remove(&id));
            }
        }
    }
}

fn state(todo: &Value) -> State {
    (todo["title"].as_str().unwrap().to_owned(), todo["completed"].as_bool().unwrap())
}

/// Holds what the server has after a restart against what the writers know.
pub fn compare(server: &Server, writers: &mut [Writer], last_id: &mut u64) {
    let list = server.connect().get("/api/todos").json();
    let todos = list["todos"].as_array().unwrap().iter();
    let mut found: BTreeMap<u64, State> =
        todos.map(|todo| (todo["id"].as_u64().unwrap(), state(todo))).collect();
    for writer in writers {
        writer.take(&mut found);
    }
    assert!(found.is_empty(), "nobody asked for {found:?}");
    // Ids rise over all restarts.
    let created = server.connect().post("/api/todos", r#"{"title":"a mark"}"#);
    let id = created.json()["todo"]["id"].as_u64().unwrap();
    assert!(id > *last_id, "{id} comes after {last_id}");
    *last_id = id;
    let target = format!("/api/todos/{id}");
    assert_eq!(server.connect().request("DELETE", &target, &[], b"").status, 204);
}

/// Kills a server so many times, and gives how many changes were answered and how long its starts took.
fn kill_often(seed: u64, rounds: u64) -> (usize, Vec<Duration>) {
    let folder = TempDir::new().unwrap();
    let start = || {
        let builder = Server::builder().data(folder.path()).set("SEED_TODOS", "false");
        builder.set("ACCESS_LOG", "off").start()
    };
    let mut writers: Vec<_> = (0..WRITERS).map(|_| Writer::default()).collect();
    let mut last_id = 0;
    let mut starts = Vec::new();
    for round in 1..=rounds {
        let began = Instant::now();
        let server = start();
        starts.push(began.elapsed());
        compare(&server, &mut writers, &mut last_id);
        let (address, stop) = (server.address(), AtomicBool::new(false));
        let server = Mutex::new(Some(server));
        let seed = seed << 32 | round;
        thread::scope(|scope| {
            for (name, writer) in (0..).zip(&mut writers) {
                let stop = &stop;
                // Here, as a thread may come to it only after the kill.
                let mut client = Client::connect(address);
                scope.spawn(move || {
                    let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ (seed << 8) ^ (name + 1));
                    let mut ask = |method: &str, target: &str, headers: &[&str], body: &[u8]| {
                        client.try_request(method, target, headers, body)
                    };
                    while !stop.load(Ordering::Relaxed)
                        && writer.change(name, usize::MAX, &mut random, &mut ask).is_some()
                    {
                    }
                });
            }
            let mut random = Random(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) | 1);
            random.below(2);
            thread::sleep(Duration::from_micros(20_000 + random.below(250_000)));
            server.lock().unwrap().take().expect("it runs").kill();
            stop.store(true, Ordering::Relaxed);
        });
    }
    compare(&start(), &mut writers, &mut last_id);
    (writers.iter().map(|writer| writer.acknowledged).sum(), starts)
}

#[test]
fn what_was_answered_is_there_after_a_kill() {
    let rounds: u64 =
        std::env::var("CRASH_ROUNDS").map_or(5, |rounds| rounds.parse().expect("a number"));
    // A round waits most of its time for the lease of the server that was killed.
    let servers = rounds.div_ceil(50).min(MAX_SERVERS);
    let (mut acknowledged, mut starts) = (0, Vec::new());
    thread::scope(|scope| {
        let runs: Vec<_> = (0..servers)
            .map(|server| {
                let share = (rounds + server) / servers;
                scope.spawn(move || kill_often(server, share))
            })
            .collect();
        for run in runs {
            let (changes, times) = run.join().unwrap();
            acknowledged += changes;
            starts.extend(times);
        }
    });
    starts.sort_unstable();
    println!(
        "{} kills, {acknowledged} acknowledged changes: none lost, none invented, no id twice; median start {:?}",
        starts.len(),
        starts[starts.len() / 2]
    );
    assert!(acknowledged > 0);
}
