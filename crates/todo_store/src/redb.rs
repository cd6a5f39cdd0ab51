//! A store in one file, by the redb database. What was answered is on the disk.
//!
//! All todos are in memory as well, so reading waits for no more than the transaction in progress. Changes wait in a
//! queue. One task takes all that are waiting, makes them in memory, writes them in one transaction with one `fsync`, and
//! only then answers each. In between nothing else runs, as a WebAssembly module has one thread: nobody sees what is not
//! on the disk yet. When the disk fails, the changes are reverted.

mod ask;
mod backup;
mod check;
mod database;
mod disk;
mod open;
mod tables;
#[cfg(test)]
pub(crate) mod tests;

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use file_lease::{Lease, Status};
use todo_model::{IdempotencyKey, NewTodo, Todo, TodoId, TodoUpdate};
use tokio::sync::{Notify, oneshot};

use crate::measured::Commits;
use crate::search::Turns;
use crate::todos::{Effect, Journal, Todos};
use crate::transfer::{ImportError, Origin};
use crate::{
    ChangeError, Changes, Condition, Count, CreateError, Epoch, Page, Portion, Position, Query,
    Store, StoreError, change_log, search,
};
use backup::Backups;
use database::TodoDatabase;

pub(crate) use ask::back_up;
pub(crate) use check::{Found, check};

/// How often an idle store looks whether another server wants to know if it is alive: see [`file_lease`].
const LOOK: Duration = Duration::from_millis(100);

/// How long it waits for changes between two steps of a backup. Whoever is ready has its turn then.
const BACKUP_PAUSE: Duration = Duration::from_millis(1);

/// How many completed todos are deleted in one transaction.
const MAX_DELETED: usize = 1_000;

/// A store in one file.
///
/// [`run`](Self::run) must be running for changes to be made.
pub struct RedbStore {
    todos: RefCell<Todos>,
    turns: Turns,
    database: RefCell<TodoDatabase>,
    /// `None` where there is no file, in tests.
    lease: Option<Rc<Lease>>,
    /// As with the lease.
    backups: Option<RefCell<Backups>>,
    queue: RefCell<Vec<Change>>,
    queued: Notify,
    epoch: Epoch,
    commits: Arc<Commits>,
}

/// A change that waits for the next transaction, and whom to tell what it came to.
enum Change {
    Create(NewTodo, Option<IdempotencyKey>, oneshot::Sender<Result<Rc<Todo>, CreateError>>),
    Update(TodoId, TodoUpdate, Condition, oneshot::Sender<Result<Rc<Todo>, ChangeError>>),
    Delete(TodoId, Condition, oneshot::Sender<Result<(), ChangeError>>),
    DeleteCompleted(Vec<TodoId>, oneshot::Sender<Result<usize, StoreError>>),
}

/// Tells a client what its change came to, given what the transaction came to.
type Reply = Box<dyn FnOnce(Result<(), StoreError>)>;

/// Another server holds the store's file now: this one must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseLost;

impl fmt::Display for LeaseLost {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("another server has taken over the store's file, so this one ends")
    }
}

impl std::error::Error for LeaseLost {}

impl RedbStore {
    fn new(todos: Todos, database: TodoDatabase, lease: Option<Rc<Lease>>) -> Self {
        let (epoch, commits) = (database.epoch(), database.commits());
        Self {
            todos: RefCell::new(todos),
            turns: Turns::default(),
            database: RefCell::new(database),
            lease,
            backups: None,
            queue: RefCell::default(),
            queued: Notify::new(),
            epoch,
            commits,
        }
    }

    /// The id of the next todo.
    pub(crate) fn next_id(&self) -> TodoId {
        self.todos.borrow().next_id()
    }

    /// Puts todos of another store into the file, which must have none, in one transaction.
    pub(crate) fn import(&self, origin: Origin, todos: Vec<Rc<Todo>>) -> Result<(), ImportError> {
        if self.todos.borrow().count().total() > 0 {
            return Err(ImportError::NotEmpty);
        }
        let effects: Vec<_> = todos
            .into_iter()
            .map(|todo| Effect::Todo { id: todo.id, before: None, after: Some(todo) })
            .collect();
        let next_id = origin.next_id.max(self.next_id());
        Ok(self.database.borrow_mut().import(origin.epoch, &effects, next_id)?)
    }

    /// How long transactions took to get to the disk.
    pub(crate) fn commits(&self) -> Arc<Commits> {
        self.commits.clone()
    }

    /// Makes the changes that are waiting, for as long as this server holds the file.
    pub(crate) async fn run(&self) -> LeaseLost {
        loop {
            // Whoever is ready at the same time gets its change into this batch.
            let wait = if self.is_backing_up() { BACKUP_PAUSE } else { LOOK };
            let waited = tokio::time::timeout(wait, self.queued.notified()).await;
            let batch = self.queue.take();
            if !batch.is_empty() {
                if self.commit(batch).is_err() {
                    return LeaseLost;
                }
            } else if waited.is_err() && self.lease_status() == Status::Lost {
                return LeaseLost;
            }
            if let Some(lease) = &self.lease {
                lease.tick();
            }
            // Between two transactions what is in memory is what was acknowledged.
            if let Some(backups) = &self.backups {
                backups.borrow_mut().step(&self.todos.borrow());
            }
        }
    }

    fn is_backing_up(&self) -> bool {
        self.backups.as_ref().is_some_and(|backups| backups.borrow().is_writing())
    }

    /// Makes all changes of `batch` in one transaction.
    fn commit(&self, batch: Vec<Change>) -> Result<(), LeaseLost> {
        if self.lease_status() == Status::Lost {
            return Err(LeaseLost);
        }
        let (replies, outcome) = self.transact(batch);
        // A response may leave only if the lease was held after the last write: whoever takes it over copies the file after
        // that, and so has what was written.
        let outcome = match self.lease_status() {
            Status::Lost => return Err(LeaseLost),
            Status::Unknown => Err(StoreError::Unavailable),
            Status::Held => outcome,
        };
        for reply in replies {
            reply(outcome);
        }
        Ok(())
    }

    fn transact(&self, batch: Vec<Change>) -> (Vec<Reply>, Result<(), StoreError>) {
        let (mut todos, mut database) = (self.todos.borrow_mut(), self.database.borrow_mut());
        let recovered = database.recover(&todos);
        let mut journal = Journal::new();
        let replies = batch.into_iter().map(|change| change.apply(&mut todos, &mut journal));
        let replies: Vec<_> = replies.collect();
        let outcome = recovered.and_then(|()| match journal.is_empty() {
            true => Ok(()),
            false => database.write(&journal, todos.next_id()),
        });
        if outcome.is_err() {
            todos.revert(journal);
        }
        (replies, outcome)
    }

    fn lease_status(&self) -> Status {
        self.lease.as_ref().map_or(Status::Held, |lease| lease.status())
    }

    /// Puts a change into the queue, and waits until it is made.
    async fn submit<T, E: From<StoreError>>(
        &self,
        change: impl FnOnce(oneshot::Sender<Result<T, E>>) -> Change,
    ) -> Result<T, E> {
        let (reply, result) = oneshot::channel();
        self.queue.borrow_mut().push(change(reply));
        self.queued.notify_one();
        result.await.unwrap_or_else(|_| Err(StoreError::Unavailable.into()))
    }
}

impl Change {
    fn apply(self, todos: &mut Todos, journal: &mut Journal) -> Reply {
        match self {
            Self::Create(new, key, reply) => {
                prepare(reply, todos.create(new, key.as_ref(), journal))
            }
            Self::Update(id, update, condition, reply) => {
                prepare(reply, todos.update(id, update, &condition, journal))
            }
            Self::Delete(id, condition, reply) => {
                prepare(reply, todos.delete(id, &condition, journal))
            }
            Self::DeleteCompleted(ids, reply) => {
                prepare(reply, Ok(todos.delete_completed(&ids, journal)))
            }
        }
    }
}

fn prepare<T: 'static, E: From<StoreError> + 'static>(
    reply: oneshot::Sender<Result<T, E>>,
    result: Result<T, E>,
) -> Reply {
    Box::new(move |outcome| {
        // A client that is gone does not want to know.
        let _ = reply.send(outcome.map_err(E::from).and(result));
    })
}

impl Store for RedbStore {
    fn kind(&self) -> &'static str {
        "redb"
    }

    async fn epoch(&self) -> Result<Epoch, StoreError> {
        Ok(self.epoch)
    }

    fn version(&self) -> Option<u64> {
        Some(self.todos.borrow().version())
    }

    async fn count(&self) -> Result<Count, StoreError> {
        Ok(self.todos.borrow().count())
    }

    async fn get(&self, id: TodoId) -> Result<Option<Rc<Todo>>, StoreError> {
        Ok(self.todos.borrow().get(id).cloned())
    }

    async fn list(&self, after: TodoId, max_bytes: usize) -> Result<Portion, StoreError> {
        Ok(self.todos.borrow().list(after, max_bytes))
    }

    async fn find(&self, query: &Query) -> Result<Page, StoreError> {
        Ok(search::find(&self.todos, &self.turns, query).await)
    }

    async fn create(
        &self,
        new: NewTodo,
        key: Option<&IdempotencyKey>,
    ) -> Result<Rc<Todo>, CreateError> {
        self.submit(|reply| Change::Create(new, key.cloned(), reply)).await
    }

    async fn update(
        &self,
        id: TodoId,
        update: TodoUpdate,
        condition: &Condition,
    ) -> Result<Rc<Todo>, ChangeError> {
        self.submit(|reply| Change::Update(id, update, condition.clone(), reply)).await
    }

    async fn delete(&self, id: TodoId, condition: &Condition) -> Result<(), ChangeError> {
        self.submit(|reply| Change::Delete(id, condition.clone(), reply)).await
    }

    async fn delete_completed(&self) -> Result<usize, StoreError> {
        let mut deleted = 0;
        for ids in search::completed(&self.todos, &self.turns).await.chunks(MAX_DELETED) {
            deleted += self.submit(|reply| Change::DeleteCompleted(ids.to_vec(), reply)).await?;
        }
        Ok(deleted)
    }

    async fn position(&self) -> Result<Position, StoreError> {
        Ok(change_log::position(&self.todos))
    }

    async fn changes(
        &self,
        after: &Position,
        max_bytes: usize,
    ) -> Result<Option<Changes>, StoreError> {
        Ok(change_log::changes(&self.todos, after, max_bytes))
    }

    async fn changed(&self, after: &Position) {
        change_log::changed(&self.todos, after).await;
    }

    async fn check(&self) -> Result<(), StoreError> {
        if self.lease_status() != Status::Held {
            return Err(StoreError::Unavailable);
        }
        let todos = self.todos.borrow();
        self.database.borrow_mut().check(&todos)
    }
}
