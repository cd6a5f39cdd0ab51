//! The store that the settings name.

use std::sync::Arc;

use super::{
    AllTodos, Change, MemoryStore, Ousted, Outcome, Page, Query, RedbStore, Store, StoreError,
};
use crate::todo::{Todo, TodoId};

/// One of the stores. Asking it costs no more than asking that one.
pub enum AnyStore {
    /// Todos end with the process.
    Memory(MemoryStore),
    /// Todos are in a file.
    Redb(RedbStore),
}

impl AnyStore {
    /// What the store has to do by itself; must be running for changes to be made. Ends when the store is lost.
    pub async fn run(&self) -> Ousted {
        match self {
            Self::Memory(_) => std::future::pending().await,
            Self::Redb(store) => store.run().await,
        }
    }
}

impl Store for AnyStore {
    async fn get(&self, id: TodoId) -> Result<Option<Arc<Todo>>, StoreError> {
        match self {
            Self::Memory(store) => store.get(id).await,
            Self::Redb(store) => store.get(id).await,
        }
    }

    async fn all(&self) -> Result<AllTodos, StoreError> {
        match self {
            Self::Memory(store) => store.all().await,
            Self::Redb(store) => store.all().await,
        }
    }

    async fn find(&self, query: &Query) -> Result<Page, StoreError> {
        match self {
            Self::Memory(store) => store.find(query).await,
            Self::Redb(store) => store.find(query).await,
        }
    }

    async fn change(&self, change: Change) -> Result<Outcome, StoreError> {
        match self {
            Self::Memory(store) => store.change(change).await,
            Self::Redb(store) => store.change(change).await,
        }
    }
}
