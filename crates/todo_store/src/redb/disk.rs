//! What the database writes to.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use file_lease::{Heartbeat, Lease, Status};
use todo_table::StorageBackend;

/// How much of a file is copied between two answers to challenges, in bytes.
pub(super) const COPIED_AT_ONCE: usize = 256 * 1024;

/// Where a database lies, and where it can be written anew.
pub(super) trait Disk: 'static {
    /// Copies what has the database's name to the new place, which a start has from the beginning, and waits until the copy
    /// is on the disk.
    fn copy(&mut self) -> io::Result<()>;

    /// Opens what is there.
    fn open(&self) -> io::Result<Storage>;

    /// An `fsync` has failed, so nobody knows what of it is on the disk.
    fn sync_has_failed(&self) -> bool;

    /// Gives an empty place for a new database, beside the present one.
    fn begin_new(&mut self) -> io::Result<Storage>;

    /// The new database takes the place of the present one.
    fn publish_new(&mut self) -> io::Result<()>;

    /// Finds out whether the database is where the next start will look for it.
    fn check(&self) -> io::Result<()>;
}

/// The file of a lease's holder. It stays the same file whatever happens to its name, which may be another server's by
/// the time that the database is opened again: see [`file_lease`].
pub(super) struct FileDisk {
    path: PathBuf,
    lease: Rc<Lease>,
    file: OpenFile,
    new: Option<OpenFile>,
}

/// A file that is open, as redb uses it. Whatever redb does takes place through it, so the lease's heartbeat is here.
#[derive(Clone, Debug)]
pub(super) struct OpenFile {
    file: Arc<File>,
    heartbeat: Arc<Heartbeat>,
    sync_has_failed: Arc<AtomicBool>,
}

impl FileDisk {
    /// `file` is the copy that the lease's holder works on. It is the new place of the database until it is published.
    pub(super) fn new(path: PathBuf, lease: Rc<Lease>, file: File) -> Self {
        let file = OpenFile::new(file, &lease);
        let new = Some(file.clone());
        Self { path, lease, file, new }
    }
}

impl Disk for FileDisk {
    fn copy(&mut self) -> io::Result<()> {
        let (mut source, mut target) = (File::open(&self.path)?, &*self.file.file);
        let mut buffer = vec![0; COPIED_AT_ONCE];
        loop {
            let count = source.read(&mut buffer)?;
            if count == 0 {
                return target.sync_all();
            }
            target.write_all(buffer.get(..count).unwrap_or_default())?;
            self.lease.tick();
        }
    }

    fn open(&self) -> io::Result<Storage> {
        Ok(Storage::new(self.file.clone()))
    }

    fn sync_has_failed(&self) -> bool {
        self.file.sync_has_failed.load(Relaxed)
    }

    fn begin_new(&mut self) -> io::Result<Storage> {
        let new = OpenFile::new(self.lease.new_copy()?, &self.lease);
        // Copies of former holders are removed by whoever takes the lease. This one was made just now: it may be used only
        // if the lease was still held after that.
        if self.lease.status() != Status::Held {
            return Err(io::Error::other("the lease is not held"));
        }
        self.new = Some(new.clone());
        Ok(Storage::new(new))
    }

    fn publish_new(&mut self) -> io::Result<()> {
        let new = self.new.take().ok_or(io::ErrorKind::NotFound)?;
        self.lease.publish()?;
        self.file = new;
        Ok(())
    }

    fn check(&self) -> io::Result<()> {
        let (named, open) = (fs::metadata(&self.path)?, self.file.file.metadata()?);
        // WASI has inode numbers, but the standard library does not show them.
        let is_same = named.len() == open.len() && named.modified().ok() == open.modified().ok();
        if is_same { Ok(()) } else { Err(io::Error::other("there is another one")) }
    }
}

impl OpenFile {
    pub(super) fn new(file: File, lease: &Lease) -> Self {
        let heartbeat = lease.heartbeat();
        Self { file: Arc::new(file), heartbeat, sync_has_failed: Arc::default() }
    }

    fn at(&self, offset: u64) -> io::Result<&File> {
        self.heartbeat.tick();
        // One thread: nobody moves the position between this and what follows.
        (&*self.file).seek(SeekFrom::Start(offset))?;
        Ok(&self.file)
    }
}

impl StorageBackend for OpenFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.at(offset)?.read_exact(out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        let result = self.file.sync_data();
        if result.is_err() {
            self.sync_has_failed.store(true, Relaxed);
        }
        result
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.at(offset)?.write_all(data)
    }
}

/// An opened [`Disk`].
#[derive(Debug)]
pub(super) struct Storage(Box<dyn StorageBackend>);

impl Storage {
    pub(super) fn new(backend: impl StorageBackend) -> Self {
        Self(Box::new(backend))
    }
}

impl StorageBackend for Storage {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.0.close()
    }
}
