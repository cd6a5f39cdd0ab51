//! A store that fails at everything it can fail at, for tests of those who use stores.

use std::rc::Rc;

use todo_model::{IdempotencyKey, NewTodo, Todo, TodoId, TodoUpdate};

use crate::{
    ChangeError, Changes, Condition, Count, CreateError, Epoch, Page, Portion, Position, Query,
    Store, StoreError,
};

/// Fails in this one way.
#[derive(Clone, Copy, Debug)]
pub struct FailingStore(pub ChangeError);

impl FailingStore {
    fn error(&self) -> StoreError {
        match self.0 {
            ChangeError::Store(error) => error,
            _ => StoreError::Unavailable,
        }
    }
}

impl Store for FailingStore {
    fn kind(&self) -> &'static str {
        "failing"
    }

    async fn epoch(&self) -> Result<Epoch, StoreError> {
        Ok(Epoch::from(0))
    }

    fn version(&self) -> Option<u64> {
        None
    }

    async fn count(&self) -> Result<Count, StoreError> {
        Err(self.error())
    }

    async fn get(&self, _: TodoId) -> Result<Option<Rc<Todo>>, StoreError> {
        Err(self.error())
    }

    async fn list(&self, _: TodoId, _: usize) -> Result<Portion, StoreError> {
        Err(self.error())
    }

    async fn find(&self, _: &Query) -> Result<Page, StoreError> {
        Err(self.error())
    }

    async fn create(
        &self,
        _: NewTodo,
        _: Option<&IdempotencyKey>,
    ) -> Result<Rc<Todo>, CreateError> {
        Err(self.error().into())
    }

    async fn update(
        &self,
        _: TodoId,
        _: TodoUpdate,
        _: &Condition,
    ) -> Result<Rc<Todo>, ChangeError> {
        Err(self.0)
    }

    async fn delete(&self, _: TodoId, _: &Condition) -> Result<(), ChangeError> {
        Err(self.0)
    }

    async fn delete_completed(&self) -> Result<usize, StoreError> {
        Err(self.error())
    }

    async fn position(&self) -> Result<Position, StoreError> {
        Err(self.error())
    }

    async fn changes(&self, _: &Position, _: usize) -> Result<Option<Changes>, StoreError> {
        Err(self.error())
    }

    async fn changed(&self, _: &Position) {}

    async fn check(&self) -> Result<(), StoreError> {
        Err(self.error())
    }
}
