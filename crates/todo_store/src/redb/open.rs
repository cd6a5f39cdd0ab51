//! How a file becomes a store: everything is done on a copy, which takes the file's place only when all is well.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::rc::Rc;

use file_lease::{AcquireError, Acquisition, Lease, Status, Step};
use todo_table::{Check, DatabaseError, MAGIC, StorageError, Table};

use super::RedbStore;
use super::backup::Backups;
use super::database::TodoDatabase;
use super::disk::{Disk, FileDisk, Storage};
use super::tables::{self, Header};
use crate::todos::Todos;
use crate::{Epoch, OpenError, StoreOptions};

impl RedbStore {
    /// Opens the store in `file`, which is made if it is not there. A symbolic link at `file` stays one: what it points to
    /// is the store.
    ///
    /// Waits for [`file_lease::TERM`] if another server died while it held the file.
    ///
    /// # Errors
    /// [`OpenError`] when the file is no store, is damaged, comes from a newer version, cannot be read or written, or is
    /// held by another server. It is then what it was, byte for byte.
    pub async fn open(file: &Path, options: StoreOptions) -> Result<Self, OpenError> {
        let failed = |reason: String| OpenError::new(file.display(), reason);
        let path = file_lease::resolve(file)
            .map_err(|error| failed(format!("it cannot be followed: {error}")))?;
        let source = Source::of(&path).map_err(failed)?;
        let (lease, copy) = acquire(&path).await.map_err(|error| {
            failed(match error {
                AcquireError::InUse => "another server uses it".to_owned(),
                AcquireError::Io(error) => format!("its folder cannot be written to: {error}"),
            })
        })?;
        let lease = Rc::new(lease);
        let mut disk = FileDisk::new(path.clone(), lease.clone(), copy);
        // From here on the file of that name is the one that is open, unless another server has taken over meanwhile.
        let (table, todos, header) = open_disk(&mut disk, source, options).map_err(failed)?;
        if lease.status() != Status::Held {
            return Err(failed("another server has taken it over".to_owned()));
        }
        let database = TodoDatabase::new(table, Box::new(disk), header);
        let backups = Backups::new(path, lease.clone());
        Ok(Self { backups: Some(RefCell::new(backups)), ..Self::new(todos, database, Some(lease)) })
    }
}

/// What is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Nothing.
    Nothing,
    /// What begins like a database of redb.
    Database,
}

impl Source {
    /// Looks at the start of the file, if there is one.
    ///
    /// # Errors
    /// One sentence that says why it cannot be a store.
    pub(super) fn of(path: &Path) -> Result<Self, String> {
        let unreadable = |error: io::Error| format!("it cannot be read: {error}");
        match std::fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::Nothing),
            Err(error) => return Err(unreadable(error)),
            // Opening a pipe would wait for its other end.
            Ok(metadata) if !metadata.is_file() => {
                return Err("it is not a regular file".to_owned());
            }
            Ok(_) => {}
        }
        let mut start = Vec::new();
        let file = File::open(path).map_err(unreadable)?;
        file.take(MAGIC.len() as u64).read_to_end(&mut start).map_err(unreadable)?;
        Self::from_start(&start)
    }

    /// Tells by the first bytes of a file.
    ///
    /// # Errors
    /// One sentence that says why it cannot be a store.
    pub(super) fn from_start(start: &[u8]) -> Result<Self, String> {
        if start.starts_with(MAGIC) {
            Ok(Self::Database)
        } else {
            Err("it is not a database of todos".to_owned())
        }
    }
}

/// Takes the lease of the file at `path`, and an empty copy.
pub(super) async fn acquire(path: &Path) -> Result<(Lease, File), AcquireError> {
    let mut acquisition = Acquisition::begin(path)?;
    loop {
        match acquisition.step()? {
            Step::Wait(time) => tokio::time::sleep(time).await,
            Step::Acquired(lease, copy) => return Ok((lease, copy)),
        }
    }
}

/// Makes a store of what has the name on `disk`, or a new one, in its new place, which then gets the name.
pub(super) fn open_disk(
    disk: &mut dyn Disk,
    source: Source,
    options: StoreOptions,
) -> Result<(Table, Todos, Header), String> {
    if source == Source::Database {
        disk.copy().map_err(|error| match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                format!("opening it takes room for a copy beside it: {error}")
            }
            _ => format!("it cannot be copied: {error}"),
        })?;
    }
    let storage = disk.open().map_err(|error| error.to_string())?;
    let opened = open_database(storage, source, options)?;
    disk.publish_new().map_err(|error| format!("it cannot be replaced: {error}"))?;
    Ok(opened)
}

/// Opens what is in `storage`, or makes a new database there.
pub(super) fn open_database(
    storage: Storage,
    source: Source,
    options: StoreOptions,
) -> Result<(Table, Todos, Header), String> {
    let unwritable = |error| format!("it cannot be written: {error}");
    let table = open_table(storage)?;
    if source == Source::Nothing {
        let todos = Todos::of_new_store(options);
        let epoch = Epoch::random().into();
        let header = Header { next_id: todos.next_id(), transactions: 1, epoch };
        tables::write_all(&table, &todos, header).map_err(unwritable)?;
        return Ok((table, todos, header));
    }
    let mut todos = Todos::new(options.max_bytes);
    let found = tables::read(&table, &mut todos).map_err(|error| error.to_string())?;
    // Puts the epoch into a file from before there were epochs.
    let header = Header { transactions: found.transactions + 1, ..found };
    tables::write(&table, &[], header).map_err(unwritable)?;
    Ok((table, todos, header))
}

pub(super) fn open_table(storage: Storage) -> Result<Table, String> {
    Table::open(storage, Check::Everything).map_err(|error| match error {
        DatabaseError::Storage(StorageError::Corrupted(reason)) => {
            format!("it is damaged: {reason}")
        }
        error => format!("it is damaged or cannot be read: {error}"),
    })
}
