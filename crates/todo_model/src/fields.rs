//! The fields of a todo as a client sends them.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

/// The values of a JSON object (RFC 8259) under the keys that mean something for a todo; of a key that is there twice the
/// last one. All others are ignored, whatever they hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TodoFields {
    /// Under `title`.
    pub title: Option<Value>,
    /// Under `description`.
    pub description: Option<Value>,
    /// Under `completed`.
    pub completed: Option<Value>,
}

impl<'de> Deserialize<'de> for TodoFields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = TodoFields;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<TodoFields, A::Error> {
        let mut fields = TodoFields::default();
        while let Some(key) = map.next_key::<String>()? {
            let field = match key.as_str() {
                "title" => &mut fields.title,
                "description" => &mut fields.description,
                "completed" => &mut fields.completed,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            *field = Some(map.next_value()?);
        }
        Ok(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<TodoFields, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn null_is_not_the_same_as_nothing() {
        let fields = parse(r#"{"title":null,"completed":true}"#).unwrap();
        assert_eq!(fields.title, Some(Value::Null));
        assert_eq!(fields.description, None);
        assert_eq!(fields.completed, Some(Value::Bool(true)));
    }

    #[test]
    fn the_last_of_two_counts() {
        assert_eq!(parse(r#"{"title":"a","title":"b"}"#).unwrap().title, Some("b".into()));
    }

    #[test]
    fn what_is_ignored_may_hold_anything_that_is_json() {
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        for value in ["1e999", r#""\udc00""#, r#"{"title":1}"#, &deep] {
            let fields = parse(&format!(r#"{{"more":{value},"title":"a"}}"#)).unwrap();
            assert_eq!(fields.title, Some("a".into()));
        }
    }

    #[test]
    fn what_is_no_object_is_an_error() {
        for json in ["[]", "null", "1", "\"title\"", r#"{"title":}"#, r#"{"more":tru}"#] {
            assert!(parse(json).is_err(), "{json}");
        }
    }
}
