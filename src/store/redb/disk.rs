//! What the database writes to.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::PathBuf;

use redb::StorageBackend;
use redb::backends::FileBackend;

/// A place for a database, to be opened again after it failed.
pub(super) trait Disk: Send + 'static {
    /// Opens what is there.
    fn open(&self) -> io::Result<Storage>;
}

/// A file.
pub(super) struct FileDisk(pub(super) PathBuf);

impl Disk for FileDisk {
    fn open(&self) -> io::Result<Storage> {
        Storage::from_file(OpenOptions::new().read(true).write(true).open(&self.0)?)
    }
}

/// An opened [`Disk`].
#[derive(Debug)]
pub(super) struct Storage(Box<dyn StorageBackend>);

impl Storage {
    pub(super) fn from_file(file: File) -> io::Result<Self> {
        FileBackend::new(file).map(Self::new).map_err(io::Error::other)
    }

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
