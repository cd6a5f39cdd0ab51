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

/// What a server sends in a response of events.
pub enum Received {
    /// An event.
    Event(Event),
    /// Nothing to tell, every 15 seconds.
    Comment,
    /// The end of the response.
    End,
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

    /// The same, if the server lives long enough and does not answer 503.
    ///
    /// # Errors
    /// The connection ends, or the status is 503.
    pub fn try_on(mut client: Client, headers: &[&str]) -> io::Result<Self> {
        client.try_send_request("GET", "/api/todos/events", headers, b"")?;
        let head = client.try_response_head()?;
        if head.status == 503 {
            return Err(io::Error::other("the server cannot tell events now"));
        }
        assert_eq!(head.status, 200);
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

    /// What comes next.
    ///
    /// # Errors
    /// The connection ends before.
    pub fn receive(&mut self) -> io::Result<Received> {
        let Some(lines) = self.block()? else { return Ok(Received::End) };
        let field = |name: &str| lines.iter().find_map(|line| line.strip_prefix(name));
        let (Some(name), Some(data)) = (field("event: "), field("data: ")) else {
            return Ok(Received::Comment);
        };
        let data = serde_json::from_str(data).expect("JSON");
        Ok(Received::Event(Event { name: name.to_owned(), data }))
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

/// Events until the response ends; comments are passed over. That the connection ends before fails.
impl Iterator for Events {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        loop {
            match self.receive().expect("the response goes on") {
                Received::Event(event) => return Some(event),
                Received::Comment => {}
                Received::End => return None,
            }
        }
    }
}
