//! What lies beside the store's file: leases, challenges and copies of any name and content.

#![no_main]

use std::fs;

use arbitrary::Arbitrary;
use file_lease::{Acquisition, Status, Step, has_holder};
use fuzz::files::Folder;
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct File<'a> {
    /// How many numbers it is from the greatest, or from 0, modulo 4.
    number: u8,
    is_great: bool,
    /// What is behind the number, or in the place of `lease.` and the number.
    suffix: &'a str,
    is_other: bool,
    content: &'a [u8],
}

fn name(file: &File<'_>) -> String {
    let number = u64::from(file.number % 4);
    let number = if file.is_great { u64::MAX - number } else { number };
    let suffix = file.suffix;
    if file.is_other { format!("x.{suffix}") } else { format!("x.lease.{number}{suffix}") }
}

fn run(folder: &Folder, files: &[File<'_>]) {
    folder.empty();
    for file in files {
        let name = name(file);
        if name.len() < 200 && !name.contains(['/', '\0']) {
            fs::write(folder.path().join(name), file.content).expect("a file");
        }
    }
    let path = folder.path().join("x");
    let is_held = has_holder(&path).expect("a folder that can be read");
    let mut acquisition = Acquisition::begin(&path).expect("a name");
    match acquisition.step() {
        Ok(Step::Acquired(lease, _)) => {
            assert!(!is_held, "it was held");
            assert_eq!(lease.status(), Status::Held);
            assert_eq!(has_holder(&path).ok(), Some(true));
            lease.publish().expect("a copy");
            lease.new_copy().expect("another copy");
            drop(lease);
            assert_eq!(has_holder(&path).ok(), Some(false));
            let again = Acquisition::begin(&path).expect("a name").step();
            assert!(!matches!(again, Ok(Step::Wait(_))), "a lease that was given up is waited for");
        }
        Ok(Step::Wait(_)) => assert!(is_held, "nobody is waited for"),
        // There is no number behind the greatest one.
        Err(_) => assert!(files.iter().any(|file| file.is_great)),
    }
}

thread_local! {
    static FOLDER: Folder = Folder::new("lease");
}

fuzz_target!(|files: Vec<File<'_>>| FOLDER.with(|folder| run(folder, &files)));
