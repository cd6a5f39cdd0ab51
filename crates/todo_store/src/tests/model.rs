//! Random sequences of changes, held against the simplest store there is.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// A change as a test makes it up.
#[derive(Clone, Debug)]
enum Change {
    Create(NewTodo),
    Update(TodoId, TodoUpdate, Condition),
    Delete(TodoId, Condition),
    DeleteCompleted,
}

impl Change {
    async fn make(self, store: &impl Store) -> Result<(), ChangeError> {
        match self {
            Self::Create(new) => {
                store.create(new, None).await.unwrap();
                Ok(())
            }
            Self::Update(id, update, condition) => {
                store.update(id, update, &condition).await.map(drop)
            }
            Self::Delete(id, condition) => store.delete(id, &condition).await,
            Self::DeleteCompleted => store.delete_completed().await.map(|_| ()).map_err(Into::into),
        }
    }
}

/// Any change, with ids and revisions that are sometimes right.
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
    fn change(&mut self, change: Change) -> Result<(), ChangeError> {
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

    fn check(&self, id: TodoId, condition: &Condition) -> Result<(), ChangeError> {
        let todo = self.todos.get(&id).ok_or(ChangeError::NotFound)?;
        if condition.holds(todo.2) { Ok(()) } else { Err(ChangeError::ConditionFailed) }
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
                    assert_eq!(change.clone().make(&*store).await, expected, "{change:?}");
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
    let count = Count { open: model.todos.len() - completed, completed };
    assert_eq!(store.count().await, Ok(count));
    let mut by_title: Vec<_> = model.todos.iter().map(|(id, todo)| (todo.0.clone(), *id)).collect();
    by_title.sort();
    let query = Query { order: Order::Title, ..Query::default() };
    let found = store.find(&query).await.unwrap().todos;
    let found: Vec<_> =
        found.iter().map(|todo| (todo.title.as_str().to_owned(), todo.id)).collect();
    assert_eq!(found, by_title);
}
