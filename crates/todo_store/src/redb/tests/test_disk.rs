//! A disk that fails when it is told to. Faults come in through the interface that redb writes to.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use todo_table::StorageBackend;

use crate::redb::disk::{Disk, Storage};

/// A disk that keeps its bytes in memory and fails when it is told to.
#[derive(Clone, Debug, Default)]
pub(super) struct TestDisk(Arc<Mutex<DiskState>>);

#[derive(Debug, Default)]
pub(super) struct DiskState {
    /// What is read: the system's cache.
    pub(super) bytes: Vec<u8>,
    /// What would be there after a power cut.
    durable: Vec<u8>,
    fault: Fault,
    sync_has_failed: bool,
    pub(super) syncs: usize,
    /// The file for a new database, and whether that has taken the place of this one.
    new: Option<TestDisk>,
    is_replaced: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Fault {
    #[default]
    None,
    /// Every `fsync` fails, and drops what it should have written: the next one succeeds without it.
    Sync,
    /// Only the first bytes of every write arrive.
    ShortWrite,
    /// There is no room.
    Full,
    /// The file is not where it was.
    Gone,
}

impl TestDisk {
    pub(super) fn state(&self) -> MutexGuard<'_, DiskState> {
        self.0.lock().unwrap()
    }

    /// The file that has the name.
    pub(super) fn current(&self) -> Self {
        let state = self.state();
        match &state.new {
            Some(new) if state.is_replaced => new.current(),
            _ => self.clone(),
        }
    }

    pub(super) fn fail(&self, fault: Fault) {
        self.state().fault = fault;
        self.current().state().fault = fault;
    }

    /// What is left after a power cut.
    pub(super) fn after_power_cut(&self) -> Self {
        let disk = Self::default();
        disk.state().bytes = self.current().state().durable.clone();
        disk
    }
}

impl Disk for TestDisk {
    fn copy(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn open(&self) -> io::Result<Storage> {
        Ok(Storage::new(self.current()))
    }

    fn sync_has_failed(&self) -> bool {
        self.current().state().sync_has_failed
    }

    fn begin_new(&mut self) -> io::Result<Storage> {
        let (new, current) = (Self::default(), self.current());
        new.fail(current.state().fault);
        current.state().new = Some(new.clone());
        Ok(Storage::new(new))
    }

    fn publish_new(&mut self) -> io::Result<()> {
        self.current().state().is_replaced = true;
        Ok(())
    }

    fn check(&self) -> io::Result<()> {
        if self.state().fault == Fault::Gone { Err(io::ErrorKind::NotFound.into()) } else { Ok(()) }
    }
}

impl StorageBackend for TestDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state().bytes.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let offset = offset as usize;
        let state = self.state();
        let bytes = state.bytes.get(offset..offset + out.len());
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.state().bytes.resize(len as usize, 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.state();
        state.syncs += 1;
        if state.fault == Fault::Sync {
            state.sync_has_failed = true;
            return Err(io::Error::other("the disk does not answer"));
        }
        // What a failed sync has dropped does not come back.
        if !state.sync_has_failed {
            state.durable = state.bytes.clone();
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        let offset = offset as usize;
        let length = match state.fault {
            Fault::Full => return Err(io::ErrorKind::StorageFull.into()),
            Fault::ShortWrite => data.len() / 2,
            _ => data.len(),
        };
        state.bytes[offset..offset + length].copy_from_slice(&data[..length]);
        if length < data.len() { Err(io::ErrorKind::WriteZero.into()) } else { Ok(()) }
    }
}
