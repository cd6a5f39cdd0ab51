//! A store in one file, by the redb database. What was answered is on the disk.
//!
//! All todos are in memory as well: reading waits for no more than the transaction in progress. Changes wait in a queue; one task takes all that
//! are waiting, makes them in memory, writes them in one transaction with one `fsync`, and only then answers each. In
//! between nothing else runs, as a WebAssembly module has one thread, so nobody sees what is not on the disk yet. When
//! the disk fails, memory goes back to what it was.

mod check;
mod database;
mod disk;
mod open;
mod owner;
mod tables;
#[cfg(test)]
pub(super) mod tests;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, oneshot};

use super::collection::{AllTodos, Collection};
use super::{Change, Count, Outcome, Page, Query, Store, StoreError};
use database::{Commits, TodoDatabase};
use owner::{Owner, Standing};
use todo_model::{Todo, TodoId};

pub use check::{Found, check};
pub use open::OpenError;

/// How often the owner looks for somebody who asks whether it is alive: see [`Owner`].
const LOOK: Duration = Duration::from_millis(100);

/// A store in one file.
///
/// [`run`](Self::run) must be running for changes to be made.
pub struct RedbStore {
    state: Mutex<State>,
    queue: Mutex<Vec<Waiting>>,
    queued: Notify,
    commits: Arc<Commits>,
}

struct State {
    todos: Collection,
    database: TodoDatabase,
    /// `None` where there is no file, in tests.
    owner: Option<Owner>,
}

/// A change that waits for the next transaction, and whom to tell.
struct Waiting {
    change: Change,
    reply: oneshot::Sender<Result<Outcome, StoreError>>,
}

/// The file belongs to another server now: this one must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ousted;

impl fmt::Display for Ousted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("another server has taken over the store's file, so this one ends")
    }
}

impl std::error::Error for Ousted {}

impl RedbStore {
    fn new(todos: Collection, database: TodoDatabase, owner: Option<Owner>) -> Self {
        let commits = database.commits();
        let state = Mutex::new(State { todos, database, owner });
        Self { state, queue: Mutex::default(), queued: Notify::new(), commits }
    }

    /// How long transactions took to get to the disk.
    pub(super) fn commits(&self) -> &Commits {
        &self.commits
    }

    /// Makes the changes that are waiting, for as long as the file is this server's.
    pub async fn run(&self) -> Ousted {
        let mut looked = Instant::now();
        loop {
            // Whoever is ready at the same time gets its change into this batch.
            let _ = tokio::time::timeout(LOOK, self.queued.notified()).await;
            let batch = std::mem::take(&mut *lock(&self.queue));
            let mut state = lock(&self.state);
            if !batch.is_empty() && state.commit(batch).is_err() {
                return Ousted;
            }
            if looked.elapsed() >= LOOK {
                looked = Instant::now();
                if state.standing() == Standing::Lost {
                    return Ousted;
                }
                if let Some(owner) = &state.owner {
                    owner.answer();
                }
            }
        }
    }
}

impl State {
    /// Makes all changes of `batch` in one transaction.
    fn commit(&mut self, batch: Vec<Waiting>) -> Result<(), Ousted> {
        if self.standing() == Standing::Lost {
            return Err(Ousted);
        }
        let (changes, replies): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|waiting| (waiting.change, waiting.reply)).unzip();
        let results = self.make(changes);
        // An answer may leave only if the file was still ours after the last write to it: whoever takes it over copies it
        // after that, and so has what was written.
        let standing = self.standing();
        if standing == Standing::Lost {
            return Err(Ousted);
        }
        for (reply, result) in replies.into_iter().zip(results) {
            let result = if standing == Standing::Ours { result } else { Err(StoreError::Failed) };
            // A client that is gone does not want to know.
            let _ = reply.send(result);
        }
        Ok(())
    }

    fn standing(&self) -> Standing {
        self.owner.as_ref().map_or(Standing::Ours, Owner::standing)
    }

    fn check(&mut self) -> Result<(), StoreError> {
        if self.standing() != Standing::Ours {
            return Err(StoreError::Failed);
        }
        if !self.database.is_in_doubt() {
            return Ok(());
        }
        let next_id = self.todos.next_id();
        let prepared = self.database.prepare(&mut self.todos);
        match prepared.and_then(|()| self.database.write(&[], next_id)) {
            // Whatever does not need more room is served.
            Err(StoreError::NoSpace) => Ok(()),
            result => result,
        }
    }

    fn make(&mut self, changes: Vec<Change>) -> Vec<Result<Outcome, StoreError>> {
        let count = changes.len();
        if let Err(error) = self.database.prepare(&mut self.todos) {
            return vec![Err(error); count];
        }
        let mut effects = Vec::new();
        let mut results = Vec::with_capacity(count);
        for change in changes {
            results.push(self.todos.apply(change).map(|(outcome, more)| {
                effects.extend(more);
                outcome
            }));
        }
        if effects.is_empty() {
            return results;
        }
        if let Err(error) = self.database.write(&effects, self.todos.next_id()) {
            self.todos.revert(effects);
            return vec![Err(error); count];
        }
        results
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic ends the process, so nobody ever sees a poisoned lock.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store for RedbStore {
    fn kind(&self) -> &'static str {
        "redb"
    }

    async fn get(&self, id: TodoId) -> Result<Option<Arc<Todo>>, StoreError> {
        Ok(lock(&self.state).todos.get(id).cloned())
    }

    async fn all(&self) -> Result<AllTodos, StoreError> {
        lock(&self.state).todos.all()
    }

    async fn find(&self, query: &Query) -> Result<Page, StoreError> {
        Ok(lock(&self.state).todos.find(query))
    }

    async fn change(&self, change: Change) -> Result<Outcome, StoreError> {
        let (reply, result) = oneshot::channel();
        lock(&self.queue).push(Waiting { change, reply });
        self.queued.notify_one();
        result.await.unwrap_or(Err(StoreError::Failed))
    }

    async fn check(&self) -> Result<(), StoreError> {
        lock(&self.state).check()
    }

    fn count(&self) -> Count {
        lock(&self.state).todos.count()
    }
}
