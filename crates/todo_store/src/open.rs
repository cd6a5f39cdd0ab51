//! The store that the settings name.

use std::fmt::{self, Display};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use todo_model::{IdempotencyKey, NewTodo, Todo, TodoId, TodoUpdate};

use crate::measured::Commits;
#[cfg(feature = "postgres")]
use crate::postgres::{NewerSchema, PostgresStore};
use crate::redb::{self, Found};
use crate::{
    ChangeError, Changes, Condition, Count, CreateError, Epoch, LeaseLost, MemoryStore, Page,
    Portion, Position, Query, RedbStore, Store, StoreError,
};

/// Where todos are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// In memory: they end with the process.
    Memory,
    /// In a file of redb.
    Redb(PathBuf),
    /// In a database that several servers may share.
    #[cfg(feature = "postgres")]
    Postgres(postgres_pool::Target, ConnectionOptions),
}

/// How a database is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionOptions {
    /// Connections that are kept open.
    pub connections: usize,
    /// How long one operation may wait for the database.
    pub timeout: Duration,
}

/// The folder, and the file in it, that todos are kept in when nobody says otherwise, if the folder is there.
const DEFAULT_FOLDER: &str = "/data";
const DEFAULT_FILE: &str = "/data/todos.redb";

impl Location {
    /// What a URL names: `memory:`, `redb:///FILE` with an absolute path, or `postgres://…`, a connection URI as libpq has
    /// it. `password` is that of the database, if it is not in the URL.
    ///
    /// # Errors
    /// What is wrong, or nothing where that is obvious. It shows nothing of the URL.
    pub fn from_url(
        url: &str,
        password: Option<&str>,
        options: ConnectionOptions,
    ) -> Result<Self, String> {
        if url == "memory:" {
            return Ok(Self::Memory);
        }
        if Self::is_secret(url) {
            return Self::database(url, password, options);
        }
        let path = url.strip_prefix("redb://").unwrap_or_default();
        let is_file = path.starts_with('/') && !path.ends_with('/');
        if is_file { Ok(Self::Redb(path.into())) } else { Err(String::new()) }
    }

    /// A URL of this kind may have a password in it.
    pub fn is_secret(url: &str) -> bool {
        ["postgres:", "postgresql:"].iter().any(|scheme| url.starts_with(scheme))
    }

    #[cfg(feature = "postgres")]
    fn database(
        url: &str,
        password: Option<&str>,
        options: ConnectionOptions,
    ) -> Result<Self, String> {
        let target = postgres_pool::Target::parse(url).map_err(|error| error.to_string())?;
        Ok(Self::Postgres(
            match password {
                Some(_) if target.has_password() => {
                    return Err("it has a password, and there is another one in a file".to_owned());
                }
                Some(password) => target.with_password(password),
                None => target,
            },
            options,
        ))
    }

    #[cfg(not(feature = "postgres"))]
    fn database(_: &str, _: Option<&str>, _: ConnectionOptions) -> Result<Self, String> {
        Err("this program was built without PostgreSQL".to_owned())
    }

    /// The file `/data/todos.redb` if there is anything at `/data`, also if it turns out that it cannot be used; memory
    /// only if there is nothing. So todos that should be kept are never lost because a volume is not writable.
    pub fn of_this_machine() -> Self {
        match fs::metadata(DEFAULT_FOLDER) {
            Err(error) if is_absent(&error) => Self::Memory,
            _ => Self::Redb(DEFAULT_FILE.into()),
        }
    }
}

/// The runtime was given no such folder (WASI has only those that it is given), or there is none.
fn is_absent(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.to_string().contains("pre-opened")
}

/// One sentence.
impl Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => formatter.write_str("todos are in memory and end with the process"),
            Self::Redb(file) => write!(formatter, "todos are kept in {}", file.display()),
            #[cfg(feature = "postgres")]
            Self::Postgres(target, _) => write!(formatter, "todos are kept in the {target}"),
        }
    }
}

/// What a store is to be like.
#[derive(Clone, Copy, Debug)]
pub struct StoreOptions {
    /// The most that it takes: bytes of titles and descriptions, each todo counting 100 more. What is there already
    /// stays in any case.
    pub max_bytes: usize,
    /// A new store begins with the two sample todos.
    pub samples: bool,
}

/// Why a store cannot be opened: one sentence that names it.
#[derive(Debug)]
pub struct OpenError {
    store: String,
    reason: String,
}

impl OpenError {
    pub(crate) fn new(store: impl Display, reason: impl Into<String>) -> Self {
        Self { store: store.to_string(), reason: reason.into() }
    }
}

impl Display for OpenError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "cannot keep todos in {}: {}", self.store, self.reason)
    }
}

impl std::error::Error for OpenError {}

/// Why there is no backup: one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupError(pub(crate) String);

impl Display for BackupError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for BackupError {}

/// One of the stores.
pub enum AnyStore {
    /// Todos end with the process.
    Memory(MemoryStore),
    /// Todos are in a file.
    Redb(RedbStore),
    /// Todos are in a database.
    #[cfg(feature = "postgres")]
    Postgres(PostgresStore),
    /// There are none.
    #[cfg(feature = "testing")]
    Failing(crate::FailingStore),
}

impl AnyStore {
    /// Opens the store at `location`. A database need not be there yet: see [`PostgresStore`](crate::PostgresStore).
    ///
    /// # Errors
    /// [`OpenError`] when a file cannot be the store.
    pub async fn open(location: &Location, options: StoreOptions) -> Result<Self, OpenError> {
        Ok(match location {
            Location::Memory => Self::Memory(MemoryStore::new(options)),
            Location::Redb(file) => Self::Redb(RedbStore::open(file, options).await?),
            #[cfg(feature = "postgres")]
            Location::Postgres(target, connections) => {
                Self::Postgres(PostgresStore::new(target.clone(), (*connections).into(), options))
            }
        })
    }

    /// Finds out whether [`open`](Self::open) would succeed, and tells in some lines what it found. No file is changed;
    /// one that a server uses stays that server's.
    ///
    /// # Errors
    /// [`OpenError`] when a file or a database cannot be the store.
    pub async fn check(location: &Location) -> Result<String, OpenError> {
        let state = match location {
            Location::Memory => return Ok(location.to_string()),
            Location::Redb(file) => Self::check_file(file)?,
            #[cfg(feature = "postgres")]
            Location::Postgres(target, _) => PostgresStore::look(target).await?,
        };
        Ok(format!("{location}\n{state}"))
    }

    /// Puts a backup of the store at `location` into the file `target`, which must not exist, and tells how many todos are in
    /// it. A server that uses the store goes on. All changes that were acknowledged before are in it, and of the others
    /// those up to some moment.
    ///
    /// # Errors
    /// [`BackupError`]. There is nothing at `target` then.
    pub async fn back_up(location: &Location, target: &Path) -> Result<usize, BackupError> {
        match location {
            Location::Memory => Err(BackupError("a store in memory has no file".to_owned())),
            Location::Redb(file) => redb::back_up(file, target).await,
            #[cfg(feature = "postgres")]
            Location::Postgres(..) => Err(BackupError(
                "a database has backups of its own, such as pg_dump; --export writes its todos as JSON".to_owned(),
            )),
        }
    }

    fn check_file(file: &Path) -> Result<String, OpenError> {
        let Found { todos, has_holder } = redb::check(file)?;
        // A file has a folder: see `from_url`.
        let folder = file.parent().unwrap_or(Path::new("/"));
        probe(folder).map_err(|error| {
            OpenError::new(file.display(), format!("its folder cannot be written to: {error}"))
        })?;
        let state = match todos {
            Some(count) => format!("the file can be opened, todos in it: {count}"),
            None => "there is no such file yet, the next start makes it".to_owned(),
        };
        let holder = if has_holder {
            "\na server uses the file, or was killed while it did: then the next start takes it over"
        } else {
            ""
        };
        Ok(format!("{state}{holder}"))
    }

    /// What the store has to do by itself; must be running for changes to be made. Ends when the store is lost.
    pub async fn run(&self) -> StoreLost {
        match self {
            Self::Redb(store) => StoreLost::Lease(store.run().await),
            #[cfg(feature = "postgres")]
            Self::Postgres(store) => StoreLost::Schema(store.run().await),
            _ => std::future::pending().await,
        }
    }

    pub(crate) fn commits(&self) -> Option<Arc<Commits>> {
        match self {
            Self::Redb(store) => Some(store.commits()),
            _ => None,
        }
    }
}

#[cfg(feature = "postgres")]
impl From<ConnectionOptions> for postgres_pool::PoolOptions {
    fn from(ConnectionOptions { connections, timeout }: ConnectionOptions) -> Self {
        Self { connections, timeout }
    }
}

/// Why a server must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreLost {
    /// Another server holds the file.
    Lease(LeaseLost),
    /// The database is of a newer version.
    #[cfg(feature = "postgres")]
    Schema(NewerSchema),
}

impl Display for StoreLost {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lease(lost) => lost.fmt(formatter),
            #[cfg(feature = "postgres")]
            Self::Schema(newer) => newer.fmt(formatter),
        }
    }
}

impl std::error::Error for StoreLost {}

/// Creates a file in `folder` and removes it again: WASI tells nothing of permissions.
fn probe(folder: &Path) -> io::Result<()> {
    let probe = folder.join(".todo-probe");
    let created = File::create(&probe);
    // Another server that tries at the same time may have removed it.
    let _ = fs::remove_file(&probe);
    created.map(drop)
}

/// Hands a call on to the store that there is.
macro_rules! each {
    ($any:expr, $store:ident => $call:expr) => {
        match $any {
            AnyStore::Memory($store) => $call,
            AnyStore::Redb($store) => $call,
            #[cfg(feature = "postgres")]
            AnyStore::Postgres($store) => $call,
            #[cfg(feature = "testing")]
            AnyStore::Failing($store) => $call,
        }
    };
}

impl Store for AnyStore {
    fn kind(&self) -> &'static str {
        each!(self, store => store.kind())
    }

    async fn epoch(&self) -> Result<Epoch, StoreError> {
        each!(self, store => store.epoch().await)
    }

    fn version(&self) -> Option<u64> {
        each!(self, store => store.version())
    }

    async fn count(&self) -> Result<Count, StoreError> {
        each!(self, store => store.count().await)
    }

    async fn get(&self, id: TodoId) -> Result<Option<Rc<Todo>>, StoreError> {
        each!(self, store => store.get(id).await)
    }

    async fn list(&self, after: TodoId, max_bytes: usize) -> Result<Portion, StoreError> {
        each!(self, store => store.list(after, max_bytes).await)
    }

    async fn find(&self, query: &Query) -> Result<Page, StoreError> {
        each!(self, store => store.find(query).await)
    }

    async fn create(
        &self,
        new: NewTodo,
        key: Option<&IdempotencyKey>,
    ) -> Result<Rc<Todo>, CreateError> {
        each!(self, store => store.create(new, key).await)
    }

    async fn update(
        &self,
        id: TodoId,
        update: TodoUpdate,
        condition: &Condition,
    ) -> Result<Rc<Todo>, ChangeError> {
        each!(self, store => store.update(id, update, condition).await)
    }

    async fn delete(&self, id: TodoId, condition: &Condition) -> Result<(), ChangeError> {
        each!(self, store => store.delete(id, condition).await)
    }

    async fn delete_completed(&self) -> Result<usize, StoreError> {
        each!(self, store => store.delete_completed().await)
    }

    async fn position(&self) -> Result<Position, StoreError> {
        each!(self, store => store.position().await)
    }

    async fn changes(
        &self,
        after: &Position,
        max_bytes: usize,
    ) -> Result<Option<Changes>, StoreError> {
        each!(self, store => store.changes(after, max_bytes).await)
    }

    async fn changed(&self, after: &Position) {
        each!(self, store => store.changed(after).await);
    }

    async fn check(&self) -> Result<(), StoreError> {
        each!(self, store => store.check().await)
    }
}
