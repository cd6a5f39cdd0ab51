//! A disk that records what happens to it, and fails at the call that it is told to. It lies below redb and below the steps
//! in which the product gives a file its name.

use std::io;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard};

use todo_table::StorageBackend;

use crate::redb::disk::{COPIED_AT_ONCE, Disk, Storage};

/// What a disk writes at once, or not at all, in bytes.
pub(super) const SECTOR: usize = 512;

/// What was done to the files of a disk, in its order. A file is told by its number.
#[derive(Clone, Debug)]
pub(super) enum Op {
    Write(usize, u64, Arc<[u8]>),
    SetLen(usize, u64),
    /// An `fsync`, and whether it succeeded.
    Sync(usize, bool),
    /// The file gets the name.
    Rename(usize),
    /// An `fsync` of the folder that succeeded.
    SyncFolder,
    /// From here on the store may be as in this state, as it was asked to.
    Asked(usize),
    /// From here on it must be as in this state, as that was acknowledged.
    Acknowledged(usize),
}

/// What happens at one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// Nothing is done: `EIO`. Of an `fsync`, what it should have written is in doubt from then on.
    Io,
    /// Nothing is done: `ENOSPC`.
    Full,
    /// Half of what is written arrives, up to a byte in the middle of a sector.
    Short,
    /// Every other sector of what is written arrives.
    Torn,
}

pub(super) const FAILURES: [Failure; 4] =
    [Failure::Io, Failure::Full, Failure::Short, Failure::Torn];

#[derive(Debug, Default)]
pub(super) struct Recording {
    /// What is read: the system's cache.
    files: Vec<File>,
    /// The one that has the name.
    named: Option<usize>,
    log: Option<Vec<Op>>,
    calls: usize,
    /// The system refuses to sync folders, which is no error.
    syncs_no_folders: bool,
    /// The calls from the first number on and before the second one fail.
    plan: Option<(usize, usize, Failure)>,
}

#[derive(Debug, Default)]
struct File {
    bytes: Vec<u8>,
    sync_has_failed: bool,
}

/// The folder with the store's file.
pub(super) struct CrashDisk {
    recording: Arc<Mutex<Recording>>,
    current: usize,
    new: Option<usize>,
}

#[derive(Debug)]
struct OpenFile {
    recording: Arc<Mutex<Recording>>,
    number: usize,
}

fn lock(recording: &Mutex<Recording>) -> MutexGuard<'_, Recording> {
    recording.lock().unwrap()
}

impl CrashDisk {
    /// A disk for a start, with the file that has the name, if there is one.
    pub(super) fn new(named: Option<Vec<u8>>) -> Self {
        let recording = Recording::default();
        let disk = Self { recording: Arc::new(Mutex::new(recording)), current: 0, new: None };
        if let Some(bytes) = named {
            let mut recording = lock(&disk.recording);
            recording.files.push(File { bytes, ..File::default() });
            recording.named = Some(0);
        }
        disk.restarted()
    }

    /// The same disk, for another start.
    pub(super) fn restarted(&self) -> Self {
        let mut state = lock(&self.recording);
        state.files.push(File::default());
        let number = state.files.len() - 1;
        Self { recording: self.recording.clone(), current: number, new: Some(number) }
    }

    pub(super) fn without_synced_folders(self) -> Self {
        lock(&self.recording).syncs_no_folders = true;
        self
    }

    pub(super) fn recorded(self) -> Self {
        lock(&self.recording).log = Some(Vec::new());
        self
    }

    pub(super) fn handle(&self) -> Handle {
        Handle(self.recording.clone())
    }
}

/// What a test knows of a disk that a store has.
#[derive(Clone)]
pub(super) struct Handle(Arc<Mutex<Recording>>);

impl Handle {
    pub(super) fn calls(&self) -> usize {
        lock(&self.0).calls
    }

    /// The calls from number `first` on fail, `count` of them.
    pub(super) fn fail(&self, first: usize, count: usize, failure: Failure) {
        lock(&self.0).plan = Some((first, first.saturating_add(count), failure));
    }

    pub(super) fn repair(&self) {
        lock(&self.0).plan = None;
    }

    pub(super) fn note(&self, op: Op) {
        lock(&self.0).note(op);
    }

    pub(super) fn log(&self) -> Rc<[Op]> {
        lock(&self.0).log.take().unwrap_or_default().into()
    }

    /// What the next start finds, if there is no power cut.
    pub(super) fn named(&self) -> Option<Vec<u8>> {
        let state = lock(&self.0);
        Some(state.files[state.named?].bytes.clone())
    }
}

impl Recording {
    fn note(&mut self, op: Op) {
        self.log.as_mut().into_iter().for_each(|log| log.push(op.clone()));
    }

    /// Counts a call, and tells how it fails.
    fn call(&mut self) -> Option<Failure> {
        let number = self.calls;
        self.calls += 1;
        let (first, end, failure) = self.plan?;
        (first..end).contains(&number).then_some(failure)
    }

    fn put(&mut self, number: usize, offset: usize, data: &[u8]) {
        if data.is_empty() {
            return;
        }
        let bytes = &mut self.files[number].bytes;
        bytes.resize(bytes.len().max(offset + data.len()), 0);
        bytes[offset..offset + data.len()].copy_from_slice(data);
        self.note(Op::Write(number, offset as u64, data.into()));
    }

    fn write(&mut self, number: usize, offset: u64, data: &[u8]) -> io::Result<()> {
        let start = offset as usize;
        let error = match self.call() {
            None => {
                self.put(number, start, data);
                return Ok(());
            }
            Some(Failure::Io) => io::ErrorKind::Other,
            Some(Failure::Full) => io::ErrorKind::StorageFull,
            Some(Failure::Short) => {
                self.put(number, start, &data[..data.len() / 2]);
                io::ErrorKind::WriteZero
            }
            Some(Failure::Torn) => {
                for (sector, data) in data.chunks(SECTOR).enumerate().step_by(2) {
                    self.put(number, start + sector * SECTOR, data);
                }
                io::ErrorKind::Other
            }
        };
        Err(error.into())
    }

    fn sync(&mut self, number: usize) -> io::Result<()> {
        let failure = self.call();
        self.note(Op::Sync(number, failure.is_none()));
        self.files[number].sync_has_failed |= failure.is_some();
        fails(failure)
    }
}

fn fails(failure: Option<Failure>) -> io::Result<()> {
    match failure {
        None => Ok(()),
        Some(Failure::Full) => Err(io::ErrorKind::StorageFull.into()),
        Some(_) => Err(io::Error::other("the disk does not answer")),
    }
}

impl Disk for CrashDisk {
    fn copy(&mut self) -> io::Result<()> {
        let mut state = lock(&self.recording);
        let source = state.files[state.named.unwrap()].bytes.clone();
        for (index, part) in source.chunks(COPIED_AT_ONCE).enumerate() {
            fails(state.call())?;
            state.write(self.current, (index * COPIED_AT_ONCE) as u64, part)?;
        }
        state.sync(self.current)
    }

    fn open(&self) -> io::Result<Storage> {
        let recording = self.recording.clone();
        Ok(Storage::new(OpenFile { recording, number: self.current }))
    }

    fn sync_has_failed(&self) -> bool {
        lock(&self.recording).files[self.current].sync_has_failed
    }

    fn begin_new(&mut self) -> io::Result<Storage> {
        let mut state = lock(&self.recording);
        fails(state.call())?;
        state.files.push(File::default());
        let number = state.files.len() - 1;
        self.new = Some(number);
        Ok(Storage::new(OpenFile { recording: self.recording.clone(), number }))
    }

    fn publish_new(&mut self) -> io::Result<()> {
        let mut state = lock(&self.recording);
        let new = self.new.take().ok_or(io::ErrorKind::NotFound)?;
        fails(state.call())?;
        state.named = Some(new);
        state.note(Op::Rename(new));
        state.sync(new)?;
        if !state.syncs_no_folders {
            fails(state.call())?;
            state.note(Op::SyncFolder);
        }
        self.current = new;
        Ok(())
    }

    fn check(&self) -> io::Result<()> {
        let is_named = lock(&self.recording).named == Some(self.current);
        if is_named { Ok(()) } else { Err(io::ErrorKind::NotFound.into()) }
    }
}

impl StorageBackend for OpenFile {
    fn len(&self) -> io::Result<u64> {
        let mut state = lock(&self.recording);
        fails(state.call())?;
        Ok(state.files[self.number].bytes.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut state = lock(&self.recording);
        fails(state.call())?;
        let offset = offset as usize;
        let bytes = state.files[self.number].bytes.get(offset..offset + out.len());
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = lock(&self.recording);
        fails(state.call())?;
        state.files[self.number].bytes.resize(len as usize, 0);
        state.note(Op::SetLen(self.number, len));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        lock(&self.recording).sync(self.number)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        lock(&self.recording).write(self.number, offset, data)
    }
}
