//! What a change depends on, as parameters of a statement.

use todo_model::Revision;

use crate::{Condition, Revisions};

/// The revisions of a [`Condition`] as the database takes them.
pub(super) struct Conditions {
    pub(super) one_of: Option<Vec<i64>>,
    pub(super) none_of: Vec<i64>,
}

impl From<&Condition> for Conditions {
    fn from(condition: &Condition) -> Self {
        // What is no number there is no revision of any todo.
        let numbers = |revisions: &[Revision]| {
            revisions.iter().filter_map(|revision| i64::try_from(*revision).ok()).collect()
        };
        Self {
            one_of: condition.one_of.as_deref().map(numbers),
            none_of: match &condition.none_of {
                Revisions::All => Vec::new(),
                Revisions::These(revisions) => numbers(revisions),
            },
        }
    }
}
