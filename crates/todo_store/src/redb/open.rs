//! How a file becomes a store: everything is done on a copy, which takes the file's place only when all is well.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use todo_table::{Check, DatabaseError, MAGIC, StorageError, Table};

use super::RedbStore;
use super::database::TodoDatabase;
use super::disk::{Disk as _, FileDisk, Storage};
use super::owner::{OwnError, Owner, Standing};
use super::tables::{self, Contents};
use crate::collection::Collection;

/// Why a file cannot be a store: one sentence that names it.
#[derive(Debug)]
pub struct OpenError {
    file: PathBuf,
    reason: String,
}

impl fmt::Display for OpenError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "cannot keep todos in {}: {}", self.file.display(), self.reason)
    }
}

impl std::error::Error for OpenError {}

impl OpenError {
    pub(crate) fn new(file: &Path, reason: String) -> Self {
        Self { file: file.to_owned(), reason }
    }
}

impl RedbStore {
    /// Opens the store in `file`, which is made if it is not there, with the two sample todos or empty. It takes
    /// `max_bytes` of texts, each todo counting 100 bytes more; what is there already stays in any case.
    ///
    /// Waits for a second and a half if another server died as the file's owner.
    ///
    /// # Errors
    /// [`OpenError`] when the file is no store, is damaged, comes from a newer version, cannot be read or written, or is
    /// another server's. It is then what it was, byte for byte.
    pub fn open(file: &Path, max_bytes: usize, samples: bool) -> Result<Self, OpenError> {
        let failed = |reason: String| OpenError::new(file, reason);
        let (owner, copy) = Owner::of(file).map_err(|error| {
            failed(match error {
                OwnError::InUse => "another server uses it".to_owned(),
                OwnError::Io(error) => format!("its folder cannot be written to: {error}"),
            })
        })?;
        let disk = FileDisk::new(copy);
        let (table, contents) =
            open_copy(file, &disk, &owner, max_bytes, samples).map_err(failed)?;
        // From here on the file of that name is the one that is open, unless another server has taken over meanwhile.
        replace(file, &owner.copy())
            .map_err(|error| failed(format!("it cannot be replaced: {error}")))?;
        if owner.standing() != Standing::Ours {
            return Err(failed("another server has taken it over".to_owned()));
        }
        let database = TodoDatabase::new(table, Box::new(disk), &contents);
        Ok(Self::new(contents.into_collection(max_bytes), database, Some(owner)))
    }
}

fn open_copy(
    file: &Path,
    disk: &FileDisk,
    owner: &Owner,
    max_bytes: usize,
    samples: bool,
) -> Result<(Table, Contents), String> {
    let is_new = match has_magic(file) {
        Ok(true) => false,
        Ok(false) => return Err("it is not a database of todos".to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(error) => return Err(format!("it cannot be read: {error}")),
    };
    if !is_new {
        copy(file, disk, owner).map_err(|error| match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                format!("opening it takes room for a copy beside it: {error}")
            }
            _ => format!("it cannot be copied: {error}"),
        })?;
    }
    let storage = disk.open().map_err(|error| error.to_string())?;
    let opened = open_database(storage, is_new, max_bytes, samples);
    owner.answer();
    opened
}

/// Opens what is in `storage`, or makes a new database there.
pub(super) fn open_database(
    storage: Storage,
    is_new: bool,
    max_bytes: usize,
    samples: bool,
) -> Result<(Table, Contents), String> {
    let table = Table::open(storage, Check::Everything).map_err(|error| match error {
        DatabaseError::Storage(StorageError::Corrupted(reason)) => {
            format!("it is damaged: {reason}")
        }
        error => format!("it is damaged or cannot be read: {error}"),
    })?;
    if is_new {
        let mut todos = Collection::new(max_bytes);
        let effects = if samples { todos.add_samples() } else { Vec::new() };
        tables::write(&table, &effects, todos.next_id(), 1)
            .map_err(|error| format!("it cannot be written: {error}"))?;
    }
    let contents = tables::read(&table).map_err(|error| error.to_string())?;
    Ok((table, contents))
}

/// Whether `file` begins like a database of redb. Saves copying what is none.
pub(super) fn has_magic(file: &Path) -> io::Result<bool> {
    let mut start = Vec::new();
    File::open(file)?.take(MAGIC.len() as u64).read_to_end(&mut start)?;
    Ok(start == MAGIC)
}

/// Copies `file` to `disk`, and answers those who knock meanwhile.
fn copy(file: &Path, disk: &FileDisk, owner: &Owner) -> io::Result<()> {
    const LOOK: Duration = Duration::from_millis(100);
    let (mut source, mut target) = (File::open(file)?, disk.file());
    let mut buffer = vec![0; 256 * 1024];
    let mut looked = Instant::now();
    loop {
        let count = source.read(&mut buffer)?;
        if count == 0 {
            return target.sync_all();
        }
        target.write_all(buffer.get(..count).unwrap_or_default())?;
        if looked.elapsed() >= LOOK {
            looked = Instant::now();
            owner.answer();
        }
    }
}

fn replace(file: &Path, copy: &Path) -> io::Result<()> {
    fs::rename(copy, file)?;
    // The new name must be on the disk before the first answer. Not every system lets a folder be opened for that; on
    // the others it gets there with the first transaction.
    if let Some(Ok(folder)) = file.parent().map(File::open) {
        let _ = folder.sync_all();
    }
    Ok(())
}
