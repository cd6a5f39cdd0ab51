//! What is in the database: how todos and keys get in and out.

use std::collections::HashSet;
use std::rc::Rc;

use clock::Timestamp;
use todo_model::{Description, IdempotencyKey, Title, Todo};
use todo_table::{Change, Entry, Error, KeyRow, ReadError, Row, Table};

use crate::Epoch;
use crate::keys::Made;
use crate::todos::{Effect, Todos};

pub(super) use todo_table::Header;

/// The greatest number in a file that a store counts on from: half of what there is. From the greatest one in an export,
/// [`todo_model::MAX_NUMBER`], nobody comes that far, so a store never writes what the next start would refuse.
pub(super) const LAST_NUMBER: u64 = u64::MAX / 2;

/// Reads everything, and gives `todos` what it finds.
pub(super) fn read(table: &Table, todos: &mut Todos) -> Result<Header, ReadError> {
    let header = table.read(Epoch::random().into(), &mut |entry| match entry {
        Entry::Todo(row) => {
            let todo = from_row(row);
            let is_valid = todo.is_some();
            todo.into_iter().for_each(|todo| todos.restore(todo));
            is_valid
        }
        Entry::Key(row) => {
            from_key_row(row).is_some_and(|(key, made)| todos.restore_key(&key, made))
        }
    })?;
    check(header)?;
    todos.set_next_id(header.next_id);
    Ok(header)
}

/// A store goes on from these numbers.
fn check(header: Header) -> Result<(), ReadError> {
    if header.next_id.max(header.transactions) > LAST_NUMBER {
        return Err(Error::Corrupted("its numbers have come to their end".to_owned()).into());
    }
    Ok(())
}

/// How many todos there are, if [`read`] would take all that is there.
pub(super) fn count(table: &Table) -> Result<usize, ReadError> {
    let (mut count, mut made) = (0, HashSet::new());
    let header = table.read(0, &mut |entry| match entry {
        Entry::Todo(row) => {
            count += 1;
            from_row(row).is_some()
        }
        Entry::Key(row) => from_key_row(row).is_some_and(|(_, key)| made.insert(key.id)),
    })?;
    check(header)?;
    Ok(count)
}

/// Writes what was done, all or nothing, and waits until it is on the disk.
pub(super) fn write(table: &Table, effects: &[Effect], header: Header) -> Result<(), Error> {
    let mut changes = effects.iter().map(|effect| match effect {
        Effect::Todo { after: Some(todo), .. } => put(todo),
        Effect::Todo { id, after: None, .. } => Change::Remove(*id),
        Effect::Key { key, after: Some(made), .. } => put_key(key, made),
        Effect::Key { key, after: None, .. } => Change::RemoveKey(key.as_str()),
    });
    table.write(&mut changes, header)
}

/// Writes everything into an empty table, and waits until it is on the disk.
pub(super) fn write_all(table: &Table, todos: &Todos, header: Header) -> Result<(), Error> {
    let keys = todos.keys().map(|(key, made)| put_key(key, made));
    table.write(&mut todos.iter().map(|todo| put(todo)).chain(keys), header)
}

/// Writes these as well, and waits until they are on the disk.
pub(super) fn write_rows(
    table: &Table,
    todos: &[Rc<Todo>],
    keys: &[(IdempotencyKey, Made)],
    header: Header,
) -> Result<(), Error> {
    let keys = keys.iter().map(|(key, made)| put_key(key, made));
    table.write(&mut todos.iter().map(|todo| put(todo)).chain(keys), header)
}

fn put(todo: &Todo) -> Change<'_> {
    Change::Put(Entry::Todo(Row {
        id: todo.id,
        title: todo.title.as_str(),
        description: todo.description.as_str(),
        completed: todo.completed,
        created_at: todo.created_at.nanoseconds(),
        revision: todo.revision,
    }))
}

fn put_key<'a>(key: &'a IdempotencyKey, made: &Made) -> Change<'a> {
    Change::Put(Entry::Key(KeyRow {
        key: key.as_str(),
        fingerprint: made.fingerprint,
        id: made.id,
        created_at: made.created_at.nanoseconds(),
    }))
}

fn from_key_row(row: KeyRow<'_>) -> Option<(IdempotencyKey, Made)> {
    let created_at = Timestamp::from_nanoseconds(row.created_at);
    let made = Made { fingerprint: row.fingerprint, id: row.id, created_at };
    Some((IdempotencyKey::parse(row.key)?, made))
}

fn from_row(row: Row<'_>) -> Option<Todo> {
    if row.revision > LAST_NUMBER {
        return None;
    }
    Some(Todo {
        id: row.id,
        title: Title::parse(row.title).ok()?,
        description: Description::parse(row.description).ok()?,
        completed: row.completed,
        created_at: Timestamp::from_nanoseconds(row.created_at),
        revision: row.revision,
    })
}
