//! Backups of a file whose server goes on working.
//!
//! Only the server knows when its file is at one transaction: whoever copies the file beside it gets parts of many. So
//! the server writes the backup, from memory, as all todos are there. What is asked and answered goes through files beside the
//! store, as a WebAssembly module gets no signals:
//!
//! | beside the file `x` | what it is |
//! |---|---|
//! | `x.backing-up.asked` | somebody asks for a backup; holds a token that nobody else has |
//! | `x.backing-up.TOKEN.part` | the backup, while it is written |
//! | `x.backing-up.TOKEN` | the backup, complete and on the disk: for whoever asked, who takes it away |
//!
//! The server removes `asked` when the backup is complete or cannot be made. It looks for it ten times a second, and writes
//! the backup in small transactions, between which it serves. Todos that are changed meanwhile stay in memory as they
//! were until they are written.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};
use std::vec;

use file_lease::{Lease, Status};
use telemetry::log;
use todo_model::{IdempotencyKey, Todo};
use todo_table::{Error, StorageBackend as _, Table};

use super::disk::{OpenFile, Storage};
use super::tables::{self, Header};
use crate::keys::Made;
use crate::todos::{Todos, size};

/// How often a server looks whether a backup is asked for.
const LOOK: Duration = Duration::from_millis(100);

/// How many bytes of todos, each counting 100 and its texts, and how many keys one transaction writes. It takes some
/// milliseconds, in which nobody is served.
const STEP_BYTES: usize = 64 * 1024;
const STEP_KEYS: usize = 500;

/// What stands in these names behind that of the store.
const INFIX: &str = ".backing-up.";

/// How many characters a token has.
const TOKEN: usize = 16;

/// The epoch of a backup: every start on a copy of it gives that copy its own, as the ids and revisions that were given out
/// after the backup may be given out again.
const NO_EPOCH: u64 = 0;

/// The names of the files beside the store at `path`.
pub(super) struct Names<'a>(pub(super) &'a Path);

impl Names<'_> {
    fn beside(&self, end: &str) -> PathBuf {
        let mut name = self.0.as_os_str().to_owned();
        name.push(INFIX);
        name.push(end);
        name.into()
    }

    pub(super) fn asked(&self) -> PathBuf {
        self.beside("asked")
    }

    pub(super) fn part(&self, token: &str) -> PathBuf {
        self.beside(&format!("{token}.part"))
    }

    pub(super) fn complete(&self, token: &str) -> PathBuf {
        self.beside(token)
    }

    /// Removes those that others have left behind, and `asked` as well if `all` says so.
    pub(super) fn sweep(&self, all: bool) -> io::Result<()> {
        let folder = self.0.parent().unwrap_or(Path::new("/"));
        let file = self.0.file_name().unwrap_or_default().to_string_lossy();
        for entry in fs::read_dir(folder)? {
            let name = entry?.file_name();
            let name = name.to_string_lossy();
            let end = name.strip_prefix(&*file).and_then(|name| name.strip_prefix(INFIX));
            // Nothing that somebody else may have made.
            let is_ours = end.is_some_and(|end| {
                is_token(end.strip_suffix(".part").unwrap_or(end)) || all && end == "asked"
            });
            if is_ours {
                remove(&folder.join(&*name))?;
            }
        }
        Ok(())
    }
}

/// Removes a file, if it is there.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The token in `asked`, if somebody asks and has written all of it.
pub(super) fn token_in(asked: &Path) -> Option<String> {
    let mut token = String::new();
    let file = File::open(asked).ok()?;
    file.take(TOKEN as u64 + 1).read_to_string(&mut token).ok()?;
    is_token(&token).then_some(token)
}

fn is_token(text: &str) -> bool {
    text.len() == TOKEN && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// What a server does for those who ask for backups.
pub(super) struct Backups {
    path: PathBuf,
    lease: Rc<Lease>,
    looked: Instant,
    /// What was asked for last.
    token: String,
    writing: Option<Backup>,
}

impl Backups {
    pub(super) fn new(path: PathBuf, lease: Rc<Lease>) -> Self {
        if let Err(error) = Names(&path).sweep(true) {
            log::error(format_args!("todo: the rest of a backup cannot be removed: {error}"));
        }
        Self { path, lease, looked: Instant::now(), token: String::new(), writing: None }
    }

    pub(super) fn is_writing(&self) -> bool {
        self.writing.is_some()
    }

    /// Looks whether a backup is asked for, or goes on with one. `todos` are those that are acknowledged.
    pub(super) fn step(&mut self, todos: &Todos) {
        let outcome = match &mut self.writing {
            None => self.look(todos).map(|()| false),
            Some(backup) => backup.step(),
        };
        match outcome {
            Ok(false) => {}
            Ok(true) => {
                log::info("todo: made a backup");
                self.end();
            }
            Err(error) => {
                log::error(format_args!("todo: the backup cannot be made: {error}"));
                let _ = remove(&Names(&self.path).part(&self.token));
                self.end();
            }
        }
    }

    fn end(&mut self) {
        self.writing = None;
        // If it stays its token is known.
        let _ = remove(&Names(&self.path).asked());
    }

    fn look(&mut self, todos: &Todos) -> Result<(), Error> {
        if self.looked.elapsed() < LOOK {
            return Ok(());
        }
        self.looked = Instant::now();
        let names = Names(&self.path);
        let Some(token) = token_in(&names.asked()).filter(|token| *token != self.token) else {
            return Ok(());
        };
        // If there is another holder by now, it has acknowledged changes that are not known here.
        if self.lease.status() != Status::Held {
            return Ok(());
        }
        // Those that nobody has taken away.
        names.sweep(false)?;
        let (part, complete) = (names.part(&token), names.complete(&token));
        self.token = token;
        self.writing = Some(Backup::begin(todos, &part, complete, &self.lease)?);
        Ok(())
    }
}

/// A backup on its way.
pub(super) struct Backup {
    part: PathBuf,
    complete: PathBuf,
    file: OpenFile,
    table: Option<Table>,
    header: Header,
    todos: vec::IntoIter<Rc<Todo>>,
    keys: vec::IntoIter<(IdempotencyKey, Made)>,
}

impl Backup {
    /// Begins to write all of `todos` as they are now into the file `part`, which gets the name `complete` in the end.
    pub(super) fn begin(
        todos: &Todos,
        part: &Path,
        complete: PathBuf,
        lease: &Lease,
    ) -> Result<Self, Error> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(part)?;
        let file = OpenFile::new(file, lease);
        let storage = Storage::new(file.clone());
        let keys: Vec<_> = todos.keys().map(|(key, made)| (key.clone(), *made)).collect();
        Ok(Self {
            part: part.to_owned(),
            complete,
            file,
            table: Some(Table::create(storage)?),
            header: Header { next_id: todos.next_id(), transactions: 1, epoch: NO_EPOCH },
            todos: todos.iter().cloned().collect::<Vec<_>>().into_iter(),
            keys: keys.into_iter(),
        })
    }

    /// Writes some more. Tells whether that was all, and it has its name.
    pub(super) fn step(&mut self) -> Result<bool, Error> {
        let mut bytes = 0;
        let mut fits = |todo: &Rc<Todo>| {
            let has_room = bytes < STEP_BYTES;
            bytes += size(todo);
            has_room
        };
        let count = self.todos.as_slice().iter().take_while(|todo| fits(todo)).count();
        let todos: Vec<_> = self.todos.by_ref().take(count).collect();
        let keys = if todos.is_empty() { STEP_KEYS } else { 0 };
        let keys: Vec<_> = self.keys.by_ref().take(keys).collect();
        if let Some(table) = &self.table {
            tables::write_rows(table, &todos, &keys, self.header)?;
        }
        if self.todos.len() > 0 || self.keys.len() > 0 {
            return Ok(false);
        }
        // Closes the database.
        self.table = None;
        self.file.sync_data()?;
        fs::rename(&self.part, &self.complete)?;
        Ok(true)
    }
}
