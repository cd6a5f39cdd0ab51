//! What every store promises: one suite for all of them.
//!
//! A database takes part if `DATABASE_URL` names one: scripts/with-postgres.sh runs the tests with one of their own.

mod changes;
#[cfg(feature = "postgres")]
mod database;
mod keys;
mod model;

use std::cell::RefCell;
use std::rc::Rc;

use super::redb::tests::store_in_memory;
use super::*;
use todo_model::{Description, Title};
use tokio::task::{LocalSet, spawn_local};

const ROOM: usize = 1_000_000;

fn options(max_bytes: usize, samples: bool) -> StoreOptions {
    StoreOptions { max_bytes, samples }
}

/// The stores that have all todos in memory.
fn local_stores(options: StoreOptions) -> Vec<AnyStore> {
    vec![AnyStore::Memory(MemoryStore::new(options)), AnyStore::Redb(store_in_memory(options))]
}

/// Every store.
fn stores(options: StoreOptions) -> Vec<AnyStore> {
    let mut stores = local_stores(options);
    #[cfg(feature = "postgres")]
    stores.extend(database::store(options));
    stores
}

/// Runs `test` with each store, empty, on a runtime of its own.
fn with_every_store<F: Future<Output = ()>>(test: impl Fn(Rc<AnyStore>) -> F) {
    for store in stores(options(ROOM, false)) {
        run(store, &test);
    }
}

fn run<F: Future<Output = ()>>(store: AnyStore, test: impl Fn(Rc<AnyStore>) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let store = Rc::new(store);
    LocalSet::new().block_on(&runtime, async {
        let running = store.clone();
        spawn_local(async move { running.run().await });
        test(store).await;
    });
}

fn new(title: &str) -> NewTodo {
    NewTodo { title: Title::parse(title).unwrap(), description: Description::default() }
}

async fn create(store: &impl Store, title: &str) -> Rc<Todo> {
    store.create(new(title), None).await.unwrap()
}

async fn update(
    store: &impl Store,
    id: TodoId,
    update: TodoUpdate,
) -> Result<Rc<Todo>, ChangeError> {
    store.update(id, update, &Condition::default()).await
}

async fn delete(store: &impl Store, id: TodoId) -> Result<(), ChangeError> {
    store.delete(id, &Condition::default()).await
}

fn retitled(title: &str) -> TodoUpdate {
    TodoUpdate { title: Some(Title::parse(title).unwrap()), ..TodoUpdate::default() }
}

fn completed() -> TodoUpdate {
    TodoUpdate { completed: Some(true), ..TodoUpdate::default() }
}

fn at(revision: Revision) -> Condition {
    Condition { one_of: Some(vec![revision]), ..Condition::default() }
}

async fn titles(store: &impl Store, query: &Query) -> Vec<String> {
    let page = store.find(query).await.unwrap();
    page.todos.iter().map(|todo| todo.title.as_str().to_owned()).collect()
}

#[test]
fn a_new_store_has_the_samples_if_it_is_to() {
    for store in stores(options(ROOM, true)) {
        run(store, |store| async move {
            let page = store.find(&Query::default()).await.unwrap();
            let seen: Vec<_> =
                page.todos.iter().map(|t| (t.id, t.title.as_str(), t.completed)).collect();
            assert_eq!(seen, [(1, "Go 학습하기", false), (2, "Docker 최적화", true)]);
            assert_eq!(create(&*store, "next").await.id, 3);
        });
    }
}

#[test]
fn what_was_created_is_there() {
    with_every_store(|store| async move {
        let first = create(&*store, "a").await;
        let second = create(&*store, "b").await;
        assert_eq!((first.id, second.id, first.revision), (1, 2, 1));
        assert!(!first.completed && first.created_at <= second.created_at);
        assert_eq!(store.get(1).await.unwrap().as_ref(), Some(&first));
        assert_eq!(store.get(3).await.unwrap(), None);
        assert_eq!(store.find(&Query::default()).await.unwrap().todos, [first, second]);
    });
}

#[test]
fn an_update_makes_a_new_revision_if_something_differs() {
    with_every_store(|store| async move {
        let before = create(&*store, "a").await;
        let after = update(&*store, 1, completed()).await.unwrap();
        assert_eq!(*after, Todo { completed: true, revision: 2, ..(*before).clone() });
        let same = update(&*store, 1, completed()).await.unwrap();
        assert_eq!(same.revision, 2);
        assert_eq!(store.get(1).await.unwrap(), Some(after));
    });
}

#[test]
fn a_change_is_made_only_to_the_revision_it_is_meant_for() {
    with_every_store(|store| async move {
        create(&*store, "a").await;
        store.update(1, retitled("b"), &at(1)).await.unwrap();
        let failed = Err(ChangeError::ConditionFailed);
        assert_eq!(store.update(1, retitled("c"), &at(1)).await.map(drop), failed);
        assert_eq!(store.delete(1, &at(1)).await, failed);
        let never = Condition { none_of: Revisions::All, ..Condition::default() };
        assert_eq!(store.update(1, retitled("c"), &never).await.map(drop), failed);
        assert_eq!(titles(&*store, &Query::default()).await, ["b"]);
        assert_eq!(store.delete(1, &at(2)).await, Ok(()));
    });
}

#[test]
fn what_is_not_there_cannot_be_changed() {
    with_every_store(|store| async move {
        for condition in [Condition::default(), at(1)] {
            let updated = store.update(7, completed(), &condition).await;
            assert_eq!(updated, Err(ChangeError::NotFound));
            assert_eq!(store.delete(7, &condition).await, Err(ChangeError::NotFound));
        }
    });
}

#[test]
fn ids_are_not_given_out_again() {
    with_every_store(|store| async move {
        create(&*store, "a").await;
        create(&*store, "b").await;
        delete(&*store, 2).await.unwrap();
        assert_eq!(create(&*store, "c").await.id, 3);
        for id in [1, 3] {
            delete(&*store, id).await.unwrap();
        }
        assert_eq!(create(&*store, "d").await.id, 4);
    });
}

#[test]
fn the_completed_ones_are_deleted_together() {
    with_every_store(|store| async move {
        for title in ["a", "b", "c", "d"] {
            create(&*store, title).await;
        }
        // The order by title is there, so it has to follow.
        let by_title = Query { order: Order::Title, ..Query::default() };
        assert_eq!(titles(&*store, &by_title).await.len(), 4);
        for id in [2, 3] {
            update(&*store, id, completed()).await.unwrap();
        }
        assert_eq!(store.delete_completed().await, Ok(2));
        assert_eq!(store.delete_completed().await, Ok(0));
        assert_eq!(titles(&*store, &by_title).await, ["a", "d"]);
    });
}

#[test]
fn the_order_by_title_follows_every_change() {
    with_every_store(|store| async move {
        let by_title = Query { order: Order::Title, ..Query::default() };
        for title in ["c", "a", "b", "a"] {
            create(&*store, title).await;
        }
        let ids = |page: Page| page.todos.iter().map(|todo| todo.id).collect::<Vec<_>>();
        assert_eq!(ids(store.find(&by_title).await.unwrap()), [2, 4, 3, 1]);
        update(&*store, 2, retitled("z")).await.unwrap();
        delete(&*store, 3).await.unwrap();
        create(&*store, "b").await;
        assert_eq!(ids(store.find(&by_title).await.unwrap()), [4, 5, 1, 2]);
        let descending = Query { descending: true, limit: Some(2), ..by_title };
        assert_eq!(ids(store.find(&descending).await.unwrap()), [2, 1]);
    });
}

#[test]
fn a_list_goes_on_where_the_last_portion_ended() {
    with_every_store(|store| async move {
        assert_eq!(store.list(0, 1).await.unwrap(), Portion { todos: Vec::new(), is_last: true });
        for title in ["a", "b", "c", "d", "e"] {
            create(&*store, title).await;
        }
        delete(&*store, 2).await.unwrap();
        let list = async |after, max_bytes| {
            let Portion { todos, is_last } = store.list(after, max_bytes).await.unwrap();
            (todos.iter().map(|todo| todo.id).collect::<Vec<_>>(), is_last)
        };
        assert_eq!(list(0, 1_000).await, (vec![1, 3, 4, 5], true));
        assert_eq!(list(0, 1).await, (vec![1], false), "there is always one");
        assert_eq!(list(1, 102).await, (vec![3, 4], false));
        assert_eq!(list(4, 102).await, (vec![5], true));
        assert_eq!(list(5, 102).await, (vec![], true));
    });
}

#[test]
fn the_version_is_another_one_after_every_change() {
    let test = async |store: Rc<AnyStore>| {
        let mut versions = vec![store.version().unwrap()];
        create(&*store, "a").await;
        versions.push(store.version().unwrap());
        update(&*store, 1, completed()).await.unwrap();
        versions.push(store.version().unwrap());
        store.delete_completed().await.unwrap();
        versions.push(store.version().unwrap());
        let count = versions.len();
        versions.dedup();
        assert_eq!(versions.len(), count);
        update(&*store, 1, completed()).await.unwrap_err();
        assert_eq!(store.version(), versions.last().copied());
    };
    for store in local_stores(options(ROOM, false)) {
        run(store, test);
    }
}

#[test]
fn every_store_has_an_epoch_of_its_own() {
    let epochs = RefCell::new(Vec::new());
    for _ in 0..2 {
        with_every_store(async |store| {
            let epoch = store.epoch().await.unwrap();
            epochs.borrow_mut().push(u64::from(epoch));
        });
    }
    let mut epochs = epochs.take();
    let count = epochs.len();
    epochs.sort_unstable();
    epochs.dedup();
    assert_eq!(epochs.len(), count);
}

/// A search gives way to others, which may change what it walks over.
#[test]
fn a_search_finds_what_stays_exactly_once_whatever_changes_meanwhile() {
    run(AnyStore::Memory(MemoryStore::new(options(usize::MAX, false))), |store| async move {
        let long = Description::parse(&"x".repeat(Description::MAX_CHARS)).unwrap();
        for number in 0..1_000 {
            let title = Title::parse(&format!("{:04}", (number * 7) % 1_000)).unwrap();
            store.create(NewTodo { title, description: long.clone() }, None).await.unwrap();
        }
        for (order, descending) in
            [(Order::Id, false), (Order::Id, true), (Order::Title, false), (Order::Title, true)]
        {
            let text = Some("xx".into());
            let query = Query { text, order, descending, ..Query::default() };
            let finding = store.clone();
            let search = spawn_local(async move { finding.find(&query).await.unwrap() });
            let mut steps = 0;
            while !search.is_finished() {
                // Every third todo goes, and others come.
                let id = 1 + (steps % 333) * 3;
                let _ = delete(&*store, id).await;
                create(&*store, &format!("{id:04} new")).await;
                steps += 1;
                tokio::task::yield_now().await;
            }
            assert!(steps > 2, "it gives way");
            let found = search.await.unwrap();
            let mut ids: Vec<_> = found.todos.iter().map(|todo| todo.id).collect();
            assert_eq!(ids.len(), found.total);
            ids.sort_unstable();
            let count = ids.len();
            ids.dedup();
            assert_eq!(ids.len(), count, "none is found twice");
            let stays = (1..1_000).filter(|id| id % 3 != 1);
            assert!(stays.into_iter().all(|id| ids.binary_search(&id).is_ok()));
        }
    });
}

#[test]
fn a_full_store_refuses_what_makes_it_fuller() {
    for store in local_stores(options(250, false)) {
        run(store, |store| async move {
            create(&*store, "a").await;
            create(&*store, "b").await;
            assert_eq!(store.create(new("c"), None).await, Err(StoreError::Full.into()));
            let longer = update(&*store, 1, retitled(&"x".repeat(100))).await;
            assert_eq!(longer, Err(ChangeError::Store(StoreError::Full)));
            update(&*store, 1, completed()).await.unwrap();
            delete(&*store, 2).await.unwrap();
            assert_eq!(create(&*store, "c").await.id, 3);
        });
    }
}

#[test]
fn of_changes_at_the_same_time_each_gets_its_own_result() {
    with_every_store(|store| async move {
        create(&*store, "a").await;
        // All of these are made at revision 1, so exactly one of them can win.
        let racing = ["x", "y", "z"].map(|title| {
            let store = store.clone();
            spawn_local(async move { store.update(1, retitled(title), &at(1)).await })
        });
        let other = store.clone();
        let created = spawn_local(async move { create(&*other, "b").await });
        let other = store.clone();
        let missing = spawn_local(async move { delete(&*other, 9).await });
        let mut won = 0;
        for change in racing {
            match change.await.unwrap() {
                Ok(_) => won += 1,
                Err(error) => assert_eq!(error, ChangeError::ConditionFailed),
            }
        }
        assert_eq!(won, 1);
        assert_eq!(created.await.unwrap().id, 2);
        assert_eq!(missing.await.unwrap(), Err(ChangeError::NotFound));
        assert_eq!(store.get(1).await.unwrap().unwrap().revision, 2);
    });
}
