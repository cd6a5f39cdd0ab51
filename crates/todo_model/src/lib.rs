//! What a todo is. The only way to make one is through the checks of this module.

mod fields;
mod idempotency_key;
mod input;
mod json;
mod text;

use clock::Timestamp;

pub use fields::TodoFields;
pub use idempotency_key::IdempotencyKey;
pub use input::{NewTodo, TodoUpdate};
pub use text::{Description, Invalid, Title};

/// The identity of a todo: a positive integer, never given out twice by one store.
pub type TodoId = u64;

/// How often a todo was written: 1 when it is new, one more with each change.
pub type Revision = u64;

/// The greatest id and revision that is taken from an export: the greatest integer that all readers of JSON agree
/// on (RFC 8259, section 6). A store counts on from there for longer than it will be there.
pub const MAX_NUMBER: u64 = (1 << 53) - 1;

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Todo {
    /// Given by the store.
    pub id: TodoId,
    /// What is to be done.
    pub title: Title,
    /// More words about it; may be empty.
    pub description: Description,
    /// Whether it is done.
    pub completed: bool,
    /// When it was put into the store. Never earlier than that of a todo with a smaller id.
    pub created_at: Timestamp,
    /// Distinguishes this state of the todo from all others that it had or will have.
    pub revision: Revision,
}
