//! Finds the todos that a query asks for, step by step.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use todo_model::Todo;
use tokio::sync::Semaphore;
use tokio::task::yield_now;

use crate::signature::{Entry, Signature};
use crate::todos::Todos;
use crate::{Order, Page, Query};

/// How long one step may take before other tasks have their turn.
const STEP: Duration = Duration::from_millis(5);

/// How many bytes of todos are looked at between two looks at the clock. One byte takes up to 0.2 µs, or 7 µs where the
/// module is interpreted: converting letters to lower case is slow. The first search does that twice.
const BYTES_BETWEEN_LOOKS: usize = 1_000;

/// How many todos are put into the order by title between two looks at the clock.
const INDEXED_BETWEEN_LOOKS: usize = 16;

/// Lets long searches take turns: one step of one of them, then everything else that is ready. If each made its step,
/// many of them together would keep the store from telling other servers that it is alive.
pub(crate) struct Turns(Semaphore);

impl Default for Turns {
    fn default() -> Self {
        Self(Semaphore::new(1))
    }
}

/// Finds what `query` asks for. Other tasks run in between, and may change `todos`.
pub(crate) async fn find(todos: &RefCell<Todos>, Turns(turns): &Turns, query: &Query) -> Page {
    let mut search = Search::new(query);
    loop {
        let _turn = turns.acquire().await;
        let began = Instant::now();
        let is_complete = search.step(&mut todos.borrow_mut());
        if began.elapsed() >= STEP {
            yield_now().await;
        }
        if is_complete {
            return search.page;
        }
    }
}

/// The ids of all todos that are completed.
pub(crate) async fn completed(todos: &RefCell<Todos>, turns: &Turns) -> Vec<u64> {
    let query = Query { completed: Some(true), ..Query::default() };
    find(todos, turns, &query).await.todos.iter().map(|todo| todo.id).collect()
}

struct Search<'a> {
    query: &'a Query,
    /// The text to look for, in lower case.
    text: Option<String>,
    signature: Signature,
    /// The last todo that was looked at.
    last: Option<Rc<Todo>>,
    page: Page,
}

impl<'a> Search<'a> {
    fn new(query: &'a Query) -> Self {
        let text = query.text.as_ref().map(|text| text.to_lowercase());
        let signature = Signature::of_query(query.completed, text.as_deref());
        Self { query, text, signature, last: None, page: Page::default() }
    }

    /// Goes on for [`STEP`]. Tells whether it is complete.
    fn step(&mut self, todos: &mut Todos) -> bool {
        let began = Instant::now();
        if self.query.order == Order::Title {
            while todos.by_title().is_none() {
                todos.index_titles(INDEXED_BETWEEN_LOOKS);
                if began.elapsed() >= STEP {
                    return false;
                }
            }
        }
        let list = match todos.by_title().filter(|_| self.query.order == Order::Title) {
            Some(index) => List::ByTitle(index),
            None => List::ById(todos.by_id()),
        };
        if self.query.completed.is_none() && self.text.is_none() {
            self.cut(&list);
            return true;
        }
        let mut position = list.next(self.last.as_ref(), self.query.descending);
        let mut looked = 0;
        loop {
            let Some((at, todo)) = position.and_then(|at| Some((at, list.get(at)?))) else {
                return true;
            };
            // A byte takes longer than a look at a signature.
            looked += 1;
            let signature = list.signature(at);
            if signature.is_none_or(|known| known.get().may_have(self.signature)) {
                looked += todo.title.as_str().len() + todo.description.as_str().len() + 60;
                if self.includes(todo, signature) {
                    if self.is_on_page(self.page.total) {
                        self.page.todos.push(todo.clone());
                    }
                    self.page.total += 1;
                }
            }
            if looked >= BYTES_BETWEEN_LOOKS {
                looked = 0;
                if began.elapsed() >= STEP {
                    self.last = Some(todo.clone());
                    return false;
                }
            }
            position = match self.query.descending {
                false => position.map(|position| position + 1),
                true => position.and_then(|position| position.checked_sub(1)),
            };
        }
    }

    /// Takes the page out of the middle, where every todo is wanted.
    fn cut(&mut self, list: &List<'_>) {
        let total = list.len();
        let start = self.query.offset.min(total);
        let end = start.saturating_add(self.query.limit.unwrap_or(usize::MAX)).min(total);
        let positions = start..end;
        let todos = if self.query.descending {
            positions.filter_map(|n| list.get(total - 1 - n)).cloned().collect()
        } else {
            positions.filter_map(|n| list.get(n)).cloned().collect()
        };
        self.page = Page { todos, total };
    }

    fn is_on_page(&self, number: usize) -> bool {
        let behind = number.checked_sub(self.query.offset);
        behind.is_some_and(|n| self.query.limit.is_none_or(|limit| n < limit))
    }

    /// Whether the query means this todo. Works out its signature if there is to be one and the text is looked at.
    fn includes(&self, todo: &Todo, signature: Option<&Cell<Signature>>) -> bool {
        if self.query.completed.is_some_and(|completed| completed != todo.completed) {
            return false;
        }
        let Some(text) = &self.text else { return true };
        if let Some(unknown) = signature.filter(|known| known.get() == Signature::UNKNOWN) {
            unknown.set(Signature::of(todo));
            if !unknown.get().may_have(self.signature) {
                return false;
            }
        }
        contains(todo.title.as_str(), text) || contains(todo.description.as_str(), text)
    }
}

/// All todos in some order.
enum List<'a> {
    ById(&'a [Entry]),
    ByTitle(&'a crate::title_index::TitleIndex),
}

impl List<'_> {
    fn get(&self, position: usize) -> Option<&Rc<Todo>> {
        match self {
            Self::ById(todos) => todos.get(position).map(|entry| &entry.todo),
            Self::ByTitle(index) => index.get(position),
        }
    }

    /// What is known of the todo there, where somebody keeps that.
    fn signature(&self, position: usize) -> Option<&Cell<Signature>> {
        match self {
            Self::ById(todos) => todos.get(position).map(|entry| &entry.signature),
            Self::ByTitle(_) => None,
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::ById(todos) => todos.len(),
            Self::ByTitle(index) => index.len(),
        }
    }

    /// How many come before `todo`, which need not be there any more.
    fn rank(&self, todo: &Rc<Todo>) -> usize {
        match self {
            Self::ById(todos) => todos.partition_point(|other| other.id < todo.id),
            Self::ByTitle(index) => index.rank(todo),
        }
    }

    /// The position of the todo that follows `last`, or of the first one.
    fn next(&self, last: Option<&Rc<Todo>>, descending: bool) -> Option<usize> {
        let Some(last) = last else {
            return if descending { self.len().checked_sub(1) } else { Some(0) };
        };
        let rank = self.rank(last);
        if descending {
            return rank.checked_sub(1);
        }
        let key = |todo: &Rc<Todo>| (todo.id, todo.title.clone());
        let is_there = self.get(rank).is_some_and(|todo| match self {
            Self::ById(_) => todo.id == last.id,
            Self::ByTitle(_) => key(todo) == key(last),
        });
        Some(rank + usize::from(is_there))
    }
}

/// Whether `text` has `lowercase` in it, whatever the case of its letters.
fn contains(text: &str, lowercase: &str) -> bool {
    if text.len() < lowercase.len() && text.is_ascii() {
        return false;
    }
    match fold(text) {
        Some(folded) => contains_exactly(&folded, lowercase),
        None => contains_exactly(text, lowercase),
    }
}

/// Whether `text` has `part` in it. Most texts do not even have its first two bytes, which is seen faster than
/// [`str::contains`] prepares itself.
fn contains_exactly(text: &str, part: &str) -> bool {
    let has_beginning = match part.as_bytes() {
        [first, second, ..] => text.as_bytes().windows(2).any(|pair| pair == [*first, *second]),
        _ => true,
    };
    has_beginning && text.contains(part)
}

/// What a search looks through in place of `text`: the same in lower case. `None` where that is no different, as for most
/// titles.
pub(crate) fn fold(text: &str) -> Option<String> {
    let is_different = if text.is_ascii() {
        text.bytes().any(|byte| byte.is_ascii_uppercase())
    } else {
        text.chars().any(|letter| !letter.to_lowercase().eq([letter]))
    };
    is_different.then(|| text.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Condition, StoreOptions};
    use clock::Timestamp;
    use todo_model::{Description, Title, TodoUpdate};

    fn todos() -> Todos {
        let texts = [("Alpha", "x"), ("beta", "ALPHA"), ("감마", ""), ("ÄPFEL", "x"), ("zeta", "")];
        let mut todos = Todos::of_new_store(StoreOptions { max_bytes: 0, samples: false });
        for ((title, description), id) in texts.iter().zip(1..) {
            todos.restore(Todo {
                id,
                title: Title::parse(title).unwrap(),
                description: Description::parse(description).unwrap(),
                completed: id % 2 == 0,
                created_at: Timestamp::now(),
                revision: 1,
            });
        }
        todos
    }

    fn select(query: &Query) -> (Vec<u64>, usize) {
        let mut search = Search::new(query);
        assert!(search.step(&mut todos()));
        (search.page.todos.iter().map(|todo| todo.id).collect(), search.page.total)
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
        assert_eq!(text("a"), [1, 2, 5]);
        assert_eq!(text("eta"), [2, 5]);
        assert_eq!(text("etz"), [] as [u64; 0], "the beginning is not enough");
        assert_eq!(text("nothing"), [] as [u64; 0]);
    }

    #[test]
    fn every_letter_that_has_another_lower_case_is_folded() {
        assert_eq!(fold("go 학습하기 straße"), None);
        // The second one is in title case: neither upper nor lower.
        assert_eq!(fold("Ǆ").as_deref(), Some("ǆ"));
        assert_eq!(fold("ǅ").as_deref(), Some("ǆ"));
        assert_eq!(fold("ΟΔΟΣ").as_deref(), Some("οδος"));
    }

    #[test]
    fn what_was_changed_after_a_search_is_found() {
        let mut todos = todos();
        let ids = |todos: &mut Todos, text: &str, completed| {
            let query = Query { text: Some(text.into()), completed, ..Query::default() };
            let mut search = Search::new(&query);
            assert!(search.step(todos));
            search.page.todos.iter().map(|todo| todo.id).collect::<Vec<_>>()
        };
        for _ in 0..2 {
            assert_eq!(ids(&mut todos, "eta", None), [2, 5]);
            assert_eq!(ids(&mut todos, "task", None), [] as [u64; 0]);
            assert_eq!(ids(&mut todos, "eta", Some(true)), [2]);
        }
        let update = TodoUpdate {
            title: Some(Title::parse("task").unwrap()),
            completed: Some(false),
            ..TodoUpdate::default()
        };
        let mut journal = Vec::new();
        todos.update(2, update, &Condition::default(), &mut journal).unwrap();
        todos.delete(1, &Condition::default(), &mut journal).unwrap();
        assert_eq!(ids(&mut todos, "eta", None), [5]);
        assert_eq!(ids(&mut todos, "task", Some(false)), [2]);
        todos.revert(journal);
        assert_eq!(ids(&mut todos, "eta", Some(true)), [2]);
        assert_eq!(ids(&mut todos, "alpha", None), [1, 2]);
    }

    #[test]
    fn titles_are_in_the_order_of_their_code_points() {
        let by_title = |descending| Query { order: Order::Title, descending, ..Query::default() };
        assert_eq!(select(&by_title(false)).0, [1, 2, 5, 4, 3]);
        assert_eq!(select(&by_title(true)).0, [3, 4, 5, 2, 1]);
        let open = Query { completed: Some(false), limit: Some(2), ..by_title(true) };
        assert_eq!(select(&open), (vec![3, 5], 3));
    }

    #[test]
    fn filters_come_before_the_page() {
        let query = Query { completed: Some(false), offset: 1, limit: Some(1), ..Query::default() };
        assert_eq!(select(&query), (vec![3], 3));
    }
}
