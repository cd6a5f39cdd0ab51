//! What is in the database: how todos get in and out.

use std::rc::Rc;

use clock::Timestamp;
use todo_model::{Description, Title, Todo};
use todo_table::{Change, Error, ReadError, Row, Table};

use crate::Epoch;
use crate::todos::{Effect, Todos};

pub(super) use todo_table::Header;

/// Reads everything, and gives `todos` what it finds.
pub(super) fn read(table: &Table, todos: &mut Todos) -> Result<Header, ReadError> {
    let header = table.read(Epoch::random().into(), &mut |row| {
        let todo = from_row(row);
        let is_valid = todo.is_some();
        todo.into_iter().for_each(|todo| todos.restore(todo));
        is_valid
    })?;
    todos.set_next_id(header.next_id);
    Ok(header)
}

/// How many todos there are, if all of them can be read.
pub(super) fn count(table: &Table) -> Result<usize, ReadError> {
    let mut count = 0;
    table.read(0, &mut |row| {
        count += 1;
        from_row(row).is_some()
    })?;
    Ok(count)
}

/// Writes what was done, all or nothing, and waits until it is on the disk.
pub(super) fn write(table: &Table, effects: &[Effect], header: Header) -> Result<(), Error> {
    let mut changes = effects.iter().map(|effect| match &effect.after {
        Some(todo) => Change::Put(to_row(todo)),
        None => Change::Remove(effect.id),
    });
    table.write(&mut changes, header)
}

/// Writes all todos into an empty table, and waits until they are on the disk.
pub(super) fn write_all(table: &Table, todos: &[Rc<Todo>], header: Header) -> Result<(), Error> {
    table.write(&mut todos.iter().map(|todo| Change::Put(to_row(todo))), header)
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
