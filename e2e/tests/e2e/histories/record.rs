//! What a client asked for, and what it was told.

use e2e::{Event, Response};
use serde_json::Value;

/// What a client chooses of a todo.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fields {
    pub title: String,
    pub description: String,
    pub completed: bool,
}

/// A todo in one state. Revisions count the changes of a todo from 1 on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Todo {
    pub fields: Fields,
    pub revision: u64,
}

/// What a change names of a todo.
#[derive(Clone, Debug, Default)]
pub struct Change {
    pub title: Option<String>,
    pub description: Option<String>,
    pub completed: Option<bool>,
}

impl Change {
    pub fn apply(&self, fields: &Fields) -> Fields {
        Fields {
            title: self.title.as_ref().unwrap_or(&fields.title).clone(),
            description: self.description.as_ref().unwrap_or(&fields.description).clone(),
            completed: self.completed.unwrap_or(fields.completed),
        }
    }
}

#[derive(Clone, Debug)]
pub enum Request {
    /// Makes a todo that is not completed, under a key perhaps.
    Create { title: String, description: String, key: Option<String> },
    /// Reads one, unless it is at this revision.
    Get { id: u64, unless: Option<u64> },
    /// Changes one, if it is at this revision.
    Update { id: u64, change: Change, only: Option<u64> },
    /// Deletes one, if it is at this revision.
    Delete { id: u64, only: Option<u64> },
    /// Deletes all that are completed.
    DeleteCompleted,
    /// Reads those that are wanted, so many at the most.
    List { filter: Filter, limit: Option<usize> },
    /// Reads the next event of a response, which has a number of its own.
    Event { stream: u64 },
}

/// Which todos are wanted.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Those that are completed, or those that are not.
    pub completed: Option<bool>,
    /// Those with this text in title or description, whatever the case.
    pub text: Option<String>,
}

impl Filter {
    pub fn wants(&self, fields: &Fields) -> bool {
        let has = |text: &str| {
            let text = text.to_lowercase();
            fields.title.to_lowercase().contains(&text)
                || fields.description.to_lowercase().contains(&text)
        };
        self.completed.is_none_or(|completed| completed == fields.completed)
            && self.text.as_deref().is_none_or(has)
    }
}

/// All todos.
pub const ALL: Request =
    Request::List { filter: Filter { completed: None, text: None }, limit: None };

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Todo {
        id: u64,
        created_at: String,
        todo: Todo,
    },
    NotModified,
    Deleted,
    NotFound,
    ConditionFailed,
    KeyReused,
    List {
        todos: Vec<Listed>,
        total: usize,
    },
    /// How many were deleted.
    Count(u64),
    /// An event that tells that this one was deleted.
    Gone(u64),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub id: u64,
    pub created_at: String,
    pub fields: Fields,
}

#[derive(Clone, Debug)]
pub enum Outcome {
    /// Nobody knows whether it has happened, or will.
    Unknown,
    /// It has not happened.
    Refused,
    Answered(Answer),
}

/// One operation.
#[derive(Clone, Debug)]
pub struct Record {
    /// Times of a clock that is the same for all and never the same twice.
    pub invoked: u64,
    pub ended: u64,
    pub request: Request,
    pub outcome: Outcome,
    /// What precedes the revision in entity tags: the same for all todos of a store.
    pub epoch: Option<String>,
}

/// An entity tag in its parts.
pub fn parse_tag(tag: &str) -> Option<(&str, u64)> {
    let (epoch, revision) = tag.strip_prefix('"')?.strip_suffix('"')?.rsplit_once('-')?;
    Some((epoch, revision.parse().ok()?))
}

fn fields(todo: &Value) -> Fields {
    let text = |name: &str| todo[name].as_str().expect("a text").to_owned();
    Fields {
        title: text("title"),
        description: text("description"),
        completed: todo["completed"].as_bool().expect("a boolean"),
    }
}

fn listed(todo: &Value) -> Listed {
    let created_at = todo["created_at"].as_str().expect("a time").to_owned();
    Listed { id: todo["id"].as_u64().expect("an id"), created_at, fields: fields(todo) }
}

fn told(body: &Value, revision: u64) -> Answer {
    let Listed { id, created_at, fields } = listed(&body["todo"]);
    Answer::Todo { id, created_at, todo: Todo { fields, revision } }
}

/// What an event means, and the epoch in it. `None` for `reset`.
pub fn read_event(event: &Event) -> Option<(Answer, Option<String>)> {
    match event.name.as_str() {
        "todo" => {
            let tag = event.data["etag"].as_str().and_then(parse_tag);
            let (epoch, revision) = tag.expect("an epoch and a revision");
            Some((told(&event.data, revision), Some(epoch.to_owned())))
        }
        "deleted" => Some((Answer::Gone(event.data["id"].as_u64().expect("an id")), None)),
        "reset" => None,
        other => panic!("an event {other}"),
    }
}

/// What a response means, and the epoch in it.
pub fn read(request: &Request, response: &Response) -> (Outcome, Option<String>) {
    let is_create = matches!(request, Request::Create { .. });
    let tag = response.header("etag").map(|tag| parse_tag(tag).expect("an epoch and a revision"));
    let epoch = tag.map(|(epoch, _)| epoch.to_owned());
    let answer = match response.status {
        304 => Answer::NotModified,
        204 => Answer::Deleted,
        404 => Answer::NotFound,
        412 => Answer::ConditionFailed,
        422 => Answer::KeyReused,
        // Of several steps some may have been made.
        503 if matches!(request, Request::DeleteCompleted) => return (Outcome::Unknown, None),
        503 if response.error().contains("did not tell") => return (Outcome::Unknown, None),
        503 => return (Outcome::Refused, None),
        200 | 201 if tag.is_some() => {
            assert_eq!(response.status == 201, is_create);
            told(&response.json(), tag.map(|(_, revision)| revision).unwrap_or_default())
        }
        200 => {
            let body = response.json();
            match body["todos"].as_array() {
                Some(todos) => Answer::List {
                    todos: todos.iter().map(listed).collect(),
                    total: usize::try_from(body["total"].as_u64().expect("a number")).unwrap(),
                },
                None => Answer::Count(body["deleted"].as_u64().expect("a number")),
            }
        }
        other => panic!("{request:?} is answered {other}: {}", response.error()),
    };
    (Outcome::Answered(answer), epoch)
}
