//! What is in the database: how todos get in and out.

use std::sync::Arc;

use todo_table::{Change, Error, Header, ReadError, Row, Table};

use crate::collection::{Collection, Effect};
use clock::Timestamp;
use todo_model::{Description, Title, Todo, TodoId};

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

/// Reads everything.
pub(super) fn read(table: &Table) -> Result<Contents, ReadError> {
    let mut todos = Vec::new();
    let Header { next_id, transactions } = table.read(&mut |row| {
        let todo = from_row(row).map(Arc::new);
        let is_valid = todo.is_some();
        todos.extend(todo);
        is_valid
    })?;
    Ok(Contents { todos, next_id, transactions })
}

/// Writes what was done, all or nothing, and waits until it is on the disk.
pub(super) fn write(
    table: &Table,
    effects: &[Effect],
    next_id: TodoId,
    transactions: u64,
) -> Result<(), Error> {
    let mut changes = effects.iter().map(|effect| match &effect.after {
        Some(todo) => Change::Put(to_row(todo)),
        None => Change::Remove(effect.id),
    });
    table.write(&mut changes, Header { next_id, transactions })
}

fn to_row(todo: &Todo) -> Row<'_> {
    Row {
        id: todo.id,
        title: todo.title.as_str(),
        description: todo.description.as_str(),
        completed: todo.completed,
        created_at: todo.created_at.nanoseconds(),
        revision: todo.revision,
    }
}

fn from_row(row: Row<'_>) -> Option<Todo> {
    Some(Todo {
        id: row.id,
        title: Title::parse(row.title).ok()?,
        description: Description::parse(row.description).ok()?,
        completed: row.completed,
        created_at: Timestamp::from_nanoseconds(row.created_at),
        revision: row.revision,
    })
}
