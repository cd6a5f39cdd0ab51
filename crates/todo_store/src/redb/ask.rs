//! Who asks for a backup, in a process of its own: the file's server makes it, or this process if there is no server.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use file_lease::{AcquireError, Lease};
use todo_table::Error;

use super::backup::{Backup, Names, remove, token_in};
use super::check::overlay;
use super::open::{Source, acquire, open_table};
use super::tables;
use crate::todos::Todos;
use crate::{BackupError, Epoch};

/// How often this process looks what the server has done.
const LOOK: Duration = Duration::from_millis(20);

/// How long a server may take to begin, and to go on. It looks ten times a second and writes small steps. A disk that is
/// busy with other files can hold both up for seconds, and a backup is no reason to take the file from a server that is only slow.
const PATIENCE: Duration = Duration::from_secs(15);

/// Puts a backup of the store in `file` into the file `target`, which must not exist, and tells how many todos are in it.
/// All changes that were acknowledged before are in it.
///
/// # Errors
/// [`BackupError`]. There is nothing at `target` then.
pub(crate) async fn back_up(file: &Path, target: &Path) -> Result<usize, BackupError> {
    let failed = |reason: String| BackupError(reason);
    let unreadable =
        |error: io::Error| failed(format!("{} cannot be read: {error}", file.display()));
    refuse_existing(target)?;
    let path = file_lease::resolve(file).map_err(unreadable)?;
    match Source::of(&path) {
        Ok(Source::Database) => {}
        Ok(Source::Nothing) => return Err(failed(format!("there is no {}", file.display()))),
        Err(reason) => return Err(failed(format!("{}: {reason}", file.display()))),
    }
    let token = u64::from(Epoch::random());
    let token = format!("{token:016x}");
    let made = match ask(&path, &token).await? {
        Some(made) => made,
        None => match acquire(&path).await {
            // Nobody serves: what is in the file is what was acknowledged.
            Ok((lease, _)) => make(&path, &token, &lease).map_err(failed)?,
            Err(AcquireError::InUse) => {
                return Err(failed(
                    "its server makes no backups: it is of an older version".into(),
                ));
            }
            Err(AcquireError::Io(error)) => return Err(unreadable(error)),
        },
    };
    let result = take(&made, target, &token);
    let _ = remove(&made);
    result
}

fn refuse_existing(target: &Path) -> Result<(), BackupError> {
    match fs::symlink_metadata(target) {
        Ok(_) => Err(BackupError(format!("{} exists already", target.display()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(BackupError(format!("{} cannot be written: {error}", target.display()))),
    }
}

/// Asks the server. `None` if nothing happens for some time.
async fn ask(path: &Path, token: &str) -> Result<Option<PathBuf>, BackupError> {
    let names = Names(path);
    let (asked, part, complete) = (names.asked(), names.part(token), names.complete(token));
    let unwritable = |error| BackupError(format!("the store's folder cannot be written: {error}"));
    let mut noticed = Instant::now();
    let mut is_asked = false;
    let mut seen = None;
    loop {
        if !is_asked {
            match OpenOptions::new().write(true).create_new(true).open(&asked) {
                Ok(mut file) => {
                    (is_asked, noticed) = (true, Instant::now());
                    file.write_all(token.as_bytes()).map_err(unwritable)?;
                }
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(unwritable(error));
                }
                // Somebody else asks.
                Err(_) => {}
            }
        } else if fs::exists(&complete).map_err(unwritable)? {
            return Ok(Some(complete));
        } else if token_in(&asked).as_deref() != Some(token) {
            // It was there, complete, before it was no longer asked for.
            if fs::exists(&complete).map_err(unwritable)? {
                return Ok(Some(complete));
            }
            return Err(BackupError(
                "its server could not make it, or has ended: see its log".into(),
            ));
        }
        let other = token_in(&asked).filter(|_| !is_asked);
        let part = other.as_deref().map_or_else(|| part.clone(), |other| names.part(other));
        let state = fs::metadata(&part).ok().map(|part| (part.len(), part.modified().ok()));
        if state != seen {
            (seen, noticed) = (state, Instant::now());
        }
        if noticed.elapsed() > PATIENCE {
            remove(&asked).map_err(unwritable)?;
            if is_asked || other.is_some() {
                return Ok(None);
            }
            // Somebody was killed before the token was in the file. No server could see to that.
            noticed = Instant::now();
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Makes the backup without a server, under its lease.
fn make(path: &Path, token: &str, lease: &Lease) -> Result<PathBuf, String> {
    let unwritable = |error: Error| format!("the store's folder cannot be written: {error}");
    let names = Names(path);
    names.sweep(true).map_err(|error| unwritable(error.into()))?;
    let storage = overlay(path).map_err(|error| format!("it cannot be read: {error}"))?;
    let table = open_table(storage)?;
    let mut todos = Todos::new(0);
    tables::read(&table, &mut todos).map_err(|error| error.to_string())?;
    let (part, complete) = (names.part(token), names.complete(token));
    let result = Backup::begin(&todos, &part, complete.clone(), lease).and_then(|mut backup| {
        while !backup.step()? {
            lease.tick();
        }
        Ok(complete)
    });
    result.map_err(|error| {
        let _ = remove(&part);
        unwritable(error)
    })
}

/// Copies what was made to where it is wanted, and looks whether it can be opened.
fn take(made: &Path, target: &Path, token: &str) -> Result<usize, BackupError> {
    let failed = |reason: String| BackupError(format!("{}: {reason}", target.display()));
    let mut part = target.as_os_str().to_owned();
    part.push(format!(".{token}.part"));
    let part = PathBuf::from(part);
    let mut made = File::open(made)
        .map_err(|error| BackupError(format!("it was taken away, try again: {error}")))?;
    let created = OpenOptions::new().write(true).create_new(true).open(&part);
    let copied = created.and_then(|mut copy| {
        io::copy(&mut made, &mut copy)?;
        copy.sync_all()
    });
    let result = copied
        .map_err(|error| failed(format!("it cannot be written: {error}")))
        .and_then(|()| {
            let unreadable = |error| failed(format!("it cannot be read: {error}"));
            let table = open_table(overlay(&part).map_err(unreadable)?).map_err(failed)?;
            tables::count(&table).map_err(|error| failed(error.to_string()))
        })
        .and_then(|count| {
            // Somebody else may have made it meanwhile.
            refuse_existing(target)?;
            file_lease::rename(&part, target)
                .map_err(|error| failed(format!("it cannot be written: {error}")))?;
            Ok(count)
        });
    if result.is_err() {
        let _ = remove(&part);
    }
    result
}
