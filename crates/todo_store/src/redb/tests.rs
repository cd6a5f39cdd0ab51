//! What the durable store does when its disk fails.

mod crash_disk;
mod faults;
mod growth;
mod keys;
mod numbers;
mod power_cut;
mod script;
mod test_disk;

use std::time::Duration;

use todo_table::Table;

use super::disk::Disk;
use super::open::Source;
use super::tables::Header;
use super::*;
use crate::StoreOptions;
use test_disk::{Fault, TestDisk};
use todo_model::{Description, NewTodo, Title, TodoUpdate};
use tokio::task::{LocalSet, spawn_local};

const OPTIONS: StoreOptions = StoreOptions { max_bytes: 1_000_000, samples: false };

fn open_disk(disk: &TestDisk, options: StoreOptions) -> Result<(Table, Todos, Header), String> {
    let is_new = disk.current().state().bytes.is_empty();
    let source = if is_new { Source::Nothing } else { Source::Database };
    open::open_database(disk.open().unwrap(), source, options)
}

fn store_on(disk: &TestDisk, options: StoreOptions) -> RedbStore {
    let (table, todos, header) = open_disk(disk, options).unwrap();
    RedbStore::new(todos, TodoDatabase::new(table, Box::new(disk.clone()), header), None)
}

/// A store that is as durable as this process.
pub(crate) fn store_in_memory(options: StoreOptions) -> RedbStore {
    store_on(&TestDisk::default(), options)
}

fn run<F: Future<Output = ()>>(disk: &TestDisk, test: impl FnOnce(Rc<RedbStore>) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let store = Rc::new(store_on(disk, OPTIONS));
        let running = store.clone();
        spawn_local(async move { running.run().await });
        test(store).await;
    });
}

async fn create(store: &RedbStore, title: &str) -> Result<TodoId, CreateError> {
    let new = NewTodo { title: Title::parse(title).unwrap(), description: Description::default() };
    Ok(store.create(new, None).await?.id)
}

async fn complete(store: &RedbStore, id: TodoId, completed: bool) {
    let update = TodoUpdate { completed: Some(completed), ..TodoUpdate::default() };
    store.update(id, update, &Condition::default()).await.unwrap();
}

async fn titles(store: &RedbStore) -> Vec<String> {
    let page = store.find(&Query::default()).await.unwrap();
    page.todos.iter().map(|todo| todo.title.as_str().to_owned()).collect()
}

#[test]
fn what_was_stored_is_there_after_a_restart() {
    let disk = TestDisk::default();
    run(&disk, |store| async move {
        for title in ["a", "b", "c"] {
            create(&store, title).await.unwrap();
        }
        store.delete(3, &Condition::default()).await.unwrap();
        complete(&store, 1, true).await;
    });
    run(&disk, |store| async move {
        assert_eq!(titles(&store).await, ["a", "b"]);
        let todo = store.get(1).await.unwrap().unwrap();
        assert_eq!((todo.completed, todo.revision), (true, 2));
        assert_eq!(create(&store, "d").await, Ok(4), "3 was given out before");
    });
}

#[test]
fn a_disk_that_fails_changes_nothing_and_the_store_recovers_with_it() {
    for (fault, error) in [
        (Fault::Full, StoreError::NoSpace),
        (Fault::ShortWrite, StoreError::Unavailable),
        (Fault::Sync, StoreError::Unavailable),
    ] {
        let disk = TestDisk::default();
        let faulty = disk.clone();
        run(&disk, |store| async move {
            create(&store, "before").await.unwrap();
            faulty.fail(fault);
            for _ in 0..3 {
                assert_eq!(create(&store, "lost").await, Err(error.into()), "{fault:?}");
                let deleted = store.delete(1, &Condition::default()).await;
                assert_eq!(deleted, Err(ChangeError::Store(error)), "{fault:?}");
                assert_eq!(titles(&store).await, ["before"], "reading goes on");
                store.database.borrow_mut().end_pause();
            }
            faulty.fail(Fault::None);
            store.database.borrow_mut().end_pause();
            create(&store, "after").await.unwrap();
            let titles = titles(&store).await;
            assert_eq!(titles.first().map(String::as_str), Some("before"));
            assert_eq!(titles.last().map(String::as_str), Some("after"));
        });
        // What the store says is what the disk says.
        run(&disk, |store| async move {
            let titles = titles(&store).await;
            assert_eq!(titles, ["before", "after"], "{fault:?}");
        });
    }
}

#[test]
fn a_store_that_failed_is_found_to_be_well_again_by_asking_it() {
    for fault in [Fault::ShortWrite, Fault::Sync] {
        let disk = TestDisk::default();
        let faulty = disk.clone();
        run(&disk, |store| async move {
            create(&store, "before").await.unwrap();
            assert_eq!(store.check().await, Ok(()));
            faulty.fail(fault);
            create(&store, "lost").await.unwrap_err();
            for _ in 0..3 {
                assert_eq!(store.check().await, Err(StoreError::Unavailable), "{fault:?}");
                store.database.borrow_mut().end_pause();
            }
            faulty.fail(Fault::None);
            store.database.borrow_mut().end_pause();
            assert_eq!(store.check().await, Ok(()), "{fault:?}");
            let count = store.commits().count();
            assert_eq!(store.check().await, Ok(()));
            assert_eq!(store.commits().count(), count, "a store without faults is not written to");
            create(&store, "after").await.unwrap();
        });
        run(&disk, |store| async move {
            assert_eq!(titles(&store).await.last().map(String::as_str), Some("after"));
        });
    }
}

#[test]
fn a_store_on_a_full_disk_can_still_serve() {
    let disk = TestDisk::default();
    let faulty = disk.clone();
    run(&disk, |store| async move {
        create(&store, "before").await.unwrap();
        faulty.fail(Fault::Full);
        assert_eq!(create(&store, "lost").await, Err(StoreError::NoSpace.into()));
        for _ in 0..3 {
            assert_eq!(store.check().await, Ok(()));
            assert_eq!(titles(&store).await, ["before"]);
            store.database.borrow_mut().end_pause();
        }
    });
}

#[test]
fn only_transactions_that_reached_the_disk_are_counted() {
    let disk = TestDisk::default();
    let faulty = disk.clone();
    run(&disk, |store| async move {
        create(&store, "a").await.unwrap();
        create(&store, "b").await.unwrap();
        faulty.fail(Fault::Sync);
        create(&store, "lost").await.unwrap_err();
        assert_eq!(store.commits().count(), 2);
    });
}

#[test]
fn changes_that_wait_together_share_one_transaction() {
    let disk = TestDisk::default();
    let counted = disk.clone();
    run(&disk, |store| async move {
        create(&store, "first").await.unwrap();
        let before = counted.state().syncs;
        create(&store, "alone").await.unwrap();
        let alone = counted.state().syncs - before;
        let before = counted.state().syncs;
        let together: Vec<_> = (0..50)
            .map(|number| {
                let store = store.clone();
                spawn_local(async move { create(&store, &format!("{number}")).await })
            })
            .collect();
        for created in together {
            created.await.unwrap().unwrap();
        }
        assert_eq!(counted.state().syncs - before, alone);
    });
}

#[test]
fn a_change_that_does_nothing_writes_nothing() {
    let disk = TestDisk::default();
    let counted = disk.clone();
    run(&disk, |store| async move {
        create(&store, "a").await.unwrap();
        let before = counted.state().syncs;
        complete(&store, 1, false).await;
        assert_eq!(store.delete_completed().await, Ok(0));
        assert_eq!(counted.state().syncs, before);
    });
}

#[test]
fn whatever_is_damaged_is_told_and_never_a_panic() {
    let disk = TestDisk::default();
    run(&disk, |store| async move {
        for number in 0..200 {
            create(&store, &format!("todo {number}")).await.unwrap();
        }
    });
    let intact = disk.state().bytes.clone();
    let mut refused = 0;
    for position in (0..intact.len()).step_by(intact.len() / 97) {
        let damaged = TestDisk::default();
        damaged.state().bytes = intact.clone();
        damaged.state().bytes[position] ^= 0x55;
        match open_disk(&damaged, OPTIONS) {
            Err(_) => refused += 1,
            // The byte was of no use, or redb had another copy of it.
            Ok((_, todos, _)) => assert_eq!(todos.count().total(), 200),
        }
    }
    assert!(refused > 0);
}

#[test]
fn a_file_that_is_cut_off_is_told() {
    let disk = TestDisk::default();
    run(&disk, |store| async move {
        create(&store, "a").await.unwrap();
    });
    let intact = disk.state().bytes.clone();
    for length in [1, 100, 4_096, intact.len() / 2, intact.len() - 1] {
        let cut = TestDisk::default();
        cut.state().bytes = intact[..length].to_vec();
        assert!(open_disk(&cut, OPTIONS).is_err());
    }
}

/// PostgreSQL's lesson of 2018: after a failed `fsync` the next one may succeed without having written anything.
#[test]
fn what_is_acknowledged_after_a_failed_fsync_survives_a_power_cut() {
    let disk = TestDisk::default();
    let faulty = disk.clone();
    run(&disk, |store| async move {
        create(&store, "before").await.unwrap();
        faulty.fail(Fault::Sync);
        assert_eq!(create(&store, "lost").await, Err(StoreError::Unavailable.into()));
        faulty.fail(Fault::None);
        store.database.borrow_mut().end_pause();
        create(&store, "after").await.unwrap();
    });
    run(&disk.after_power_cut(), |store| async move {
        assert_eq!(titles(&store).await, ["before", "after"]);
    });
}

#[test]
fn a_store_whose_file_was_taken_away_is_not_ready() {
    let disk = TestDisk::default();
    let faulty = disk.clone();
    run(&disk, |store| async move {
        create(&store, "a").await.unwrap();
        faulty.fail(Fault::Gone);
        assert_eq!(store.check().await, Err(StoreError::Unavailable));
        faulty.fail(Fault::None);
        assert_eq!(store.check().await, Ok(()));
    });
}

#[test]
fn the_epoch_stays_with_the_store() {
    let disk = TestDisk::default();
    let first = store_on(&disk, OPTIONS).epoch;
    assert_eq!(store_on(&disk, OPTIONS).epoch, first);
    assert_ne!(store_on(&TestDisk::default(), OPTIONS).epoch, first);
}

/// A server goes on writing while its file is looked at, so that parts of several transactions may be seen.
#[test]
fn a_look_at_a_file_does_not_take_changes_in_progress_for_damage() {
    let disk = TestDisk::default();
    run(&disk, |store| async move {
        create(&store, "a").await.unwrap();
    });
    let torn = TestDisk::default();
    torn.state().bytes = vec![0x55; disk.state().bytes.len()];
    // What is found, one after the other, and whether the file's header changes meanwhile.
    let look = |found: &[(&TestDisk, bool)]| {
        let (mut disks, mut headers) = (found.iter().cycle(), found.iter().cycle());
        let open = || {
            // Opening changes what is opened.
            let copy = TestDisk::default();
            copy.state().bytes = disks.next().unwrap().0.state().bytes.clone();
            copy.open()
        };
        let (mut is_before, mut number) = (true, 0);
        let header = || {
            if !is_before && headers.next().unwrap().1 {
                number += 1;
            }
            is_before = !is_before;
            Ok(vec![number])
        };
        check::judge(open, header, Duration::ZERO)
    };
    assert_eq!(look(&[(&disk, false)]), Ok(1));
    assert_eq!(look(&[(&torn, true), (&torn, true), (&disk, true)]), Ok(1));
    assert!(look(&[(&torn, false), (&disk, false)]).unwrap_err().starts_with("it is damaged"));
    let reason = "its server writes to it all the time, try again later";
    assert_eq!(look(&[(&torn, true)]), Err(reason.to_owned()));
}
