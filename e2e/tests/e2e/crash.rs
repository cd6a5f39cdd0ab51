//! Kills the server at random moments while clients change todos, and compares what is left with what was answered.
//!
//! `CRASH_ROUNDS` in the environment sets the number of kills; `make crash` runs this alone.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use e2e::{Client, Server};
use serde_json::{Value, json};
use tempfile::TempDir;

const WRITERS: u64 = 6;

/// What is known of one todo: title and whether it is completed, or `None` if it is deleted.
type State = Option<(String, bool)>;

/// What one writer was told, and what it asked for without an answer when the server died.
#[derive(Default)]
struct Writer {
    known: BTreeMap<u64, State>,
    unanswered: Option<Unanswered>,
    acknowledged: usize,
}

enum Unanswered {
    Create(String),
    Change(u64, State),
}

/// Small, fast and the same for the same seed; what it decides need not be more random.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

impl Writer {
    /// Makes changes to todos of its own until there is no answer.
    fn work(&mut self, name: u64, client: &mut Client, random: &mut Random, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            let ids: Vec<u64> =
                self.known.iter().filter(|(_, state)| state.is_some()).map(|(id, _)| *id).collect();
            let title = format!("writer {name} says {}", random.below(1_000_000));
            let change = match random.below(10) {
                0..5 => None,
                _ if ids.is_empty() => None,
                kind => {
                    let id = ids[random.below(ids.len() as u64) as usize];
                    Some((id, (kind < 8).then(|| (title.clone(), kind == 7))))
                }
            };
            let (method, target, body) = match &change {
                None => ("POST", "/api/todos".to_owned(), json!({ "title": title })),
                Some((id, Some((title, completed)))) => {
                    let body = json!({ "title": title, "completed": completed });
                    ("PUT", format!("/api/todos/{id}"), body)
                }
                Some((id, None)) => ("DELETE", format!("/api/todos/{id}"), Value::Null),
            };
            let body = if body.is_null() { String::new() } else { body.to_string() };
            let Some(answer) = client.try_request(method, &target, &[], body.as_bytes()) else {
                self.unanswered = Some(match change {
                    None => Unanswered::Create(title),
                    Some((id, state)) => Unanswered::Change(id, state),
                });
                return;
            };
            assert!([200, 201, 204].contains(&answer.status), "{}", answer.status);
            self.acknowledged += 1;
            match change {
                None => {
                    let id = answer.json()["todo"]["id"].as_u64().unwrap();
                    let given_before = self.known.insert(id, Some((title, false)));
                    assert!(given_before.is_none(), "id {id} was given out twice");
                }
                Some((id, state)) => {
                    self.known.insert(id, state);
                }
            }
        }
    }
}

/// Holds what the server has after a restart against what the writers know.
fn compare(server: &Server, writers: &mut [Writer], last_id: &mut u64) {
    let list = server.connect().get("/api/todos").json();
    let mut found: BTreeMap<u64, State> = BTreeMap::new();
    for todo in list["todos"].as_array().unwrap() {
        let title = todo["title"].as_str().unwrap().to_owned();
        let state = Some((title, todo["completed"].as_bool().unwrap()));
        found.insert(todo["id"].as_u64().unwrap(), state);
    }
    for writer in writers {
        let unanswered = writer.unanswered.take();
        for (id, known) in &mut writer.known {
            let there = found.remove(id).flatten();
            if there == *known {
                continue;
            }
            // What was not answered may have been done; nothing else may differ.
            match &unanswered {
                Some(Unanswered::Change(changed, state)) if changed == id && there == *state => {
                    *known = there;
                }
                _ => panic!("todo {id} was answered to be {known:?} and is {there:?}"),
            }
        }
        if let Some(Unanswered::Create(title)) = unanswered {
            let created = found.iter().find(|(_, state)| {
                state.as_ref().is_some_and(|(found, completed)| *found == title && !completed)
            });
            if let Some((&id, _)) = created {
                writer.known.insert(id, found.remove(&id).flatten());
            }
        }
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

#[test]
fn what_was_answered_is_there_after_a_kill() {
    let rounds: u64 =
        std::env::var("CRASH_ROUNDS").map_or(5, |rounds| rounds.parse().expect("a number"));
    let folder = TempDir::new().unwrap();
    let start = || {
        let builder = Server::builder().data(folder.path()).set("SEED_TODOS", "false");
        builder.set("ACCESS_LOG", "off").start()
    };
    let mut writers: Vec<_> = (0..WRITERS).map(|_| Writer::default()).collect();
    let mut last_id = 0;
    let mut restarts = Vec::new();
    for round in 1..=rounds {
        let began = Instant::now();
        let server = start();
        restarts.push(began.elapsed());
        compare(&server, &mut writers, &mut last_id);
        let (address, stop) = (server.address(), AtomicBool::new(false));
        let server = Mutex::new(Some(server));
        thread::scope(|scope| {
            for (name, writer) in (0..).zip(&mut writers) {
                let stop = &stop;
                scope.spawn(move || {
                    let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ (round << 8) ^ (name + 1));
                    writer.work(name, &mut Client::connect(address), &mut random, stop);
                });
            }
            let mut random = Random(round.wrapping_mul(0x2545_f491_4f6c_dd1d) | 1);
            random.below(2);
            thread::sleep(Duration::from_micros(20_000 + random.below(250_000)));
            server.lock().unwrap().take().expect("it runs").kill();
            stop.store(true, Ordering::Relaxed);
        });
    }
    compare(&start(), &mut writers, &mut last_id);
    let acknowledged: usize = writers.iter().map(|writer| writer.acknowledged).sum();
    restarts.sort_unstable();
    println!(
        "{rounds} kills, {acknowledged} acknowledged changes: none lost, none invented, no id twice; median start {:?}",
        restarts[restarts.len() / 2]
    );
    assert!(acknowledged > 0);
}
