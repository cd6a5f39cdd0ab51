//! The tables in the database: how they are made and brought up to date.
//!
//! Any number of servers may start at once. Who makes a step holds the row with the number of the schema until it is made;
//! where the database cannot do that for such statements, each of them may also run twice.

use std::fmt;
use std::time::Duration;

use postgres_pool::{ClientError, Exclusive, SqlState, setting, with_jitter};
use tokio::time::sleep;

use super::statements::{self, NOW};
use crate::Epoch;
use crate::search::fold;
use crate::todos::SAMPLES;

/// The steps, each from the schema before to its own number.
const MIGRATIONS: [&str; 1] = [include_str!("migrations/1.sql")];

/// The number of the schema that this program knows.
pub(super) const LATEST: i64 = MIGRATIONS.len() as i64;

/// How often a step is tried that others get into the way of.
const MAX_TRIES: u32 = 30;

/// The number of the schema and the epoch.
const META: &str =
    "CREATE TABLE IF NOT EXISTS todo_meta (key text PRIMARY KEY, value bigint NOT NULL)";
const FIRST_SCHEMA: &str =
    "INSERT INTO todo_meta (key, value) VALUES ('schema', 0) ON CONFLICT (key) DO NOTHING";
const SCHEMA: &str = "SELECT value FROM todo_meta WHERE key = 'schema'";
const LOCKED_SCHEMA: &str = "SELECT value FROM todo_meta WHERE key = 'schema' FOR UPDATE";

/// Why a database cannot be the store.
#[derive(Debug)]
pub(super) enum SchemaError {
    /// It was made by a later version of this program, in this schema.
    Newer(i64),
    /// One sentence.
    Failed(String),
}

impl fmt::Display for SchemaError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newer(schema) => write!(
                formatter,
                "the database comes from a newer version of this program (schema {schema}, not {})",
                LATEST
            ),
            Self::Failed(reason) => formatter.write_str(reason),
        }
    }
}

impl From<ClientError> for SchemaError {
    fn from(error: ClientError) -> Self {
        Self::Failed(match error.as_db_error() {
            Some(error) => format!("{} ({})", error.message(), error.code().code()),
            None => error.to_string(),
        })
    }
}

/// Brings the tables up to date, and gives the epoch. A new store gets the samples if it is to.
pub(super) async fn prepare(client: &Exclusive, samples: bool) -> Result<Epoch, SchemaError> {
    let encoding = setting(client, "server_encoding").await?;
    if !encoding.eq_ignore_ascii_case("UTF8") {
        return Err(SchemaError::Failed(format!(
            "the database's encoding is {encoding}, not UTF8"
        )));
    }
    for tries in 0.. {
        let done = match make(client, samples).await {
            Err(SchemaError::Failed(reason)) if tries == MAX_TRIES => {
                return Err(SchemaError::Failed(reason));
            }
            Err(error @ SchemaError::Newer(_)) => return Err(error),
            done => done,
        };
        if let Ok(epoch) = done {
            return Ok(epoch);
        }
        // Nothing to take back where the transaction is over.
        let _ = client.batch_execute("ROLLBACK").await;
        if client.is_closed() {
            return done;
        }
        sleep(with_jitter(Duration::from_millis(200))).await;
    }
    Err(SchemaError::Failed("others are in the way".to_owned()))
}

async fn make(client: &Exclusive, samples: bool) -> Result<Epoch, SchemaError> {
    if schema(client).await?.is_none() {
        client.batch_execute(META).await?;
        client.batch_execute(FIRST_SCHEMA).await?;
    }
    loop {
        let found = schema(client).await?.unwrap_or(0);
        let next = usize::try_from(found).ok().and_then(|found| MIGRATIONS.get(found));
        let Some(migration) = next else {
            if found > LATEST {
                return Err(SchemaError::Newer(found));
            }
            break;
        };
        client.batch_execute("BEGIN").await?;
        let row = client.query_one(LOCKED_SCHEMA, &[]).await?;
        if row.try_get::<_, i64>(0)? == found {
            client.batch_execute(migration).await?;
            let step = format!("UPDATE todo_meta SET value = {} WHERE key = 'schema'", found + 1);
            client.batch_execute(&step).await?;
        }
        client.batch_execute("COMMIT").await?;
    }
    first_rows(client, samples).await?;
    let row = client.query_one(statements::EPOCH.text, &[]).await?;
    Ok(Epoch::from(row.try_get::<_, i64>(0)?.cast_unsigned()))
}

/// The number of the schema, if there is one.
pub(super) async fn schema(client: &Exclusive) -> Result<Option<i64>, ClientError> {
    match client.query_opt(SCHEMA, &[]).await {
        Ok(row) => row.map(|row| row.try_get(0)).transpose(),
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The epoch and the samples, all or nothing, by one server.
async fn first_rows(client: &Exclusive, samples: bool) -> Result<(), ClientError> {
    let epoch = u64::from(Epoch::random()).cast_signed();
    let samples = if samples { &SAMPLES[..] } else { &[] };
    let titles: Vec<_> = samples.iter().map(|(title, _)| *title).collect();
    let completed: Vec<_> = samples.iter().map(|(_, completed)| *completed).collect();
    let folded: Vec<_> = titles.iter().map(|title| fold(title)).collect();
    // Whoever puts the epoch in puts the samples in.
    let statement = format!(
        "WITH made AS (INSERT INTO todo_meta (key, value) VALUES ('epoch', $1) \
         ON CONFLICT (key) DO NOTHING RETURNING value) \
         INSERT INTO todos (id, title, description, completed, created_at, revision, title_folded) \
         SELECT nextval('todo_ids'), title, '', completed, {NOW}, 1, folded \
         FROM (SELECT * FROM unnest($2::text[], $3::boolean[], $4::text[]) AS sample (title, completed, folded)) AS samples \
         WHERE EXISTS (SELECT 1 FROM made)"
    );
    client.execute(&statement, &[&epoch, &titles, &completed, &folded]).await?;
    Ok(())
}
