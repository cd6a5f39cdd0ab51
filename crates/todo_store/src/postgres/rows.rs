//! Todos out of the rows that statements give.

use clock::Timestamp;
use postgres_pool::DatabaseRow;
use todo_model::{Description, Title, Todo};

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
