//! A store in a database that speaks PostgreSQL's protocol, which any number of servers share.
//!
//! Nothing of the todos is kept in the server. Every operation is one statement, or two where a change was not made and the
//! reason has to be found out. What was answered is as durable as the database makes a commit.

mod changes;
mod conditions;
mod create;
mod rows;
mod schema;
mod statements;
mod transfer;

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_util::future::join;
use postgres_pool::types::ToSql;
use postgres_pool::{
    DatabaseRow, Error, Exclusive, Pool, PoolOptions, Sql, SqlState, Target, with_jitter,
};
use telemetry::log;
use todo_model::{Description, IdempotencyKey, NewTodo, Title, Todo, TodoId, TodoUpdate};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::search::fold;
use crate::{
    ChangeError, Changes, Condition, Count, CreateError, Epoch, OpenError, Order, Page, Portion,
    Position, Query, Revisions, Store, StoreError, StoreOptions,
};
use conditions::Conditions;
use schema::SchemaError;

/// The most that one page takes, in bytes as for [`Store::list`]. It may be shorter than what was asked for.
const MAX_PAGE_BYTES: i64 = 1024 * 1024;

/// How many completed todos are deleted in one statement.
const MAX_DELETED: i64 = 1_000;

/// How often a change is tried again that others prevent by changing the same todo in between.
const MAX_TRIES: u32 = 100;

/// The pause before tables are made again, at first and at most.
const MIN_PAUSE: Duration = Duration::from_millis(100);
const MAX_PAUSE: Duration = Duration::from_secs(5);

/// How often old rows are deleted, and what stays: changes, and nanoseconds of keys.
const TIDY_INTERVAL: Duration = Duration::from_secs(60);
const KEPT_CHANGES: i64 = 10_000;
const KEPT_KEYS: i64 = 24 * 3_600 * 1_000_000_000;

/// Time between two messages that a statement is refused.
const REPORT_INTERVAL: Duration = Duration::from_secs(60);

/// A store in a database.
///
/// [`run`](Self::run) must be running for anything to be answered.
pub struct PostgresStore {
    pool: Pool,
    samples: bool,
    timeout: Duration,
    state: watch::Sender<State>,
    reported: Cell<Option<Instant>>,
}

/// How far the tables are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// They are being looked at for the first time.
    Trying,
    /// They could not be looked at the last time.
    Failed,
    /// They are there.
    Ready(Epoch),
}

/// The tables were made by a later version of this program, so this one cannot use them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewerSchema(i64);

impl fmt::Display for NewerSchema {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        SchemaError::Newer(self.0).fmt(formatter)
    }
}

impl std::error::Error for NewerSchema {}

impl PostgresStore {
    /// A store in the database at `target`, which need not be there yet.
    pub fn new(target: Target, pool: PoolOptions, options: StoreOptions) -> Self {
        Self {
            pool: Pool::new(target, pool),
            samples: options.samples,
            timeout: pool.timeout,
            state: watch::channel(State::Trying).0,
            reported: Cell::new(None),
        }
    }

    /// Finds out whether the database could be used, and tells in one sentence what is in it. Nothing is changed.
    ///
    /// # Errors
    /// [`OpenError`] says why not.
    pub(crate) async fn look(target: &Target) -> Result<String, OpenError> {
        let failed = |reason: String| OpenError::new(format!("the {target}"), reason);
        let client = Exclusive::connect(target).await.map_err(|error| failed(error.to_string()))?;
        let refused =
            |error: postgres_pool::ClientError| failed(SchemaError::from(error).to_string());
        let Some(schema) = schema::schema(&client).await.map_err(refused)? else {
            return Ok("the database has no todos yet, the next start makes its tables".to_owned());
        };
        if schema > schema::LATEST {
            return Err(failed(SchemaError::Newer(schema).to_string()));
        }
        let row = client.query_one("SELECT count(*) FROM todos", &[]).await.map_err(refused)?;
        let count: i64 = row.try_get(0).map_err(refused)?;
        Ok(format!("the database can be used, todos in it: {count}"))
    }

    /// Keeps connections open, makes the tables, and deletes what is not needed any more. Ends only if the database turns
    /// out to be of a newer version.
    pub(crate) async fn run(&self) -> NewerSchema {
        // With one connection for it: the others might take all that the database has.
        if let Err(newer) = self.make_tables().await {
            return newer;
        }
        join(self.pool.run(), self.tidy()).await;
        // Neither ends.
        std::future::pending().await
    }

    async fn make_tables(&self) -> Result<(), NewerSchema> {
        let mut pause = MIN_PAUSE;
        let mut reported = false;
        loop {
            // Why there is no connection the pool tells the operator.
            if let Ok(client) = self.pool.connect().await {
                match schema::prepare(&client, self.samples).await {
                    Ok(epoch) => {
                        self.state.send_replace(State::Ready(epoch));
                        return Ok(());
                    }
                    Err(SchemaError::Newer(schema)) => return Err(NewerSchema(schema)),
                    Err(error) if !std::mem::replace(&mut reported, true) => {
                        let target = self.pool.target();
                        log::error(format_args!("the {target} cannot be the store: {error}"));
                    }
                    Err(_) => {}
                }
            }
            self.state.send_replace(State::Failed);
            sleep(with_jitter(pause)).await;
            pause = (pause * 2).min(MAX_PAUSE);
        }
    }

    /// Deletes what is not needed any more, from time to time.
    async fn tidy(&self) {
        loop {
            sleep(with_jitter(TIDY_INTERVAL)).await;
            // What fails now is done the next time.
            let _ = self.pool.query(&statements::FORGET_CHANGES, &[&KEPT_CHANGES]).await;
            let _ = self.pool.query(&statements::FORGET_KEYS, &[&KEPT_KEYS]).await;
        }
    }

    async fn query(
        &self,
        sql: &Sql,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<DatabaseRow>, StoreError> {
        self.epoch().await?;
        self.pool.query(sql, parameters).await.map_err(|error| self.store_error(&error))
    }

    fn store_error(&self, error: &Error) -> StoreError {
        match error {
            Error::Unreachable => StoreError::Unreachable,
            Error::Busy => StoreError::Busy,
            Error::Undecided => StoreError::Undecided,
            Error::Refused(SqlState::DISK_FULL, _) => StoreError::NoSpace,
            Error::Refused(..) => self.report(error),
        }
    }

    /// Tells the operator, but not too often.
    fn report(&self, error: &dyn fmt::Display) -> StoreError {
        if self.reported.get().is_none_or(|at| at.elapsed() >= REPORT_INTERVAL) {
            self.reported.set(Some(Instant::now()));
            log::error(format_args!("the database is not as it should be: {error}"));
        }
        StoreError::Unavailable
    }

    /// Makes a change with `change`, which gives nothing where nothing is changed. Then `present` looks at the todo, which
    /// meets the condition, and knows whether that is right.
    async fn change<T>(
        &self,
        id: TodoId,
        condition: &Condition,
        change: impl AsyncFn(i64, &Conditions) -> Result<Option<T>, StoreError>,
        present: impl Fn(Rc<Todo>) -> Option<T>,
    ) -> Result<T, ChangeError> {
        let Ok(key) = i64::try_from(id) else { return Err(ChangeError::NotFound) };
        let conditions = Conditions::from(condition);
        for _ in 0..MAX_TRIES {
            if condition.none_of != Revisions::All
                && let Some(changed) = change(key, &conditions).await?
            {
                return Ok(changed);
            }
            let todo = self.get(id).await?.ok_or(ChangeError::NotFound)?;
            if !condition.holds(todo.revision) {
                return Err(ChangeError::ConditionFailed);
            }
            if let Some(present) = present(todo) {
                return Ok(present);
            }
            // Somebody else has changed it between the two statements.
        }
        Err(StoreError::Unreachable.into())
    }
}

impl Store for PostgresStore {
    fn kind(&self) -> &'static str {
        "postgres"
    }

    async fn epoch(&self) -> Result<Epoch, StoreError> {
        if let State::Ready(epoch) = *self.state.borrow() {
            return Ok(epoch);
        }
        let mut state = self.state.subscribe();
        if *state.borrow() == State::Trying {
            let _ = timeout(self.timeout, state.changed()).await;
        }
        match *state.borrow() {
            State::Ready(epoch) => Ok(epoch),
            State::Trying | State::Failed => Err(StoreError::Unreachable),
        }
    }

    fn version(&self) -> Option<u64> {
        None
    }

    async fn count(&self) -> Result<Count, StoreError> {
        let rows = self.query(&statements::COUNT, &[]).await?;
        let number = |column| {
            let number = self.number(&rows, column)?;
            Ok(usize::try_from(number).unwrap_or_default())
        };
        Ok(Count { open: number(0)?, completed: number(1)? })
    }

    async fn get(&self, id: TodoId) -> Result<Option<Rc<Todo>>, StoreError> {
        let Ok(id) = i64::try_from(id) else { return Ok(None) };
        let rows = self.query(&statements::GET, &[&id]).await?;
        rows.first().map(|row| self.todo(row)).transpose()
    }

    async fn list(&self, after: TodoId, max_bytes: usize) -> Result<Portion, StoreError> {
        let Ok(after) = i64::try_from(after) else {
            return Ok(Portion { todos: Vec::new(), is_last: true });
        };
        let max_bytes = i64::try_from(max_bytes).unwrap_or(i64::MAX);
        // Each has at least 100 bytes; the one behind tells that there is another.
        let looked_at = max_bytes / 100 + 2;
        let rows = self.query(&statements::LIST, &[&after, &looked_at, &max_bytes]).await?;
        let is_last = rows.last().is_none_or(|row| row.try_get(6).unwrap_or(false));
        Ok(Portion { todos: self.todos(&rows)?, is_last })
    }

    async fn find(&self, query: &Query) -> Result<Page, StoreError> {
        let page = match (query.order, query.descending) {
            (Order::Id, false) => &statements::PAGE_BY_ID,
            (Order::Id, true) => &statements::PAGE_BY_ID_DESCENDING,
            (Order::Title, false) => &statements::PAGE_BY_TITLE,
            (Order::Title, true) => &statements::PAGE_BY_TITLE_DESCENDING,
        };
        let text = query.text.as_ref().map(|text| text.to_lowercase());
        if text.as_ref().is_some_and(|text| text.contains('\0')) {
            // No todo has it, and the database does not take it.
            return Ok(Page::default());
        }
        let limit = query.limit.map(|limit| i64::try_from(limit).unwrap_or(i64::MAX));
        let offset = i64::try_from(query.offset).unwrap_or(i64::MAX);
        let parameters: [&(dyn ToSql + Sync); 5] =
            [&query.completed, &text, &limit, &offset, &MAX_PAGE_BYTES];
        let rows = self.query(page, &parameters).await?;
        let total = usize::try_from(self.number(&rows, 6)?).unwrap_or_default();
        // Of an empty page there is a row without a todo.
        let is_empty = rows.first().is_some_and(|row| matches!(row.try_get(0), Ok(None::<i64>)));
        let todos = if is_empty { Vec::new() } else { self.todos(&rows)? };
        Ok(Page { total, todos })
    }

    async fn create(
        &self,
        new: NewTodo,
        key: Option<&IdempotencyKey>,
    ) -> Result<Rc<Todo>, CreateError> {
        self.make(new, key).await
    }

    async fn update(
        &self,
        id: TodoId,
        update: TodoUpdate,
        condition: &Condition,
    ) -> Result<Rc<Todo>, ChangeError> {
        let title = update.title.as_ref().map(Title::as_str);
        let description = update.description.as_ref().map(Description::as_str);
        let (title_folded, description_folded) = (title.and_then(fold), description.and_then(fold));
        let make = async |key: i64, conditions: &Conditions| {
            let parameters: [&(dyn ToSql + Sync); 8] = [
                &key,
                &conditions.one_of,
                &conditions.none_of,
                &title,
                &description,
                &update.completed,
                &title_folded,
                &description_folded,
            ];
            let rows = self.query(&statements::UPDATE, &parameters).await?;
            rows.first().map(|row| self.todo(row)).transpose()
        };
        let is_as_wanted = |todo: Rc<Todo>| match update.clone().apply(&todo) {
            None => Some(todo),
            Some(_) => None,
        };
        self.change(id, condition, make, is_as_wanted).await
    }

    async fn delete(&self, id: TodoId, condition: &Condition) -> Result<(), ChangeError> {
        let make = async |key: i64, conditions: &Conditions| {
            let parameters: [&(dyn ToSql + Sync); 3] =
                [&key, &conditions.one_of, &conditions.none_of];
            let rows = self.query(&statements::DELETE, &parameters).await?;
            Ok(rows.first().map(|_| ()))
        };
        self.change(id, condition, make, |_| None).await
    }

    async fn delete_completed(&self) -> Result<usize, StoreError> {
        let rows = self.query(&statements::LAST_ID, &[]).await?;
        // Not those that come meanwhile, so that it ends.
        let last = self.number(&rows, 0)?;
        let mut deleted = 0;
        loop {
            let rows = self.query(&statements::DELETE_COMPLETED, &[&last, &MAX_DELETED]).await?;
            let count = self.number(&rows, 0)?;
            deleted += usize::try_from(count).unwrap_or_default();
            if count < MAX_DELETED {
                return Ok(deleted);
            }
        }
    }

    async fn position(&self) -> Result<Position, StoreError> {
        self.end_of_changes().await
    }

    async fn changes(
        &self,
        after: &Position,
        max_bytes: usize,
    ) -> Result<Option<Changes>, StoreError> {
        self.changes_behind(after, max_bytes).await
    }

    async fn changed(&self, _: &Position) {
        self.pause_before_changes().await;
    }

    async fn check(&self) -> Result<(), StoreError> {
        let epoch = self.epoch().await?;
        let rows = self.query(&statements::EPOCH, &[]).await?;
        let found = Epoch::from(self.number(&rows, 0)?.cast_unsigned());
        if found != epoch {
            return Err(self.report(&"it is another one than at the start"));
        }
        Ok(())
    }
}
