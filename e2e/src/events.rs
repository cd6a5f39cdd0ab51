//! A client that reads server-sent events (WHATWG HTML, section 9.2).

use serde_json::Value;

use crate::client::{Client, Response};
use crate::server::Server;

/// A response of events, and how far it is read.
pub struct Events {
    client: Client,
    /// Its head.
    pub head: Response,
    text: String,
    /// The id of the last event, as a client would send it back.
    pub last_id: String,
}

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// What kind of event it is.
    pub name: String,
    /// Its data, as JSON.
    pub data: Value,
}

impl Events {
    /// Asks `server` for events, and waits until it begins to send them.
    pub fn of(server: &Server, headers: &[&str]) -> Self {
        Self::on(server.connect(), headers)
    }

    /// The same on a connection of one's own.
    pub fn on(mut client: Client, headers: &[&str]) -> Self {
        client.send_request("GET", "/api/todos/events", headers, b"");
        let head = client.response_head();
        assert_eq!(head.status, 200);
        let mut events = Self { client, head, text: String::new(), last_id: String::new() };
        assert_eq!(events.block().as_deref(), Some(&["retry: 2000".to_owned()][..]));
        events
    }

    /// The lines of the next block, without that of its id. `None` at the end of the response.
    fn block(&mut self) -> Option<Vec<String>> {
        while !self.text.contains("\n\n") {
            let chunk = self.client.chunk()?;
            self.text.push_str(std::str::from_utf8(&chunk).expect("UTF-8"));
        }
        let (block, rest) = self.text.split_once("\n\n").expect("a block");
        let (block, rest) = (block.to_owned(), rest.to_owned());
        self.text = rest;
        let (ids, lines): (Vec<_>, Vec<_>) =
            block.lines().partition(|line| line.starts_with("id: "));
        if let Some(id) = ids.first().and_then(|line| line.strip_prefix("id: ")) {
            id.clone_into(&mut self.last_id);
        }
        Some(lines.into_iter().map(Into::into).collect())
    }

    /// The next event, which is to be about a todo with this title.
    pub fn expect_title(&mut self, title: &str) {
        let event = self.next().expect("an event");
        assert_eq!((event.name.as_str(), &event.data["todo"]["title"]), ("todo", &title.into()));
    }

    /// Waits for a comment.
    pub fn wait_for_heartbeat(&mut self) {
        assert_eq!(self.block().as_deref(), Some(&[":".to_owned()][..]));
    }
}

/// Events until the response ends. Comments are passed over.
impl Iterator for Events {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        loop {
            let lines = self.block()?;
            let field = |name: &str| lines.iter().find_map(|line| line.strip_prefix(name));
            let (Some(name), Some(data)) = (field("event: "), field("data: ")) else { continue };
            let data = serde_json::from_str(data).expect("JSON");
            return Some(Event { name: name.to_owned(), data });
        }
    }
}
