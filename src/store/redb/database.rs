//! The database on a disk that may fail and recover.

use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use redb::Database;

use super::disk::Disk;
use super::tables::{self, Contents, ReadError};
use crate::store::StoreError;
use crate::store::collection::{Collection, Effect};
use crate::todo::TodoId;

/// How long a disk that has failed is left alone. A client that asks in the meantime is told what the last one was told.
const PAUSE: Duration = Duration::from_millis(100);

/// A database of todos, open or waiting to be opened again.
pub(super) struct TodoDatabase {
    disk: Box<dyn Disk>,
    state: State,
    transactions: u64,
}

enum State {
    Open(Database),
    Failed { error: StoreError, since: Instant },
}

impl TodoDatabase {
    /// `contents` is what is in `database`, which lies on `disk`.
    pub(super) fn new(database: Database, disk: Box<dyn Disk>, contents: &Contents) -> Self {
        Self { disk, state: State::Open(database), transactions: contents.transactions }
    }

    /// Opens the database again if it has failed, and brings `todos` in line with it.
    pub(super) fn prepare(&mut self, todos: &mut Collection) -> Result<(), StoreError> {
        match &self.state {
            State::Open(_) => return Ok(()),
            State::Failed { error, since } if since.elapsed() < PAUSE => return Err(*error),
            State::Failed { .. } => {}
        }
        match self.reopen() {
            Ok((database, contents)) => {
                // The transaction that failed may have reached the disk all the same.
                if contents.transactions != self.transactions {
                    self.transactions = contents.transactions;
                    todos.replace(contents.todos, contents.next_id);
                }
                self.state = State::Open(database);
                report("the store can be written again");
                Ok(())
            }
            Err(error) => Err(self.fail(&error)),
        }
    }

    /// Writes what was done, all or nothing, and waits until it is on the disk.
    pub(super) fn write(&mut self, effects: &[Effect], next_id: TodoId) -> Result<(), StoreError> {
        let State::Open(database) = &self.state else { return Err(StoreError::Failed) };
        match tables::write(database, effects, next_id, self.transactions + 1) {
            Ok(()) => {
                self.transactions += 1;
                Ok(())
            }
            Err(error) => {
                report(&format!("the store cannot be written: {error}"));
                Err(self.fail(&error))
            }
        }
    }

    fn reopen(&self) -> Result<(Database, Contents), redb::Error> {
        let database = tables::open(self.disk.open()?)?;
        match tables::read(&database) {
            Ok(contents) => Ok((database, contents)),
            Err(ReadError::Redb(error)) => Err(error),
            Err(error) => Err(redb::Error::Corrupted(error.to_string())),
        }
    }

    /// Closes the database: redb does nothing more after an error of its storage.
    fn fail(&mut self, error: &redb::Error) -> StoreError {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        let is_full = |kind| matches!(kind, StorageFull | QuotaExceeded | FileTooLarge);
        let error = match error {
            redb::Error::Io(error) if is_full(error.kind()) => StoreError::NoSpace,
            _ => StoreError::Failed,
        };
        self.state = State::Failed { error, since: Instant::now() };
        error
    }
}

fn report(text: &str) {
    // Not `eprintln!`: it panics when nobody listens.
    let _ = writeln!(io::stderr(), "todo: {text}");
}
