//! Idempotency keys on a disk.

use clock::Timestamp;

use super::*;
use crate::keys::{KEPT, MAX_KEYS, Made};
use crate::todos::Effect;

async fn create_once(store: &RedbStore, title: &str, key: &str) -> Result<Todo, CreateError> {
    let new = NewTodo { title: Title::parse(title).unwrap(), description: Description::default() };
    let key = IdempotencyKey::parse(key).unwrap();
    Ok((*store.create(new, Some(&key)).await?).clone())
}

/// The keys on a disk and the ids of their todos, the oldest first.
fn keys_on(disk: &TestDisk) -> Vec<(String, TodoId)> {
    let (_, todos, _) = open_disk(disk, OPTIONS).unwrap();
    todos.keys().map(|(key, made)| (key.as_str().to_owned(), made.id)).collect()
}

/// Puts keys on a disk that were made so long ago.
fn put_keys(disk: &TestDisk, age: Duration, count: usize) {
    let (table, todos, header) = open_disk(disk, OPTIONS).unwrap();
    let nanoseconds = Timestamp::now().nanoseconds() - u64::try_from(age.as_nanos()).unwrap();
    let created_at = Timestamp::from_nanoseconds(nanoseconds);
    let effects: Vec<_> = (todos.next_id()..)
        .take(count)
        .map(|id| {
            let key = IdempotencyKey::parse(&id.to_string()).unwrap();
            let after = Some(Made { fingerprint: 0, id, created_at });
            Effect::Key { key, before: None, after }
        })
        .collect();
    let next_id = header.next_id + u64::try_from(count).unwrap();
    tables::write(&table, &effects, Header { next_id, ..header }).unwrap();
}

#[test]
fn a_key_outlives_a_restart() {
    let disk = TestDisk::default();
    let made = Rc::new(RefCell::new(None));
    let kept = made.clone();
    run(&disk, |store| async move {
        kept.replace(Some(create_once(&store, "a", "k").await.unwrap()));
        store.delete(1, &Condition::default()).await.unwrap();
    });
    run(&disk, |store| async move {
        assert_eq!(create_once(&store, "a", "k").await.ok(), made.take());
        assert_eq!(create_once(&store, "b", "k").await, Err(CreateError::KeyReused));
        assert_eq!(titles(&store).await, [] as [&str; 0]);
    });
}

#[test]
fn a_repetition_writes_nothing() {
    let disk = TestDisk::default();
    let counted = disk.clone();
    run(&disk, |store| async move {
        create_once(&store, "a", "k").await.unwrap();
        let before = counted.state().syncs;
        create_once(&store, "a", "k").await.unwrap();
        create_once(&store, "b", "k").await.unwrap_err();
        assert_eq!(counted.state().syncs, before);
    });
}

#[test]
fn a_transaction_that_failed_keeps_no_key_and_loses_none() {
    for fault in [Fault::Full, Fault::ShortWrite, Fault::Sync] {
        let disk = TestDisk::default();
        let faulty = disk.clone();
        run(&disk, |store| async move {
            create_once(&store, "before", "1").await.unwrap();
            faulty.fail(fault);
            let together = [("before", "1"), ("lost", "2"), ("lost", "2")].map(|(title, key)| {
                let store = store.clone();
                spawn_local(async move { create_once(&store, title, key).await })
            });
            for failed in together {
                failed.await.unwrap().unwrap_err();
            }
            faulty.fail(Fault::None);
            store.database.borrow_mut().end_pause();
            assert_eq!(create_once(&store, "another", "2").await.unwrap().id, 3);
            assert_eq!(create_once(&store, "before", "1").await.unwrap().id, 1);
            assert_eq!(titles(&store).await, ["before", "another"]);
        });
        let rest = disk.after_power_cut();
        assert_eq!(keys_on(&rest), [("1".to_owned(), 1), ("2".to_owned(), 3)], "{fault:?}");
    }
}

#[test]
fn a_key_is_forgotten_after_24_hours_in_the_transaction_of_another() {
    let disk = TestDisk::default();
    drop(store_on(&disk, OPTIONS));
    put_keys(&disk, KEPT, 3);
    put_keys(&disk, KEPT - Duration::from_secs(60), 1);
    let faulty = disk.clone();
    run(&disk, |store| async move {
        assert_eq!(create_once(&store, "a", "4").await, Err(CreateError::KeyReused));
        // What a transaction forgets is there again when it fails.
        faulty.fail(Fault::ShortWrite);
        create_once(&store, "a", "2").await.unwrap_err();
        faulty.fail(Fault::None);
        store.database.borrow_mut().end_pause();
        create(&store, "without a key").await.unwrap();
        assert_eq!(keys_on(&faulty.after_power_cut()).len(), 4);
        create_once(&store, "a", "2").await.unwrap();
    });
    assert_eq!(keys_on(&disk), [("4".to_owned(), 4), ("2".to_owned(), 7)]);
}

#[test]
fn a_disk_has_no_more_keys_than_there_may_be() {
    let disk = TestDisk::default();
    drop(store_on(&disk, OPTIONS));
    put_keys(&disk, Duration::ZERO, MAX_KEYS);
    run(&disk, |store| async move {
        create_once(&store, "a", "new").await.unwrap();
    });
    let keys = keys_on(&disk);
    assert_eq!(keys.len(), MAX_KEYS);
    assert_eq!(keys.first().unwrap().1, 2);
}
