//! What every store promises: one suite for all of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::redb::tests::store_in_memory;
use super::*;
use todo_model::{Description, Title};

const ROOM: usize = 1_000_000;

/// Runs `test` with each store, empty, on a runtime of its own.
fn with_every_store<F: Future<Output = ()>>(test: impl Fn(Arc<AnyStore>) -> F) {
    for store in [
        AnyStore::Memory(MemoryStore::new(ROOM, false)),
        AnyStore::Redb(store_in_memory(ROOM, false)),
    ] {
        run(store, &test);
    }
}

fn run<F: Future<Output = ()>>(store: AnyStore, test: impl Fn(Arc<AnyStore>) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let store = Arc::new(store);
    runtime.block_on(async {
        let running = store.clone();
        tokio::spawn(async move { running.run().await });
        test(store).await;
    });
}

fn new(title: &str) -> NewTodo {
    NewTodo { title: Title::parse(title).unwrap(), description: Description::default() }
}

async fn create(store: &impl Store, title: &str) -> Arc<Todo> {
    stored(store.change(Change::Create(new(title))).await)
}

fn stored(outcome: Result<Outcome, StoreError>) -> Arc<Todo> {
    match outcome {
        Ok(Outcome::Stored(todo)) => todo,
        other => panic!("{other:?}"),
    }
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
    for store in [
        AnyStore::Memory(MemoryStore::new(ROOM, true)),
        AnyStore::Redb(store_in_memory(ROOM, true)),
    ] {
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
        let after =
            stored(store.change(Change::Update(1, completed(), Condition::default())).await);
        assert_eq!(*after, Todo { completed: true, revision: 2, ..(*before).clone() });
        let same = stored(store.change(Change::Update(1, completed(), Condition::default())).await);
        assert_eq!(same.revision, 2);
        assert_eq!(store.get(1).await.unwrap(), Some(after));
    });
}

#[test]
fn a_change_is_made_only_to_the_revision_it_is_meant_for() {
    with_every_store(|store| async move {
        create(&*store, "a").await;
        stored(store.change(Change::Update(1, retitled("b"), at(1))).await);
        for change in [Change::Update(1, retitled("c"), at(1)), Change::Delete(1, at(1))] {
            assert_eq!(store.change(change).await, Err(StoreError::ConditionFailed(1)));
        }
        let never = Condition { none_of: Revisions::All, ..Condition::default() };
        let change = Change::Update(1, retitled("c"), never);
        assert_eq!(store.change(change).await, Err(StoreError::ConditionFailed(1)));
        assert_eq!(titles(&*store, &Query::default()).await, ["b"]);
        assert_eq!(store.change(Change::Delete(1, at(2))).await, Ok(Outcome::Deleted(1)));
    });
}

#[test]
fn what_is_not_there_cannot_be_changed() {
    with_every_store(|store| async move {
        for change in [
            Change::Update(7, completed(), Condition::default()),
            Change::Update(7, completed(), at(1)),
            Change::Delete(7, Condition::default()),
        ] {
            assert_eq!(store.change(change).await, Err(StoreError::NotFound(7)));
        }
    });
}

#[test]
fn ids_are_not_given_out_again() {
    with_every_store(|store| async move {
        create(&*store, "a").await;
        create(&*store, "b").await;
        store.change(Change::Delete(2, Condition::default())).await.unwrap();
        assert_eq!(create(&*store, "c").await.id, 3);
        for id in [1, 3] {
            store.change(Change::Delete(id, Condition::default())).await.unwrap();
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
            store.change(Change::Update(id, completed(), Condition::default())).await.unwrap();
        }
        assert_eq!(store.change(Change::DeleteCompleted).await, Ok(Outcome::Deleted(2)));
        assert_eq!(store.change(Change::DeleteCompleted).await, Ok(Outcome::Deleted(0)));
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
        stored(store.change(Change::Update(2, retitled("z"), Condition::default())).await);
        store.change(Change::Delete(3, Condition::default())).await.unwrap();
        create(&*store, "b").await;
        assert_eq!(ids(store.find(&by_title).await.unwrap()), [4, 5, 1, 2]);
        let descending = Query { descending: true, limit: Some(2), ..by_title };
        assert_eq!(ids(store.find(&descending).await.unwrap()), [2, 1]);
    });
}

#[test]
fn the_text_of_all_todos_follows_every_change() {
    with_every_store(|store| async move {
        let all = |store: Arc<AnyStore>| async move {
            let AllTodos { json, total } = store.all().await.unwrap();
            let todos: Vec<serde_json::Value> = serde_json::from_str(&json).unwrap();
            assert_eq!(todos.len(), total);
            todos.iter().map(|todo| todo["title"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(all(store.clone()).await, [] as [&str; 0]);
        create(&*store, "a\"\\\u{1}").await;
        create(&*store, "b").await;
        assert_eq!(all(store.clone()).await, ["a\"\\\u{1}", "b"]);
        stored(store.change(Change::Update(2, retitled("c"), Condition::default())).await);
        assert_eq!(all(store.clone()).await, ["a\"\\\u{1}", "c"]);
        store.change(Change::Delete(1, Condition::default())).await.unwrap();
        assert_eq!(all(store.clone()).await, ["c"]);
    });
}

#[test]
fn texts_that_clients_are_slow_to_take_are_bounded() {
    const LONG: usize = 64 * 1024 * 1024;
    run(AnyStore::Memory(MemoryStore::new(LONG, false)), |store| async move {
        let long = Description::parse(&"x".repeat(Description::MAX_CHARS)).unwrap();
        for _ in 0..2_500 {
            let new = NewTodo { description: long.clone(), ..new("x") };
            store.change(Change::Create(new)).await.unwrap();
        }
        let mut taken = Vec::new();
        let refused = loop {
            create(&*store, "x").await;
            match store.all().await {
                Ok(all) => taken.push(all),
                Err(error) => break error,
            }
        };
        assert_eq!(refused, StoreError::Busy);
        assert!((5..9).contains(&taken.len()), "of 25 MB each");
        taken.pop();
        assert!(store.all().await.is_ok());
    });
}

#[test]
fn a_full_store_refuses_what_makes_it_fuller() {
    for store in [
        AnyStore::Memory(MemoryStore::new(250, false)),
        AnyStore::Redb(store_in_memory(250, false)),
    ] {
        run(store, |store| async move {
            create(&*store, "a").await;
            create(&*store, "b").await;
            assert_eq!(store.change(Change::Create(new("c"))).await, Err(StoreError::Full));
            let longer = Change::Update(1, retitled(&"x".repeat(100)), Condition::default());
            assert_eq!(store.change(longer).await, Err(StoreError::Full));
            stored(store.change(Change::Update(1, completed(), Condition::default())).await);
            store.change(Change::Delete(2, Condition::default())).await.unwrap();
            assert_eq!(create(&*store, "c").await.id, 3);
        });
    }
}

#[test]
fn of_changes_at_the_same_time_each_gets_its_own_result() {
    with_every_store(|store| async move {
        create(&*store, "a").await;
        let send = |change| {
            let store = store.clone();
            tokio::spawn(async move { store.change(change).await })
        };
        // All of these are made at revision 1, so exactly one of the first three can win.
        let racing: Vec<_> =
            ["x", "y", "z"].map(|title| send(Change::Update(1, retitled(title), at(1)))).into();
        let created = send(Change::Create(new("b")));
        let missing = send(Change::Delete(9, Condition::default()));
        let mut won = 0;
        for change in racing {
            match change.await.unwrap() {
                Ok(_) => won += 1,
                Err(error) => assert_eq!(error, StoreError::ConditionFailed(1)),
            }
        }
        assert_eq!(won, 1);
        assert_eq!(stored(created.await.unwrap()).id, 2);
        assert_eq!(missing.await.unwrap(), Err(StoreError::NotFound(9)));
        assert_eq!(store.get(1).await.unwrap().unwrap().revision, 2);
    });
}

/// A change as a test makes it up, with ids and revisions that are sometimes right.
fn any_change() -> impl Strategy<Value = Change> {
    let id = 1..12_u64;
    let condition = prop_oneof![
        3 => Just(Condition::default()),
        1 => (1..4_u64).prop_map(at),
    ];
    let update = (proptest::option::of("[a-c]{1,2}"), proptest::option::of(any::<bool>()))
        .prop_map(|(title, completed)| TodoUpdate {
            title: title.map(|title| Title::parse(&title).unwrap()),
            description: None,
            completed,
        });
    prop_oneof![
        4 => "[a-c]{1,2}".prop_map(|title| Change::Create(new(&title))),
        4 => (id.clone(), update, condition.clone())
            .prop_map(|(id, update, condition)| Change::Update(id, update, condition)),
        2 => (id, condition).prop_map(|(id, condition)| Change::Delete(id, condition)),
        1 => Just(Change::DeleteCompleted),
    ]
}

/// The simplest store there is.
#[derive(Default)]
struct Model {
    todos: BTreeMap<TodoId, (String, bool, Revision)>,
    last_id: TodoId,
}

impl Model {
    fn change(&mut self, change: Change) -> Result<(), StoreError> {
        match change {
            Change::Create(new) => {
                self.last_id += 1;
                self.todos.insert(self.last_id, (new.title.as_str().to_owned(), false, 1));
            }
            Change::Update(id, update, condition) => {
                self.check(id, &condition)?;
                let todo = self.todos.get_mut(&id).unwrap();
                let title = update.title.map_or(todo.0.clone(), |title| title.as_str().to_owned());
                let completed = update.completed.unwrap_or(todo.1);
                if (&title, completed) != (&todo.0, todo.1) {
                    *todo = (title, completed, todo.2 + 1);
                }
            }
            Change::Delete(id, condition) => {
                self.check(id, &condition)?;
                self.todos.remove(&id);
            }
            Change::DeleteCompleted => self.todos.retain(|_, todo| !todo.1),
        }
        Ok(())
    }

    fn check(&self, id: TodoId, condition: &Condition) -> Result<(), StoreError> {
        let todo = self.todos.get(&id).ok_or(StoreError::NotFound(id))?;
        if condition.holds(todo.2) { Ok(()) } else { Err(StoreError::ConditionFailed(id)) }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_store_does_what_the_model_does(changes in prop::collection::vec(any_change(), 1..60)) {
        with_every_store(|store| {
            let changes = changes.clone();
            async move {
                let mut model = Model::default();
                for (step, change) in changes.into_iter().enumerate() {
                    let expected = model.change(change.clone());
                    let result = store.change(change.clone()).await;
                    assert_eq!(result.map(drop), expected, "{change:?}");
                    if step % 7 == 0 {
                        compare(&*store, &model).await;
                    }
                }
                compare(&*store, &model).await;
            }
        });
    }
}

async fn compare(store: &impl Store, model: &Model) {
    let page = store.find(&Query::default()).await.unwrap();
    let todos = page
        .todos
        .iter()
        .map(|todo| (todo.id, (todo.title.as_str().to_owned(), todo.completed, todo.revision)));
    assert_eq!(todos.collect::<BTreeMap<_, _>>(), model.todos);
    let completed = model.todos.values().filter(|todo| todo.1).count();
    assert_eq!(store.count(), Count { open: model.todos.len() - completed, completed });
    let mut by_title: Vec<_> = model.todos.iter().map(|(id, todo)| (todo.0.clone(), *id)).collect();
    by_title.sort();
    let query = Query { order: Order::Title, ..Query::default() };
    let found = store.find(&query).await.unwrap().todos;
    let found: Vec<_> =
        found.iter().map(|todo| (todo.title.as_str().to_owned(), todo.id)).collect();
    assert_eq!(found, by_title);
}
