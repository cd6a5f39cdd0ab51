//! Rows of todos and of idempotency keys in one file, by the redb database: the form of the file, and nothing of what a todo
//! is.
//!
//! It is a crate of its own for the size of the module. redb is generic over what is stored, so its code is made where
//! the types are known, with that crate's settings: here for size, as a database waits for the disk and not for the
//! processor.

use std::fmt;

use redb::{Builder, Database, ReadableDatabase, ReadableTable, TableDefinition, TableError};

pub use redb::backends::InMemoryBackend;
pub use redb::{DatabaseError, Error, StorageBackend, StorageError};

/// What every file begins with.
pub const MAGIC: &[u8] = b"redb\x1A\x0A\xA9\x0D\x0A";

/// Title, description, completed, created at, revision.
type Value<'a> = (&'a str, &'a str, bool, u64, u64);

/// Fingerprint of the request, id of the todo, created at.
type KeyValue = (u64, u64, u64);

const TODOS: TableDefinition<u64, Value<'static>> = TableDefinition::new("todos");
const KEYS: TableDefinition<&str, KeyValue> = TableDefinition::new("keys");
const META: TableDefinition<&str, u64> = TableDefinition::new("meta");

/// The form of the tables above. A program knows its own and all earlier ones: 2 had no keys, and 1 no epoch either.
const SCHEMA: u64 = 3;
const SCHEMA_WITHOUT_KEYS: u64 = 2;
const SCHEMA_WITHOUT_EPOCH: u64 = 1;

/// The entries of [`META`].
const SCHEMA_KEY: &str = "schema";
const NEXT_ID_KEY: &str = "next_id";
const TRANSACTIONS_KEY: &str = "transactions";
const EPOCH_KEY: &str = "epoch";

/// Pages that redb keeps in memory, in bytes. It reads only the way to what it writes: the todos are in memory anyway.
const CACHE: usize = 4 * 1024 * 1024;

/// The same where it is written from the beginning to the end.
const SMALL_CACHE: usize = 512 * 1024;

/// One todo, as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row<'a> {
    /// Its key.
    pub id: u64,
    /// Its title.
    pub title: &'a str,
    /// Its description.
    pub description: &'a str,
    /// Whether it is done.
    pub completed: bool,
    /// When it was made, in nanoseconds since 1970.
    pub created_at: u64,
    /// Which of its states this is.
    pub revision: u64,
}

/// What a client has made under an idempotency key, as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRow<'a> {
    /// The client's key.
    pub key: &'a str,
    /// What tells its request from others.
    pub fingerprint: u64,
    /// Of the todo that was made.
    pub id: u64,
    /// When that was, in nanoseconds since 1970.
    pub created_at: u64,
}

/// A row of one of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry<'a> {
    /// A todo.
    Todo(Row<'a>),
    /// A key.
    Key(KeyRow<'a>),
}

/// One change of one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change<'a> {
    /// The row is now this one.
    Put(Entry<'a>),
    /// There is no todo with this id any more.
    Remove(u64),
    /// There is no such key any more.
    RemoveKey(&'a str),
}

/// What is known about all rows together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Greater than every id that was ever used.
    pub next_id: u64,
    /// How many transactions there were, so that one whose outcome is not known can be looked for.
    pub transactions: u64,
    /// What tells the ids and revisions in this table from those in others. 0 in a backup.
    pub epoch: u64,
}

/// How much of a file is looked at when it is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// Every page.
    Everything,
    /// What redb cannot do without.
    Least,
}

/// Why the contents of a table cannot be used.
#[derive(Debug)]
pub enum ReadError {
    /// It holds something else.
    Foreign,
    /// It was written by a later version of this program, in this schema.
    Newer(u64),
    /// The todo with this id breaks the rules.
    Invalid(u64),
    /// The key of the todo with this id breaks the rules.
    InvalidKey(u64),
    /// redb cannot read it.
    Redb(Error),
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
            Self::InvalidKey(id) => {
                write!(formatter, "it is damaged: the key of todo {id} is not valid")
            }
            Self::Redb(Error::Corrupted(reason)) => write!(formatter, "it is damaged: {reason}"),
            Self::Redb(error) => write!(formatter, "it cannot be read: {error}"),
        }
    }
}

impl std::error::Error for ReadError {}

impl<E: Into<Error>> From<E> for ReadError {
    fn from(error: E) -> Self {
        Self::Redb(error.into())
    }
}

/// An open table of todos.
pub struct Table(Database);

impl Table {
    /// Makes a table in an empty storage, for many writes in the order of their keys.
    ///
    /// # Errors
    /// Where the storage fails.
    pub fn create(storage: impl StorageBackend) -> Result<Self, DatabaseError> {
        Ok(Self(Builder::new().set_cache_size(SMALL_CACHE).create_with_backend(storage)?))
    }

    /// Opens a table. An empty storage becomes a database without one: [`write`](Self::write) makes it.
    ///
    /// # Errors
    /// Where the storage fails, holds no database, or holds a damaged one.
    pub fn open(storage: impl StorageBackend, check: Check) -> Result<Self, DatabaseError> {
        let database = Builder::new()
            .set_cache_size(CACHE)
            .set_check_integrity_on_open(check == Check::Everything)
            .create_with_backend(storage)?;
        Ok(Self(database))
    }

    /// Reads how many transactions there were.
    ///
    /// # Errors
    /// Where the storage fails.
    pub fn transactions(&self) -> Result<u64, Error> {
        let meta = self.0.begin_read()?.open_table(META)?;
        Ok(meta.get(TRANSACTIONS_KEY)?.map_or(0, |value| value.value()))
    }

    /// Reads all todos in the order of their ids, then all keys. `take` tells whether it accepts one. A table from before there were
    /// epochs, and a backup, whose epoch is 0, get `new_epoch`, which the next [`write`](Self::write) puts into it.
    ///
    /// # Errors
    /// [`ReadError`] says what is wrong with the contents, or with reading them.
    pub fn read(
        &self,
        new_epoch: u64,
        take: &mut dyn FnMut(Entry<'_>) -> bool,
    ) -> Result<Header, ReadError> {
        let transaction = self.0.begin_read()?;
        let meta = match transaction.open_table(META) {
            Ok(meta) => meta,
            Err(TableError::Storage(error)) => return Err(error.into()),
            Err(_) => return Err(ReadError::Foreign),
        };
        let entry = |key| -> Result<u64, ReadError> {
            meta.get(key)?.map(|value| value.value()).ok_or(ReadError::Foreign)
        };
        let schema = entry(SCHEMA_KEY)?;
        let epoch = match schema {
            SCHEMA | SCHEMA_WITHOUT_KEYS => match entry(EPOCH_KEY)? {
                0 => new_epoch,
                epoch => epoch,
            },
            SCHEMA_WITHOUT_EPOCH => new_epoch,
            other => return Err(ReadError::Newer(other)),
        };
        let next_id = entry(NEXT_ID_KEY)?;
        for item in transaction.open_table(TODOS)?.iter()? {
            let (id, value) = item?;
            let id = id.value();
            let (title, description, completed, created_at, revision) = value.value();
            let row = Row { id, title, description, completed, created_at, revision };
            if !(1..next_id).contains(&id) || !take(Entry::Todo(row)) {
                return Err(ReadError::Invalid(id));
            }
        }
        let keys = match (schema, transaction.open_table(KEYS)) {
            (SCHEMA, keys) => Some(keys?),
            (_, Err(TableError::TableDoesNotExist(_))) => None,
            (_, Err(TableError::Storage(error))) => return Err(error.into()),
            // The next write would make keys of it that nobody has looked at.
            _ => return Err(ReadError::Foreign),
        };
        if let Some(keys) = keys {
            for item in keys.iter()? {
                let (key, value) = item?;
                let (fingerprint, id, created_at) = value.value();
                let row = KeyRow { key: key.value(), fingerprint, id, created_at };
                if !(1..next_id).contains(&id) || !take(Entry::Key(row)) {
                    return Err(ReadError::InvalidKey(id));
                }
            }
        }
        Ok(Header { next_id, transactions: entry(TRANSACTIONS_KEY)?, epoch })
    }

    /// Makes changes, all or none, and waits until they are on the disk.
    ///
    /// # Errors
    /// Where the storage fails. The changes may then be there, all of them, or not.
    pub fn write(
        &self,
        changes: &mut dyn Iterator<Item = Change<'_>>,
        header: Header,
    ) -> Result<(), Error> {
        let transaction = self.0.begin_write()?;
        {
            let mut todos = transaction.open_table(TODOS)?;
            let mut keys = transaction.open_table(KEYS)?;
            for change in changes {
                match change {
                    Change::Put(Entry::Todo(row)) => drop(todos.insert(row.id, value(row))?),
                    Change::Put(Entry::Key(row)) => {
                        keys.insert(row.key, (row.fingerprint, row.id, row.created_at))?;
                    }
                    Change::Remove(id) => drop(todos.remove(id)?),
                    Change::RemoveKey(key) => drop(keys.remove(key)?),
                }
            }
            let mut meta = transaction.open_table(META)?;
            for (key, value) in [
                (SCHEMA_KEY, SCHEMA),
                (NEXT_ID_KEY, header.next_id),
                (TRANSACTIONS_KEY, header.transactions),
                (EPOCH_KEY, header.epoch),
            ] {
                meta.insert(key, value)?;
            }
        }
        transaction.commit()?;
        Ok(())
    }
}

fn value(row: Row<'_>) -> Value<'_> {
    (row.title, row.description, row.completed, row.created_at, row.revision)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table of an earlier version, and one with `name` beside it.
    fn earlier(schema: u64, name: &str) -> Table {
        let database = Builder::new().create_with_backend(InMemoryBackend::new()).unwrap();
        let transaction = database.begin_write().unwrap();
        {
            let mut meta = transaction.open_table(META).unwrap();
            let entries =
                [(SCHEMA_KEY, schema), (NEXT_ID_KEY, 1), (TRANSACTIONS_KEY, 1), (EPOCH_KEY, 1)];
            for (key, value) in entries {
                meta.insert(key, value).unwrap();
            }
            transaction.open_table(TODOS).unwrap();
            let other = TableDefinition::<&str, KeyValue>::new(name);
            transaction.open_table(other).unwrap().insert("a", (0, 0, 0)).unwrap();
        }
        transaction.commit().unwrap();
        Table(database)
    }

    #[test]
    fn keys_from_before_there_were_keys_are_refused() {
        for schema in [SCHEMA_WITHOUT_EPOCH, SCHEMA_WITHOUT_KEYS] {
            let read = |name| earlier(schema, name).read(1, &mut |_| true);
            assert!(matches!(read("keys"), Err(ReadError::Foreign)), "{schema}");
            assert!(read("other").is_ok(), "{schema}");
        }
    }
}
