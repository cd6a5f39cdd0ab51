//! Where todos live: what every store promises, and the stores.

mod any;
mod collection;
mod measured;
mod memory;
mod query;
mod redb;
#[cfg(test)]
mod tests;

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use todo_model::{NewTodo, Revision, Todo, TodoId, TodoUpdate};

pub use any::{AnyStore, Place};
pub use collection::AllTodos;
pub use measured::Measured;
pub use memory::MemoryStore;
pub use query::{Order, Page, Query};
pub use redb::{OpenError, Ousted, RedbStore};

/// A set of todos.
///
/// Every method is one step: two callers never see each other half-way, and a change that depends on the present state
/// is one call. A change is as durable as the store gets it before its call returns. Ids are positive, rise, and are
/// never given out twice, also after a restart. Methods may wait, so that a store can sit on a disk or behind a network.
pub trait Store: Send + Sync + 'static {
    /// What kind of store this is, in one word, for clients and metrics.
    fn kind(&self) -> &'static str;

    /// The todo with this id, if there is one.
    ///
    /// # Errors
    /// [`StoreError::Failed`].
    fn get(&self, id: TodoId)
    -> impl Future<Output = Result<Option<Arc<Todo>>, StoreError>> + Send;

    /// All todos, in the order of their ids.
    ///
    /// # Errors
    /// [`StoreError::TooLong`], [`StoreError::Busy`], [`StoreError::Failed`].
    fn all(&self) -> impl Future<Output = Result<AllTodos, StoreError>> + Send;

    /// The todos that `query` asks for.
    ///
    /// # Errors
    /// [`StoreError::Failed`].
    fn find(&self, query: &Query) -> impl Future<Output = Result<Page, StoreError>> + Send;

    /// Makes one change.
    ///
    /// # Errors
    /// Any [`StoreError`]. Nothing is changed then.
    fn change(&self, change: Change) -> impl Future<Output = Result<Outcome, StoreError>> + Send;

    /// Finds out whether it can serve: todos can be read, and changed as far as there is room. A store that has failed
    /// tries again what failed, so it is found to be well again without anybody else asking it for something.
    ///
    /// # Errors
    /// [`StoreError::Failed`].
    fn check(&self) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// How many todos there are.
    fn count(&self) -> Count;
}

/// Numbers of todos.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Those that are not completed.
    pub open: usize,
    /// Those that are.
    pub completed: usize,
}

/// A change to a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Puts a todo in, not completed, with the next id and the present time. Gives [`Outcome::Stored`].
    Create(NewTodo),
    /// Changes a todo, if it meets the condition. Gives [`Outcome::Stored`], with the same revision if nothing differs.
    Update(TodoId, TodoUpdate, Condition),
    /// Takes a todo out, if it meets the condition. Gives [`Outcome::Deleted`].
    Delete(TodoId, Condition),
    /// Takes out all todos that are completed. Gives [`Outcome::Deleted`].
    DeleteCompleted,
}

/// What a change came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The todo as it is in the store now.
    Stored(Arc<Todo>),
    /// The number of todos taken out.
    Deleted(usize),
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
    /// There is no todo with this id.
    NotFound(TodoId),
    /// The todo does not meet the condition.
    ConditionFailed(TodoId),
    /// All todos together are more than fits one answer.
    TooLong,
    /// Too many clients are slow to take long answers.
    Busy,
    /// The store's own limit of bytes is reached.
    Full,
    /// The store's disk has no room.
    NoSpace,
    /// The store is broken at the moment. It has told its operator why.
    Failed,
}

impl fmt::Display for StoreError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound(id) => write!(formatter, "there is no todo {id}"),
            Self::ConditionFailed(id) => write!(formatter, "todo {id} is at another revision"),
            Self::TooLong => formatter.write_str("all todos together are too long"),
            Self::Busy => formatter.write_str("the store is busy"),
            Self::Full => formatter.write_str("the store is full"),
            Self::NoSpace => formatter.write_str("the store's disk is full"),
            Self::Failed => formatter.write_str("the store does not work at the moment"),
        }
    }
}

impl std::error::Error for StoreError {}
