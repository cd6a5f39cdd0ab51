//! Which todos of a local store were changed last, and waiting for the next change.

use std::cell::RefCell;
use std::collections::{HashSet, VecDeque};
use std::rc::Rc;

use todo_model::TodoId;
use tokio::sync::Notify;

use crate::changes::MAX_CHANGES;
use crate::todos::{Todos, size};
use crate::{Change, Changes, Epoch, Mark, Position};

/// How many changes are kept.
const KEPT: usize = 1_024;

/// The last changes of a store, numbered by its version.
pub(crate) struct ChangeLog {
    /// The changes begin anew with each process.
    stream: Epoch,
    /// The version behind each change, rising, and what was changed.
    entries: VecDeque<(u64, TodoId)>,
    /// The version behind the last change that is not kept any more.
    forgotten: u64,
    changed: Rc<Notify>,
}

impl ChangeLog {
    pub(crate) fn new() -> Self {
        Self {
            stream: Epoch::random(),
            entries: VecDeque::new(),
            forgotten: 0,
            changed: Rc::default(),
        }
    }

    /// The todo with this id was changed, which led to this version.
    pub(crate) fn record(&mut self, version: u64, id: TodoId) {
        match self.entries.back_mut() {
            // Another change of the same todo.
            Some(last) if last.1 == id => last.0 = version,
            _ => self.entries.push_back((version, id)),
        }
        if self.entries.len() > KEPT
            && let Some((version, _)) = self.entries.pop_front()
        {
            self.forgotten = version;
        }
        self.changed.notify_waiters();
    }
}

/// The present end of the changes.
pub(crate) fn position(todos: &RefCell<Todos>) -> Position {
    let todos = todos.borrow();
    Position::new(todos.log().stream, todos.version())
}

/// See [`Store::changes`](crate::Store::changes).
pub(crate) fn changes(
    todos: &RefCell<Todos>,
    after: &Position,
    max_bytes: usize,
) -> Option<Changes> {
    let todos = todos.borrow();
    let log = todos.log();
    let known = log.forgotten..=todos.version();
    if after.stream() != log.stream || !known.contains(&after.last()) {
        return None;
    }
    let start = log.entries.partition_point(|(version, _)| *version <= after.last());
    let entries: Vec<_> = log.entries.range(start..).take(MAX_CHANGES).copied().collect();
    // Of a todo that was changed several times, the last change tells how it is.
    let mut seen = HashSet::new();
    let last_ones = entries.into_iter().rev().filter(|(_, id)| seen.insert(*id));
    let mut last_ones: Vec<_> = last_ones.collect();
    last_ones.reverse();
    let (mut changes, mut bytes, mut number) = (Vec::new(), 0, after.last());
    for (version, id) in last_ones {
        if bytes >= max_bytes {
            break;
        }
        let todo = todos.get(id).cloned();
        bytes += todo.as_deref().map_or(0, size);
        number = version;
        changes.push(Change { id, todo, mark: Mark { stream: log.stream, number } });
    }
    Some(Changes { changes, position: Position::new(log.stream, number) })
}

/// Returns when there is a change behind `after`, or it is no position of this store.
pub(crate) async fn changed(todos: &RefCell<Todos>, after: &Position) {
    let notify = todos.borrow().log().changed.clone();
    loop {
        // Whatever happens from here on wakes it up.
        let changed = notify.notified();
        if position(todos) != *after {
            return;
        }
        changed.await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Condition;
    use crate::todos::Journal;
    use todo_model::{Description, NewTodo, Title};

    fn create(todos: &RefCell<Todos>, title: &str) -> TodoId {
        let new =
            NewTodo { title: Title::parse(title).unwrap(), description: Description::default() };
        todos.borrow_mut().create(new, None, &mut Journal::new()).unwrap().id
    }

    fn ids(changes: &Changes) -> Vec<TodoId> {
        changes.changes.iter().map(|change| change.id).collect()
    }

    #[test]
    fn a_portion_ends_when_it_has_enough_bytes_and_the_next_one_goes_on() {
        let todos = RefCell::new(Todos::new(usize::MAX));
        let start = position(&todos);
        for title in ["a", "b", "c"] {
            create(&todos, title);
        }
        todos.borrow_mut().delete(1, &Condition::default(), &mut Journal::new()).unwrap();
        let first = changes(&todos, &start, 102).unwrap();
        assert_eq!(ids(&first), [2, 3], "1 is changed again behind them");
        assert_eq!(first.changes[1].mark, first.position.mark());
        let second = changes(&todos, &first.position, 1).unwrap();
        assert_eq!((ids(&second), &second.changes[0].todo), (vec![1], &None));
        assert_eq!(second.position, position(&todos));
        assert!(changes(&todos, &second.position, 1).unwrap().changes.is_empty());
    }

    #[test]
    fn what_is_too_old_or_not_there_yet_is_not_known() {
        let todos = RefCell::new(Todos::new(usize::MAX));
        let start = position(&todos);
        for _ in 0..KEPT {
            create(&todos, "x");
        }
        let all = changes(&todos, &start, usize::MAX).unwrap();
        assert_eq!(all.changes.len(), MAX_CHANGES);
        create(&todos, "x");
        assert_eq!(changes(&todos, &start, usize::MAX), None);
        assert!(changes(&todos, &all.position, usize::MAX).is_some());
        let later = Position::new(start.stream(), position(&todos).last() + 1);
        assert_eq!(changes(&todos, &later, usize::MAX), None);
        let other = Position::new(Epoch::from(7), 3);
        assert_eq!(changes(&todos, &other, usize::MAX), None);
    }
}
