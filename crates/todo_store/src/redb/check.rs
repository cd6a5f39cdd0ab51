//! How a file is looked at without changing it, its folder or the work of its holder: it is opened through an overlay,
//! which keeps what redb writes in memory.
//!
//! A holder may write meanwhile. redb never overwrites what the last transaction left until there is another transaction,
//! which its header shows: what was read while the header stayed the same belongs together. redb must not see anything
//! else, as it may panic.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use todo_table::StorageBackend;

use super::disk::Storage;
use super::open::{Source, open_table};
use super::tables;
use crate::OpenError;

/// How often a file is read that changes meanwhile, and the time in between.
const TRIES: usize = 20;
const PAUSE: Duration = Duration::from_millis(50);

/// Where redb keeps what each of its transactions changes, in bytes from the start of the file.
const HEADER: usize = 4_096;

/// The longest file that is copied into memory before it is looked at. The copy takes so little time that it can be had
/// between two transactions. A longer one is read as redb asks for it, and only if nobody writes to it.
const MAX_COPY: u64 = 64 * 1024 * 1024;

/// What [`check`] finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// The number of todos. `None` when there is no file, which a start makes.
    pub(crate) todos: Option<usize>,
    /// A server uses the file, or was killed while it did. Which of them is for the next start to find out.
    pub(crate) has_holder: bool,
}

/// Finds out whether `file` can be opened as a store, as far as that shows without writing. That its folder can be written
/// to is for the caller to know.
///
/// # Errors
/// [`OpenError`] when the file is no store, is damaged, comes from a newer version or cannot be read; or when its holder
/// writes to it all the time.
pub(crate) fn check(file: &Path) -> Result<Found, OpenError> {
    let failed = |reason: String| OpenError::new(file.display(), reason);
    let unreadable = |error: io::Error| failed(format!("it cannot be read: {error}"));
    let path = file_lease::resolve(file).map_err(unreadable)?;
    let has_holder = file_lease::has_holder(&path).map_err(unreadable)?;
    if Source::of(&path).map_err(failed)? == Source::Nothing {
        return Ok(Found { todos: None, has_holder });
    }
    let header = || header_of(&mut File::open(&path)?);
    let todos = judge(|| overlay(&path), header, PAUSE).map_err(failed)?;
    Ok(Found { todos: Some(todos), has_holder })
}

/// The file at `path`, to be looked at without changing it.
pub(super) fn overlay(path: &Path) -> io::Result<Storage> {
    Ok(Storage::new(Overlay::new(File::open(path)?)?))
}

/// How many todos are in a file, if all of it can be read at a time when its `header` does not change.
pub(super) fn judge(
    mut open: impl FnMut() -> io::Result<Storage>,
    mut header: impl FnMut() -> io::Result<Vec<u8>>,
    pause: Duration,
) -> Result<usize, String> {
    let unreadable = |error: io::Error| format!("it cannot be read: {error}");
    for _ in 0..TRIES {
        let before = header().map_err(unreadable)?;
        let storage = match open() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                thread::sleep(pause);
                continue;
            }
            storage => storage.map_err(unreadable)?,
        };
        let found = open_table(storage)
            .and_then(|table| tables::count(&table).map_err(|error| error.to_string()));
        match found {
            Ok(todos) => return Ok(todos),
            Err(reason) if header().map_err(unreadable)? == before => return Err(reason),
            // Parts of different transactions.
            Err(_) => thread::sleep(pause),
        }
    }
    Err("its server writes to it all the time, try again later".to_owned())
}

/// A file that is only read, and in memory what was written to it.
#[derive(Debug)]
struct Overlay(Mutex<OverlayState>);

#[derive(Debug)]
struct OverlayState {
    source: FileSource,
    /// The length of the file that shows: what is behind it reads as zeros.
    file_len: u64,
    len: u64,
    /// By the offset of their first byte. They do not overlap.
    written: BTreeMap<u64, Vec<u8>>,
}

/// What is below an overlay.
#[derive(Debug)]
enum FileSource {
    Copy(Vec<u8>),
    /// A file, and its header as it must stay.
    File(File, Vec<u8>),
}

impl FileSource {
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when the file changed meanwhile.
    fn new(mut file: File, len: u64) -> io::Result<Self> {
        let header = header_of(&mut file)?;
        if len > MAX_COPY {
            return Ok(Self::File(file, header));
        }
        let mut copy = Vec::new();
        file.seek(SeekFrom::Start(0))?;
        file.by_ref().take(len).read_to_end(&mut copy)?;
        if header_of(&mut file)? != header || !copy.starts_with(&header) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Self::Copy(copy))
    }

    fn read(&mut self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        match self {
            Self::Copy(copy) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX);
                let source = copy.get(start..).and_then(|rest| rest.get(..out.len()));
                out.copy_from_slice(source.ok_or(io::ErrorKind::UnexpectedEof)?);
                Ok(())
            }
            Self::File(file, header) => {
                file.seek(SeekFrom::Start(offset))?;
                file.read_exact(out)?;
                if header_of(file)? != *header {
                    return Err(io::Error::other("the file changes while it is read"));
                }
                Ok(())
            }
        }
    }
}

fn header_of(file: &mut File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.take(HEADER as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

impl Overlay {
    fn new(file: File) -> io::Result<Self> {
        let len = file.metadata()?.len();
        let source = FileSource::new(file, len)?;
        Ok(Self(Mutex::new(OverlayState { source, file_len: len, len, written: BTreeMap::new() })))
    }

    fn state(&self) -> MutexGuard<'_, OverlayState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OverlayState {
    fn read(&mut self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let end = offset.saturating_add(out.len() as u64);
        if end > self.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        out.fill(0);
        let from_file = usize::try_from(self.file_len.saturating_sub(offset)).unwrap_or(usize::MAX);
        let from_file = from_file.min(out.len());
        if let Some(out) = out.get_mut(..from_file).filter(|out| !out.is_empty()) {
            self.source.read(offset, out)?;
        }
        for (start, bytes) in self.written.range(..end) {
            let skipped = usize::try_from(offset.saturating_sub(*start)).unwrap_or(usize::MAX);
            let at = usize::try_from(start.saturating_sub(offset)).unwrap_or(usize::MAX);
            let source = bytes.get(skipped..).unwrap_or_default();
            let target = out.get_mut(at..).unwrap_or_default();
            let count = source.len().min(target.len());
            if let (Some(target), Some(source)) = (target.get_mut(..count), source.get(..count)) {
                target.copy_from_slice(source);
            }
        }
        Ok(())
    }

    fn write(&mut self, offset: u64, data: &[u8]) {
        let end = offset.saturating_add(data.len() as u64);
        self.len = self.len.max(end);
        self.cut(offset, end);
        self.written.insert(offset, data.to_vec());
    }

    fn set_len(&mut self, len: u64) {
        self.cut(len, u64::MAX);
        self.file_len = self.file_len.min(len);
        self.len = len;
    }

    /// Leaves out what was written from `start` to `end`.
    fn cut(&mut self, start: u64, end: u64) {
        let overlapping = self.written.range(..end).filter_map(|(at, bytes)| {
            (at.saturating_add(bytes.len() as u64) > start).then_some(*at)
        });
        for at in overlapping.collect::<Vec<_>>() {
            let Some(bytes) = self.written.remove(&at) else { continue };
            let before = usize::try_from(start.saturating_sub(at)).unwrap_or(usize::MAX);
            let behind = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX);
            if let Some(rest) = bytes.get(behind..).filter(|rest| !rest.is_empty()) {
                self.written.insert(end, rest.to_vec());
            }
            if let Some(rest) = bytes.get(..before).filter(|rest| !rest.is_empty()) {
                self.written.insert(at, rest.to_vec());
            }
        }
    }
}

impl StorageBackend for Overlay {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state().len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.state().read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.state().set_len(len);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.state().write(offset, data);
        Ok(())
    }
}
