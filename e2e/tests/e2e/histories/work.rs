//! Clients that do at random what the API offers, all on the same few todos.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use e2e::{Client, wait_until};
use fastrand::Rng;
use serde_json::{Map, Value, json};

use super::followers::follow;
use super::record::{ALL, Answer, Change, Filter, Outcome, Record, Request, parse_tag, read};

/// Of these latest todos most operations choose.
const HOT: usize = 4;

/// How many clients follow the events.
const FOLLOWERS: u64 = 2;

/// What all clients of a history share.
pub struct World {
    /// The servers that clients may talk to. A client that finds none there tries again.
    pub addresses: Mutex<Vec<SocketAddr>>,
    clock: AtomicU64,
    /// Operations that were begun.
    begun: AtomicU64,
    names: AtomicU64,
    /// Once it is there.
    pub mark: Mutex<Option<Mark>>,
    /// Nobody is to go on.
    pub is_over: AtomicBool,
    /// How often events did not go on from where they were.
    pub interruptions: AtomicU64,
    keyed: AtomicU64,
    /// Todos that were seen, with the entity tags that they had.
    seen: Mutex<BTreeMap<u64, Vec<String>>>,
}

/// The first todo that is made after all else was changed.
#[derive(Clone, Copy)]
pub struct Mark {
    pub id: u64,
    pub invoked: u64,
}

/// Ends a world when it is dropped.
struct End<'a>(&'a World);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.is_over.store(true, SeqCst);
    }
}

/// How large a history is.
#[derive(Clone, Copy)]
pub struct Size {
    pub clients: usize,
    pub operations: u64,
}

impl World {
    pub fn new(addresses: Vec<SocketAddr>) -> Self {
        Self {
            addresses: Mutex::new(addresses),
            clock: AtomicU64::new(1),
            begun: AtomicU64::new(0),
            names: AtomicU64::new(0),
            mark: Mutex::default(),
            is_over: AtomicBool::new(false),
            interruptions: AtomicU64::new(0),
            keyed: AtomicU64::new(0),
            seen: Mutex::default(),
        }
    }

    /// Waits until so many operations have begun.
    pub fn wait_for(&self, operations: u64) {
        wait_until("more operations", || self.begun.load(SeqCst) >= operations);
    }

    /// Lets clients work, others follow the events, and `disturb` besides; then reads all todos once more, so that nothing that
    /// was lost stays unseen.
    pub fn run(&self, seed: u64, size: Size, disturb: impl FnOnce(&mut Rng)) -> Vec<Record> {
        let worker = |number: u64| {
            let random = Rng::with_seed(seed << 8 | number);
            Worker { world: self, random, connection: None }
        };
        let began = self.tick();
        thread::scope(|scope| {
            // Should anything fail here, the scope waits for all threads before it tells.
            let _end = End(self);
            let followers: Vec<_> = (0..FOLLOWERS)
                .map(|number| {
                    let worker = worker(0xf0 | number);
                    scope.spawn(move || follow(worker, began))
                })
                .collect();
            let workers: Vec<_> = (0..size.clients)
                .map(|client| {
                    let worker = worker(client as u64);
                    scope.spawn(move || worker.work(size.operations))
                })
                .collect();
            disturb(&mut Rng::with_seed(seed << 8 | 0xff));
            let join = |thread: thread::ScopedJoinHandle<'_, Vec<Record>>| thread.join().unwrap();
            let mut records: Vec<_> = workers.into_iter().flat_map(join).collect();
            let mut last = worker(0xfe);
            // Meanwhile the last requests whose clients are gone are carried out: what they change comes before the marks.
            let ids: Vec<_> = self.seen.lock().unwrap().keys().copied().collect();
            for id in ids {
                last.insist(&Request::Get { id, unless: None }, &mut records);
            }
            last.make_marks(&mut records, || followers.iter().all(|thread| thread.is_finished()));
            records.extend(followers.into_iter().flat_map(join));
            last.insist(&ALL, &mut records);
            records
        })
    }

    pub fn tick(&self) -> u64 {
        self.clock.fetch_add(1, SeqCst)
    }

    fn name(&self, prefix: &str) -> String {
        format!("{prefix}{}", self.names.fetch_add(1, SeqCst))
    }

    fn learn(&self, answer: &Answer, tag: Option<&str>) {
        let mut seen = self.seen.lock().unwrap();
        match answer {
            Answer::Todo { id, .. } => {
                let tags = seen.entry(*id).or_default();
                tags.extend(tag.filter(|tag| !tags.iter().any(|t| t == tag)).map(str::to_owned));
            }
            Answer::List { todos, .. } => {
                for todo in todos {
                    seen.entry(todo.id).or_default();
                }
            }
            _ => {}
        }
    }
}

pub struct Worker<'a> {
    pub world: &'a World,
    random: Rng,
    connection: Option<Client>,
}

impl Worker<'_> {
    fn work(mut self, operations: u64) -> Vec<Record> {
        let mut records = Vec::new();
        while self.world.begun.fetch_add(1, SeqCst) < operations {
            let (request, condition) = self.choose();
            let record = self.ask(request, condition);
            if !matches!(record.outcome, Outcome::Answered(_)) {
                thread::sleep(Duration::from_millis(1));
            }
            records.push(record);
        }
        records
    }

    /// Makes todos until followers have seen one of them, and so all that was changed before.
    fn make_marks(&mut self, records: &mut Vec<Record>, are_seen: impl Fn() -> bool) {
        wait_until("followers that see a mark", || {
            let title = self.world.name("made ");
            let create = Request::Create { title, description: "a mark".into(), key: None };
            let record = self.ask(create, None);
            if let Outcome::Answered(Answer::Todo { id, .. }) = record.outcome {
                let mark = Mark { id, invoked: record.invoked };
                self.world.mark.lock().unwrap().get_or_insert(mark);
            }
            records.push(record);
            thread::sleep(Duration::from_millis(20));
            are_seen()
        });
    }

    /// Whether a follower leaves a response, to go on in another one.
    pub fn leaves(&mut self) -> bool {
        self.random.u8(..30) == 0
    }

    /// Asks until there is an answer.
    pub fn insist(&mut self, request: &Request, records: &mut Vec<Record>) {
        wait_until("an answer", || {
            let record = self.ask(request.clone(), None);
            let is_answered = matches!(record.outcome, Outcome::Answered(_));
            records.push(record);
            is_answered
        });
    }

    /// A todo that was seen, most likely one of the latest, and one of its tags: the latest or an earlier one.
    fn todo(&mut self) -> Option<(u64, Option<String>)> {
        let seen = self.world.seen.lock().unwrap();
        let among = if self.random.u8(..10) > 0 { HOT.min(seen.len()) } else { seen.len() };
        let (id, tags) = seen.iter().rev().nth(self.random.usize(..among.max(1)))?;
        let latest = tags.len().saturating_sub(1);
        let index = if self.random.u8(..4) > 0 { latest } else { self.random.usize(..=latest) };
        Some((*id, tags.get(index).cloned()))
    }

    /// A request, and a header for it.
    fn choose(&mut self) -> (Request, Option<String>) {
        let kind = self.random.u8(..100);
        let todo = self.todo();
        let (Some((id, tag)), 12..) = (todo, kind) else { return (self.create(), None) };
        let revision = tag.as_deref().and_then(parse_tag).map(|(_, revision)| revision);
        let (only, tag) = match self.random.u8(..10) {
            0..6 => (revision, tag),
            6 => (None, Some("*".to_owned())),
            _ => (None, None),
        };
        let header = tag.as_ref().map(|tag| format!("If-Match: {tag}"));
        match kind {
            12..37 => {
                let tag = only.and(tag).map(|tag| format!("If-None-Match: {tag}"));
                (Request::Get { id, unless: only }, tag)
            }
            37..80 => (Request::Update { id, change: self.change(), only }, header),
            80..87 => (Request::Delete { id, only }, header),
            87 => (Request::DeleteCompleted, None),
            88 => (ALL, None),
            _ => {
                let completed = self.random.bool().then(|| self.random.bool());
                let texts = ["MADE", "changed 1", "3", "text 2", "key"];
                let text = self.random.bool().then(|| self.random.choice(texts).unwrap().into());
                let limit = self.random.bool().then(|| self.random.usize(1..=8));
                (Request::List { filter: Filter { completed, text }, limit }, None)
            }
        }
    }

    fn create(&mut self) -> Request {
        if self.random.bool() {
            let title = self.world.name("Made ");
            let description = self.world.name("Text ");
            return Request::Create { title, description, key: None };
        }
        // Some clients in a row have the same key, and one of them may say something else.
        let key = self.world.keyed.fetch_add(1, SeqCst) / 4;
        let variant = u8::from(self.random.u8(..8) == 0);
        let title = format!("under key {key}, variant {variant}");
        Request::Create { title, description: "kept".into(), key: Some(format!("key-{key}")) }
    }

    fn change(&mut self) -> Change {
        let title = self.world.name("changed ");
        let description = self.world.name("text ");
        // All three are a PUT.
        let named = self.random.u8(0..8) | if self.random.bool() { 7 } else { 0 };
        Change {
            title: (named & 1 > 0).then_some(title),
            description: (named & 2 > 0).then_some(description),
            completed: (named & 4 > 0).then(|| self.random.u8(..4) == 0),
        }
    }

    fn ask(&mut self, request: Request, condition: Option<String>) -> Record {
        let (method, target, body) = on_the_wire(&request);
        let key = match &request {
            Request::Create { key: Some(key), .. } => Some(format!("Idempotency-Key: \"{key}\"")),
            _ => None,
        };
        let headers: Vec<_> = condition.iter().chain(&key).map(String::as_str).collect();
        let mut connection = self.connection.take().unwrap_or_else(|| self.connect());
        let gives_up = self.random.u8(..40) == 0;
        let invoked = self.world.tick();
        let response = if gives_up {
            // It goes away without waiting, and comes back on another connection.
            let bytes = format!("{method} {target} HTTP/1.1\r\nHost: test\r\n");
            let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
            let length = body.len();
            connection.try_send(format!("{bytes}{headers}Content-Length: {length}\r\n\r\n{body}"));
            None
        } else {
            connection.try_request(method, &target, &headers, body.as_bytes())
        };
        let ended = self.world.tick();
        let (outcome, epoch) = match &response {
            None => (Outcome::Unknown, None),
            Some(response) => {
                if response.header("connection") != Some("close") {
                    self.connection = Some(connection);
                }
                read(&request, response)
            }
        };
        if let Outcome::Answered(answer) = &outcome {
            self.world.learn(answer, response.as_ref().and_then(|r| r.header("etag")));
        }
        Record { invoked, ended, request, outcome, epoch }
    }

    pub fn connect(&mut self) -> Client {
        let mut connection = None;
        wait_until("a server to connect to", || {
            let address = self.random.choice(self.world.addresses.lock().unwrap().iter().copied());
            connection = address.and_then(Client::try_connect);
            connection.is_some()
        });
        connection.expect("just connected")
    }
}

fn on_the_wire(request: &Request) -> (&'static str, String, String) {
    let one = |id: &u64| format!("/api/todos/{id}");
    let all = || "/api/todos".to_owned();
    match request {
        Request::Create { title, description, .. } => {
            ("POST", all(), json!({ "title": title, "description": description }).to_string())
        }
        Request::Get { id, .. } => ("GET", one(id), String::new()),
        Request::Update { id, change: Change { title, description, completed }, .. } => {
            let texts = [("title", title), ("description", description)];
            let texts = texts
                .into_iter()
                .filter_map(|(name, text)| Some((name.to_owned(), Value::from(text.as_deref()?))));
            let mut body: Map<_, _> = texts.collect();
            body.extend(completed.map(|completed| ("completed".to_owned(), completed.into())));
            let method = if body.len() == 3 { "PUT" } else { "PATCH" };
            (method, one(id), Value::from(body).to_string())
        }
        Request::Delete { id, .. } => ("DELETE", one(id), String::new()),
        Request::DeleteCompleted => ("DELETE", all() + "?completed=true", String::new()),
        Request::List { filter: Filter { completed, text }, limit } => {
            let completed = completed.map(|completed| format!("completed={completed}"));
            let text = text.as_ref().map(|text| format!("q={}", text.replace(' ', "%20")));
            let limit = limit.map(|limit| format!("limit={limit}"));
            let parameters: Vec<_> = [completed, text, limit].into_iter().flatten().collect();
            let query = if parameters.is_empty() { "" } else { "?" };
            ("GET", all() + query + &parameters.join("&"), String::new())
        }
        Request::Event { .. } => unreachable!("nothing is sent for a single event"),
    }
}
