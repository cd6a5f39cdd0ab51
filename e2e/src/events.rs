//! A client that reads server-sent events (WHATWG HTML, section 9.2).

use std::io;

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
    pub fn on(client: Client, headers: &[&str]) -> Self {
        Self::try_on(client, headers).expect("events")
    }

    /// The same, if the server lives long enough and does not refuse.
    ///
    /// # Errors
    /// The connection ends, or the status is not 200.
    pub fn try_on(mut client: Client, headers: &[&str]) -> io::Result<Self> {
        client.try_send_request("GET", "/api/todos/events", headers, b"")?;
        let head = client.try_response_head()?;
        if head.status != 200 {
            return Err(io::Error::other(format!("status {}", head.status)));
        }
        let mut events = Self { client, head, text: String::new(), last_id: String::new() };
        assert_eq!(events.block()?.as_deref(), Some(&["retry: 2000".to_owned()][..]));
        Ok(events)
    }

    /// The lines of the next block, without that of its id. `None` at the end of the response.
    fn block(&mut self) -> io::Result<Option<Vec<String>>> {
        while !self.text.contains("\n\n") {
            let Some(chunk) = self.client.chunk()? else { return Ok(None) };
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
        Ok(Some(lines.into_iter().map(Into::into).collect()))
    }

    /// The next event. `None` at the end of the response. Comments are passed over.
    ///
    /// # Errors
    /// The connection ends before.
    pub fn try_next(&mut self) -> io::Result<Option<Event>> {
        loop {
            let Some(lines) = self.block()? else { return Ok(None) };
            let field = |name: &str| lines.iter().find_map(|line| line.strip_prefix(name));
            let (Some(name), Some(data)) = (field("event: "), field("data: ")) else { continue };
            let data = serde_json::from_str(data).expect("JSON");
            return Ok(Some(Event { name: name.to_owned(), data }));
        }
    }

    /// The next event, which is to be about a todo with this title.
    pub fn expect_title(&mut self, title: &str) {
        let event = self.next().expect("an event");
        assert_eq!((event.name.as_str(), &event.data["todo"]["title"]), ("todo", &title.into()));
    }

    /// Waits for a comment.
    pub fn wait_for_heartbeat(&mut self) {
        let block = self.block().expect("a block");
        assert_eq!(block.as_deref(), Some(&[":".to_owned()][..]));
    }
}

/// Events until the response ends. That the connection ends before fails.
impl Iterator for Events {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        self.try_next().expect("the response goes on")
    }
}
