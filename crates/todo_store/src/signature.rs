//! Tells of most todos that a search does not mean them, without a look at their texts, which are all over the memory.

use std::cell::Cell;
use std::ops::Deref;
use std::rc::Rc;

use todo_model::Todo;

use crate::search::fold;

/// What a todo has, or what a query wants: a Bloom filter of the pairs of neighbouring bytes in the texts, in lower case, and
/// whether it is completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Signature([u8; 8]);

const COMPLETED: u64 = 1 << 62;
const OPEN: u64 = 1 << 63;
/// The bits below are those of pairs.
const PAIRS: u64 = 62;

impl Signature {
    /// Nobody has looked yet. It may have anything.
    pub(crate) const UNKNOWN: Self = Self::new(u64::MAX);

    /// In bytes, which need no alignment: so there are no gaps between a million of them and what they belong to.
    const fn new(bits: u64) -> Self {
        Self(bits.to_ne_bytes())
    }

    pub(crate) fn of(todo: &Todo) -> Self {
        let pairs = |text: &str| pairs(fold(text).as_deref().unwrap_or(text));
        let state = if todo.completed { COMPLETED } else { OPEN };
        Self::new(state | pairs(todo.title.as_str()) | pairs(todo.description.as_str()))
    }

    /// What all todos have that are meant by a query with this text, which is in lower case.
    pub(crate) fn of_query(completed: Option<bool>, text: Option<&str>) -> Self {
        let state = completed.map_or(0, |completed| if completed { COMPLETED } else { OPEN });
        Self::new(state | text.map_or(0, pairs))
    }

    /// Whether there may be all in it that is `wanted`.
    pub(crate) fn may_have(self, wanted: Self) -> bool {
        let wanted = u64::from_ne_bytes(wanted.0);
        u64::from_ne_bytes(self.0) & wanted == wanted
    }
}

fn pairs(text: &str) -> u64 {
    let bit = |pair: &[u8]| {
        let hash = pair.iter().fold(0, |hash, byte| hash << 8 | u32::from(*byte));
        // The upper bits of this product depend on all bits of the pair.
        let hash = u64::from(hash.wrapping_mul(0x9e37_79b1));
        1 << ((hash * PAIRS) >> 32)
    };
    text.as_bytes().windows(2).map(bit).fold(0, |all, bit: u64| all | bit)
}

/// A todo, and what searches know of it.
pub(crate) struct Entry {
    pub(crate) todo: Rc<Todo>,
    /// Worked out by the first search that comes by.
    pub(crate) signature: Cell<Signature>,
}

impl Deref for Entry {
    type Target = Rc<Todo>;

    fn deref(&self) -> &Rc<Todo> {
        &self.todo
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clock::Timestamp;
    use todo_model::{Description, Title};

    fn todo(title: &str, description: &str, completed: bool) -> Todo {
        Todo {
            id: 1,
            title: Title::parse(title).unwrap(),
            description: Description::parse(description).unwrap(),
            completed,
            created_at: Timestamp::now(),
            revision: 1,
        }
    }

    #[test]
    fn nothing_that_is_there_is_ruled_out() {
        let title = "Äpfel, ΟΔΟΣ und Go 학습하기";
        let signature = Signature::of(&todo(title, "Two BOTTLES", false));
        for text in [title, "Two BOTTLES"] {
            let text = text.to_lowercase();
            let starts = text.char_indices().map(|(start, _)| start);
            for part in starts.filter_map(|start| text.get(start..)) {
                for end in 0..=part.len() {
                    let part = part.get(..end);
                    assert!(signature.may_have(Signature::of_query(None, part)), "{part:?}");
                }
            }
        }
    }

    #[test]
    fn most_of_what_is_not_there_is_ruled_out() {
        let signature = Signature::of(&todo("Buy milk", "two bottles", false));
        let others = ["bread", "cheese", "water", "apples", "onions", "paper", "coffee", "sugar"];
        let ruled_out = others.iter().filter(|text| {
            let wanted = Signature::of_query(None, Some(text));
            !signature.may_have(wanted)
        });
        assert!(ruled_out.count() >= 7);
    }

    #[test]
    fn a_state_is_ruled_out_and_what_is_unknown_is_not() {
        for completed in [true, false] {
            let signature = Signature::of(&todo("a", "", completed));
            assert_ne!(signature, Signature::UNKNOWN);
            assert!(signature.may_have(Signature::of_query(Some(completed), None)));
            assert!(!signature.may_have(Signature::of_query(Some(!completed), None)));
            let wanted = Signature::of_query(Some(completed), Some("anything"));
            assert!(Signature::UNKNOWN.may_have(wanted));
        }
    }
}
