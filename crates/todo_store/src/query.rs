//! What of a store is asked for.

use std::sync::Arc;

use todo_model::Todo;

/// Which todos, in which order, and which part of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Only those that are completed, or only those that are not.
    pub completed: Option<bool>,
    /// Only those with this text in title or description, whatever the case of its letters.
    pub text: Option<String>,
    /// The order.
    pub order: Order,
    /// Last ones first.
    pub descending: bool,
    /// How many to leave out at the start.
    pub offset: usize,
    /// How many to give at the most.
    pub limit: Option<usize>,
}

/// What todos are ordered by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The id, which is also the order of creation: see [`Todo::created_at`].
    #[default]
    Id,
    /// The title, by Unicode code points; equal ones by id.
    Title,
}

/// Part of the todos that a [`Query`] asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The todos of this part.
    pub todos: Vec<Arc<Todo>>,
    /// How many there are in all parts.
    pub total: usize,
}

impl Query {
    /// Picks out of `todos`, which are in the query's order, ascending.
    pub(super) fn select(&self, todos: &[Arc<Todo>]) -> Page {
        if self.completed.is_none() && self.text.is_none() {
            return self.cut(todos.iter(), todos.len());
        }
        let wanted = Wanted::new(self);
        let found: Vec<_> = todos.iter().filter(|todo| wanted.includes(todo)).collect();
        let total = found.len();
        self.cut(found.into_iter(), total)
    }

    /// The asked-for part of `todos`, which costs nothing for those before it.
    fn cut<'a>(&self, todos: impl DoubleEndedIterator<Item = &'a Arc<Todo>>, total: usize) -> Page {
        let limit = self.limit.unwrap_or(usize::MAX);
        let todos = if self.descending {
            todos.rev().skip(self.offset).take(limit).cloned().collect()
        } else {
            todos.skip(self.offset).take(limit).cloned().collect()
        };
        Page { todos, total }
    }
}

/// A query's filters, prepared.
struct Wanted {
    completed: Option<bool>,
    text: Option<String>,
}

impl Wanted {
    fn new(query: &Query) -> Self {
        Self {
            completed: query.completed,
            text: query.text.as_ref().map(|text| text.to_lowercase()),
        }
    }

    fn includes(&self, todo: &Todo) -> bool {
        self.completed.is_none_or(|completed| completed == todo.completed)
            && self.text.as_ref().is_none_or(|text| {
                contains(todo.title.as_str(), text) || contains(todo.description.as_str(), text)
            })
    }
}

/// Whether `text` has `lowercase` in it, whatever the case of its letters.
fn contains(text: &str, lowercase: &str) -> bool {
    if text.len() < lowercase.len() && text.is_ascii() {
        return false;
    }
    // Most titles have nothing to convert, and are searched without a copy.
    if text.chars().any(char::is_uppercase) {
        text.to_lowercase().contains(lowercase)
    } else {
        text.contains(lowercase)
    }
}

/// What `todos` are in order of, for a search by [`Order::Title`].
pub(super) fn title_key(todo: &Arc<Todo>) -> (&str, u64) {
    (todo.title.as_str(), todo.id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clock::Timestamp;
    use todo_model::{Description, Title};

    fn todos() -> Vec<Arc<Todo>> {
        let texts = [("Alpha", "x"), ("beta", "ALPHA"), ("감마", ""), ("ÄPFEL", "x"), ("zeta", "")];
        let todos = texts.iter().zip(1..).map(|((title, description), id)| {
            Arc::new(Todo {
                id,
                title: Title::parse(title).unwrap(),
                description: Description::parse(description).unwrap(),
                completed: id % 2 == 0,
                created_at: Timestamp::now(),
                revision: 1,
            })
        });
        todos.collect()
    }

    fn select(query: &Query) -> (Vec<u64>, usize) {
        let page = query.select(&todos());
        (page.todos.iter().map(|todo| todo.id).collect(), page.total)
    }

    #[test]
    fn everything_is_found_without_filters() {
        assert_eq!(select(&Query::default()), (vec![1, 2, 3, 4, 5], 5));
    }

    #[test]
    fn a_page_is_cut_out_and_the_total_stays() {
        let page = |offset, limit, descending| {
            select(&Query { offset, limit, descending, ..Query::default() })
        };
        assert_eq!(page(1, Some(2), false), (vec![2, 3], 5));
        assert_eq!(page(1, Some(2), true), (vec![4, 3], 5));
        assert_eq!(page(4, Some(2), false), (vec![5], 5));
        assert_eq!(page(9, Some(2), false), (vec![], 5));
        assert_eq!(page(3, None, false), (vec![4, 5], 5));
    }

    #[test]
    fn the_state_is_a_filter() {
        let by_state =
            |completed| select(&Query { completed: Some(completed), ..Query::default() });
        assert_eq!(by_state(true), (vec![2, 4], 2));
        assert_eq!(by_state(false), (vec![1, 3, 5], 3));
    }

    #[test]
    fn a_text_is_found_in_title_and_description_whatever_its_case() {
        let text = |text: &str| select(&Query { text: Some(text.into()), ..Query::default() }).0;
        assert_eq!(text("alpha"), [1, 2]);
        assert_eq!(text("LPH"), [1, 2]);
        assert_eq!(text("äpfel"), [4]);
        assert_eq!(text("감"), [3]);
        assert_eq!(text(""), [1, 2, 3, 4, 5]);
        assert_eq!(text("nothing"), [] as [u64; 0]);
    }

    #[test]
    fn filters_come_before_the_page() {
        let query = Query { completed: Some(false), offset: 1, limit: Some(1), ..Query::default() };
        assert_eq!(select(&query), (vec![3], 3));
    }
}
