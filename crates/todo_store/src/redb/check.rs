//! How a file is looked at without changing it, its folder or the work of its owner: a copy in memory is opened.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::thread;
use std::time::Duration;

use todo_table::{InMemoryBackend, StorageBackend as _};

use super::disk::Storage;
use super::open::{OpenError, has_magic, open_database};
use super::owner;

/// How often a file is read that changes meanwhile, and the time in between.
const TRIES: usize = 20;
const PAUSE: Duration = Duration::from_millis(50);

/// Where redb keeps what each of its transactions changes, in bytes from the start of the file.
const HEADER: usize = 4_096;

/// What [`check`] finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The number of todos. `None` when there is no file, which a start makes.
    pub todos: Option<usize>,
    /// A server uses the file, or was killed while it did. Which of them is for the next start to find out.
    pub has_owner: bool,
}

/// Finds out whether `file` can be opened as a store, as far as that shows without writing. That its folder can be written
/// to is for the caller to know.
///
/// # Errors
/// [`OpenError`] when the file is no store, is damaged, comes from a newer version or cannot be read; or when its owner
/// writes to it all the time.
pub fn check(file: &Path) -> Result<Found, OpenError> {
    let failed = |reason: String| OpenError::new(file, reason);
    let unreadable = |error: io::Error| failed(format!("it cannot be read: {error}"));
    let has_owner = owner::has_lock(file).map_err(unreadable)?;
    match has_magic(file) {
        Ok(true) => {}
        Ok(false) => return Err(failed("it is not a database of todos".to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Found { todos: None, has_owner });
        }
        Err(error) => return Err(unreadable(error)),
    }
    match judge(|| snapshot(file), PAUSE) {
        Ok(todos) => Ok(Found { todos: Some(todos), has_owner }),
        Err(reason) => Err(failed(reason)),
    }
}

/// What was in a file, and whether it was that at any one time.
pub(super) struct Snapshot {
    pub(super) copy: Storage,
    pub(super) is_whole: bool,
}

/// How many todos are in the first snapshot that can be opened.
pub(super) fn judge(
    mut snapshot: impl FnMut() -> io::Result<Snapshot>,
    pause: Duration,
) -> Result<usize, String> {
    for _ in 0..TRIES {
        let Snapshot { copy, is_whole } =
            snapshot().map_err(|error| format!("it cannot be read: {error}"))?;
        match open_database(copy, false, usize::MAX, false) {
            Ok((_, contents)) => return Ok(contents.todos.len()),
            Err(reason) if is_whole => return Err(reason),
            // Parts of different transactions.
            Err(_) => thread::sleep(pause),
        }
    }
    Err("its server writes to it all the time, try again later".to_owned())
}

fn snapshot(file: &Path) -> io::Result<Snapshot> {
    let before = header(file)?;
    let copy = Storage::new(copy(file)?);
    Ok(Snapshot { copy, is_whole: header(file)? == before })
}

fn header(file: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(file)?.take(HEADER as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn copy(file: &Path) -> io::Result<InMemoryBackend> {
    let mut source = File::open(file)?;
    let copy = InMemoryBackend::new();
    copy.set_len(source.metadata()?.len())?;
    let mut buffer = vec![0; 256 * 1024];
    let mut offset = 0;
    loop {
        let count = source.read(&mut buffer)?;
        let end = offset + count as u64;
        if count == 0 {
            return Ok(copy);
        }
        if end > copy.len()? {
            copy.set_len(end)?;
        }
        copy.write(offset, buffer.get(..count).unwrap_or_default())?;
        offset = end;
    }
}
