//! Stores in a database for tests: each in a schema of its own, which is left behind.

use std::env;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::task::LocalSet;

use crate::{AnyStore, ConnectionOptions, Epoch, Location, StoreOptions};

const CONNECTIONS: ConnectionOptions =
    ConnectionOptions { connections: 2, timeout: Duration::from_secs(30) };

/// An empty store, if there is a database.
pub fn store(options: StoreOptions) -> Option<AnyStore> {
    let url = env::var("DATABASE_URL").ok().filter(|url| !url.is_empty())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let url = LocalSet::new().block_on(&runtime, with_schema(&url));
    let location = Location::from_url(&url, None, CONNECTIONS).unwrap();
    Some(LocalSet::new().block_on(&runtime, AnyStore::open(&location, options)).unwrap())
}

async fn with_schema(url: &str) -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let name = format!("test_{}_{}", Epoch::random(), NUMBER.fetch_add(1, Relaxed));
    let target = postgres_pool::Target::parse(url).unwrap();
    let client = postgres_pool::Pool::new(target, CONNECTIONS.into()).connect().await.unwrap();
    client.batch_execute(&format!("CREATE SCHEMA {name}")).await.unwrap();
    format!("{url}?options=-csearch_path%3D{name}")
}
