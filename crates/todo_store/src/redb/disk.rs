//! What the database writes to.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::sync::Arc;

use todo_table::StorageBackend;

/// A place for a database, to be opened again after it failed.
pub(super) trait Disk: Send + 'static {
    /// Opens what is there.
    fn open(&self) -> io::Result<Storage>;
}

/// A file that is open. It stays the same file whatever happens to its name, which may be another server's by the time
/// that the database is opened again: see [`Owner`](super::owner::Owner).
#[derive(Clone, Debug)]
pub(super) struct FileDisk(Arc<File>);

impl FileDisk {
    pub(super) fn new(file: File) -> Self {
        Self(Arc::new(file))
    }

    pub(super) fn file(&self) -> &File {
        &self.0
    }

    fn at(&self, offset: u64) -> io::Result<&File> {
        // One thread: nobody moves the position between this and what follows.
        (&*self.0).seek(SeekFrom::Start(offset))?;
        Ok(&self.0)
    }
}

impl Disk for FileDisk {
    fn open(&self) -> io::Result<Storage> {
        Ok(Storage::new(self.clone()))
    }
}

impl StorageBackend for FileDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.at(offset)?.read_exact(out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
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
