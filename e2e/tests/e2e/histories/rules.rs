//! Judges a whole history: what concerns all todos together here, and what concerns one by its model.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use e2e::{Call, Model, linearize};

use super::model::{Life, OnTodo, OneKey, OneTodo, Operation, Post, PostAnswer, Told};
use super::record::{Answer, Fields, Outcome, Record, Request};

/// Fails with what no server that keeps its promises can have answered.
pub fn judge(records: &[Record]) -> Result<(), String> {
    let records: Vec<_> =
        records.iter().filter(|r| !matches!(r.outcome, Outcome::Refused)).collect();
    one_epoch(&records)?;
    lists_are_in_order(&records)?;
    events_are_in_order(&records)?;
    let todos = observed(&records)?;
    ids_are_given_out_once_and_rise(&records)?;
    keys(&records)?;
    for (id, todo) in &todos {
        one_todo(*id, todo, &records)?;
    }
    Ok(())
}

/// What was seen of one todo at any time.
#[derive(Default)]
struct Observed {
    titles: BTreeSet<String>,
    created_at: BTreeSet<String>,
}

fn answer(record: &Record) -> Option<&Answer> {
    match &record.outcome {
        Outcome::Answered(answer) => Some(answer),
        Outcome::Unknown | Outcome::Refused => None,
    }
}

/// The todo that a `POST` was answered to have made.
fn made(record: &Record) -> Option<u64> {
    match (&record.request, answer(record)) {
        (Request::Create { .. }, Some(Answer::Todo { id, .. })) => Some(*id),
        _ => None,
    }
}

fn one_epoch(records: &[&Record]) -> Result<(), String> {
    let epochs: BTreeSet<_> = records.iter().filter_map(|record| record.epoch.as_ref()).collect();
    if epochs.len() > 1 { Err(format!("tags of several stores: {epochs:?}")) } else { Ok(()) }
}

fn lists_are_in_order(records: &[&Record]) -> Result<(), String> {
    for record in records {
        let (Request::List { filter, limit }, Some(Answer::List { todos, total })) =
            (&record.request, answer(record))
        else {
            continue;
        };
        let is_rising = todos.windows(2).all(|two| two[0].id < two[1].id);
        let is_whole = todos.len() == limit.unwrap_or(usize::MAX).min(*total);
        if !is_rising || !is_whole || !todos.iter().all(|todo| filter.wants(&todo.fields)) {
            return Err(format!("not a list of what was asked for: {record:?}"));
        }
    }
    Ok(())
}

/// In one response the events of a todo follow its changes, and its deletion is the last.
fn events_are_in_order(records: &[&Record]) -> Result<(), String> {
    let mut told: BTreeMap<(u64, u64), u64> = BTreeMap::new();
    for record in records {
        let Request::Event { stream } = record.request else { continue };
        let (id, revision) = match answer(record) {
            Some(Answer::Todo { id, todo, .. }) => (*id, todo.revision),
            Some(Answer::Gone(id)) => (*id, u64::MAX),
            _ => continue,
        };
        let earlier = told.insert((stream, id), revision);
        if earlier.is_some_and(|earlier| earlier >= revision) {
            return Err(format!("an event after one of revision {earlier:?}: {record:?}"));
        }
    }
    Ok(())
}

fn observed(records: &[&Record]) -> Result<BTreeMap<u64, Observed>, String> {
    let mut todos: BTreeMap<u64, Observed> = BTreeMap::new();
    let mut see = |id: u64, created_at: &str, fields: &Fields| {
        let todo = todos.entry(id).or_default();
        todo.titles.insert(fields.title.clone());
        todo.created_at.insert(created_at.to_owned());
    };
    for record in records {
        match answer(record) {
            Some(Answer::Todo { id, created_at, todo }) => {
                let (Request::Get { id: asked, .. } | Request::Update { id: asked, .. }) =
                    &record.request
                else {
                    see(*id, created_at, &todo.fields);
                    continue;
                };
                if asked != id {
                    return Err(format!("another todo than the one asked for: {record:?}"));
                }
                see(*id, created_at, &todo.fields);
            }
            Some(Answer::List { todos, .. }) => {
                for todo in todos {
                    see(todo.id, &todo.created_at, &todo.fields);
                }
            }
            _ => {}
        }
    }
    for (id, todo) in &todos {
        if todo.created_at.len() > 1 {
            return Err(format!("todo {id} was made at several times: {:?}", todo.created_at));
        }
    }
    Ok(todos)
}

/// Whether this `POST` may be the one that has made a todo that had these titles. Titles of `POST`s are sent by nothing else.
fn may_have_made(record: &Record, id: u64, todo: &Observed) -> bool {
    match (&record.request, &record.outcome) {
        (Request::Create { title, .. }, Outcome::Unknown) => todo.titles.contains(title),
        _ => made(record) == Some(id),
    }
}

fn ids_are_given_out_once_and_rise(records: &[&Record]) -> Result<(), String> {
    let mut makers: BTreeMap<u64, (&Option<String>, &str)> = BTreeMap::new();
    let mut alone = Vec::new();
    for record in records {
        let (Request::Create { title, key, .. }, Some(id)) = (&record.request, made(record)) else {
            continue;
        };
        let other = makers.insert(id, (key, title));
        if other.is_some_and(|other| key.is_none() || other != (key, title)) {
            return Err(format!("id {id} was given out twice: {title:?} and {other:?}"));
        }
        if key.is_none() {
            alone.push((id, *record));
        }
    }
    alone.sort_by_key(|(_, record)| record.invoked);
    let mut ended: Vec<_> = alone.clone();
    ended.sort_by_key(|(_, record)| record.ended);
    let (mut ended, mut highest) = (ended.into_iter().peekable(), 0);
    for (id, record) in alone {
        while let Some((earlier, _)) = ended.next_if(|(_, other)| other.ended < record.invoked) {
            highest = highest.max(earlier);
        }
        if id <= highest {
            return Err(format!("id {id} was given out after {highest}: {record:?}"));
        }
    }
    Ok(())
}

fn call<O>(record: &Record, operation: O) -> Call<O> {
    let answered = answer(record).map(|_| record.ended);
    Call { invoked: record.invoked, answered, operation }
}

fn keys(records: &[&Record]) -> Result<(), String> {
    let mut posts: BTreeMap<&str, Vec<Call<Post>>> = BTreeMap::new();
    for record in records {
        let Request::Create { title, description, key: Some(key) } = &record.request else {
            continue;
        };
        let answer = answer(record).map(|answer| match answer {
            Answer::Todo { id, .. } => PostAnswer::Made(*id),
            _ => PostAnswer::KeyReused,
        });
        let post = Post { content: (title.clone(), description.clone()), answer };
        posts.entry(key).or_default().push(call(record, post));
    }
    posts.iter().try_for_each(|(key, calls)| check::<OneKey>(&format!("key {key}"), None, calls))
}

fn one_todo(id: u64, todo: &Observed, records: &[&Record]) -> Result<(), String> {
    let makers: Vec<_> = records.iter().filter(|r| may_have_made(r, id, todo)).collect();
    let Some(begin) = makers.iter().map(|record| record.invoked).min() else {
        return Err(format!("nobody asked for todo {id}, which had the titles {:?}", todo.titles));
    };
    let mut calls = Vec::new();
    let mut add = |record: &Record, request: OnTodo, told: Option<Told>| {
        calls.push(call(record, Operation { request, answer: told }));
    };
    for record in records {
        let told = answer(record).and_then(Told::from);
        match &record.request {
            Request::Create { title, description, key } if may_have_made(record, id, todo) => {
                let (title, description) = (title.clone(), description.clone());
                let fields = Fields { title, description, completed: false };
                add(record, OnTodo::Create { fields, is_keyed: key.is_some() }, told);
            }
            Request::Get { id: asked, unless } if *asked == id && told.is_some() => {
                add(record, OnTodo::Get { unless: *unless }, told);
            }
            Request::Update { id: asked, change, only } if *asked == id => {
                add(record, OnTodo::Update { change: change.clone(), only: *only }, told);
            }
            Request::Delete { id: asked, only } if *asked == id => {
                add(record, OnTodo::Delete { only: *only }, told);
            }
            Request::DeleteCompleted => add(record, OnTodo::DeleteCompleted, None),
            Request::List { filter, limit } => {
                let Some(Answer::List { todos, .. }) = answer(record) else { continue };
                let fields = todos.iter().find(|todo| todo.id == id);
                let fields = fields.map(|todo| todo.fields.clone());
                // A page need not have it if it is full and ends before it. Before anybody asked for it, no list can.
                let is_full = limit.is_some_and(|limit| todos.len() >= limit);
                let is_behind = is_full && todos.last().is_none_or(|last| last.id < id);
                if fields.is_some() || !is_behind && record.ended > begin {
                    let filter = filter.clone();
                    add(record, OnTodo::Seen { filter, fields }, Some(Told::Done));
                }
            }
            Request::Event { .. } => match answer(record) {
                Some(Answer::Todo { id: told_of, .. }) if *told_of == id => {
                    add(record, OnTodo::Get { unless: None }, told);
                }
                Some(Answer::Gone(gone)) if *gone == id => add(record, OnTodo::Gone, told),
                _ => {}
            },
            _ => {}
        }
    }
    check::<OneTodo>(&format!("todo {id}"), Life::Before, &calls)
}

fn check<M: Model>(
    what: &str,
    initial: M::State,
    calls: &[Call<M::Operation>],
) -> Result<(), String>
where
    M::Operation: Debug,
{
    let Err(stuck) = linearize::<M>(initial, calls) else { return Ok(()) };
    let mut text = format!("{what}: there is no order in which these could have been answered\n");
    let mut by_time: Vec<_> = (0..calls.len()).collect();
    by_time.sort_by_key(|i| calls[*i].invoked);
    let last = stuck.order.iter().map(|i| calls[*i].invoked).max().unwrap_or(0);
    // What comes long after the place where it goes wrong tells nothing.
    let shown = by_time.iter().filter(|i| calls[**i].invoked <= last + 100);
    for i in shown.rev().take(60).collect::<Vec<_>>().into_iter().rev() {
        let Call { invoked, answered, operation } = &calls[*i];
        let place = stuck.order.iter().position(|other| other == i);
        let place = place.map_or("-".to_owned(), |place| place.to_string());
        let answered = answered.map_or("never".to_owned(), |time| time.to_string());
        text += &format!("{place:>5}  {invoked}..{answered}  {operation:?}\n");
    }
    Err(text)
}
