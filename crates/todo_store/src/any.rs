//! The store that the settings name.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::redb::{self, Found};
use super::{
    AllTodos, Change, Count, MemoryStore, OpenError, Ousted, Outcome, Page, Query, RedbStore,
    Store, StoreError,
};
use telemetry::metrics::{self, Source};
use todo_model::{Todo, TodoId};

/// One of the stores. Asking it costs no more than asking that one.
pub enum AnyStore {
    /// Todos end with the process.
    Memory(MemoryStore),
    /// Todos are in a file.
    Redb(RedbStore),
}

/// Where todos are to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In memory.
    Memory,
    /// In a file of redb.
    Redb(PathBuf),
}

/// The file that todos are kept in when nobody says otherwise, if its folder is there.
const DEFAULT_FILE: &str = "/data/todos.redb";

impl AnyStore {
    /// Opens the store at `place`, or where it is best without one, and tells in one sentence where that is and why. The
    /// store takes `max_bytes` of texts, each todo counting 100 bytes more; a new one has the two sample todos, or none.
    ///
    /// # Errors
    /// [`OpenError`] when a file cannot be the store.
    pub fn open(
        place: Option<Place>,
        max_bytes: usize,
        samples: bool,
    ) -> Result<(Self, String), OpenError> {
        let (place, description) = choose(place);
        let store = match place {
            Place::Memory => Self::Memory(MemoryStore::new(max_bytes, samples)),
            Place::Redb(file) => Self::Redb(RedbStore::open(&file, max_bytes, samples)?),
        };
        Ok((store, description))
    }

    /// Finds out whether [`open`](Self::open) would succeed, and tells in some lines what it found. No file is changed; one
    /// that a server uses stays that server's.
    ///
    /// # Errors
    /// [`OpenError`] when a file cannot be the store.
    pub fn check(place: Option<Place>) -> Result<String, OpenError> {
        let (place, description) = choose(place);
        let Place::Redb(file) = place else { return Ok(description) };
        let Found { todos, has_owner } = redb::check(&file)?;
        // An address without a folder does not get here.
        let folder = file.parent().unwrap_or(Path::new("/"));
        probe(folder).map_err(|error| {
            OpenError::new(&file, format!("its folder cannot be written to: {error}"))
        })?;
        let state = match todos {
            Some(count) => format!("the file can be opened, todos in it: {count}"),
            None => "there is no such file yet, the next start makes it".to_owned(),
        };
        let owner = if has_owner {
            "\na server uses the file, or was killed while it did: then the next start takes it over"
        } else {
            ""
        };
        Ok(format!("{description}\n{state}{owner}"))
    }

    /// What the store has to do by itself; must be running for changes to be made. Ends when the store is lost.
    pub async fn run(&self) -> Ousted {
        match self {
            Self::Memory(_) => std::future::pending().await,
            Self::Redb(store) => store.run().await,
        }
    }
}

/// Where todos are kept when `place` is wanted, or nothing in particular, and one sentence that says so.
fn choose(place: Option<Place>) -> (Place, String) {
    let default = Path::new(DEFAULT_FILE);
    let (place, reason) = match place {
        Some(place) => (place, "as DATABASE_URL says"),
        None if default.parent().is_some_and(|folder| probe(folder).is_ok()) => {
            (Place::Redb(default.into()), "because the folder /data can be written to")
        }
        None => (Place::Memory, "because there is no folder /data to write to"),
    };
    let description = match &place {
        Place::Memory => format!("todos end with the process, {reason}"),
        Place::Redb(file) => format!("todos are kept in {}, {reason}", file.display()),
    };
    (place, description)
}

/// Creates a file in `folder` and removes it again: WASI tells nothing of permissions.
fn probe(folder: &Path) -> io::Result<()> {
    let probe = folder.join(".todo-probe");
    let created = File::create(&probe);
    // Another server that tries at the same time may have removed it.
    let _ = fs::remove_file(&probe);
    created.map(drop)
}

impl Store for AnyStore {
    fn kind(&self) -> &'static str {
        match self {
            Self::Memory(store) => store.kind(),
            Self::Redb(store) => store.kind(),
        }
    }

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

    async fn check(&self) -> Result<(), StoreError> {
        match self {
            Self::Memory(store) => store.check().await,
            Self::Redb(store) => store.check().await,
        }
    }

    fn count(&self) -> Count {
        match self {
            Self::Memory(store) => store.count(),
            Self::Redb(store) => store.count(),
        }
    }
}

impl Source for AnyStore {
    fn show(&self, page: &mut metrics::Page<'_>) -> fmt::Result {
        let commits = match self {
            Self::Memory(_) => None,
            Self::Redb(store) => Some(([], store.commits())),
        };
        let help = "Time from the start of a transaction until it is on the disk.";
        page.histograms("store_commit_duration_seconds", help, commits)
    }
}
