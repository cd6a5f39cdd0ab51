//! A store that ends with the process.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Store, StoreError};
use crate::clock::Timestamp;
use crate::todo::{Description, Invalid, NewTodo, Title, Todo, TodoId};

/// Keeps todos in memory, up to a limit of bytes.
pub struct MemoryStore {
    contents: Mutex<Contents>,
    max_bytes: usize,
}

struct Contents {
    todos: Vec<Todo>,
    next_id: TodoId,
    bytes: usize,
}

impl MemoryStore {
    /// An empty store that takes `max_bytes` of titles and descriptions, each todo counting 100 bytes more for itself.
    pub fn new(max_bytes: usize) -> Self {
        let contents = Contents { todos: Vec::new(), next_id: 1, bytes: 0 };
        Self { contents: Mutex::new(contents), max_bytes }
    }

    /// A store with the two sample todos that the API shows on a fresh start.
    ///
    /// # Errors
    /// None in practice: the samples' titles pass the checks.
    pub fn with_samples(max_bytes: usize) -> Result<Self, Invalid> {
        let store = Self::new(max_bytes);
        {
            let mut contents = store.contents();
            for (title, completed) in [("Go 학습하기", false), ("Docker 최적화", true)] {
                let new =
                    NewTodo { title: Title::parse(title)?, description: Description::default() };
                contents.push(new, completed);
            }
        }
        Ok(store)
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        // Every change below is complete before anything that could panic, so a poisoned lock guards whole contents.
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Contents {
    fn push(&mut self, new: NewTodo, completed: bool) -> Todo {
        self.bytes = self.bytes.saturating_add(size(&new));
        let todo = Todo {
            id: self.next_id,
            title: new.title,
            description: new.description,
            completed,
            created_at: Timestamp::now(),
        };
        self.next_id += 1;
        self.todos.push(todo.clone());
        todo
    }
}

/// What a todo counts against the limit, in bytes.
fn size(new: &NewTodo) -> usize {
    const FIXED: usize = 100;
    FIXED + new.title.as_str().len() + new.description.as_str().len()
}

impl Store for MemoryStore {
    async fn list(&self) -> Result<Vec<Todo>, StoreError> {
        Ok(self.contents().todos.clone())
    }

    async fn create(&self, new: NewTodo) -> Result<Todo, StoreError> {
        let mut contents = self.contents();
        if contents.bytes.saturating_add(size(&new)) > self.max_bytes {
            return Err(StoreError::Full);
        }
        Ok(contents.push(new, false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    fn new_todo(title: &str) -> NewTodo {
        NewTodo { title: Title::parse(title).unwrap(), description: Description::default() }
    }

    #[test]
    fn the_samples_are_there_on_a_fresh_start() {
        let store = MemoryStore::with_samples(1_000).unwrap();
        let todos = block_on(store.list()).unwrap();
        let seen: Vec<_> = todos.iter().map(|t| (t.id, t.title.as_str(), t.completed)).collect();
        assert_eq!(seen, [(1, "Go 학습하기", false), (2, "Docker 최적화", true)]);
    }

    #[test]
    fn ids_rise_and_what_was_created_is_listed() {
        let store = MemoryStore::new(1_000);
        let first = block_on(store.create(new_todo("a"))).unwrap();
        let second = block_on(store.create(new_todo("b"))).unwrap();
        assert_eq!((first.id, second.id), (1, 2));
        assert_eq!(block_on(store.list()).unwrap(), [first, second]);
    }

    #[test]
    fn a_full_store_refuses_and_keeps_what_it_has() {
        let store = MemoryStore::new(250);
        block_on(store.create(new_todo("a"))).unwrap();
        block_on(store.create(new_todo("b"))).unwrap();
        assert_eq!(block_on(store.create(new_todo("c"))), Err(StoreError::Full));
        assert_eq!(block_on(store.list()).unwrap().len(), 2);
    }
}
