//! Todos as clients see them.

use crate::Todo;

impl Todo {
    /// Appends it as a JSON object (RFC 8259), without its revision.
    ///
    /// Names are constants here, which cost a few stores. By serde they would be copied and looked through for characters
    /// to escape, and each copy is a call of the runtime: a page of todos would cost half as much again.
    pub fn append_json_to(&self, buffer: &mut Vec<u8>) {
        buffer.extend_from_slice(br#"{"id":"#);
        buffer.extend_from_slice(itoa::Buffer::new().format(self.id).as_bytes());
        buffer.extend_from_slice(br#","title":"#);
        append_string(self.title.as_str(), buffer);
        buffer.extend_from_slice(br#","description":"#);
        append_string(self.description.as_str(), buffer);
        if self.completed {
            buffer.extend_from_slice(br#","completed":true,"created_at":""#);
        } else {
            buffer.extend_from_slice(br#","completed":false,"created_at":""#);
        }
        self.created_at.append_to(buffer);
        buffer.extend_from_slice(br#""}"#);
    }
}

fn append_string(text: &str, buffer: &mut Vec<u8>) {
    // Writing a string into a Vec does not fail.
    let _ = serde_json::to_writer(buffer, text);
}

#[cfg(test)]
mod tests {
    use clock::Timestamp;
    use serde::Serialize;

    use super::*;
    use crate::{Description, Title};

    #[test]
    fn it_is_what_serde_makes_of_the_same_fields() {
        #[derive(Serialize)]
        struct Fields<'a> {
            id: u64,
            title: &'a str,
            description: &'a str,
            completed: bool,
            created_at: Timestamp,
        }
        let all: String =
            (1..=0x10_ffff).step_by(7).filter_map(char::from_u32).take(9_000).collect();
        for text in ["a", "\"\\/\u{1}\n\r\t\u{7f}\u{2028}", "한국어 🦀", &all] {
            for (id, completed) in [(1, false), (u64::MAX, true)] {
                let title: String = text.chars().take(Title::MAX_CHARS).collect();
                let todo = Todo {
                    id,
                    title: Title::parse(&title).unwrap(),
                    description: Description::parse(text).unwrap(),
                    completed,
                    created_at: Timestamp::from_nanoseconds(id - 1),
                    revision: 7,
                };
                let fields = Fields {
                    id,
                    title: todo.title.as_str(),
                    description: text,
                    completed,
                    created_at: todo.created_at,
                };
                let mut json = b"[".to_vec();
                todo.append_json_to(&mut json);
                let expected = format!("[{}", serde_json::to_string(&fields).unwrap());
                assert_eq!(String::from_utf8(json).unwrap(), expected);
            }
        }
    }
}
