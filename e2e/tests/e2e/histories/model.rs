//! What the API promises for one todo, and for one key, when one operation comes after the other.

use e2e::Model;

use super::record::{Answer, Change, Fields, Filter, Todo};

/// One todo over its whole life.
pub struct OneTodo;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Life {
    Before,
    There(Todo),
    After,
}

/// An operation on one todo, as far as it concerns that one.
#[derive(Clone, Debug)]
pub enum OnTodo {
    /// The one request that makes it; or one of those with the same key, of which the first does.
    Create {
        fields: Fields,
        is_keyed: bool,
    },
    Get {
        unless: Option<u64>,
    },
    Update {
        change: Change,
        only: Option<u64>,
    },
    Delete {
        only: Option<u64>,
    },
    DeleteCompleted,
    /// In a list of what is wanted it looks like this, or is not there.
    Seen {
        filter: Filter,
        fields: Option<Fields>,
    },
    /// An event tells that it was deleted.
    Gone,
}

/// With what was answered, if that is known.
#[derive(Clone, Debug)]
pub struct Operation {
    pub request: OnTodo,
    pub answer: Option<Told>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    Todo(Todo),
    NotModified,
    Done,
    NotFound,
    ConditionFailed,
}

impl Told {
    pub fn from(answer: &Answer) -> Option<Self> {
        Some(match answer {
            Answer::Todo { todo, .. } => Self::Todo(todo.clone()),
            Answer::NotModified => Self::NotModified,
            Answer::Deleted => Self::Done,
            Answer::NotFound => Self::NotFound,
            Answer::ConditionFailed => Self::ConditionFailed,
            Answer::Gone(_) => Self::Done,
            Answer::KeyReused | Answer::List { .. } | Answer::Count(_) => return None,
        })
    }
}

fn made(fields: &Fields) -> Todo {
    Todo { fields: fields.clone(), revision: 1 }
}

/// The state after a request, and the answer to it. `None` if it cannot come then.
fn after(life: &Life, request: &OnTodo) -> Option<(Life, Told)> {
    let stays = |told| Some((life.clone(), told));
    match (request, life) {
        (OnTodo::Create { fields, .. }, Life::Before) => {
            Some((Life::There(made(fields)), Told::Todo(made(fields))))
        }
        // What was made is told again as it was made, whatever became of it.
        (OnTodo::Create { fields, is_keyed: true }, _) => stays(Told::Todo(made(fields))),
        (OnTodo::Create { .. }, _) => None,
        (OnTodo::Seen { filter, fields }, _) => {
            let there = match life {
                Life::There(todo) if filter.wants(&todo.fields) => Some(&todo.fields),
                _ => None,
            };
            (fields.as_ref() == there).then(|| (life.clone(), Told::Done))
        }
        (OnTodo::Gone, Life::After) => stays(Told::Done),
        (OnTodo::Gone, _) => None,
        (OnTodo::DeleteCompleted, Life::There(todo)) if todo.fields.completed => {
            Some((Life::After, Told::Done))
        }
        (OnTodo::DeleteCompleted, _) => stays(Told::Done),
        (_, Life::Before | Life::After) => stays(Told::NotFound),
        (OnTodo::Get { unless }, Life::There(todo)) => match *unless == Some(todo.revision) {
            true => stays(Told::NotModified),
            false => stays(Told::Todo(todo.clone())),
        },
        (OnTodo::Update { only, .. } | OnTodo::Delete { only }, Life::There(todo))
            if only.is_some_and(|only| only != todo.revision) =>
        {
            stays(Told::ConditionFailed)
        }
        (OnTodo::Update { change, .. }, Life::There(todo)) => {
            let fields = change.apply(&todo.fields);
            let revision = todo.revision + u64::from(fields != todo.fields);
            let todo = Todo { fields, revision };
            Some((Life::There(todo.clone()), Told::Todo(todo)))
        }
        (OnTodo::Delete { .. }, Life::There(_)) => Some((Life::After, Told::Done)),
    }
}

impl Model for OneTodo {
    type State = Life;
    type Operation = Operation;

    fn step(life: &Life, operation: &Operation) -> Option<Life> {
        let (next, told) = after(life, &operation.request)?;
        operation.answer.as_ref().is_none_or(|answer| *answer == told).then_some(next)
    }

    fn is_read(operation: &Operation) -> bool {
        matches!(operation.request, OnTodo::Get { .. } | OnTodo::Seen { .. } | OnTodo::Gone)
    }
}

/// What is made under one key.
pub struct OneKey;

/// Title and description that were sent first, and the id of what was made, once it is known.
pub type Kept = Option<((String, String), Option<u64>)>;

#[derive(Clone, Debug)]
pub struct Post {
    pub content: (String, String),
    pub answer: Option<PostAnswer>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PostAnswer {
    Made(u64),
    KeyReused,
}

impl Model for OneKey {
    type State = Kept;
    type Operation = Post;

    fn step(kept: &Kept, post: &Post) -> Option<Kept> {
        let made = match post.answer {
            Some(PostAnswer::Made(id)) => Some(id),
            _ => None,
        };
        match (kept, &post.answer) {
            (None, Some(PostAnswer::KeyReused)) => None,
            (None, _) => Some(Some((post.content.clone(), made))),
            (Some((content, _)), _) if *content != post.content => {
                made.is_none().then(|| kept.clone())
            }
            (Some(_), Some(PostAnswer::KeyReused)) => None,
            (Some((content, None)), _) => Some(Some((content.clone(), made))),
            (Some((_, Some(id))), _) => made.is_none_or(|made| made == *id).then(|| kept.clone()),
        }
    }

    fn is_read(_: &Post) -> bool {
        false
    }
}
