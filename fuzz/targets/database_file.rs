//! A file of the store that was damaged anywhere: it is opened, with todos that can be used, or refused with a reason. `--check`
//! says the same of it as a start.

#![no_main]

use std::cell::RefCell;
use std::fs;

use arbitrary::Arbitrary;
use fuzz::api::Executor;
use fuzz::files::{Folder, open, use_store};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use todo_store::{AnyStore, Location};

/// Files as the versions of this program have written them.
const FILES: [&[u8]; 3] = [
    include_bytes!("../../e2e/fixtures/schema-1.redb"),
    include_bytes!("../../e2e/fixtures/schema-2.redb"),
    include_bytes!("../../e2e/fixtures/schema-3.redb"),
];

#[derive(Arbitrary, Debug)]
enum Damage<'a> {
    /// Other bytes at one place.
    Bytes(u16, &'a [u8]),
    /// Other bytes in the header, which is what is not covered by checksums.
    Header(u8, &'a [u8]),
    /// One page in the place of another one.
    Page(u8, u8),
    /// Cut off or made longer.
    Length(u32),
}

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    file: u8,
    damages: Vec<Damage<'a>>,
}

const PAGE: usize = 4_096;

/// Where the last bytes of the two transactions in the header are: of the first one, and how far it is to the next.
const TRANSACTIONS: (usize, usize) = (64 + 127, 128);

fn put(bytes: &mut [u8], at: usize, data: &[u8]) {
    bytes.iter_mut().skip(at).zip(data).for_each(|(byte, new)| *byte = *new);
}

fn damaged(input: &Input<'_>) -> Vec<u8> {
    let mut bytes = FILES[usize::from(input.file) % FILES.len()].to_vec();
    for damage in &input.damages {
        match damage {
            // In steps, so that all of the file can be reached.
            Damage::Bytes(at, data) => put(&mut bytes, 2 * usize::from(*at), data),
            Damage::Header(at, data) => put(&mut bytes, 2 * usize::from(*at), data),
            Damage::Page(from, to) => {
                let page = bytes.chunks(PAGE).nth(usize::from(*from)).map(<[u8]>::to_vec);
                put(&mut bytes, PAGE * usize::from(*to), &page.unwrap_or_default());
            }
            Damage::Length(length) => bytes.resize(*length as usize % (64 * PAGE), 0),
        }
    }
    bytes
}

struct Fixture {
    executor: Executor,
    folder: Folder,
    /// All todos in the files, as their last two transactions have left them.
    known: Vec<Value>,
}

impl Fixture {
    fn new() -> Self {
        let folder = Folder::new("database_file");
        let mut fixture = Self { executor: Executor::default(), folder, known: Vec::new() };
        let file = fixture.folder.path().join("todos");
        for bytes in FILES {
            // Where one of the two is damaged, the database takes it for one that was cut off by a crash, and uses the other.
            for damaged in [None, Some(0), Some(1)] {
                let mut bytes = bytes.to_vec();
                if let Some(number) = damaged {
                    bytes[TRANSACTIONS.0 + number * TRANSACTIONS.1] ^= 1;
                }
                fixture.folder.empty();
                fs::write(&file, bytes).expect("a file");
                let store = open(&fixture.executor, &file);
                fixture.known.extend(store.map(use_store).unwrap_or_default());
            }
        }
        assert!(!fixture.known.is_empty());
        fixture
    }

    fn run(&self, bytes: &[u8]) {
        self.folder.empty();
        let file = self.folder.path().join("todos");
        fs::write(&file, bytes).expect("a file");
        let checked = self.executor.run(AnyStore::check(&Location::Redb(file.clone())));
        let checked = checked.map_err(|error| error.to_string());
        assert!(fs::read(&file).expect("a file") == bytes, "it was changed");
        match open(&self.executor, &file) {
            Ok(store) => {
                assert!(checked.is_ok(), "{checked:?}, and it is opened");
                let todos = use_store(store);
                assert!(todos.iter().all(|todo| self.known.contains(todo)), "{todos:?}");
            }
            Err(reason) => {
                assert!(checked.is_err(), "{reason}, and the check finds nothing");
                assert!(fs::read(&file).expect("a file") == bytes, "it was changed");
            }
        }
    }
}

thread_local! {
    static FIXTURE: RefCell<Fixture> = RefCell::new(Fixture::new());
}

fuzz_target!(|input: Input<'_>| FIXTURE.with_borrow(|fixture| fixture.run(&damaged(&input))));
