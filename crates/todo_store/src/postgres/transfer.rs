//! Todos of another store.

use std::rc::Rc;

use postgres_pool::{ClientError, Exclusive};
use todo_model::{Todo, TodoId};

use super::schema::SchemaError;
use super::{PostgresStore, statements};
use crate::search::fold;
use crate::transfer::{ImportError, Origin};
use crate::{Store as _, StoreError};

/// How many todos are sent at one time.
const BATCH: usize = 1_000;

const INSERT: &str = "INSERT INTO todos \
    (id, title, description, completed, created_at, revision, title_folded, description_folded) \
    SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::boolean[], $5::bigint[], $6::bigint[], \
    $7::text[], $8::text[])";

impl PostgresStore {
    /// An id that no todo has, and none will have here.
    pub(crate) async fn next_id(&self) -> Result<TodoId, StoreError> {
        let rows = self.query(&statements::NEXT_ID, &[]).await?;
        Ok(self.number(&rows, 0)?.cast_unsigned())
    }

    /// Puts todos into the tables, which must be empty.
    pub(crate) async fn import(
        &self,
        origin: Origin,
        todos: &[Rc<Todo>],
    ) -> Result<(), ImportError> {
        self.epoch().await?;
        let client = self.pool.connect().await.map_err(|_| StoreError::Unreachable)?;
        // An error ends the connection, and the transaction with it.
        insert(&client, origin, todos).await
    }
}

impl From<ClientError> for ImportError {
    fn from(error: ClientError) -> Self {
        Self::Refused(SchemaError::from(error).to_string())
    }
}

async fn insert(client: &Exclusive, origin: Origin, todos: &[Rc<Todo>]) -> Result<(), ImportError> {
    client.batch_execute("BEGIN").await?;
    // Another import waits here, and then finds todos.
    client.execute("SELECT value FROM todo_meta WHERE key = 'schema' FOR UPDATE", &[]).await?;
    if client.query_opt("SELECT 1 FROM todos LIMIT 1", &[]).await?.is_some() {
        return Err(ImportError::NotEmpty);
    }
    let insert = client.prepare(INSERT).await?;
    for batch in todos.chunks(BATCH) {
        let number = |number: fn(&Todo) -> u64| -> Vec<i64> {
            batch.iter().map(|todo| number(todo).cast_signed()).collect()
        };
        let titles: Vec<_> = batch.iter().map(|todo| todo.title.as_str()).collect();
        let descriptions: Vec<_> = batch.iter().map(|todo| todo.description.as_str()).collect();
        let completed: Vec<_> = batch.iter().map(|todo| todo.completed).collect();
        let folded = |texts: &[&str]| texts.iter().map(|text| fold(text)).collect::<Vec<_>>();
        let ids = number(|todo| todo.id);
        let created_at = number(|todo| todo.created_at.nanoseconds());
        let revisions = number(|todo| todo.revision);
        let (titles_folded, descriptions_folded) = (folded(&titles), folded(&descriptions));
        let columns: [&(dyn postgres_pool::types::ToSql + Sync); 8] = [
            &ids,
            &titles,
            &descriptions,
            &completed,
            &created_at,
            &revisions,
            &titles_folded,
            &descriptions_folded,
        ];
        client.execute(&insert, &columns).await?;
    }
    let (next_id, epoch) = (origin.next_id.cast_signed(), u64::from(origin.epoch).cast_signed());
    client.execute("SELECT setval('todo_ids', $1, false)", &[&next_id]).await?;
    client.execute("UPDATE todo_meta SET value = $1 WHERE key = 'epoch'", &[&epoch]).await?;
    client.batch_execute("COMMIT").await?;
    Ok(())
}
