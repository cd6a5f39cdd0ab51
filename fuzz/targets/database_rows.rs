//! A file that the database finds nothing wrong with, with any rows in its tables.

#![no_main]

use std::cell::RefCell;

use arbitrary::Arbitrary;
use fuzz::api::Executor;
use fuzz::files::{Folder, open, use_store};
use libfuzzer_sys::fuzz_target;
use redb::{Database, TableDefinition};
use todo_store::{AnyStore, Location};

const TODOS: TableDefinition<'_, u64, (&str, &str, bool, u64, u64)> = TableDefinition::new("todos");
const KEYS: TableDefinition<'_, &str, (u64, u64, u64)> = TableDefinition::new("keys");
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
/// One of them with another type.
const WRONG: TableDefinition<'_, u32, &str> = TableDefinition::new("todos");

/// A number that is small, or at an end of its range.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Number {
    Small(u8),
    FromTheEnd(u8),
    Any(u64),
}

impl From<Number> for u64 {
    fn from(number: Number) -> Self {
        match number {
            Number::Small(number) => number.into(),
            Number::FromTheEnd(number) => Self::MAX - Self::from(number),
            Number::Any(number) => number,
        }
    }
}

type Todo<'a> = (Number, &'a str, &'a str, bool, Number, Number);

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    schema: Option<u8>,
    next_id: Option<Number>,
    transactions: Option<Number>,
    epoch: Option<Number>,
    todos: Option<Vec<Todo<'a>>>,
    keys: Option<Vec<(&'a str, Number, Number, Number)>>,
    is_wrong: bool,
}

impl Input<'_> {
    /// It has a number that is nearly the greatest one that a store takes from a file.
    fn is_at_an_end(&self) -> bool {
        let is_last = |number: Number| u64::from(number).abs_diff(u64::MAX / 2) < 1_000;
        let numbers = [self.next_id, self.transactions].into_iter().flatten();
        let todos = self.todos.iter().flatten();
        numbers.chain(todos.map(|todo| todo.5)).any(is_last)
    }
}

fn write(file: &std::path::Path, input: &Input<'_>) -> Result<(), redb::Error> {
    let database = Database::create(file)?;
    let transaction = database.begin_write()?;
    {
        let mut meta = transaction.open_table(META)?;
        for (key, value) in [
            ("schema", input.schema.map(u64::from)),
            ("next_id", input.next_id.map(u64::from)),
            ("transactions", input.transactions.map(u64::from)),
            ("epoch", input.epoch.map(u64::from)),
        ] {
            if let Some(value) = value {
                meta.insert(key, value)?;
            }
        }
        if input.is_wrong {
            transaction.open_table(WRONG)?.insert(1, "a")?;
        } else if let Some(todos) = &input.todos {
            let mut table = transaction.open_table(TODOS)?;
            for (id, title, description, completed, created_at, revision) in todos {
                let value =
                    (*title, *description, *completed, (*created_at).into(), (*revision).into());
                table.insert(u64::from(*id), value)?;
            }
        }
        if let Some(keys) = &input.keys {
            let mut table = transaction.open_table(KEYS)?;
            for (key, fingerprint, id, created_at) in keys {
                let value = ((*fingerprint).into(), (*id).into(), (*created_at).into());
                table.insert(*key, value)?;
            }
        }
    }
    transaction.commit()?;
    Ok(())
}

struct Fixture {
    executor: Executor,
    folder: Folder,
}

impl Fixture {
    fn new() -> Self {
        Self { executor: Executor::default(), folder: Folder::new("database_rows") }
    }

    fn run(&self, input: &Input<'_>) {
        self.folder.empty();
        let file = self.folder.path().join("todos");
        write(&file, input).expect("a file");
        let checked = self.executor.run(AnyStore::check(&Location::Redb(file.clone())));
        let checked = checked.map_err(|error| error.to_string());
        match open(&self.executor, &file) {
            Ok(store) => {
                assert!(checked.is_ok(), "{checked:?}, and it is opened");
                use_store(store);
                // What it was used for is there, and no reason to refuse it, unless it was at the end of its numbers.
                match open(&self.executor, &file) {
                    Ok(store) => drop(use_store(store)),
                    Err(reason) => assert!(input.is_at_an_end(), "{reason}"),
                }
            }
            Err(reason) => assert!(checked.is_err(), "{reason}, and the check finds nothing"),
        }
    }
}

thread_local! {
    static FIXTURE: RefCell<Fixture> = RefCell::new(Fixture::new());
}

fuzz_target!(|input: Input<'_>| FIXTURE.with_borrow(|fixture| fixture.run(&input)));
