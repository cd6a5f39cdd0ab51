//! What clients say of todos, taken out of the fields that they send.

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Description, Invalid, Title, Todo, TodoFields};

/// What a client says of a todo that is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTodo {
    /// What is to be done.
    pub title: Title,
    /// More words about it; may be empty.
    pub description: Description,
}

impl NewTodo {
    /// Takes `title` and `description`.
    ///
    /// # Errors
    /// [`Invalid`] names the field that is missing, of the wrong type, blank or too long.
    pub fn from_fields(fields: &TodoFields) -> Result<Self, Invalid> {
        Ok(Self { title: required_title(fields)?, description: description_or_empty(fields)? })
    }

    /// What tells this request from others: the first 64 bits of the SHA-256 of title and description, each behind its
    /// length in bytes. It is stored, so it is the same in every version of this program.
    pub fn fingerprint(&self) -> u64 {
        let mut hash = Sha256::new();
        for text in [self.title.as_str(), self.description.as_str()] {
            hash.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(text);
        }
        let first = hash.finalize().into_iter().take(8);
        first.fold(0, |number, byte| number << 8 | u64::from(byte))
    }
}

/// What is to be different about a todo.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TodoUpdate {
    /// The new title, if it is to change.
    pub title: Option<Title>,
    /// The new description, if it is to change.
    pub description: Option<Description>,
    /// Whether it is done, if that is to change.
    pub completed: Option<bool>,
}

impl TodoUpdate {
    /// Takes a whole todo: without `description` it has none, without `completed` it is open.
    ///
    /// # Errors
    /// [`Invalid`] names the field that is missing, of the wrong type, blank or too long.
    pub fn replacement_from_fields(fields: &TodoFields) -> Result<Self, Invalid> {
        Ok(Self {
            title: Some(required_title(fields)?),
            description: Some(description_or_empty(fields)?),
            completed: Some(completed(fields)?.unwrap_or(false)),
        })
    }

    /// Takes a merge patch (RFC 7396): a key that is not there stays as it is, `null` clears the description.
    ///
    /// # Errors
    /// [`Invalid`] names the field that is of the wrong type, blank or too long, or cannot be taken away.
    pub fn patch_from_fields(fields: &TodoFields) -> Result<Self, Invalid> {
        let title = fields.title.as_ref().map(|_| required_title(fields)).transpose()?;
        let description =
            fields.description.as_ref().map(|_| description_or_empty(fields)).transpose()?;
        Ok(Self { title, description, completed: completed(fields)? })
    }

    /// `todo` with these changes, as a new revision of it. `None` if nothing is different.
    pub fn apply(self, todo: &Todo) -> Option<Todo> {
        let changed = Todo {
            title: self.title.unwrap_or_else(|| todo.title.clone()),
            description: self.description.unwrap_or_else(|| todo.description.clone()),
            completed: self.completed.unwrap_or(todo.completed),
            ..*todo
        };
        (changed != *todo).then_some(Todo { revision: todo.revision + 1, ..changed })
    }
}

fn required_title(fields: &TodoFields) -> Result<Title, Invalid> {
    match &fields.title {
        None | Some(Value::Null) => Err(Invalid::new("title is required")),
        Some(Value::String(text)) => Title::parse(text),
        Some(_) => Err(Invalid::new("title must be a string")),
    }
}

fn description_or_empty(fields: &TodoFields) -> Result<Description, Invalid> {
    match &fields.description {
        None | Some(Value::Null) => Ok(Description::default()),
        Some(Value::String(text)) => Description::parse(text),
        Some(_) => Err(Invalid::new("description must be a string")),
    }
}

fn completed(fields: &TodoFields) -> Result<Option<bool>, Invalid> {
    match &fields.completed {
        None => Ok(None),
        Some(Value::Bool(completed)) => Ok(Some(*completed)),
        Some(_) => Err(Invalid::new("completed must be true or false")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clock::Timestamp;

    fn object(json: &str) -> TodoFields {
        serde_json::from_str(json).unwrap()
    }

    fn new(title: &str, description: &str) -> NewTodo {
        let title = Title::parse(title).unwrap();
        NewTodo { title, description: Description::parse(description).unwrap() }
    }

    /// Fingerprints are stored.
    #[test]
    fn the_fingerprint_is_what_it_always_was() {
        assert_eq!(new("장보기", "우유").fingerprint(), 0x5609_83d0_384e_081b);
    }

    #[test]
    fn the_fingerprint_tells_where_the_title_ends() {
        assert_ne!(new("ab", "c").fingerprint(), new("a", "bc").fingerprint());
        assert_eq!(new(" ab ", "c"), new("ab", "c"));
    }

    fn todo() -> Todo {
        Todo {
            id: 7,
            title: Title::parse("title").unwrap(),
            description: Description::parse("description").unwrap(),
            completed: true,
            created_at: Timestamp::now(),
            revision: 3,
        }
    }

    #[test]
    fn only_the_title_is_required() {
        for json in [r#"{"title":"x"}"#, r#"{"title":"x","description":null}"#] {
            let new = NewTodo::from_fields(&object(json)).unwrap();
            assert_eq!((new.title.as_str(), new.description.as_str()), ("x", ""));
            let update = TodoUpdate::replacement_from_fields(&object(json)).unwrap();
            let replaced = update.apply(&todo()).unwrap();
            assert_eq!((replaced.title.as_str(), replaced.description.as_str()), ("x", ""));
            assert!(!replaced.completed);
        }
    }

    #[test]
    fn the_reason_names_the_field() {
        type Parse = fn(&TodoFields) -> Result<(), Invalid>;
        let new: Parse = |fields| NewTodo::from_fields(fields).map(drop);
        let put: Parse = |fields| TodoUpdate::replacement_from_fields(fields).map(drop);
        let patch: Parse = |fields| TodoUpdate::patch_from_fields(fields).map(drop);
        for (json, reason, parsers) in [
            ("{}", "title is required", &[new, put][..]),
            (r#"{"title":null}"#, "title is required", &[new, put, patch]),
            (r#"{"title":""}"#, "title must not be blank", &[new, put, patch]),
            (r#"{"title":5}"#, "title must be a string", &[new, put, patch]),
            (r#"{"title":["x"]}"#, "title must be a string", &[new, put, patch]),
            (
                r#"{"title":"x","description":{}}"#,
                "description must be a string",
                &[new, put, patch],
            ),
            (
                r#"{"title":"x","completed":"true"}"#,
                "completed must be true or false",
                &[put, patch],
            ),
            (r#"{"title":"x","completed":null}"#, "completed must be true or false", &[put, patch]),
        ] {
            for parse in parsers {
                assert_eq!(parse(&object(json)).unwrap_err().reason(), reason, "{json}");
            }
        }
    }

    #[test]
    fn a_patch_changes_what_it_names() {
        let patched =
            |json: &str| TodoUpdate::patch_from_fields(&object(json)).unwrap().apply(&todo());
        let renamed = patched(r#"{"title":"new"}"#).unwrap();
        assert_eq!(
            renamed,
            Todo { title: Title::parse("new").unwrap(), revision: 4, ..todo_at(&renamed) }
        );
        assert_eq!(patched(r#"{"description":null}"#).unwrap().description.as_str(), "");
        assert!(!patched(r#"{"completed":false}"#).unwrap().completed);
    }

    fn todo_at(other: &Todo) -> Todo {
        Todo { created_at: other.created_at, ..todo() }
    }

    #[test]
    fn a_patch_that_changes_nothing_makes_no_revision() {
        for json in ["{}", r#"{"title":" title ","completed":true}"#, r#"{"id":9}"#] {
            assert_eq!(TodoUpdate::patch_from_fields(&object(json)).unwrap().apply(&todo()), None);
        }
    }
}
