//! The protocol on a real folder.

use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::protocol::{self, Action, Folder, RELEASED, Starter};
use crate::{AcquireError, Status};

/// Time between two looks of a holder for a challenge.
const LOOK: Duration = Duration::from_millis(100);

/// A lease on the way: to be asked for its next [`step`](Self::step) until that is there.
pub struct Acquisition {
    folder: RealFolder,
    file: PathBuf,
    starter: Starter,
    began: Instant,
}

/// What comes of a step.
pub enum Step {
    /// The next step is to be made after this time.
    Wait(Duration),
    /// The lease is held. The file is its empty copy, which can be read and written.
    Acquired(Lease, File),
}

impl Acquisition {
    /// Begins to take the lease of `file`, which need not exist. It is not to be a symbolic link: see
    /// [`resolve`](crate::resolve).
    ///
    /// # Errors
    /// [`AcquireError::Io`] if `file` has no name.
    pub fn begin(file: &Path) -> Result<Self, AcquireError> {
        let folder = RealFolder::of(file);
        let name = file_name(file)?;
        let starter = Starter::new(&name, &format!("{:016x}", random()));
        Ok(Self { folder, file: file.into(), starter, began: Instant::now() })
    }

    /// Goes on until there is something to wait for.
    ///
    /// # Errors
    /// [`AcquireError`].
    pub fn step(&mut self) -> Result<Step, AcquireError> {
        loop {
            match self.starter.step(&mut self.folder, self.began.elapsed())? {
                Action::Continue => {}
                Action::Wait(time) => return Ok(Step::Wait(time)),
                Action::Hold(number) => {
                    let copy = self.folder.0.join(self.starter.copy(number));
                    let lease = Lease::new(&self.file, copy, number)?;
                    return match OpenOptions::new().read(true).write(true).open(&lease.copy) {
                        Ok(file) => Ok(Step::Acquired(lease, file)),
                        // A later holder has removed it.
                        Err(error) if error.kind() == io::ErrorKind::NotFound => {
                            Err(AcquireError::InUse)
                        }
                        Err(error) => Err(error.into()),
                    };
                }
            }
        }
    }
}

/// The right to a file, until it is dropped or taken over.
#[derive(Debug)]
pub struct Lease {
    file: PathBuf,
    copy: PathBuf,
    own: PathBuf,
    next: PathBuf,
    heartbeat: Arc<Heartbeat>,
}

impl Lease {
    fn new(file: &Path, copy: PathBuf, number: u64) -> io::Result<Self> {
        let name = file_name(file)?;
        let beside = |name: String| file.with_file_name(name);
        Ok(Self {
            file: file.into(),
            copy,
            own: beside(protocol::lease(&name, number)),
            next: beside(protocol::lease(&name, number + 1)),
            heartbeat: Arc::new(Heartbeat::new(beside(protocol::challenge(&name, number)))),
        })
    }

    /// Whether it is still held. Needs no file descriptor.
    pub fn status(&self) -> Status {
        match (is_there(&self.next), is_there(&self.own)) {
            (Ok(false), Ok(true)) => Status::Held,
            (Ok(_), Ok(_)) => Status::Lost,
            _ => Status::Unknown,
        }
    }

    /// Answers a challenge if there is one. Looks ten times a second at the most, so it can be called often.
    pub fn tick(&self) {
        self.heartbeat.tick();
    }

    /// What answers challenges, for where the lease itself cannot be.
    pub fn heartbeat(&self) -> Arc<Heartbeat> {
        self.heartbeat.clone()
    }

    /// Creates a new copy, after the first one was published. It may be used only if [`status`](Self::status) is
    /// [`Status::Held`] after that.
    ///
    /// # Errors
    /// Those of the system.
    pub fn new_copy(&self) -> io::Result<File> {
        remove(&self.copy)?;
        OpenOptions::new().read(true).write(true).create_new(true).open(&self.copy)
    }

    /// The copy takes the place of the file: see [`rename`].
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] if another holder has removed the copy; others as the system has them.
    pub fn publish(&self) -> io::Result<()> {
        rename(&self.copy, &self.file)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let _ = remove(&self.copy);
        // Not created anew: it may have been removed by a later holder.
        if let Ok(mut own) = OpenOptions::new().write(true).open(&self.own) {
            let _ = own.write_all(RELEASED);
        }
    }
}

/// Answers the challenges of one lease.
#[derive(Debug)]
pub struct Heartbeat {
    challenge: PathBuf,
    start: Instant,
    /// The time of the last look, in milliseconds since `start`.
    looked: AtomicU64,
}

impl Heartbeat {
    fn new(challenge: PathBuf) -> Self {
        Self { challenge, start: Instant::now(), looked: AtomicU64::new(0) }
    }

    /// Answers a challenge if there is one. Looks ten times a second at the most, so it can be called often.
    pub fn tick(&self) {
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        if u128::from(now.saturating_sub(self.looked.load(Relaxed))) >= LOOK.as_millis() {
            self.looked.store(now, Relaxed);
            let _ = fs::remove_file(&self.challenge);
        }
    }
}

/// Whether somebody holds the lease of `file`, alive or not.
///
/// # Errors
/// Those of the system.
pub fn has_holder(file: &Path) -> io::Result<bool> {
    let (folder, name) = (RealFolder::of(file), file_name(file)?);
    let Some(number) = protocol::highest(&name, &folder.list()?) else { return Ok(false) };
    let content = folder.read(&protocol::lease(&name, number))?;
    Ok(content.is_some_and(|content| content != RELEASED))
}

struct RealFolder(PathBuf);

impl RealFolder {
    fn of(file: &Path) -> Self {
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
        Self(folder.unwrap_or(Path::new(".")).into())
    }
}

impl Folder for RealFolder {
    fn create_new(&mut self, name: &str) -> io::Result<bool> {
        match File::create_new(self.0.join(name)) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let entries = fs::read_dir(&self.0)?;
        entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    fn exists(&self, name: &str) -> io::Result<bool> {
        is_there(&self.0.join(name))
    }

    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.0.join(name)) {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        remove(&self.0.join(name))
    }
}

/// Gives a file another name in its folder, and waits until that is on the disk as far as the system allows it.
///
/// # Errors
/// Those of the system. The file may have the new name then.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    // WasmEdge 0.17 syncs no folders. A journal has the name in the transaction that this waits for.
    OpenOptions::new().write(true).open(to)?.sync_all()?;
    sync_folder(to)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn is_there(path: &Path) -> io::Result<bool> {
    match fs::metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn sync_folder(file: &Path) -> io::Result<()> {
    // Not every system lets folders be opened for this.
    let Ok(folder) = File::open(RealFolder::of(file).0) else { return Ok(()) };
    match folder.sync_all() {
        Err(error) if !is_refusal(&error) => {
            Err(io::Error::new(error.kind(), format!("its folder cannot be synced: {error}")))
        }
        _ => Ok(()),
    }
}

/// The system does not sync folders: `EBADF`, `ENOTCAPABLE`, `EINVAL`, `EISDIR` and the like.
fn is_refusal(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidInput, IsADirectory, PermissionDenied, Unsupported};
    const BADF: i32 = if cfg!(target_os = "wasi") { 8 } else { 9 };
    const NOTCAPABLE: i32 = 76;
    matches!(error.kind(), InvalidInput | IsADirectory | PermissionDenied | Unsupported)
        || matches!(error.raw_os_error(), Some(BADF | NOTCAPABLE))
}

fn file_name(file: &Path) -> io::Result<String> {
    let name = file.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    Ok(name.to_string_lossy().into_owned())
}

fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
