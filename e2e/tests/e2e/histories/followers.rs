//! Clients that have a copy of all todos, and keep it up to date by the events.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::Duration;

use e2e::{Events, Received};

use super::record::{ALL, Answer, Listed, Outcome, Record, Request, read_event};
use super::work::Worker;

type Copy = BTreeMap<u64, Listed>;

/// Follows until a mark has come. What the copy is then counts as a list that was asked for when the mark was made: it has all
/// that was changed before. No event is older than `began`.
pub fn follow(mut worker: Worker<'_>, began: u64) -> Vec<Record> {
    let world = worker.world;
    let (mut records, mut copy, mut last_id) = (Vec::new(), Copy::new(), String::new());
    while !world.is_over.load(SeqCst) {
        let header = format!("Last-Event-ID: {last_id}");
        let headers: &[&str] = if last_id.is_empty() { &[] } else { &[&header] };
        let Ok(mut events) = Events::try_on(worker.connect(), headers) else {
            thread::sleep(Duration::from_millis(1));
            continue;
        };
        // Where a client goes on it may be told some changes again, on both sides of where the server's own memory begins.
        let mut resumes = !last_id.is_empty();
        if last_id.is_empty() {
            last_id.clone_from(&events.last_id);
            copy = list(&mut worker, &mut records);
        }
        let mut stream = world.tick();
        loop {
            let mark = *world.mark.lock().unwrap();
            let latest = copy.last_key_value().map(|(id, _)| *id);
            if let Some(mark) = mark.filter(|mark| latest >= Some(mark.id)) {
                let todos: Vec<_> = copy.into_values().collect();
                let answer = Answer::List { total: todos.len(), todos };
                let (invoked, ended) = (mark.invoked, world.tick());
                let outcome = Outcome::Answered(answer);
                records.push(Record { invoked, ended, request: ALL, outcome, epoch: None });
                return records;
            }
            let event = match events.receive() {
                Ok(Received::Event(event)) => event,
                Ok(Received::Comment) if !world.is_over.load(SeqCst) => continue,
                Ok(Received::Comment) => break,
                Ok(Received::End) | Err(_) => {
                    world.interruptions.fetch_add(1, SeqCst);
                    break;
                }
            };
            last_id.clone_from(&events.last_id);
            let Some((answer, epoch)) = read_event(&event) else {
                world.interruptions.fetch_add(1, SeqCst);
                resumes = false;
                stream = world.tick();
                copy = list(&mut worker, &mut records);
                continue;
            };
            match answer.clone() {
                Answer::Todo { id, created_at, todo } => {
                    copy.insert(id, Listed { id, created_at, fields: todo.fields });
                }
                Answer::Gone(id) => drop(copy.remove(&id)),
                _ => unreachable!("an event tells of one todo"),
            }
            if resumes {
                stream = world.tick();
            }
            let (request, outcome) = (Request::Event { stream }, Outcome::Answered(answer));
            records.push(Record { invoked: began, ended: world.tick(), request, outcome, epoch });
            if worker.leaves() {
                break;
            }
        }
    }
    records
}

fn list(worker: &mut Worker<'_>, records: &mut Vec<Record>) -> Copy {
    worker.insist(&ALL, records);
    match records.last().map(|record| &record.outcome) {
        Some(Outcome::Answered(Answer::List { todos, .. })) => {
            todos.iter().map(|todo| (todo.id, todo.clone())).collect()
        }
        other => panic!("a list is answered {other:?}"),
    }
}
