//! A store that ends with the process.

use std::cell::RefCell;
use std::rc::Rc;

use todo_model::{IdempotencyKey, NewTodo, Todo, TodoId, TodoUpdate};

use crate::search::Turns;
use crate::todos::{Journal, Todos};
use crate::{
    ChangeError, Changes, Condition, Count, CreateError, Epoch, Page, Portion, Position, Query,
    Store, StoreError, StoreOptions, change_log, search,
};

/// Keeps todos in memory. Its epoch, and with it the ids that it has given out, end with the process.
pub struct MemoryStore {
    todos: RefCell<Todos>,
    turns: Turns,
    epoch: Epoch,
}

impl MemoryStore {
    /// A new store.
    pub fn new(options: StoreOptions) -> Self {
        let todos = RefCell::new(Todos::of_new_store(options));
        Self { todos, turns: Turns::default(), epoch: Epoch::random() }
    }
}

impl MemoryStore {
    /// The id of the next todo.
    pub(crate) fn next_id(&self) -> TodoId {
        self.todos.borrow().next_id()
    }
}

impl Store for MemoryStore {
    fn kind(&self) -> &'static str {
        "memory"
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
        self.todos.borrow_mut().create(new, key, &mut Journal::new())
    }

    async fn update(
        &self,
        id: TodoId,
        update: TodoUpdate,
        condition: &Condition,
    ) -> Result<Rc<Todo>, ChangeError> {
        self.todos.borrow_mut().update(id, update, condition, &mut Journal::new())
    }

    async fn delete(&self, id: TodoId, condition: &Condition) -> Result<(), ChangeError> {
        self.todos.borrow_mut().delete(id, condition, &mut Journal::new())
    }

    async fn delete_completed(&self) -> Result<usize, StoreError> {
        let ids = search::completed(&self.todos, &self.turns).await;
        Ok(self.todos.borrow_mut().delete_completed(&ids, &mut Journal::new()))
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
        Ok(())
    }
}
