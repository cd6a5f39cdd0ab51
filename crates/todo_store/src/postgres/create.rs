//! How a todo is made, once however often a client asks for it under the same key.

use std::rc::Rc;

use clock::Timestamp;
use postgres_pool::DatabaseRow;
use postgres_pool::types::ToSql;
use todo_model::{IdempotencyKey, NewTodo, Todo, TodoId};

use super::{MAX_TRIES, PostgresStore, statements};
use crate::keys::{Made, fresh};
use crate::search::fold;
use crate::{CreateError, StoreError};

impl PostgresStore {
    /// What [`Store::create`](crate::Store::create) promises.
    pub(super) async fn make(
        &self,
        new: NewTodo,
        key: Option<&IdempotencyKey>,
    ) -> Result<Rc<Todo>, CreateError> {
        let (title, description) = (new.title.as_str(), new.description.as_str());
        let (title_folded, description_folded) = (fold(title), fold(description));
        let texts: [&(dyn ToSql + Sync); 4] =
            [&title, &description, &title_folded, &description_folded];
        let Some(key) = key.map(IdempotencyKey::as_str) else {
            let rows = self.query(&statements::CREATE, &texts).await?;
            let (id, created_at) = self.made(&rows)?;
            return Ok(Rc::new(fresh(id, created_at, new)));
        };
        let fingerprint = new.fingerprint().cast_signed();
        let [title, description, title_folded, description_folded] = texts;
        let parameters = [title, description, title_folded, description_folded, &key, &fingerprint];
        for _ in 0..MAX_TRIES {
            let rows = self.query(&statements::CREATE_ONCE, &parameters).await?;
            if !rows.is_empty() {
                let (id, created_at) = self.made(&rows)?;
                let fingerprint = self.number(&rows, 2)?.cast_unsigned();
                return Made { fingerprint, id, created_at }.replay(new);
            }
            // Somebody else has just put the key in, or it was deleted for its age meanwhile.
        }
        Err(StoreError::Unreachable.into())
    }

    fn made(&self, rows: &[DatabaseRow]) -> Result<(TodoId, Timestamp), StoreError> {
        let number = |column| Ok(self.number(rows, column)?.cast_unsigned());
        Ok((number(0)?, Timestamp::from_nanoseconds(number(1)?)))
    }
}
