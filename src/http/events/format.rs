//! What events look like: lines that begin with the name of a field, and an empty line behind each event.

use std::fmt::Display;

use hyper::body::Bytes;
use serde::Serialize;
use todo_model::TodoId;
use todo_store::{Change, Epoch, Mark};

use super::super::error::ApiError;
use super::super::etag::etag_text;
use super::super::response::push_json;

/// A comment: it shows that the connection is alive.
pub const HEARTBEAT: &[u8] = b":\n\n";

/// How a response begins: how many milliseconds a client waits before it comes back, and where it would go on.
pub fn start(mark: Option<Mark>) -> Bytes {
    format!("retry: 2000\n{}\n", id(mark)).into()
}

/// The client has missed something, so it has to ask for the list.
pub fn reset(mark: Option<Mark>) -> Bytes {
    format!("{}event: reset\ndata: {{}}\n\n", id(mark)).into()
}

fn id(mark: Option<impl Display>) -> String {
    mark.map(|mark| format!("id: {mark}\n")).unwrap_or_default()
}

/// A todo as it is now, or that it is gone. JSON has no line ends in it.
pub fn change(epoch: Epoch, change: &Change) -> Result<Bytes, ApiError> {
    #[derive(Serialize)]
    struct Deleted {
        id: TodoId,
    }
    let Change { id, todo, mark } = change;
    let name = if todo.is_some() { "todo" } else { "deleted" };
    let mut event = format!("id: {mark}\nevent: {name}\ndata: ").into_bytes();
    match todo {
        Some(todo) => {
            event.extend_from_slice(br#"{"todo":"#);
            todo.append_json_to(&mut event);
            event.extend_from_slice(br#","etag":"#);
            push_json(&mut event, &etag_text(epoch, todo.revision))?;
            event.push(b'}');
        }
        None => push_json(&mut event, &Deleted { id: *id })?,
    }
    event.extend_from_slice(b"\n\n");
    Ok(event.into())
}
