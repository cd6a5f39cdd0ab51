//! What the durable store does when its disk fails. Faults come in through the interface that redb writes to.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use todo_table::StorageBackend;

use super::disk::{Disk, Storage};
use super::*;
use crate::{Change, Condition, Outcome, StoreError};
use todo_model::{Description, NewTodo, Title, TodoUpdate};

/// A disk that keeps its bytes in memory and fails when it is told to.
#[derive(Clone, Debug, Default)]
struct TestDisk(Arc<Mutex<DiskState>>);

#[derive(Debug, Default)]
struct DiskState {
    bytes: Vec<u8>,
    fault: Fault,
    syncs: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Fault {
    #[default]
    None,
    /// Every `fsync` fails; what was written is there.
    Sync,
    /// Only the first bytes of every write arrive.
    ShortWrite,
    /// There is no room.
    Full,
}

impl TestDisk {
    fn fail(&self, fault: Fault) {
        lock(&self.0).fault = fault;
    }
}

impl Disk for TestDisk {
    fn open(&self) -> io::Result<Storage> {
        Ok(Storage::new(self.clone()))
    }
}

impl StorageBackend for TestDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(lock(&self.0).bytes.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let offset = offset as usize;
        let state = lock(&self.0);
        let bytes = state.bytes.get(offset..offset + out.len());
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        lock(&self.0).bytes.resize(len as usize, 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = lock(&self.0);
        state.syncs += 1;
        match state.fault {
            Fault::Sync => Err(io::Error::other("the disk does not answer")),
            _ => Ok(()),
        }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = lock(&self.0);
        let offset = offset as usize;
        let length = match state.fault {
            Fault::Full => return Err(io::ErrorKind::StorageFull.into()),
            Fault::ShortWrite => data.len() / 2,
            Fault::None | Fault::Sync => data.len(),
        };
        state.bytes[offset..offset + length].copy_from_slice(&data[..length]);
        if length < data.len() { Err(io::ErrorKind::WriteZero.into()) } else { Ok(()) }
    }
}

fn store_on(disk: &TestDisk, max_bytes: usize, samples: bool) -> RedbStore {
    let is_new = lock(&disk.0).bytes.is_empty();
    let storage = disk.open().unwrap();
    let (table, contents) = open::open_database(storage, is_new, max_bytes, samples).unwrap();
    let database = TodoDatabase::new(table, Box::new(disk.clone()), &contents);
    RedbStore::new(contents.into_collection(max_bytes), database, None)
}

/// A store that is as durable as this process.
pub(crate) fn store_in_memory(max_bytes: usize, samples: bool) -> RedbStore {
    store_on(&TestDisk::default(), max_bytes, samples)
}

fn run<F: Future<Output = ()>>(disk: &TestDisk, test: impl FnOnce(Arc<RedbStore>) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Arc::new(store_on(disk, 1_000_000, false));
        let running = store.clone();
        tokio::spawn(async move { running.run().await });
        test(store).await;
    });
}

async fn create(store: &RedbStore, title: &str) -> Result<TodoId, StoreError> {
    let new = NewTodo { title: Title::parse(title).unwrap(), description: Description::default() };
    match store.change(Change::Create(new)).await? {
        Outcome::Stored(todo) => Ok(todo.id),
        other => panic!("{other:?}"),
    }
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
        store.change(Change::Delete(3, Condition::default())).await.unwrap();
        let update = TodoUpdate { completed: Some(true), ..TodoUpdate::default() };
        store.change(Change::Update(1, update, Condition::default())).await.unwrap();
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
        (Fault::ShortWrite, StoreError::Failed),
        (Fault::Sync, StoreError::Failed),
    ] {
        let disk = TestDisk::default();
        let faulty = disk.clone();
        run(&disk, |store| async move {
            create(&store, "before").await.unwrap();
            faulty.fail(fault);
            for _ in 0..3 {
                assert_eq!(create(&store, "lost").await, Err(error), "{fault:?}");
                let delete = Change::Delete(1, Condition::default());
                assert_eq!(store.change(delete).await, Err(error), "{fault:?}");
                assert_eq!(titles(&store).await, ["before"], "reading goes on");
                tokio::time::sleep(Duration::from_millis(120)).await;
            }
            faulty.fail(Fault::None);
            tokio::time::sleep(Duration::from_millis(120)).await;
            create(&store, "after").await.unwrap();
            let titles = titles(&store).await;
            assert_eq!(titles.first().map(String::as_str), Some("before"));
            assert_eq!(titles.last().map(String::as_str), Some("after"));
        });
        // What the store says is what the disk says.
        run(&disk, |store| async move {
            let titles = titles(&store).await;
            assert_eq!(titles.last().map(String::as_str), Some("after"));
            // After a failed fsync nobody knows whether a change is there; it is there as a whole, or not at all.
            assert!(fault == Fault::Sync || titles == ["before", "after"], "{titles:?}");
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
                assert_eq!(store.check().await, Err(StoreError::Failed), "{fault:?}");
                tokio::time::sleep(Duration::from_millis(120)).await;
            }
            faulty.fail(Fault::None);
            tokio::time::sleep(Duration::from_millis(120)).await;
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
        assert_eq!(create(&store, "lost").await, Err(StoreError::NoSpace));
        for _ in 0..3 {
            assert_eq!(store.check().await, Ok(()));
            assert_eq!(titles(&store).await, ["before"]);
            tokio::time::sleep(Duration::from_millis(120)).await;
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
        let before = lock(&counted.0).syncs;
        create(&store, "alone").await.unwrap();
        let alone = lock(&counted.0).syncs - before;
        let before = lock(&counted.0).syncs;
        let together: Vec<_> = (0..50)
            .map(|number| {
                let store = store.clone();
                tokio::spawn(async move { create(&store, &format!("{number}")).await })
            })
            .collect();
        for created in together {
            created.await.unwrap().unwrap();
        }
        assert_eq!(lock(&counted.0).syncs - before, alone);
    });
}

#[test]
fn a_change_that_does_nothing_writes_nothing() {
    let disk = TestDisk::default();
    let counted = disk.clone();
    run(&disk, |store| async move {
        create(&store, "a").await.unwrap();
        let before = lock(&counted.0).syncs;
        let update = TodoUpdate { completed: Some(false), ..TodoUpdate::default() };
        store.change(Change::Update(1, update, Condition::default())).await.unwrap();
        store.change(Change::DeleteCompleted).await.unwrap();
        assert_eq!(lock(&counted.0).syncs, before);
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
    let intact = lock(&disk.0).bytes.clone();
    let mut refused = 0;
    for position in (0..intact.len()).step_by(intact.len() / 97) {
        let damaged = TestDisk::default();
        lock(&damaged.0).bytes = intact.clone();
        lock(&damaged.0).bytes[position] ^= 0x55;
        match open::open_database(damaged.open().unwrap(), false, 1_000_000, true) {
            Err(_) => refused += 1,
            // The byte was of no use, or redb had another copy of it.
            Ok((_, contents)) => assert_eq!(contents.todos.len(), 200),
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
    let intact = lock(&disk.0).bytes.clone();
    for length in [1, 100, 4_096, intact.len() / 2, intact.len() - 1] {
        let cut = TestDisk::default();
        lock(&cut.0).bytes = intact[..length].to_vec();
        assert!(open::open_database(cut.open().unwrap(), false, 1_000_000, true).is_err());
    }
}

/// A server goes on writing while its file is copied for a look, so that the copy may hold parts of several transactions.
#[test]
fn a_look_at_a_file_does_not_take_changes_under_way_for_damage() {
    let disk = TestDisk::default();
    run(&disk, |store| async move {
        create(&store, "a").await.unwrap();
    });
    let torn = TestDisk::default();
    lock(&torn.0).bytes = vec![0x55; lock(&disk.0).bytes.len()];
    let look = |snapshots: &[(&TestDisk, bool)]| {
        let mut snapshots = snapshots.iter().cycle();
        let next = || {
            let &(disk, is_whole) = snapshots.next().unwrap();
            // Opening changes what is opened.
            let copy = TestDisk::default();
            lock(&copy.0).bytes = lock(&disk.0).bytes.clone();
            Ok(check::Snapshot { copy: copy.open()?, is_whole })
        };
        check::judge(next, Duration::ZERO)
    };
    assert_eq!(look(&[(&disk, true)]), Ok(1));
    assert_eq!(look(&[(&disk, false)]), Ok(1));
    assert_eq!(look(&[(&torn, false), (&torn, false), (&disk, false)]), Ok(1));
    assert!(look(&[(&torn, true), (&disk, true)]).unwrap_err().starts_with("it is damaged"));
    let reason = "its server writes to it all the time, try again later";
    assert_eq!(look(&[(&torn, false)]), Err(reason.to_owned()));
}
