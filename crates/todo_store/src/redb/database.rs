//! The database on a disk that may fail and recover.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use todo_model::TodoId;
use todo_table::{Check, Error, Table};

use super::disk::Disk;
use super::tables::{self, Header};
use crate::measured::{Commits, no_commits};
use crate::todos::{Effect, Todos};
use crate::{Epoch, StoreError};
use telemetry::log;

/// How long a disk that has failed is left alone, at least and in terms of what trying costs. A client that asks in the
/// meantime is told what the last one was told.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSES_PER_TRY: u32 = 10;

/// A database of todos, open or waiting to be opened again.
///
/// After an error redb does nothing more, so the database is closed and opened again. What is trusted then depends on the
/// error. Where a write failed, nothing has been committed: the file is what it was after the last `fsync`. Where an
/// `fsync` failed, nobody knows what is on the disk: the system may have dropped what it could not write, hold it for
/// clean, and let the next `fsync` succeed without it (PostgreSQL found this out in 2018). So that file is not used again.
/// All todos and keys, as they were acknowledged, are written from memory into a new file, which takes its place.
pub(super) struct TodoDatabase {
    disk: Box<dyn Disk>,
    state: State,
    transactions: u64,
    epoch: Epoch,
    /// The operator was told that it cannot be written.
    reported: bool,
    commits: Arc<Commits>,
}

enum State {
    Open(Table),
    Failed { error: StoreError, until: Instant },
}

impl TodoDatabase {
    /// `header` is what is in `table`, which lies on `disk`.
    pub(super) fn new(table: Table, disk: Box<dyn Disk>, header: Header) -> Self {
        Self {
            disk,
            state: State::Open(table),
            transactions: header.transactions,
            epoch: header.epoch.into(),
            reported: false,
            commits: Arc::new(no_commits()),
        }
    }

    pub(super) fn epoch(&self) -> Epoch {
        self.epoch
    }

    pub(super) fn commits(&self) -> Arc<Commits> {
        self.commits.clone()
    }

    /// Ends the time in which a disk that has failed is left alone.
    #[cfg(test)]
    pub(super) fn end_pause(&mut self) {
        if let State::Failed { until, .. } = &mut self.state {
            *until = Instant::now();
        }
    }

    /// Finds out whether changes can be written, by writing if they could not be the last time.
    pub(super) fn check(&mut self, todos: &Todos) -> Result<(), StoreError> {
        if let Err(error) = self.disk.check() {
            // Nothing is lost yet: this is still the file. But nobody would find it after a restart.
            return Err(self.report(&format_args!("the store's file is not in its place: {error}")));
        }
        if !self.reported {
            return Ok(());
        }
        match self.recover(todos).and_then(|()| self.write(&[], todos.next_id())) {
            // Whatever does not need more room is served.
            Err(StoreError::NoSpace) => Ok(()),
            result => result,
        }
    }

    /// Makes the database usable again if it has failed. `todos` are those that are acknowledged.
    pub(super) fn recover(&mut self, todos: &Todos) -> Result<(), StoreError> {
        match &self.state {
            State::Open(_) => return Ok(()),
            State::Failed { error, until } if Instant::now() < *until => return Err(*error),
            State::Failed { .. } => {}
        }
        let began = Instant::now();
        let table = match self.reopen() {
            Ok(Some(table)) => Ok(table),
            Ok(None) | Err(_) => self.rewrite(todos),
        };
        match table {
            Ok(table) => {
                self.state = State::Open(table);
                Ok(())
            }
            Err(error) => Err(self.fail(&error, began)),
        }
    }

    /// Writes what comes from another store, with its epoch.
    pub(super) fn import(
        &mut self,
        epoch: Epoch,
        effects: &[Effect],
        next_id: TodoId,
    ) -> Result<(), StoreError> {
        self.epoch = epoch;
        self.write(effects, next_id)
    }

    /// Writes what was done, all or nothing, and waits until it is on the disk.
    pub(super) fn write(&mut self, effects: &[Effect], next_id: TodoId) -> Result<(), StoreError> {
        let State::Open(table) = &self.state else { return Err(StoreError::Unavailable) };
        let began = Instant::now();
        match tables::write(table, effects, self.header(next_id, self.transactions + 1)) {
            Ok(()) => {
                self.transactions += 1;
                self.commits.observe(began.elapsed());
                if std::mem::take(&mut self.reported) {
                    log::info("todo: the store can be written again");
                }
                Ok(())
            }
            Err(error) => Err(self.fail(&error, began)),
        }
    }

    /// The database in the file as it is. `None` if that is in doubt.
    fn reopen(&self) -> Result<Option<Table>, Error> {
        if self.disk.sync_has_failed() {
            return Ok(None);
        }
        let table = Table::open(self.disk.open()?, Check::Least)?;
        // The transaction that failed may have reached the disk all the same, and was not acknowledged.
        let is_as_acknowledged = table.transactions()? == self.transactions;
        Ok(is_as_acknowledged.then_some(table))
    }

    /// A new file with everything, which takes the place of the other one.
    fn rewrite(&mut self, todos: &Todos) -> Result<Table, Error> {
        let table = Table::open(self.disk.begin_new()?, Check::Least)?;
        tables::write_all(&table, todos, self.header(todos.next_id(), self.transactions))?;
        self.disk.publish_new()?;
        Ok(table)
    }

    fn header(&self, next_id: TodoId, transactions: u64) -> Header {
        Header { next_id, transactions, epoch: self.epoch.into() }
    }

    /// Closes the database: redb does nothing more after an error of its storage.
    fn fail(&mut self, error: &Error, began: Instant) -> StoreError {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        self.report(&format_args!("the store cannot be written: {error}"));
        let is_full = |kind| matches!(kind, StorageFull | QuotaExceeded | FileTooLarge);
        let error = match error {
            Error::Io(error) if is_full(error.kind()) => StoreError::NoSpace,
            _ => StoreError::Unavailable,
        };
        let pause = PAUSE.max(began.elapsed() * PAUSES_PER_TRY);
        self.state = State::Failed { error, until: Instant::now() + pause };
        error
    }

    /// Tells the operator, once until it is well again.
    fn report(&mut self, message: &std::fmt::Arguments<'_>) -> StoreError {
        if !std::mem::replace(&mut self.reported, true) {
            log::error(message);
        }
        StoreError::Unavailable
    }
}
