//! Where todos live: what every store promises, and the stores.
//!
//! | file | concern |
//! |---|---|
//! | `lib.rs` | what a store promises |
//! | `open.rs` | the store that the settings name |
//! | `query.rs`, `search.rs` | what can be asked for, and finding it step by step |
//! | `changes.rs`, `change_log.rs` | what has changed, for those who follow a store |
//! | `todos.rs`, `title_index.rs` | all todos in memory: each local store answers from them |
//! | `keys.rs` | what was made under an idempotency key |
//! | `memory.rs` | a store that ends with the process |
//! | `redb.rs`, `redb/` | a store in one file |
//! | `postgres.rs`, `postgres/` | a store in a database that several servers share |
//! | `transfer.rs` | moving todos from one store to another |
//! | `failing.rs` | a store for tests of those who use stores |
//! | `measured.rs` | counts what a store does |

mod change_log;
mod changes;
#[cfg(feature = "testing")]
mod failing;
mod keys;
mod measured;
mod memory;
mod open;
#[cfg(feature = "postgres")]
mod postgres;
mod query;
mod redb;
mod search;
mod signature;
#[cfg(test)]
mod tests;
mod title_index;
mod todos;
mod transfer;

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::rc::Rc;

use todo_model::{IdempotencyKey, NewTodo, Revision, Todo, TodoId, TodoUpdate};

pub use changes::{Change, Changes, InvalidMark, Mark, Position};
#[cfg(feature = "testing")]
pub use failing::FailingStore;
pub use measured::{Measured, StoreMetrics};
pub use memory::MemoryStore;
pub use open::{
    AnyStore, BackupError, ConnectionOptions, Location, OpenError, StoreLost, StoreOptions,
};
#[cfg(feature = "postgres")]
pub use postgres::{NewerSchema, PostgresStore};
pub use query::{Order, Page, Portion, Query};
pub use redb::{LeaseLost, RedbStore};
pub use transfer::{ImportError, Origin};

/// A set of todos.
///
/// A change that depends on the present state is one call: two callers never see each other half-way. A change is as
/// durable as the store makes it before its call returns. Ids are positive, rise, and are never given out twice in one
/// [`Epoch`]. Methods may wait, so that a store can be on a disk or behind a network; those that walk over todos let
/// other tasks run after a bounded time.
#[expect(
    async_fn_in_trait,
    reason = "a WebAssembly module has one thread, so no future needs to be Send"
)]
pub trait Store: 'static {
    /// What kind of store this is, in one word, for clients and metrics.
    fn kind(&self) -> &'static str;

    /// What tells this store's ids and revisions from those of all other stores.
    ///
    /// # Errors
    /// [`StoreError::Unreachable`] when it is in a database that was not reached yet.
    async fn epoch(&self) -> Result<Epoch, StoreError>;

    /// A number that is another one after every change. `None` if the store cannot know of all changes.
    fn version(&self) -> Option<u64>;

    /// How many todos there are.
    ///
    /// # Errors
    /// As for [`get`](Self::get).
    async fn count(&self) -> Result<Count, StoreError>;

    /// The todo with this id, if there is one.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Unreachable`] or [`StoreError::Busy`].
    async fn get(&self, id: TodoId) -> Result<Option<Rc<Todo>>, StoreError>;

    /// The todos behind the id `after`, in the order of their ids: at least one if there is any, and no more than it
    /// takes for them to have `max_bytes`, of which each has 100 and its texts.
    ///
    /// # Errors
    /// As for [`get`](Self::get).
    async fn list(&self, after: TodoId, max_bytes: usize) -> Result<Portion, StoreError>;

    /// The todos that `query` asks for, or the first of them: a store that does not have them in memory gives 1 MiB at the
    /// most, or one todo. Changes that are made while a long search runs may be seen by it or not; a todo
    /// that is not changed meanwhile is found exactly once.
    ///
    /// # Errors
    /// As for [`get`](Self::get).
    async fn find(&self, query: &Query) -> Result<Page, StoreError>;

    /// Adds a todo, not completed, with the next id and the present time.
    ///
    /// What was made under a `key` is made once: the same call gives the todo again as it was made, whatever became of it. A
    /// key is kept in the same transaction as the todo, and for 24 hours; in memory and in a file, the latest 10,000 are.
    ///
    /// # Errors
    /// Any [`CreateError`]. Nothing is changed then, but for [`StoreError::Undecided`]; with a key, the same call may be made
    /// again after that.
    async fn create(
        &self,
        new: NewTodo,
        key: Option<&IdempotencyKey>,
    ) -> Result<Rc<Todo>, CreateError>;

    /// Changes a todo if it meets the condition, and gives it as it is then: with the same revision if nothing differs.
    ///
    /// # Errors
    /// Any [`ChangeError`]. Nothing is changed then, but for [`StoreError::Undecided`].
    async fn update(
        &self,
        id: TodoId,
        update: TodoUpdate,
        condition: &Condition,
    ) -> Result<Rc<Todo>, ChangeError>;

    /// Removes a todo if it meets the condition.
    ///
    /// # Errors
    /// Any [`ChangeError`]. Nothing is changed then, but for [`StoreError::Undecided`].
    async fn delete(&self, id: TodoId, condition: &Condition) -> Result<(), ChangeError>;

    /// Removes all todos that are completed, and tells how many. It takes several steps if there are many.
    ///
    /// # Errors
    /// Any [`StoreError`]. Some may have been removed then.
    async fn delete_completed(&self) -> Result<usize, StoreError>;

    /// The present end of the changes that were made to the store: whatever is changed from now on is behind it.
    ///
    /// # Errors
    /// As for [`get`](Self::get).
    async fn position(&self) -> Result<Position, StoreError>;

    /// The changes behind `after` that are known now, in their order: no more than 500, and no more than it takes for their
    /// todos to have `max_bytes`, as in [`list`](Self::list). What is not durable yet is not among them. `None` if some of
    /// them are not known any more, or `after` is of another store.
    ///
    /// # Errors
    /// As for [`get`](Self::get).
    async fn changes(
        &self,
        after: &Position,
        max_bytes: usize,
    ) -> Result<Option<Changes>, StoreError>;

    /// Waits until it is worth while to ask for the changes behind `after`.
    async fn changed(&self, after: &Position);

    /// Finds out whether it can serve: todos can be read, and changed as far as there is room. A store that has failed
    /// tries to recover, so it is found to be well again without anybody else asking it for something.
    ///
    /// # Errors
    /// As for [`get`](Self::get).
    async fn check(&self) -> Result<(), StoreError>;
}

/// What is random about one store and kept with it. Ids and revisions begin anew in a new store; together with the epoch
/// they do not repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch(u64);

impl Epoch {
    /// The epoch of a new store.
    pub fn random() -> Self {
        Self(RandomState::new().build_hasher().finish())
    }
}

impl From<u64> for Epoch {
    fn from(number: u64) -> Self {
        Self(number)
    }
}

impl From<Epoch> for u64 {
    fn from(Epoch(number): Epoch) -> Self {
        number
    }
}

impl Epoch {
    /// 16 hexadecimal digits.
    pub fn digits(self) -> [u8; 16] {
        let mut digits = [0; 16];
        let mut rest = self.0;
        for digit in digits.iter_mut().rev() {
            let value = (rest % 16) as u8;
            *digit = if value < 10 { b'0' + value } else { b'a' - 10 + value };
            rest /= 16;
        }
        digits
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(str::from_utf8(&self.digits()).unwrap_or_default())
    }
}

/// Numbers of todos.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Those that are not completed.
    pub open: usize,
    /// Those that are.
    pub completed: usize,
}

impl Count {
    /// All of them.
    pub fn total(self) -> usize {
        self.open.saturating_add(self.completed)
    }
}

/// Which revision of a todo a change is meant for. The default is any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// If set, the todo must be at one of these.
    pub one_of: Option<Vec<Revision>>,
    /// The todo must be at none of these.
    pub none_of: Revisions,
}

/// A set of revisions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revisions {
    /// Every revision that a todo can have.
    All,
    /// These.
    These(Vec<Revision>),
}

impl Default for Revisions {
    fn default() -> Self {
        Self::These(Vec::new())
    }
}

impl Revisions {
    /// `revision` is one of them.
    pub fn contains(&self, revision: Revision) -> bool {
        match self {
            Self::All => true,
            Self::These(revisions) => revisions.contains(&revision),
        }
    }
}

impl Condition {
    /// A todo at `revision` meets it.
    pub fn holds(&self, revision: Revision) -> bool {
        let wanted = self.one_of.as_ref().is_none_or(|revisions| revisions.contains(&revision));
        wanted && !self.none_of.contains(revision)
    }
}

/// Why a store could not do what it was asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// The store's own limit of bytes is reached.
    Full,
    /// The store's disk has no room.
    NoSpace,
    /// The store does not work at the moment. It has told its operator why.
    Unavailable,
    /// The store is in a database that cannot be reached, or does not answer in time.
    Unreachable,
    /// Too many wait for the store already.
    Busy,
    /// The connection to the database was lost before it told whether the change is made.
    Undecided,
}

impl fmt::Display for StoreError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Full => "the store is full",
            Self::NoSpace => "the store's disk is full",
            Self::Unavailable => "the store does not work at the moment",
            Self::Unreachable => "the database cannot be reached at the moment",
            Self::Busy => "too many requests wait for the database, try again later",
            Self::Undecided => "the database did not tell whether the change is made",
        })
    }
}

impl std::error::Error for StoreError {}

/// Why a todo could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreateError {
    /// Another title or description was sent under the key before.
    KeyReused,
    /// The store is at fault.
    Store(StoreError),
}

impl fmt::Display for CreateError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyReused => formatter.write_str("the key was used for another todo before"),
            Self::Store(error) => error.fmt(formatter),
        }
    }
}

impl std::error::Error for CreateError {}

impl From<StoreError> for CreateError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Why a todo could not be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeError {
    /// There is none with this id.
    NotFound,
    /// It does not meet the condition.
    ConditionFailed,
    /// The store is at fault.
    Store(StoreError),
}

impl fmt::Display for ChangeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => formatter.write_str("there is no such todo"),
            Self::ConditionFailed => formatter.write_str("the todo is at another revision"),
            Self::Store(error) => error.fmt(formatter),
        }
    }
}

impl std::error::Error for ChangeError {}

impl From<StoreError> for ChangeError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
