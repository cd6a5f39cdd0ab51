//! A small server with the API over a map in memory, and with one fault, if any: what finds faults is held against it.

mod state;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use state::{Reply, State};

/// What is wrong with a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Nothing,
    /// `If-Match` is not looked at.
    ConditionIgnored,
    /// The condition is looked at, and the change made in a second step.
    NotAtomic,
    /// A change whose condition has failed is made all the same.
    RefusedButMade,
    /// Some reads tell the state before the latest change.
    StaleRead,
    /// Some lists still have what was deleted last.
    StaleList,
    /// Some todos get the id of the one before.
    IdDoubled,
    /// The id of the latest todo is given out again when it was deleted.
    IdReused,
    /// Ids fall now and then.
    IdFalls,
    /// Some changes leave the revision as it is.
    RevisionReused,
    /// Some keys are forgotten.
    KeyForgotten,
    /// A repeated key tells the todo as it is now.
    KeyToldAnew,
    /// A key is taken for the same whatever is sent with it.
    KeyUnchecked,
    /// Some changes of one field lose another one.
    PatchForgets,
    /// What was answered shortly before a crash is lost.
    WriteLost,
    /// What was changed shortly before a crash is changed again after it.
    WriteRepeated,
    /// Some searches look at the titles of before the latest changes.
    SearchStale,
    /// Some searches miss the latest of what they look for.
    SearchMisses,
    /// Of some changes nobody is told.
    EventLost,
    /// Some events tell the todo as it was before.
    EventStale,
    /// Some events come twice.
    EventRepeated,
    /// Who comes back to go on misses some events.
    EventsSkipped,
}

impl Fault {
    pub const ALL: [Self; 21] = [
        Self::ConditionIgnored,
        Self::NotAtomic,
        Self::RefusedButMade,
        Self::StaleRead,
        Self::StaleList,
        Self::IdDoubled,
        Self::IdReused,
        Self::IdFalls,
        Self::RevisionReused,
        Self::KeyForgotten,
        Self::KeyToldAnew,
        Self::KeyUnchecked,
        Self::PatchForgets,
        Self::WriteLost,
        Self::WriteRepeated,
        Self::SearchStale,
        Self::SearchMisses,
        Self::EventLost,
        Self::EventStale,
        Self::EventRepeated,
        Self::EventsSkipped,
    ];
}

struct Shared {
    fault: Fault,
    state: Mutex<State>,
    /// Former states, of 50 requests ago at least.
    saved: Mutex<[State; 2]>,
    connections: Mutex<Vec<TcpStream>>,
    is_over: AtomicBool,
}

pub struct Faulty {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

impl Faulty {
    pub fn start(fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Shared {
            fault,
            state: Mutex::default(),
            saved: Mutex::default(),
            connections: Mutex::default(),
            is_over: AtomicBool::new(false),
        };
        let shared = Arc::new(shared);
        let for_all = shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if for_all.is_over.load(SeqCst) {
                    break;
                }
                let shared = for_all.clone();
                shared.connections.lock().unwrap().push(stream.try_clone().unwrap());
                thread::spawn(move || serve(stream, &shared));
            }
        });
        Self { address, shared }
    }

    /// Cuts all connections, and begins again with what is left.
    pub fn crash(&self) {
        let mut state = self.shared.state.lock().unwrap();
        self.shared.cut_all();
        match self.shared.fault {
            Fault::WriteLost => {
                let saved = self.shared.saved.lock().unwrap()[0].clone();
                let (last_id, events) = (state.last_id, std::mem::take(&mut state.events));
                *state = State { last_id, events, ..saved };
            }
            Fault::WriteRepeated => {
                for (id, change) in state.latest.clone() {
                    state.change(id, &change, self.shared.fault, false);
                }
            }
            _ => {}
        }
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        self.shared.is_over.store(true, SeqCst);
        // Whoever waits for clients sees it with the next one.
        let _ = TcpStream::connect(self.address);
        self.shared.cut_all();
    }
}

fn serve(mut stream: TcpStream, shared: &Shared) -> Option<()> {
    let mut bytes = Vec::new();
    loop {
        let mut headers = [httparse::EMPTY_HEADER; 16];
        let mut request = httparse::Request::new(&mut headers);
        let mut taken = None;
        if let Ok(httparse::Status::Complete(head)) = request.parse(&bytes) {
            let header = |name: &str| {
                let found = request.headers.iter().find(|h| h.name.eq_ignore_ascii_case(name));
                found.map(|h| String::from_utf8_lossy(h.value).into_owned())
            };
            let length = header("content-length").map_or(0, |length| length.parse().unwrap());
            if let Some(body) = bytes.get(head..head + length) {
                let (method, target) = (request.method?, request.path?);
                if target == "/api/todos/events" {
                    let last = header("last-event-id").map(|id| id.parse().unwrap());
                    return shared.tell_events(&mut stream, last);
                }
                let reply = shared.reply(method, target, header, body);
                stream.write_all(&encode(&reply)).ok()?;
                taken = Some(head + length);
            }
        }
        if let Some(taken) = taken {
            bytes.drain(..taken);
            continue;
        }
        let mut chunk = [0; 4_096];
        let count = stream.read(&mut chunk).ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&chunk[..count]);
    }
}

fn encode((status, tag, body): &Reply) -> Vec<u8> {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let tag = tag.map_or(String::new(), |revision| format!("etag: \"f00d-{revision}\"\r\n"));
    let length =
        if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
    format!("HTTP/1.1 {status} X\r\ncontent-type: application/json; charset=utf-8\r\n{tag}{length}\r\n{body}")
        .into_bytes()
}

impl Shared {
    fn cut_all(&self) {
        // A thread that failed while it had the lock has told so itself.
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        for connection in connections.drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    /// Sends events, from now on or those after the `last` one, until the connection ends.
    fn tell_events(&self, stream: &mut TcpStream, last: Option<usize>) -> Option<()> {
        let end = self.state.lock().unwrap().events.len();
        let skipped = if self.fault == Fault::EventsSkipped { 5 } else { 0 };
        let mut sent = last.map_or(end, |last| end.min(last + skipped));
        let head = "HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n";
        stream.write_all(head.as_bytes()).ok()?;
        let mut text = "retry: 2000\n\n".to_owned();
        let mut quiet = 0;
        loop {
            // A client that is gone is noticed where something is sent.
            quiet += 1;
            if quiet == 100 && text.is_empty() {
                text = ":\n\n".to_owned();
            }
            if !text.is_empty() {
                quiet = 0;
                stream.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes()).ok()?;
            }
            thread::sleep(Duration::from_millis(1));
            let state = self.state.lock().unwrap();
            let numbered = (sent + 1..).zip(&state.events[sent..]);
            text = numbered.map(|(id, event)| format!("id: {id}\n{event}\n\n")).collect();
            sent = state.events.len();
        }
    }

    fn reply(
        &self,
        method: &str,
        target: &str,
        header: impl Fn(&str) -> Option<String>,
        body: &[u8],
    ) -> Reply {
        let body = serde_json::from_slice(body).unwrap_or(Value::Null);
        let path = target.split('?').next().unwrap_or_default();
        let id = path.strip_prefix("/api/todos/").map(|id| id.parse().unwrap());
        let revision = |name: &str| {
            let tag = header(name).filter(|tag| tag != "*")?;
            tag.trim_matches('"').rsplit('-').next().map(|number| number.parse::<u64>().unwrap())
        };
        let mut state = self.state.lock().unwrap();
        if state.count.is_multiple_of(50) {
            let mut saved = self.saved.lock().unwrap();
            saved.rotate_left(1);
            saved[1] = state.clone();
        }
        state.count += 1;
        let now_and_then = state.count.is_multiple_of(3);
        let is = |fault: Fault| self.fault == fault;
        let Some(id) = id else {
            return match method {
                "POST" => state.create(self.fault, header("idempotency-key"), body, now_and_then),
                "DELETE" => state.delete_completed(self.fault),
                _ => state.list(target, self.fault, now_and_then),
            };
        };
        let Some(todo) = state.todos.get(&id) else { return (404, None, json!({"error": "none"})) };
        if method == "GET" {
            let former = state.former.get(&id).filter(|_| is(Fault::StaleRead) && now_and_then);
            let todo = former.unwrap_or(todo);
            return match revision("if-none-match") == Some(todo.revision) {
                true => (304, Some(todo.revision), Value::Null),
                false => (200, Some(todo.revision), json!({ "todo": todo.body })),
            };
        }
        let fails = revision("if-match").is_some_and(|only| only != todo.revision);
        if fails && !is(Fault::ConditionIgnored) {
            if is(Fault::RefusedButMade) {
                state.change(id, &body, self.fault, false);
            }
            return (412, None, json!({ "error": "another" }));
        }
        if is(Fault::NotAtomic) {
            drop(state);
            thread::sleep(Duration::from_micros(300));
            state = self.state.lock().unwrap();
        }
        if method == "DELETE" {
            state.delete(id, self.fault);
            return (204, None, Value::Null);
        }
        let mut change = body;
        if is(Fault::PatchForgets) && now_and_then && change.get("description").is_none() {
            change["description"] = "".into();
        }
        match state.change(id, &change, self.fault, now_and_then) {
            Some(todo) => (200, Some(todo.revision), json!({ "todo": todo.body })),
            None => (404, None, json!({ "error": "none" })),
        }
    }
}
