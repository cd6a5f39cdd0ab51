//! The database on a disk that may fail and recover.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use todo_table::{Check, Error, ReadError, Table};

use super::disk::Disk;
use super::tables::{self, Contents};
use crate::StoreError;
use crate::collection::{Collection, Effect};
use telemetry::log;
use telemetry::metrics::Histogram;
use todo_model::TodoId;

/// How long a disk that has failed is left alone, at least and in terms of what trying costs. A client that asks in the
/// meantime is told what the last one was told.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSES_PER_TRY: u32 = 10;

/// How long transactions take: most of them less than the first bound of what is usual for requests.
pub(crate) type Commits = Histogram<12>;
const COMMIT_BOUNDS: [u64; 12] =
    [250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000];

/// A database of todos, open or waiting to be opened again.
pub(super) struct TodoDatabase {
    disk: Box<dyn Disk>,
    state: State,
    transactions: u64,
    /// The operator was told that it cannot be written.
    reported: bool,
    commits: Arc<Commits>,
}

enum State {
    Open(Table),
    Failed { error: StoreError, until: Instant },
}

impl TodoDatabase {
    /// `contents` is what is in `table`, which lies on `disk`.
    pub(super) fn new(table: Table, disk: Box<dyn Disk>, contents: &Contents) -> Self {
        let state = State::Open(table);
        Self {
            disk,
            state,
            transactions: contents.transactions,
            reported: false,
            commits: Arc::new(Histogram::new(&COMMIT_BOUNDS)),
        }
    }

    pub(super) fn commits(&self) -> Arc<Commits> {
        self.commits.clone()
    }

    /// It has failed, and nothing was written since.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.reported
    }

    /// Opens the database again if it has failed, and brings `todos` in line with it.
    pub(super) fn prepare(&mut self, todos: &mut Collection) -> Result<(), StoreError> {
        match &self.state {
            State::Open(_) => return Ok(()),
            State::Failed { error, until } if Instant::now() < *until => return Err(*error),
            State::Failed { .. } => {}
        }
        let began = Instant::now();
        match self.reopen(todos) {
            Ok(table) => {
                self.state = State::Open(table);
                Ok(())
            }
            Err(error) => Err(self.fail(&error, began)),
        }
    }

    /// Writes what was done, all or nothing, and waits until it is on the disk.
    pub(super) fn write(&mut self, effects: &[Effect], next_id: TodoId) -> Result<(), StoreError> {
        let State::Open(table) = &self.state else { return Err(StoreError::Failed) };
        let began = Instant::now();
        match tables::write(table, effects, next_id, self.transactions + 1) {
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

    fn reopen(&mut self, todos: &mut Collection) -> Result<Table, Error> {
        let table = Table::open(self.disk.open()?, Check::Least)?;
        // The transaction that failed may have reached the disk all the same.
        if table.transactions()? != self.transactions {
            let contents = tables::read(&table).map_err(|error| match error {
                ReadError::Redb(error) => error,
                error => Error::Corrupted(error.to_string()),
            })?;
            self.transactions = contents.transactions;
            todos.replace(contents.todos, contents.next_id);
        }
        Ok(table)
    }

    /// Closes the database: redb does nothing more after an error of its storage.
    fn fail(&mut self, error: &Error, began: Instant) -> StoreError {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        if !std::mem::replace(&mut self.reported, true) {
            log::error(format_args!("the store cannot be written: {error}"));
        }
        let is_full = |kind| matches!(kind, StorageFull | QuotaExceeded | FileTooLarge);
        let error = match error {
            Error::Io(error) if is_full(error.kind()) => StoreError::NoSpace,
            _ => StoreError::Failed,
        };
        let pause = PAUSE.max(began.elapsed() * PAUSES_PER_TRY);
        self.state = State::Failed { error, until: Instant::now() + pause };
        error
    }
}
