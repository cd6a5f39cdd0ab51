//! Moving todos from one store to another, with ids, revisions and the epoch: entity tags stay what they are.

use std::fmt;
use std::rc::Rc;

use todo_model::{Todo, TodoId};

use crate::{AnyStore, Epoch, StoreError};

/// What is known about all todos of a store together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The store's epoch.
    pub epoch: Epoch,
    /// Greater than every id that was ever given out.
    pub next_id: TodoId,
}

/// Why todos cannot be put into a store. Nothing is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImportError {
    /// There are todos in it.
    NotEmpty,
    /// It keeps nothing beyond the process.
    Memory,
    /// The store is at fault.
    Store(StoreError),
    /// The database refuses them: one sentence.
    Refused(String),
}

impl fmt::Display for ImportError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotEmpty => formatter.write_str("there are todos in the store already"),
            Self::Memory => formatter.write_str("a store in memory ends with this program"),
            Self::Store(error) => error.fmt(formatter),
            Self::Refused(reason) => formatter.write_str(reason),
        }
    }
}

impl std::error::Error for ImportError {}

impl From<StoreError> for ImportError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl AnyStore {
    /// What has to move with the todos.
    ///
    /// # Errors
    /// Any [`StoreError`].
    pub async fn origin(&self) -> Result<Origin, StoreError> {
        use crate::Store as _;
        let next_id = match self {
            Self::Memory(store) => store.next_id(),
            Self::Redb(store) => store.next_id(),
            #[cfg(feature = "postgres")]
            Self::Postgres(store) => store.next_id().await?,
            #[cfg(feature = "testing")]
            Self::Failing(_) => 1,
        };
        Ok(Origin { epoch: self.epoch().await?, next_id })
    }

    /// Puts todos of another store into this one, all of them or none. No server may use it meanwhile.
    ///
    /// # Errors
    /// Any [`ImportError`].
    pub async fn import(&self, origin: Origin, todos: Vec<Rc<Todo>>) -> Result<(), ImportError> {
        match self {
            Self::Redb(store) => store.import(origin, todos),
            #[cfg(feature = "postgres")]
            Self::Postgres(store) => store.import(origin, &todos).await,
            _ => Err(ImportError::Memory),
        }
    }
}
