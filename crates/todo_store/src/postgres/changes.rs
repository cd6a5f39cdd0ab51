//! Following the changes that any server makes.
//!
//! Every change writes its number and the todo's id into a table, in the same statement. Whoever follows asks for what is
//! new some times per second. PostgreSQL's `LISTEN` and `NOTIFY` would save the asking, but a transaction that notifies holds
//! a lock of the whole instance while it commits, so changes would wait for each other's `fsync`; what listens needs a
//! connection of its own, which poolers in transaction mode do not give; and CockroachDB has neither of them.
//!
//! A number may become visible after greater ones: see [`Position`]. This holds where the numbers of a sequence are given out
//! one by one. YugabyteDB lets each connection take a hundred of them ahead, unless it is told not to
//! (`ysql_sequence_cache_minval`).

use std::time::{Duration, Instant};

use postgres_pool::types::ToSql;
use postgres_pool::with_jitter;
use tokio::time::sleep;

use super::statements;
use super::{KEPT_CHANGES, PostgresStore};
use crate::changes::MAX_CHANGES;
use crate::{Change, Changes, Position, Store as _, StoreError};

/// The longest pause between two looks.
const PAUSE: Duration = Duration::from_millis(300);

/// How much longer than a statement lives its number is waited for.
const MARGIN: Duration = Duration::from_secs(5);

/// How many numbers behind the last one a statement may have that is not visible yet: there are more than there are
/// connections.
const LOOKED_BACK: i64 = 1_000;

impl PostgresStore {
    /// See [`Store::position`](crate::Store::position).
    pub(super) async fn end_of_changes(&self) -> Result<Position, StoreError> {
        let stream = self.epoch().await?;
        let rows = self.query(&statements::LAST_CHANGES, &[&LOOKED_BACK]).await?;
        let numbers: Option<Vec<_>> =
            rows.iter().map(|row| u64::try_from(row.try_get::<_, i64>(0).ok()?).ok()).collect();
        let numbers = numbers.ok_or_else(|| self.report(&"a number of a change is not valid"))?;
        Ok(Position::behind(stream, &numbers, LOOKED_BACK.unsigned_abs(), Instant::now()))
    }

    /// See [`Store::changes`](crate::Store::changes).
    pub(super) async fn changes_behind(
        &self,
        after: &Position,
        max_bytes: usize,
    ) -> Result<Option<Changes>, StoreError> {
        if self.epoch().await? != after.stream() {
            return Ok(None);
        }
        let number = |number| i64::try_from(number).unwrap_or(i64::MAX);
        let ranges = after.unseen().map(|(first, last)| (number(first), number(last)));
        let (firsts, lasts): (Vec<_>, Vec<_>) = ranges.unzip();
        let lowest = firsts.first().copied().unwrap_or_default();
        let size = |number| i64::try_from(number).unwrap_or(i64::MAX);
        let (max_count, max_bytes) = (size(MAX_CHANGES), size(max_bytes));
        let began = Instant::now();
        let parameters: [&(dyn ToSql + Sync); 5] =
            [&firsts, &lasts, &lowest, &max_count, &max_bytes];
        let rows = self.query(&statements::CHANGES, &parameters).await?;
        // After a restore the last changes may be gone.
        let newest = self.number(&rows, 6)?;
        let known = newest.saturating_sub(KEPT_CHANGES)..=newest;
        if !known.contains(&number(after.last())) || !known.contains(&number(after.mark().number)) {
            return Ok(None);
        }
        let (mut position, mut changes) = (after.clone(), Vec::new());
        let now = Instant::now();
        for row in &rows {
            // Nothing is new.
            let Ok(Some(number)) = row.try_get::<_, Option<i64>>(7) else { continue };
            position.see(number.cast_unsigned(), now);
            if row.try_get(9).unwrap_or(true) {
                let id = row.try_get::<_, i64>(8).ok().and_then(|id| u64::try_from(id).ok());
                let id = id.ok_or_else(|| self.report(&"an id of a change is not valid"))?;
                let is_there = matches!(row.try_get::<_, Option<i64>>(0), Ok(Some(_)));
                let todo = if is_there { Some(self.todo(row)?) } else { None };
                changes.push(Change { id, todo, mark: position.mark() });
            }
        }
        position.give_up(began, self.timeout + MARGIN);
        Ok(Some(Changes { changes, position }))
    }

    /// See [`Store::changed`](crate::Store::changed).
    pub(super) async fn pause_before_changes(&self) {
        sleep(with_jitter(PAUSE)).await;
    }
}
