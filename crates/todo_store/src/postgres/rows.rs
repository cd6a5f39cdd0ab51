//! Todos out of the rows that statements give.

use std::rc::Rc;

use clock::Timestamp;
use postgres_pool::DatabaseRow;
use todo_model::{Description, Title, Todo};

use super::PostgresStore;
use crate::StoreError;

/// The todo in a row, whose first columns are those of all statements. `None` if it breaks the rules.
pub(super) fn read_todo(row: &DatabaseRow) -> Option<Todo> {
    let number = |column: usize| u64::try_from(row.try_get::<_, i64>(column).ok()?).ok();
    Some(Todo {
        id: number(0)?,
        title: Title::parse(row.try_get(1).ok()?).ok()?,
        description: Description::parse(row.try_get(2).ok()?).ok()?,
        completed: row.try_get(3).ok()?,
        created_at: Timestamp::from_nanoseconds(number(4)?),
        revision: number(5)?,
    })
}

impl PostgresStore {
    /// The todo in a row, whose first columns are those of all statements.
    pub(super) fn todo(&self, row: &DatabaseRow) -> Result<Rc<Todo>, StoreError> {
        let todo = read_todo(row).ok_or_else(|| self.report(&"a todo in it is not valid"))?;
        Ok(Rc::new(todo))
    }

    pub(super) fn todos(&self, rows: &[DatabaseRow]) -> Result<Vec<Rc<Todo>>, StoreError> {
        rows.iter().map(|row| self.todo(row)).collect()
    }

    pub(super) fn number(&self, rows: &[DatabaseRow], column: usize) -> Result<i64, StoreError> {
        let number = rows.first().and_then(|row| row.try_get(column).ok());
        number.ok_or_else(|| self.report(&"a number is missing"))
    }
}
