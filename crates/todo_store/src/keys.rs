//! What was made under which idempotency key.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::time::Duration;

use clock::Timestamp;
use todo_model::{IdempotencyKey, NewTodo, Todo, TodoId};

use crate::CreateError;

/// For how long a key is kept at least, unless others take its room.
pub(crate) const KEPT: Duration = Duration::from_secs(24 * 3_600);

/// How many keys a store of its own keeps. Each takes at most 400 bytes of memory, so all of them take 4 MB.
pub(crate) const MAX_KEYS: usize = 10_000;

/// How many old keys go when one comes, so that no request pays for all of them.
const MAX_FORGOTTEN: usize = 100;

/// What a request with a key has made. Everything else that it was answered follows from the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Made {
    /// Of the request.
    pub(crate) fingerprint: u64,
    pub(crate) id: TodoId,
    pub(crate) created_at: Timestamp,
}

impl Made {
    /// The todo as it was made by `new`, if that is the request that made it.
    pub(crate) fn replay(self, new: NewTodo) -> Result<Rc<Todo>, CreateError> {
        if new.fingerprint() != self.fingerprint {
            return Err(CreateError::KeyReused);
        }
        Ok(Rc::new(fresh(self.id, self.created_at, new)))
    }

    fn is_old(&self, now: Timestamp) -> bool {
        let age = now.nanoseconds().saturating_sub(self.created_at.nanoseconds());
        Duration::from_nanos(age) >= KEPT
    }
}

/// A todo that nobody has changed yet.
pub(crate) fn fresh(id: TodoId, created_at: Timestamp, new: NewTodo) -> Todo {
    let NewTodo { title, description } = new;
    Todo { id, title, description, completed: false, created_at, revision: 1 }
}

/// The keys of a local store.
#[derive(Default)]
pub(crate) struct Keys {
    made: HashMap<Rc<IdempotencyKey>, Made>,
    /// Ids rise, so the oldest key is the first.
    by_id: BTreeMap<TodoId, Rc<IdempotencyKey>>,
}

impl Keys {
    /// What was made under `key`, unless that is too long ago.
    pub(crate) fn get(&self, key: &IdempotencyKey, now: Timestamp) -> Option<Made> {
        self.made.get(key).filter(|made| !made.is_old(now)).copied()
    }

    /// The keys that go when `key` comes: those that are too old, the oldest where there is no room, and an old `key` itself.
    pub(crate) fn outdated(&self, key: &IdempotencyKey, now: Timestamp) -> Vec<IdempotencyKey> {
        let surplus = (self.made.len() + 1).saturating_sub(MAX_KEYS);
        let is_outdated = |(place, key): &(usize, &Rc<IdempotencyKey>)| {
            *place < surplus || self.made.get(*key).is_none_or(|made| made.is_old(now))
        };
        let oldest = self.by_id.values().enumerate().take_while(is_outdated);
        let mut keys: Vec<_> = oldest.take(MAX_FORGOTTEN).map(|(_, key)| (**key).clone()).collect();
        if self.made.contains_key(key) && !keys.contains(key) {
            keys.push(key.clone());
        }
        keys
    }

    /// Puts `made` under `key`, or nothing, and gives what was there.
    pub(crate) fn set(&mut self, key: &IdempotencyKey, made: Option<Made>) -> Option<Made> {
        let before = self.made.remove(key);
        if let Some(before) = before {
            self.by_id.remove(&before.id);
        }
        if let Some(made) = made {
            let key = Rc::new(key.clone());
            self.by_id.insert(made.id, key.clone());
            self.made.insert(key, made);
        }
        before
    }

    /// Whether a todo was made under a key.
    pub(crate) fn has_made(&self, id: TodoId) -> bool {
        self.by_id.contains_key(&id)
    }

    /// All of them, the oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&IdempotencyKey, &Made)> {
        self.by_id.values().filter_map(|key| Some((&**key, self.made.get(key)?)))
    }
}
