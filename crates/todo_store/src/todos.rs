//! All todos of a store in memory, with what it takes to find them fast.

use std::cell::Cell;
use std::cmp::Ordering;
use std::ops::Deref;
use std::rc::Rc;

use clock::Timestamp;
use todo_model::{Description, IdempotencyKey, NewTodo, Title, Todo, TodoId, TodoUpdate};

use crate::change_log::ChangeLog;
use crate::keys::{Keys, Made};
use crate::signature::{Entry, Signature};
use crate::title_index::TitleIndex;
use crate::{ChangeError, Condition, Count, CreateError, Portion, StoreError, StoreOptions};

/// The titles of the todos that a new store begins with, and whether they are completed.
pub(crate) const SAMPLES: [(&str, bool); 2] = [("Go 학습하기", false), ("Docker 최적화", true)];

/// What a todo counts against the limit of bytes beside its texts.
const FIXED_BYTES: usize = 100;

pub(crate) struct Todos {
    /// In the order of their ids.
    by_id: Vec<Entry>,
    by_title: TitleIndex,
    keys: Keys,
    next_id: TodoId,
    bytes: usize,
    max_bytes: usize,
    completed: usize,
    version: u64,
    log: ChangeLog,
}

/// One todo, or what is kept under one key, before and after a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Todo { id: TodoId, before: Option<Rc<Todo>>, after: Option<Rc<Todo>> },
    Key { key: IdempotencyKey, before: Option<Made>, after: Option<Made> },
}

/// What changes have done since they were last durable, in their order.
pub(crate) type Journal = Vec<Effect>;

impl Todos {
    /// No todos, and room for `max_bytes`, in which each todo counts 100 bytes and its texts.
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self {
            by_id: Vec::new(),
            by_title: TitleIndex::default(),
            keys: Keys::default(),
            next_id: 1,
            bytes: 0,
            max_bytes,
            completed: 0,
            version: 0,
            log: ChangeLog::new(),
        }
    }

    /// The todos of a new store: the two samples, whatever the limit, or none.
    pub(crate) fn of_new_store(options: StoreOptions) -> Self {
        let mut todos = Self::new(options.max_bytes);
        if options.samples {
            for (title, completed) in SAMPLES {
                let Ok(title) = Title::parse(title) else { continue };
                let new = NewTodo { title, description: Description::default() };
                todos.add(new, completed);
            }
        }
        todos
    }

    /// Puts a todo back that was stored before. Its id is greater than those of all others.
    pub(crate) fn restore(&mut self, todo: Todo) {
        self.next_id = self.next_id.max(todo.id.saturating_add(1));
        self.put(todo.id, None, Some(Rc::new(todo)));
    }

    /// Puts a key back that was stored before. False if it cannot be right.
    pub(crate) fn restore_key(&mut self, key: &IdempotencyKey, made: Made) -> bool {
        !self.keys.has_made(made.id) && self.keys.set(key, Some(made)).is_none()
    }

    /// No id below `next_id` is given out any more.
    pub(crate) fn set_next_id(&mut self, next_id: TodoId) {
        self.next_id = self.next_id.max(next_id);
    }

    pub(crate) fn next_id(&self) -> TodoId {
        self.next_id
    }

    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// What was changed last.
    pub(crate) fn log(&self) -> &ChangeLog {
        &self.log
    }

    pub(crate) fn count(&self) -> Count {
        Count { open: self.by_id.len().saturating_sub(self.completed), completed: self.completed }
    }

    pub(crate) fn get(&self, id: TodoId) -> Option<&Rc<Todo>> {
        self.by_id.get(self.position(id).ok()?).map(Deref::deref)
    }

    /// All todos, in the order of their ids.
    pub(crate) fn by_id(&self) -> &[Entry] {
        &self.by_id
    }

    /// All todos, in the order of their ids.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Rc<Todo>> {
        self.by_id.iter().map(Deref::deref)
    }

    /// All keys, and what was made under them.
    pub(crate) fn keys(&self) -> impl Iterator<Item = (&IdempotencyKey, &Made)> {
        self.keys.iter()
    }

    fn behind(&self, after: TodoId) -> &[Entry] {
        let start = self.by_id.partition_point(|todo| todo.id <= after);
        self.by_id.get(start..).unwrap_or_default()
    }

    /// As many todos behind the id `after` as it takes for them to have `max_bytes`.
    pub(crate) fn list(&self, after: TodoId, max_bytes: usize) -> Portion {
        let behind = self.behind(after);
        let mut bytes = 0;
        let fits = |todo: &&Entry| {
            let has_room = bytes < max_bytes;
            bytes += size(todo);
            has_room
        };
        let todos: Vec<_> =
            behind.iter().take_while(fits).map(|entry| entry.todo.clone()).collect();
        Portion { is_last: todos.len() == behind.len(), todos }
    }

    /// The order by title, if all todos are in it.
    pub(crate) fn by_title(&self) -> Option<&TitleIndex> {
        let last = self.by_id.last().map_or(0, |todo| todo.id);
        (self.by_title.mark() >= last).then_some(&self.by_title)
    }

    /// Brings up to `count` more todos into the order by title.
    pub(crate) fn index_titles(&mut self, count: usize) {
        let start = self.by_id.partition_point(|todo| todo.id <= self.by_title.mark());
        for entry in self.by_id.iter().skip(start).take(count) {
            self.by_title.extend(&entry.todo);
        }
    }

    pub(crate) fn create(
        &mut self,
        new: NewTodo,
        key: Option<&IdempotencyKey>,
        journal: &mut Journal,
    ) -> Result<Rc<Todo>, CreateError> {
        let now = Timestamp::now();
        if let Some(made) = key.and_then(|key| self.keys.get(key, now)) {
            return made.replay(new);
        }
        self.make_room(FIXED_BYTES + text_size(&new.title, &new.description))?;
        let fingerprint = key.map(|_| new.fingerprint());
        let todo = self.add(new, false);
        journal.push(Effect::Todo { id: todo.id, before: None, after: Some(todo.clone()) });
        if let (Some(key), Some(fingerprint)) = (key, fingerprint) {
            for outdated in self.keys.outdated(key, now) {
                self.set_key(outdated, None, journal);
            }
            let made = Made { fingerprint, id: todo.id, created_at: todo.created_at };
            self.set_key(key.clone(), Some(made), journal);
        }
        Ok(todo)
    }

    fn set_key(&mut self, key: IdempotencyKey, after: Option<Made>, journal: &mut Journal) {
        let before = self.keys.set(&key, after);
        journal.push(Effect::Key { key, before, after });
    }

    pub(crate) fn update(
        &mut self,
        id: TodoId,
        update: TodoUpdate,
        condition: &Condition,
        journal: &mut Journal,
    ) -> Result<Rc<Todo>, ChangeError> {
        let before = self.meeting(id, condition)?;
        let Some(after) = update.apply(&before) else { return Ok(before) };
        self.make_room(size(&after).saturating_sub(size(&before)))?;
        let after = Rc::new(after);
        self.put(id, Some(&before), Some(after.clone()));
        journal.push(Effect::Todo { id, before: Some(before), after: Some(after.clone()) });
        Ok(after)
    }

    pub(crate) fn delete(
        &mut self,
        id: TodoId,
        condition: &Condition,
        journal: &mut Journal,
    ) -> Result<(), ChangeError> {
        let before = self.meeting(id, condition)?;
        self.put(id, Some(&before), None);
        journal.push(Effect::Todo { id, before: Some(before), after: None });
        Ok(())
    }

    /// Removes those of `ids`, which are in their order, that are completed, and tells how many.
    pub(crate) fn delete_completed(&mut self, ids: &[TodoId], journal: &mut Journal) -> usize {
        let (Some(first), Some(last)) = (ids.first(), ids.last()) else { return 0 };
        let (Ok(start) | Err(start)) = self.position(*first);
        let end = self.position(*last).map_or_else(|place| place, |last| last + 1).max(start);
        // All at once, as each one that goes alone moves all that are behind it.
        let is_meant = |entry: &Entry| entry.completed && ids.binary_search(&entry.id).is_ok();
        let (deleted, kept): (Vec<_>, Vec<_>) = self.by_id.drain(start..end).partition(is_meant);
        self.by_id.splice(start..start, kept);
        let count = deleted.len();
        for Entry { todo, .. } in deleted {
            self.note(todo.id, Some(&todo), None);
            journal.push(Effect::Todo { id: todo.id, before: Some(todo), after: None });
        }
        count
    }

    /// Takes back the changes in `journal`. The ids that they gave out stay given out.
    pub(crate) fn revert(&mut self, journal: Journal) {
        for effect in journal.into_iter().rev() {
            match effect {
                Effect::Todo { id, before, after } => self.put(id, after.as_ref(), before),
                Effect::Key { key, before, .. } => {
                    self.keys.set(&key, before);
                }
            }
        }
    }

    fn add(&mut self, new: NewTodo, completed: bool) -> Rc<Todo> {
        let last = self.by_id.last().map(|todo| todo.created_at);
        let now = Timestamp::now();
        let todo = Rc::new(Todo {
            id: self.next_id,
            title: new.title,
            description: new.description,
            completed,
            // The clock may have been set back.
            created_at: last.map_or(now, |last| last.max(now)),
            revision: 1,
        });
        self.next_id += 1;
        self.put(todo.id, None, Some(todo.clone()));
        todo
    }

    fn meeting(&self, id: TodoId, condition: &Condition) -> Result<Rc<Todo>, ChangeError> {
        let todo = self.get(id).ok_or(ChangeError::NotFound)?;
        if condition.holds(todo.revision) {
            Ok(todo.clone())
        } else {
            Err(ChangeError::ConditionFailed)
        }
    }

    fn make_room(&self, more: usize) -> Result<(), StoreError> {
        if more > 0 && self.bytes.saturating_add(more) > self.max_bytes {
            return Err(StoreError::Full);
        }
        Ok(())
    }

    /// Counts and logs that the todo with this id was `before`, and is `after` now.
    fn note(&mut self, id: TodoId, before: Option<&Rc<Todo>>, after: Option<&Rc<Todo>>) {
        self.version += 1;
        self.log.record(self.version, id);
        if let Some(todo) = before {
            self.bytes = self.bytes.saturating_sub(size(todo));
            self.completed = self.completed.saturating_sub(usize::from(todo.completed));
            self.by_title.remove(todo);
        }
        if let Some(todo) = after {
            self.bytes += size(todo);
            self.completed += usize::from(todo.completed);
            self.by_title.insert(todo);
        }
    }

    /// Puts `after` in the place of `before`, the todo with this id.
    fn put(&mut self, id: TodoId, before: Option<&Rc<Todo>>, after: Option<Rc<Todo>>) {
        self.note(id, before, after.as_ref());
        let place = self.position(id);
        let entry = after.map(|todo| Entry { todo, signature: Cell::new(Signature::UNKNOWN) });
        match (place, entry) {
            (Err(position), Some(entry)) => self.by_id.insert(position, entry),
            (Ok(position), Some(entry)) => {
                if let Some(place) = self.by_id.get_mut(position) {
                    *place = entry;
                }
            }
            (Ok(position), None) => drop(self.by_id.remove(position)),
            (Err(_), None) => {}
        }
    }

    /// Where the todo with this id is, or would be.
    fn position(&self, id: TodoId) -> Result<usize, usize> {
        let (Some(first), Some(last)) = (self.by_id.first(), self.by_id.len().checked_sub(1))
        else {
            return Err(0);
        };
        // Each id is greater than the one before, so this is the farthest place. Where nothing was deleted it is the right one.
        let farthest = usize::try_from(id.saturating_sub(first.id)).unwrap_or(last).min(last);
        let (before, rest) = self.by_id.split_at(farthest);
        match rest.first().map_or(Ordering::Less, |entry| entry.id.cmp(&id)) {
            Ordering::Less => Err(farthest + 1),
            Ordering::Equal => Ok(farthest),
            Ordering::Greater => before.binary_search_by_key(&id, |entry| entry.id),
        }
    }
}

/// What a todo counts against the limit of bytes.
pub(crate) fn size(todo: &Todo) -> usize {
    FIXED_BYTES + text_size(&todo.title, &todo.description)
}

fn text_size(title: &Title, description: &Description) -> usize {
    title.as_str().len() + description.as_str().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new() -> NewTodo {
        NewTodo { title: Title::parse("a").unwrap(), description: Description::default() }
    }

    #[test]
    fn every_todo_is_found_whatever_was_deleted() {
        const COUNT: u64 = 6;
        for kept in 0..1 << COUNT {
            let is_kept = |id: u64| (1..=COUNT).contains(&id) && kept & 1 << (id - 1) != 0;
            let mut todos = Todos::new(usize::MAX);
            (0..COUNT).for_each(|_| drop(todos.add(new(), false)));
            for id in (1..=COUNT).filter(|id| !is_kept(*id)) {
                todos.delete(id, &Condition::default(), &mut Journal::new()).unwrap();
            }
            for id in (0..COUNT + 3).chain([u64::MAX]) {
                let found = todos.get(id).map(|todo| todo.id);
                assert_eq!(found, is_kept(id).then_some(id), "{kept:b}");
            }
            todos.add(new(), false);
            assert!(todos.iter().is_sorted_by_key(|todo| todo.id), "{kept:b}");
            assert_eq!(todos.iter().last().map(|todo| todo.id), Some(COUNT + 1));
        }
    }

    #[test]
    fn those_that_are_completed_are_deleted_and_no_others() {
        const COUNT: u64 = 6;
        for completed in 0..1 << COUNT {
            let is_completed = |id: u64| completed & 1 << (id - 1) != 0;
            for ids in 0..1 << COUNT {
                let is_meant = |id: &u64| ids & 1 << (id - 1) != 0;
                let mut todos = Todos::new(usize::MAX);
                (1..=COUNT).for_each(|id| drop(todos.add(new(), is_completed(id))));
                let ids: Vec<_> = (1..=COUNT).filter(is_meant).collect();
                let mut journal = Journal::new();
                let count = todos.delete_completed(&ids, &mut journal);
                let left: Vec<_> = todos.iter().map(|todo| todo.id).collect();
                let expected = (1..=COUNT).filter(|id| !(is_meant(id) && is_completed(*id)));
                assert_eq!(left, expected.collect::<Vec<_>>());
                assert_eq!((journal.len(), todos.by_id.len()), (count, COUNT as usize - count));
                let of_state = todos.iter().filter(|todo| todo.completed).count();
                assert_eq!(todos.count().completed, of_state);
                todos.revert(journal);
                assert!(todos.iter().map(|todo| todo.id).eq(1..=COUNT));
            }
        }
    }
}
