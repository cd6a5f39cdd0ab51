//! A store that ends with the process.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::collection::{AllTodos, Collection};
use super::{Change, Count, Outcome, Page, Query, Store, StoreError};
use todo_model::{Todo, TodoId};

/// Keeps todos in memory.
pub struct MemoryStore {
    todos: Mutex<Collection>,
}

impl MemoryStore {
    /// A store for `max_bytes` of texts, each todo counting 100 bytes more; with the two sample todos, or empty.
    pub fn new(max_bytes: usize, samples: bool) -> Self {
        let mut todos = Collection::new(max_bytes);
        if samples {
            todos.add_samples();
        }
        Self { todos: Mutex::new(todos) }
    }

    fn todos(&self) -> MutexGuard<'_, Collection> {
        // A panic ends the process, so nobody ever sees a poisoned lock.
        self.todos.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn kind(&self) -> &'static str {
        "memory"
    }

    async fn get(&self, id: TodoId) -> Result<Option<Arc<Todo>>, StoreError> {
        Ok(self.todos().get(id).cloned())
    }

    async fn all(&self) -> Result<AllTodos, StoreError> {
        self.todos().all()
    }

    async fn find(&self, query: &Query) -> Result<Page, StoreError> {
        Ok(self.todos().find(query))
    }

    async fn change(&self, change: Change) -> Result<Outcome, StoreError> {
        let (outcome, _) = self.todos().apply(change)?;
        Ok(outcome)
    }

    async fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn count(&self) -> Count {
        self.todos().count()
    }
}
