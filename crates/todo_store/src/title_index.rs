//! The order of todos by title.

use std::cmp::Ordering;
use std::rc::Rc;

use indexset::BTreeSet;
use todo_model::{Todo, TodoId};

/// Todos in the order of their titles, as far as they are indexed.
///
/// Nothing is indexed until somebody asks for the order. Then it grows step by step in the order of ids, so that indexing
/// many todos does not keep other requests waiting: what changes below the mark is changed here, too, and what is above
/// it will be reached.
#[derive(Default)]
pub(crate) struct TitleIndex {
    entries: BTreeSet<ByTitle>,
    /// Todos with this id and lower ones are indexed.
    mark: TodoId,
}

impl TitleIndex {
    /// Every todo up to this id is indexed.
    pub(crate) fn mark(&self) -> TodoId {
        self.mark
    }

    /// Indexes the todo with the next id that there is.
    pub(crate) fn extend(&mut self, todo: &Rc<Todo>) {
        self.mark = todo.id;
        self.entries.insert(ByTitle(todo.clone()));
    }

    pub(crate) fn insert(&mut self, todo: &Rc<Todo>) {
        if todo.id <= self.mark {
            self.entries.insert(ByTitle(todo.clone()));
        }
    }

    pub(crate) fn remove(&mut self, todo: &Rc<Todo>) {
        if todo.id <= self.mark {
            self.entries.remove(&ByTitle(todo.clone()));
        }
    }

    /// The todo at this position.
    pub(crate) fn get(&self, position: usize) -> Option<&Rc<Todo>> {
        self.entries.get_index(position).map(|ByTitle(todo)| todo)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many come before `todo`.
    pub(crate) fn rank(&self, todo: &Rc<Todo>) -> usize {
        self.entries.rank(&ByTitle(todo.clone()))
    }
}

/// A todo that is compared by its title, by Unicode code points, and by its id if titles are equal.
struct ByTitle(Rc<Todo>);

impl ByTitle {
    fn key(&self) -> (&str, TodoId) {
        (self.0.title.as_str(), self.0.id)
    }
}

impl Ord for ByTitle {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl PartialOrd for ByTitle {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ByTitle {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for ByTitle {}
