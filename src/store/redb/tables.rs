//! What is in the database: its tables, and how todos get in and out.

use std::fmt;
use std::sync::Arc;

use redb::{
    Builder, Database, DatabaseError, ReadableDatabase, ReadableTable, TableDefinition, TableError,
};

use super::disk::Storage;
use crate::clock::Timestamp;
use crate::store::collection::{Collection, Effect};
use crate::todo::{Description, Title, Todo, TodoId};

/// Title, description, completed, created at (nanoseconds since 1970), revision.
type Row<'a> = (&'a str, &'a str, bool, u64, u64);

const TODOS: TableDefinition<TodoId, Row<'static>> = TableDefinition::new("todos");
const META: TableDefinition<&str, u64> = TableDefinition::new("meta");

/// The form of the tables above. A program knows its own and all earlier ones.
const SCHEMA: u64 = 1;

/// The entries of [`META`].
const SCHEMA_KEY: &str = "schema";
const NEXT_ID_KEY: &str = "next_id";
const TRANSACTIONS_KEY: &str = "transactions";

/// Pages that redb keeps in memory, in bytes. It reads only the way to what it writes: the todos are in memory anyway.
const CACHE: usize = 4 * 1024 * 1024;

/// Everything that is in a database.
pub(super) struct Contents {
    pub(super) todos: Vec<Arc<Todo>>,
    pub(super) next_id: TodoId,
    /// How many transactions there were, so that one whose outcome is not known can be looked for.
    pub(super) transactions: u64,
}

impl Contents {
    pub(super) fn into_collection(self, max_bytes: usize) -> Collection {
        Collection::restore(self.todos, self.next_id, max_bytes)
    }
}

/// Why the contents of a database cannot be used.
#[derive(Debug)]
pub(super) enum ReadError {
    /// It holds something else.
    Foreign,
    /// It was written by a later version of this program.
    Newer(u64),
    /// A todo in it breaks the rules.
    Invalid(TodoId),
    /// redb cannot read it.
    Redb(redb::Error),
}

impl fmt::Display for ReadError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign => formatter.write_str("it is not a database of todos"),
            Self::Newer(schema) => write!(
                formatter,
                "it comes from a newer version of this program (schema {schema}, not {SCHEMA})"
            ),
            Self::Invalid(id) => write!(formatter, "it is damaged: todo {id} is not valid"),
            Self::Redb(redb::Error::Corrupted(reason)) => {
                write!(formatter, "it is damaged: {reason}")
            }
            Self::Redb(error) => write!(formatter, "it cannot be read: {error}"),
        }
    }
}

impl std::error::Error for ReadError {}

impl<E: Into<redb::Error>> From<E> for ReadError {
    fn from(error: E) -> Self {
        Self::Redb(error.into())
    }
}

/// How much of a database is looked at when it is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    /// Every page.
    Everything,
    /// What redb cannot do without.
    Least,
}

/// Opens a database. An empty storage becomes an empty database.
pub(super) fn open(storage: Storage, check: Check) -> Result<Database, DatabaseError> {
    Builder::new()
        .set_cache_size(CACHE)
        .set_check_integrity_on_open(check == Check::Everything)
        .create_with_backend(storage)
}

/// Reads how many transactions there were.
pub(super) fn transactions(database: &Database) -> Result<u64, redb::Error> {
    let meta = database.begin_read()?.open_table(META)?;
    Ok(meta.get(TRANSACTIONS_KEY)?.map_or(0, |value| value.value()))
}

/// Reads everything.
pub(super) fn read(database: &Database) -> Result<Contents, ReadError> {
    let transaction = database.begin_read()?;
    let meta = match transaction.open_table(META) {
        Ok(meta) => meta,
        Err(TableError::Storage(error)) => return Err(error.into()),
        Err(_) => return Err(ReadError::Foreign),
    };
    let entry = |key| -> Result<u64, ReadError> {
        meta.get(key)?.map(|value| value.value()).ok_or(ReadError::Foreign)
    };
    match entry(SCHEMA_KEY)? {
        SCHEMA => {}
        other => return Err(ReadError::Newer(other)),
    }
    let next_id = entry(NEXT_ID_KEY)?;
    let mut todos = Vec::new();
    for item in transaction.open_table(TODOS)?.iter()? {
        let (id, row) = item?;
        let id = id.value();
        let todo = from_row(id, row.value()).filter(|_| (1..next_id).contains(&id));
        todos.push(Arc::new(todo.ok_or(ReadError::Invalid(id))?));
    }
    Ok(Contents { todos, next_id, transactions: entry(TRANSACTIONS_KEY)? })
}

/// Writes what was done, all or nothing, and waits until it is on the disk.
pub(super) fn write(
    database: &Database,
    effects: &[Effect],
    next_id: TodoId,
    transactions: u64,
) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut todos = transaction.open_table(TODOS)?;
        for effect in effects {
            match &effect.after {
                Some(todo) => todos.insert(effect.id, to_row(todo))?,
                None => todos.remove(effect.id)?,
            };
        }
        let mut meta = transaction.open_table(META)?;
        for (key, value) in
            [(SCHEMA_KEY, SCHEMA), (NEXT_ID_KEY, next_id), (TRANSACTIONS_KEY, transactions)]
        {
            meta.insert(key, value)?;
        }
    }
    transaction.commit()?;
    Ok(())
}

fn to_row(todo: &Todo) -> Row<'_> {
    (
        todo.title.as_str(),
        todo.description.as_str(),
        todo.completed,
        todo.created_at.nanoseconds(),
        todo.revision,
    )
}

fn from_row(
    id: TodoId,
    (title, description, completed, created_at, revision): Row<'_>,
) -> Option<Todo> {
    Some(Todo {
        id,
        title: Title::parse(title).ok()?,
        description: Description::parse(description).ok()?,
        completed,
        created_at: Timestamp::from_nanoseconds(created_at),
        revision,
    })
}
