//! What of a store is asked for.

use std::rc::Rc;

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

/// A part of the todos that a [`Query`] asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The todos of this page.
    pub todos: Vec<Rc<Todo>>,
    /// How many there are on all pages.
    pub total: usize,
}

/// The todos behind some id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Portion {
    /// In the order of their ids.
    pub todos: Vec<Rc<Todo>>,
    /// There are no others behind them.
    pub is_last: bool,
}
