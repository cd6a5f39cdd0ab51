//! Where todos live: what every store promises, and the stores.

mod memory;

use std::fmt;
use std::future::Future;

use crate::todo::{NewTodo, Todo};

pub use memory::MemoryStore;

/// A set of todos in rising order of their ids.
///
/// Every method is one step: two callers never see each other half-way. Ids are positive, rise, and are never given
/// out twice. Methods may wait, so that a store can sit on a disk or behind a network.
pub trait Store: Send + Sync + 'static {
    /// All todos, in the order of their ids.
    ///
    /// # Errors
    /// [`StoreError`] as the store has it.
    fn list(&self) -> impl Future<Output = Result<Vec<Todo>, StoreError>> + Send;

    /// Puts a todo in, not completed, with the next id and the present time.
    ///
    /// # Errors
    /// [`StoreError::Full`] when it has no room.
    fn create(&self, new: NewTodo) -> impl Future<Output = Result<Todo, StoreError>> + Send;
}

/// Why a store could not do what it was asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// No room for another todo.
    Full,
}

impl fmt::Display for StoreError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => formatter.write_str("the store is full"),
        }
    }
}

impl std::error::Error for StoreError {}
