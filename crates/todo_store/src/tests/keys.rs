//! What is made under an idempotency key is made once.

use super::*;
use crate::keys::MAX_KEYS;
use todo_model::IdempotencyKey;

fn key(text: &str) -> IdempotencyKey {
    IdempotencyKey::parse(text).unwrap()
}

async fn create_once(store: &impl Store, title: &str, key: &str) -> Result<Todo, CreateError> {
    let key = IdempotencyKey::parse(key).unwrap();
    Ok((*store.create(new(title), Some(&key)).await?).clone())
}

#[test]
fn the_same_request_under_the_same_key_is_answered_the_same() {
    with_every_store(|store| async move {
        let first = create_once(&*store, "a", "k").await.unwrap();
        assert_eq!(create_once(&*store, "a", "k").await, Ok(first.clone()));
        update(&*store, first.id, completed()).await.unwrap();
        update(&*store, first.id, retitled("b")).await.unwrap();
        assert_eq!(create_once(&*store, "a", "k").await, Ok(first.clone()));
        delete(&*store, first.id).await.unwrap();
        assert_eq!(create_once(&*store, "a", "k").await, Ok(first.clone()));
        assert_eq!(store.count().await, Ok(Count::default()));
        let other = create_once(&*store, "a", "K").await.unwrap();
        assert!(other.id > first.id, "keys differ in case as well");
        assert!(create(&*store, "a").await.id > other.id, "without a key nothing is the same");
    });
}

#[test]
fn another_request_under_the_same_key_is_refused() {
    with_every_store(|store| async move {
        create_once(&*store, "a", "k").await.unwrap();
        assert_eq!(create_once(&*store, "b", "k").await, Err(CreateError::KeyReused));
        let description = Description::parse("more").unwrap();
        let other = NewTodo { description, ..new("a") };
        let refused = store.create(other, Some(&key("k"))).await;
        assert_eq!(refused, Err(CreateError::KeyReused));
        assert_eq!(titles(&*store, &Query::default()).await, ["a"]);
    });
}

#[test]
fn of_the_same_requests_at_the_same_time_one_makes_a_todo() {
    with_every_store(|store| async move {
        let racing: Vec<_> = (0..8)
            .map(|number| {
                let store = store.clone();
                let title = if number == 5 { "b" } else { "a" };
                spawn_local(async move { create_once(&*store, title, "k").await })
            })
            .collect();
        let mut results = Vec::new();
        for one in racing {
            results.push(one.await.unwrap());
        }
        // Whichever was first decides which of the two is refused.
        let mut made: Vec<_> = results.into_iter().filter_map(Result::ok).collect();
        assert!([1, 7].contains(&made.len()), "{made:?}");
        made.dedup();
        assert_eq!(made.len(), 1);
        assert_eq!(store.count().await.unwrap().total(), 1);
    });
}

#[test]
fn a_request_that_failed_keeps_no_key() {
    for store in local_stores(options(250, false)) {
        run(store, |store| async move {
            create_once(&*store, "a", "1").await.unwrap();
            create_once(&*store, "b", "2").await.unwrap();
            let full = Err(CreateError::Store(StoreError::Full));
            assert_eq!(create_once(&*store, "c", "3").await, full);
            assert_eq!(create_once(&*store, "b", "2").await.unwrap().id, 2, "it takes no room");
            delete(&*store, 1).await.unwrap();
            assert_eq!(create_once(&*store, "another", "3").await.unwrap().id, 3);
        });
    }
}

#[test]
fn the_oldest_keys_go_when_there_are_too_many() {
    run(AnyStore::Memory(MemoryStore::new(options(usize::MAX, false))), |store| async move {
        for number in 0..=MAX_KEYS {
            create_once(&*store, "a", &number.to_string()).await.unwrap();
        }
        let count = u64::try_from(MAX_KEYS).unwrap();
        let repeat = async |number: &str| create_once(&*store, "a", number).await.unwrap().id;
        assert_eq!(repeat("1").await, 2);
        assert_eq!(repeat(&MAX_KEYS.to_string()).await, count + 1);
        assert_eq!(repeat("0").await, count + 2, "it was forgotten");
        assert_eq!(repeat("1").await, count + 3, "it had to go for the one before");
    });
}
