//! One file, one server: who may write to it.
//!
//! WASI has no file locks, no process ids and no signals; a server that is killed leaves everything as it is. What there
//! is: a file can be created by exactly one of several that try, and that it is gone can be seen by all. So:
//!
//! * The owner of `x` is who created `x.lock`. Its contents say which one that is.
//! * Whoever finds a lock knocks: it creates `x.knock`. A living owner looks for it ten times a second and removes it.
//!   A knock that stays for [`PATIENCE`] shows that the owner is dead; its lock is removed, and who then creates the lock
//!   is the next owner.
//! * An owner that was stopped for longer takes itself for alive when it goes on. It does no harm: the next owner works on
//!   a copy of the file that it puts in its place, so what the former one writes goes to a file without a name. Nor does
//!   the former one answer a client: it looks at the lock after each write, before the answers leave.

use std::fs::{self, OpenOptions};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// How long a knock waits for an answer. Seven looks of the owner: a busy machine delays some of them.
const PATIENCE: Duration = Duration::from_millis(700);

/// How often the one who knocks looks.
const LOOK: Duration = Duration::from_millis(20);

/// The right to write to a file, until it is dropped or taken away.
#[derive(Debug)]
pub(super) struct Owner {
    lock: PathBuf,
    knock: PathBuf,
    token: String,
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

impl Owner {
    /// Becomes the owner of `file`. Takes as long as [`PATIENCE`] if another server died as its owner.
    pub(super) fn of(file: &Path) -> Result<Self, OwnError> {
        let owner = Self {
            lock: beside(file, "lock"),
            knock: beside(file, "knock"),
            token: format!("{:016x}", RandomState::new().build_hasher().finish()),
        };
        while !create(&owner.lock, &owner.token)? {
            if owner.knock_is_answered()? {
                return Err(OwnError::InUse);
            }
        }
        Ok(owner)
    }

    /// Knocks. If nobody answers, removes the lock.
    fn knock_is_answered(&self) -> io::Result<bool> {
        if !create(&self.knock, &self.token)? {
            // Somebody else is at it. A knock that stays too long is one that somebody died over.
            if !vanishes(&self.knock, PATIENCE * 2) {
                remove(&self.knock)?;
            }
            return Ok(false);
        }
        if vanishes(&self.knock, PATIENCE) {
            return Ok(true);
        }
        remove(&self.lock)?;
        remove(&self.knock)?;
        Ok(false)
    }

    /// Answers whoever knocks, and tells whether the file is still ours.
    pub(super) fn is_confirmed(&self) -> bool {
        let is_ours = self.is_ours();
        if is_ours {
            let _ = fs::remove_file(&self.knock);
        }
        is_ours
    }

    /// The file is still ours.
    pub(super) fn is_ours(&self) -> bool {
        fs::read(&self.lock).is_ok_and(|token| token == self.token.as_bytes())
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        if self.is_ours() {
            let _ = fs::remove_file(&self.lock);
        }
    }
}

/// `file` with something behind its name.
pub(super) fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    name.into()
}

/// Creates a file, unless it is there.
fn create(path: &Path, contents: &str) -> io::Result<bool> {
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(mut file) => file.write_all(contents.as_bytes()).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Waits until `path` is gone, at most for `time`.
fn vanishes(path: &Path, time: Duration) -> bool {
    let start = Instant::now();
    while path.exists() {
        if start.elapsed() >= time {
            return false;
        }
        thread::sleep(LOOK);
    }
    true
}
