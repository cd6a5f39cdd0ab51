//! What every store tells those who follow it.

use std::time::Duration;

use tokio::time::timeout;

use super::*;

/// All changes behind `position`, which moves on. A store may take a moment to know of them.
async fn follow(store: &AnyStore, position: &mut Position, count: usize) -> Vec<Change> {
    let mut found = Vec::new();
    while found.len() < count {
        store.changed(position).await;
        let Changes { changes, position: next } =
            store.changes(position, 1_000).await.unwrap().unwrap();
        found.extend(changes);
        *position = next;
    }
    found
}

fn ids(changes: &[Change]) -> Vec<(TodoId, bool)> {
    changes.iter().map(|change| (change.id, change.todo.is_some())).collect()
}

#[test]
fn who_follows_a_store_sees_what_is_made_changed_and_deleted() {
    with_every_store(|store| async move {
        create(&*store, "before").await;
        let mut position = store.position().await.unwrap();
        let todo = create(&*store, "a").await;
        let created = follow(&store, &mut position, 1).await;
        assert_eq!((created[0].id, created[0].todo.as_ref()), (2, Some(&todo)));
        let todo = update(&*store, 2, completed()).await.unwrap();
        assert_eq!(follow(&store, &mut position, 1).await[0].todo, Some(todo));
        delete(&*store, 1).await.unwrap();
        store.delete_completed().await.unwrap();
        let deleted = follow(&store, &mut position, 2).await;
        assert_eq!(ids(&deleted), [(1, false), (2, false)]);
        let nothing = store.changes(&position, 1_000).await.unwrap().unwrap();
        assert_eq!(nothing.changes, []);
    });
}

#[test]
fn what_is_refused_or_changes_nothing_is_no_change() {
    with_every_store(|store| async move {
        create(&*store, "a").await;
        let position = store.position().await.unwrap();
        store.update(1, retitled("b"), &at(7)).await.unwrap_err();
        update(&*store, 1, retitled("a")).await.unwrap();
        delete(&*store, 7).await.unwrap_err();
        store.delete_completed().await.unwrap();
        let changes = store.changes(&position, 1_000).await.unwrap().unwrap();
        assert_eq!(changes.changes, []);
    });
}

#[test]
fn a_todo_that_was_changed_several_times_comes_once_as_it_is_now() {
    with_every_store(|store| async move {
        let mut position = store.position().await.unwrap();
        create(&*store, "a").await;
        create(&*store, "b").await;
        let last = update(&*store, 1, retitled("c")).await.unwrap();
        let changes = follow(&store, &mut position, 2).await;
        assert_eq!(ids(&changes), [(2, true), (1, true)]);
        assert_eq!(changes[1].todo, Some(last));
    });
}

#[test]
fn who_comes_back_goes_on_from_a_mark() {
    with_every_store(|store| async move {
        let mut position = store.position().await.unwrap();
        for title in ["a", "b", "c"] {
            create(&*store, title).await;
        }
        let changes = follow(&store, &mut position, 3).await;
        let text = changes[0].mark.to_string();
        let mut resumed = Position::from(text.parse::<Mark>().unwrap());
        assert_eq!(ids(&follow(&store, &mut resumed, 2).await), [(2, true), (3, true)]);
        assert_eq!(resumed.mark(), position.mark());
    });
}

#[test]
fn a_portion_of_changes_has_at_least_one() {
    with_every_store(|store| async move {
        let start = store.position().await.unwrap();
        for title in ["a", "b", "c"] {
            create(&*store, title).await;
        }
        let first = store.changes(&start, 102).await.unwrap().unwrap();
        assert_eq!(ids(&first.changes), [(1, true), (2, true)]);
        let second = store.changes(&first.position, 1).await.unwrap().unwrap();
        assert_eq!(ids(&second.changes), [(3, true)]);
    });
}

#[test]
fn a_mark_of_another_store_or_of_the_future_is_not_known() {
    with_every_store(|store| async move {
        let mark = store.position().await.unwrap().mark();
        for mark in [
            Mark { stream: Epoch::from(7), ..mark },
            Mark { number: mark.number + 1, ..mark },
            Mark { number: u64::MAX, ..mark },
        ] {
            assert_eq!(store.changes(&mark.into(), 1_000).await, Ok(None), "{mark}");
        }
    });
}

#[test]
fn waiting_lasts_until_something_changes() {
    for store in local_stores(options(ROOM, false)) {
        run(store, |store| async move {
            let position = store.position().await.unwrap();
            let waiting = timeout(Duration::from_millis(20), store.changed(&position)).await;
            assert!(waiting.is_err());
            let other = store.clone();
            let waiting = spawn_local(async move { other.changed(&position).await });
            tokio::task::yield_now().await;
            create(&*store, "a").await;
            waiting.await.unwrap();
        });
    }
}
