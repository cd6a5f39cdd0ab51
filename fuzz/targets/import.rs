//! `--import`: all todos of a text are taken, or none. What was taken and is written again is the same.

#![no_main]

use fuzz::api::Executor;
use fuzz::files::{Folder, open, use_store};
use libfuzzer_sys::fuzz_target;
use std::cell::RefCell;
use todo::transfer::{export, import};
use todo_store::{AnyStore, Location, Store as _};

struct Fixture {
    executor: Executor,
    folder: Folder,
    /// A store without todos.
    empty: Option<AnyStore>,
}

impl Fixture {
    fn new() -> Self {
        Self { executor: Executor::default(), folder: Folder::new("import"), empty: None }
    }

    fn empty(&mut self) -> AnyStore {
        self.empty.take().unwrap_or_else(|| {
            self.folder.empty();
            open(&self.executor, &self.folder.path().join("todos")).expect("a store")
        })
    }

    fn exported(&self, store: &AnyStore) -> Vec<u8> {
        let mut text = Vec::new();
        self.executor.run(export(store, &mut text)).expect("an export");
        text
    }

    fn run(&mut self, text: &[u8]) {
        let store = self.empty();
        let imported = self.executor.run(import(&store, text));
        let count = self.executor.run(store.count()).expect("a number").total();
        let Ok(expected) = imported else {
            assert_eq!(count, 0, "not all or none");
            self.empty = Some(store);
            return;
        };
        // The import is in the file. This program ends with it, so the store in memory is as it was.
        drop(store);
        let file = self.folder.path().join("todos");
        let found = self.executor.run(AnyStore::check(&Location::Redb(file.clone())));
        let found = found.expect("a file that can be opened");
        assert!(found.contains(&format!("todos in it: {expected}")), "{found}");
        let store = open(&self.executor, &file).expect("a store");
        let first = self.exported(&store);
        let other = open(&self.executor, &self.folder.path().join("other")).expect("a store");
        let again = self.executor.run(import(&other, &first[..])).expect("what was exported");
        assert_eq!(again, expected);
        drop(other);
        let other = open(&self.executor, &self.folder.path().join("other")).expect("a store");
        assert!(self.exported(&other) == first, "another export");
        drop(other);
        use_store(store);
    }
}

thread_local! {
    static FIXTURE: RefCell<Fixture> = RefCell::new(Fixture::new());
}

fuzz_target!(|text: &[u8]| FIXTURE.with_borrow_mut(|fixture| fixture.run(text)));
