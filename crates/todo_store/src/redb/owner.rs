//! One file, one server: who may write to it.
//!
//! WASI has no file locks, no process ids and no signals; a server that is killed leaves everything as it is. What there
//! is: a file can be created by exactly one of several that try, and everybody sees what a file holds and that it is gone.
//!
//! * The owner of `x` is who created `x.lock`. A random token in it says which one that is.
//! * Whoever finds a lock knocks: it creates `x.knock`, with its own token. A living owner looks for that ten times a second
//!   and removes it. A knock that stays for [`PATIENCE`] shows that the owner is dead; its lock is removed, and who then
//!   creates the lock is the next owner.
//!
//! An owner that was stopped for longer takes itself for alive when it goes on. It does no harm, because no two owners ever
//! write to the same file. Each works on a copy of its own, `x.TOKEN.new`, which it renames to `x` when it is complete:
//!
//! * The copy is created before the lock. So the next owner, who reads the token in the lock that it removes, can take the
//!   copy away before it makes its own: from then on the former owner cannot rename anything.
//! * A former owner that has renamed its copy goes on writing to that file, which has no name any more. It answers no
//!   client, as it looks at the lock after each write, before the answers leave; what it had answered before is in the file
//!   that the next owner copied, as the lock was taken before that.

use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long a knock waits for an answer. Fifteen looks of the owner: a busy machine or a slow disk delays some of them.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// How often the one who knocks looks.
const LOOK: Duration = Duration::from_millis(20);

/// The right to write to a file, until it is dropped or taken away.
#[derive(Debug)]
pub(super) struct Owner {
    file: PathBuf,
    token: String,
    /// A descriptor to give up when a look at the lock needs one and clients have taken all others.
    spare: Mutex<Option<File>>,
}

/// Why a file cannot be owned.
#[derive(Debug)]
pub(super) enum OwnError {
    /// Another server owns it, and is alive.
    InUse,
    /// The lock cannot be written.
    Io(io::Error),
}

impl From<io::Error> for OwnError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Whose a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Ours,
    Lost,
    /// The lock cannot be read at the moment.
    Unknown,
}

impl Owner {
    /// Becomes the owner of `file`, and gives the empty file that its copy is to be made in. Takes as long as [`PATIENCE`]
    /// if another server died as its owner.
    pub(super) fn of(file: &Path) -> Result<(Self, File), OwnError> {
        let token = format!("{:016x}", RandomState::new().build_hasher().finish());
        let owner = Self { file: file.to_owned(), token, spare: Mutex::new(None) };
        let copy = OpenOptions::new().read(true).write(true).create_new(true).open(owner.copy())?;
        // From here on, dropping `owner` removes the copy.
        while !create(&owner.beside("lock"), &owner.token)? {
            owner.knock()?;
        }
        *owner.spare.lock().unwrap_or_else(PoisonError::into_inner) =
            File::open(owner.beside("lock")).ok();
        Ok((owner, copy))
    }

    /// Where the owner makes its copy of the file.
    pub(super) fn copy(&self) -> PathBuf {
        self.beside(&copy_suffix(&self.token))
    }

    /// Finds out whether the present owner is alive. If it is not, takes away its lock and its copy.
    fn knock(&self) -> Result<(), OwnError> {
        let (lock, knock) = (self.beside("lock"), self.beside("knock"));
        let Some(former) = read(&lock)? else { return Ok(()) };
        if !create(&knock, &self.token)? {
            // Somebody else is at it. A knock that stays too long is one that somebody died over.
            if let Some(other) = read(&knock)?
                && !changes(&knock, &other, PATIENCE * 2)?
            {
                remove(&knock)?;
            }
            return Ok(());
        }
        if changes(&knock, &self.token, PATIENCE)? {
            return Err(OwnError::InUse);
        }
        // Only the lock of the one who did not answer.
        if read(&lock)?.as_ref() == Some(&former) {
            remove(&lock)?;
            remove(&self.beside(&copy_suffix(&former)))?;
        }
        remove(&knock)?;
        Ok(())
    }

    /// Answers whoever knocks.
    pub(super) fn answer(&self) {
        let _ = fs::remove_file(self.beside("knock"));
    }

    /// Whose the file is now.
    pub(super) fn standing(&self) -> Standing {
        let lock = self.beside("lock");
        let found = read(&lock).or_else(|_| {
            let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
            drop(spare.take());
            let found = read(&lock);
            *spare = File::open(&lock).ok();
            found
        });
        match found {
            Ok(Some(token)) if token == self.token => Standing::Ours,
            Ok(_) => Standing::Lost,
            Err(_) => Standing::Unknown,
        }
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        beside(&self.file, suffix)
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.copy());
        if self.standing() == Standing::Ours {
            let _ = fs::remove_file(self.beside("lock"));
        }
    }
}

/// Whether somebody owns `file`, alive or not.
pub(super) fn has_lock(file: &Path) -> io::Result<bool> {
    Ok(read(&beside(file, "lock"))?.is_some())
}

fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    name.into()
}

fn copy_suffix(token: &str) -> String {
    format!("{token}.new")
}

/// Creates a file, unless it is there.
fn create(path: &Path, contents: &str) -> io::Result<bool> {
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(mut file) => match file.write_all(contents.as_bytes()) {
            Ok(()) => Ok(true),
            Err(error) => {
                // An empty lock would be nobody's.
                let _ = fs::remove_file(path);
                Err(error)
            }
        },
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// What a file holds, if it is there.
fn read(path: &Path) -> io::Result<Option<String>> {
    match fs::read(path) {
        Ok(contents) => Ok(Some(String::from_utf8_lossy(&contents).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Waits until `path` is gone or holds something else than `contents`, at most for `time`.
fn changes(path: &Path, contents: &str, time: Duration) -> io::Result<bool> {
    let start = Instant::now();
    while read(path)?.as_deref() == Some(contents) {
        if start.elapsed() >= time {
            return Ok(false);
        }
        thread::sleep(LOOK);
    }
    Ok(true)
}
