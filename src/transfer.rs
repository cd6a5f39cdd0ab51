//! `--export` and `--import`: todos as lines of JSON (NDJSON), to move them from one store to another.
//!
//! ```text
//! {"todo_export":1,"epoch":"5f2c7a90c14be833","next_id":4}
//! {"id":1,"title":"Buy milk","description":"two bottles","completed":false,"created_at":1764000000000000000,"revision":2}
//! {"end":1}
//! ```
//!
//! The last line tells how many there are, so that a file that was cut off is noticed. Times are in nanoseconds since 1970.
//! Idempotency keys stay behind.

use std::fmt;
use std::io::{self, BufRead, Write};
use std::rc::Rc;

use clock::Timestamp;
use serde::{Deserialize, Serialize};
use todo_model::{Description, MAX_NUMBER, Title, Todo};
use todo_store::{AnyStore, Epoch, Origin, Portion, Store as _};

/// How much of a store is read at one time, in bytes of titles and descriptions.
const PORTION_BYTES: usize = 256 * 1024;

/// The longest line: the longest todo, each character escaped, and its keys.
const MAX_LINE_BYTES: u64 = 128 * 1024;

/// The form of the lines.
const VERSION: u64 = 1;

#[derive(Serialize, Deserialize)]
struct Head {
    todo_export: u64,
    epoch: String,
    next_id: u64,
}

#[derive(Serialize, Deserialize)]
struct Line<'a> {
    id: u64,
    title: std::borrow::Cow<'a, str>,
    description: std::borrow::Cow<'a, str>,
    completed: bool,
    created_at: u64,
    revision: u64,
}

#[derive(Serialize, Deserialize)]
struct End {
    end: usize,
}

/// Why todos cannot be moved: one sentence.
#[derive(Debug)]
pub struct TransferError(String);

impl fmt::Display for TransferError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for TransferError {}

impl From<io::Error> for TransferError {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

/// Writes all todos of `store`, and tells how many.
///
/// # Errors
/// [`TransferError`] when the store cannot be read or the output not written. What was written then is no complete export.
pub async fn export(store: &AnyStore, mut output: impl Write) -> Result<usize, TransferError> {
    let failed = |error: todo_store::StoreError| TransferError(error.to_string());
    let Origin { epoch, next_id } = store.origin().await.map_err(failed)?;
    let (mut after, mut count) = (0, 0);
    write(&mut output, &Head { todo_export: VERSION, epoch: epoch.to_string(), next_id })?;
    loop {
        let Portion { todos, is_last } = store.list(after, PORTION_BYTES).await.map_err(failed)?;
        for todo in &todos {
            let line = Line {
                id: todo.id,
                title: todo.title.as_str().into(),
                description: todo.description.as_str().into(),
                completed: todo.completed,
                created_at: todo.created_at.nanoseconds(),
                revision: todo.revision,
            };
            write(&mut output, &line)?;
            (after, count) = (todo.id, count + 1);
        }
        if is_last {
            write(&mut output, &End { end: count })?;
            output.flush()?;
            return Ok(count);
        }
    }
}

fn write(output: &mut impl Write, line: &impl Serialize) -> Result<(), TransferError> {
    let mut bytes = serde_json::to_vec(line).map_err(|error| TransferError(error.to_string()))?;
    bytes.push(b'\n');
    Ok(output.write_all(&bytes)?)
}

/// Puts the todos that `input` has into `store`, which must be empty: all of them or none. Tells how many.
///
/// # Errors
/// [`TransferError`] names the line that cannot be used, or says why the store takes nothing.
pub async fn import(store: &AnyStore, input: impl BufRead) -> Result<usize, TransferError> {
    let (origin, todos) = read(input)?;
    let count = todos.len();
    store.import(origin, todos).await.map_err(|error| TransferError(error.to_string()))?;
    Ok(count)
}

fn read(mut input: impl BufRead) -> Result<(Origin, Vec<Rc<Todo>>), TransferError> {
    let mut number = 0;
    let mut line = Vec::new();
    let mut next = || -> Result<Option<(usize, Vec<u8>)>, TransferError> {
        line.clear();
        number += 1;
        let count = io::Read::take(&mut input, MAX_LINE_BYTES).read_until(b'\n', &mut line)?;
        match (count, line.last()) {
            (0, _) => Ok(None),
            (_, Some(b'\n')) => Ok(Some((number, std::mem::take(&mut line)))),
            _ => Err(TransferError(format!("line {number} is cut off or too long"))),
        }
    };
    let wrong = |number: usize, reason: &dyn fmt::Display| {
        TransferError(format!("line {number}: {reason}"))
    };
    let (_, head) = next()?.ok_or_else(|| TransferError("there is nothing to read".to_owned()))?;
    let head: Head = serde_json::from_slice(&head)
        .map_err(|_| TransferError("line 1 is not the beginning of an export".to_owned()))?;
    if head.todo_export != VERSION {
        return Err(wrong(1, &"the export is of another version"));
    }
    if head.next_id > MAX_NUMBER {
        return Err(wrong(1, &"next_id is too great"));
    }
    let epoch = u64::from_str_radix(&head.epoch, 16).map_err(|error| wrong(1, &error))?;
    let origin = Origin { epoch: Epoch::from(epoch), next_id: head.next_id };
    let (mut todos, mut last) = (Vec::new(), 0);
    while let Some((number, line)) = next()? {
        if let Ok(End { end }) = serde_json::from_slice(&line) {
            return match (end == todos.len(), next()?) {
                (true, None) => Ok((origin, todos)),
                (true, Some(_)) => Err(wrong(number + 1, &"there is something behind the end")),
                (false, _) => {
                    Err(wrong(number, &format_args!("there are {}, not {end}", todos.len())))
                }
            };
        }
        let line: Line<'_> =
            serde_json::from_slice(&line).map_err(|error| wrong(number, &error))?;
        if line.id <= last || line.id >= origin.next_id {
            return Err(wrong(number, &"ids must rise up to next_id"));
        }
        if !(1..=MAX_NUMBER).contains(&line.revision) {
            return Err(wrong(number, &format_args!("revisions are from 1 to {MAX_NUMBER}")));
        }
        last = line.id;
        todos.push(Rc::new(Todo {
            id: line.id,
            title: Title::parse(&line.title).map_err(|error| wrong(number, &error))?,
            description: Description::parse(&line.description)
                .map_err(|error| wrong(number, &error))?,
            completed: line.completed,
            created_at: Timestamp::from_nanoseconds(line.created_at),
            revision: line.revision,
        }));
    }
    Err(TransferError("the end is missing".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use todo_store::{MemoryStore, StoreOptions};

    fn run<T>(test: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
    }

    fn exported() -> String {
        let store =
            AnyStore::Memory(MemoryStore::new(StoreOptions { max_bytes: 0, samples: true }));
        let mut output = Vec::new();
        assert_eq!(run(export(&store, &mut output)).unwrap(), 2);
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn what_was_written_can_be_read() {
        let text = exported();
        let (origin, todos) = read(text.as_bytes()).unwrap();
        assert_eq!((origin.next_id, todos.len(), todos[1].title.as_str()), (3, 2, "Docker 최적화"));
        assert!(text.contains(&format!("\"epoch\":\"{}\"", origin.epoch)));
    }

    #[test]
    fn what_cannot_be_right_is_told_with_its_line() {
        let text = exported();
        let lines: Vec<_> = text.lines().collect();
        let error = |text: &str| read(text.as_bytes()).unwrap_err().to_string();
        assert_eq!(error(""), "there is nothing to read");
        assert_eq!(error("{}\n"), "line 1 is not the beginning of an export");
        for length in 0..text.len() {
            assert!(read(&text.as_bytes()[..length]).is_err(), "{length}");
        }
        let with = |lines: &[&str]| error(&(lines.join("\n") + "\n"));
        assert_eq!(with(&lines[..3]), "the end is missing");
        assert_eq!(with(&[lines[0], lines[1], lines[3]]), "line 3: there are 1, not 2");
        assert_eq!(
            with(&[lines[0], lines[1], lines[2], lines[3], lines[1]]),
            "line 5: there is something behind the end"
        );
        for wrong in [
            lines[1].to_owned(),
            lines[2].replace("\"id\":2", "\"id\":3"),
            lines[2].replace("Docker", &"x".repeat(500)),
            lines[2].replace("\"revision\":1", "\"revision\":0"),
            lines[2].replace("\"revision\":1", "\"revision\":9007199254740992"),
            lines[2].replace("true", "1"),
        ] {
            let message = with(&[lines[0], lines[1], &wrong, lines[3]]);
            assert!(message.starts_with("line 3: "), "{message}");
        }
    }

    #[test]
    fn ids_leave_room_for_those_that_come() {
        for (next_id, is_right) in [(MAX_NUMBER, true), (MAX_NUMBER + 1, false), (u64::MAX, false)]
        {
            let text = format!(
                "{{\"todo_export\":1,\"epoch\":\"1\",\"next_id\":{next_id}}}\n{{\"end\":0}}\n"
            );
            let result = read(text.as_bytes()).map(|(origin, _)| origin.next_id);
            let expected = is_right.then_some(next_id).ok_or("line 1: next_id is too great");
            assert_eq!(result.map_err(|error| error.to_string()), expected.map_err(str::to_owned));
        }
    }

    #[test]
    fn memory_takes_nothing() {
        let store =
            AnyStore::Memory(MemoryStore::new(StoreOptions { max_bytes: 0, samples: false }));
        let error = run(import(&store, exported().as_bytes())).unwrap_err();
        assert_eq!(error.to_string(), "a store in memory ends with this program");
    }
}
