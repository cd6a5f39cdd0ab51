//! What becomes of todos when the database, or the way to it, fails.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use e2e::{Postgres, Proxy, Server};
use serde_json::json;

use crate::durability::create;

/// How long one operation may wait, in milliseconds.
const TIMEOUT: u64 = 1_000;

fn with(url: String) -> e2e::Builder {
    Server::builder()
        .set("ACCESS_LOG", "off")
        .set("DATABASE_TIMEOUT_MS", TIMEOUT)
        .set("DATABASE_URL", url)
}

fn wait_until_ready(server: &Server) {
    e2e::wait_until("200 from /readyz", || server.connect().get("/readyz").status == 200);
}

/// What writers were told of the todos that they made, by their titles.
#[derive(Default)]
struct Ledger {
    /// 201
    made: Mutex<Vec<String>>,
    /// 503: it may be there or not.
    undecided: Mutex<Vec<String>>,
    refused: AtomicUsize,
    /// The longest time without an answer.
    longest: Mutex<Duration>,
    stop: AtomicBool,
}

impl Ledger {
    /// Makes todos on `server` until it is told to stop.
    fn write(&self, server: &Server, name: usize) {
        let mut client = server.connect();
        for number in 0.. {
            if self.stop.load(Relaxed) {
                return;
            }
            let title = format!("{name}-{number}");
            let began = Instant::now();
            let response = client.post("/api/todos", json!({ "title": title }).to_string());
            let mut longest = self.longest.lock().unwrap();
            *longest = longest.max(began.elapsed());
            drop(longest);
            match response.status {
                201 => self.made.lock().unwrap().push(title),
                503 => {
                    assert_eq!(response.header("retry-after"), Some("1"));
                    if response.error().contains("did not tell") {
                        self.undecided.lock().unwrap().push(title);
                    } else {
                        self.refused.fetch_add(1, Relaxed);
                    }
                    thread::sleep(Duration::from_millis(5));
                }
                other => panic!("{other}: {}", response.error()),
            }
        }
    }

    /// Runs `outage` while two writers per server make todos, and for a moment before and after it.
    fn during(&self, servers: &[&Server], outage: impl FnOnce()) {
        thread::scope(|scope| {
            for (number, server) in servers.iter().chain(servers).enumerate() {
                scope.spawn(move || self.write(server, number));
            }
            let wait_for_more = || {
                let before = self.made.lock().unwrap().len();
                e2e::wait_until("more todos", || self.made.lock().unwrap().len() > before + 50);
            };
            wait_for_more();
            outage();
            wait_for_more();
            self.stop.store(true, Relaxed);
        });
    }

    /// Fails unless all that was answered is there once, and nothing that nobody asked for.
    fn compare(&self, server: &Server, what: &str) {
        let list = server.connect().get("/api/todos").json();
        let mut found = BTreeMap::new();
        for todo in list["todos"].as_array().unwrap() {
            *found.entry(todo["title"].as_str().unwrap().to_owned()).or_insert(0) += 1;
        }
        assert!(found.values().all(|count| *count == 1), "{found:?}");
        let (made, undecided) = (self.made.lock().unwrap(), self.undecided.lock().unwrap());
        for title in made.iter() {
            assert!(found.remove(title).is_some(), "{title} was answered 201 and is lost");
        }
        let decided = undecided.iter().filter(|title| found.remove(*title).is_some()).count();
        assert_eq!(found.len(), 2, "nobody asked for {found:?}");
        let longest = self.longest.lock().unwrap();
        println!(
            "{what}: {} made, 0 lost, {} refused, {} undecided of which {decided} are there, longest wait {longest:?}",
            made.len(),
            self.refused.load(Relaxed),
            undecided.len(),
        );
        assert!(*longest < Duration::from_millis(TIMEOUT) + Duration::from_secs(20), "{longest:?}");
    }
}

#[test]
fn a_database_that_crashes_loses_nothing_that_was_answered() {
    let mut database = Postgres::start();
    let servers = [0; 2].map(|_| with(database.url()).start());
    let ledger = Ledger::default();
    ledger.during(&servers.each_ref(), || {
        for _ in 0..3 {
            database.stop_immediate();
            thread::sleep(Duration::from_millis(300));
            for server in &servers {
                assert_eq!(server.connect().get("/livez").status, 200);
            }
            database.start_again();
            for server in &servers {
                wait_until_ready(server);
            }
            thread::sleep(Duration::from_millis(300));
        }
    });
    ledger.compare(&servers[1], "3 crashes");
}

#[test]
fn connections_that_are_cut_lose_nothing_that_was_answered() {
    let database = Postgres::start();
    let proxy = Proxy::to(database.address());
    let server = with(database.url_at(proxy.address())).start();
    let ledger = Ledger::default();
    ledger.during(&[&server], || {
        for _ in 0..20 {
            proxy.cut_all();
            thread::sleep(Duration::from_millis(50));
        }
        proxy.pass();
    });
    ledger.compare(&server, "20 times all connections cut");
}

#[test]
fn a_change_whose_answer_is_lost_is_said_to_be_undecided() {
    let database = Postgres::start();
    let proxy = Proxy::to(database.address());
    let server = with(database.url_at(proxy.address())).start();
    wait_until_ready(&server);
    for (title, is_there) in [("cut before it arrives", 0), ("cut after the commit", 1)] {
        let cut = match is_there {
            0 => proxy.cut_before(title.as_bytes()),
            _ => proxy.cut_after(title.as_bytes()),
        };
        let body = json!({ "title": title }).to_string();
        let response = server.connect().post("/api/todos", body);
        assert_eq!((response.status, response.header("retry-after")), (503, Some("1")));
        assert_eq!(response.error(), "the database did not tell whether the change is made");
        assert!(cut.fired());
        wait_until_ready(&server);
        let list = server.connect().get("/api/todos").json();
        let found = list["todos"].as_array().unwrap().iter().filter(|todo| todo["title"] == title);
        assert_eq!(found.count(), is_there, "{title}");
    }
    assert!(create(&server, "afterwards") >= 3);
}

#[test]
fn a_database_that_does_not_answer_holds_nobody_up() {
    let database = Postgres::start();
    let proxy = Proxy::to(database.address());
    let server = with(database.url_at(proxy.address())).start();
    wait_until_ready(&server);
    proxy.stall();
    let stalled: Vec<_> = (0..40)
        .map(|number| {
            let mut client = server.connect();
            let target = if number % 2 == 0 { "/api/todos" } else { "/readyz" };
            client.send_request("GET", target, &[], b"");
            client
        })
        .collect();
    assert_eq!(server.connect().get("/livez").status, 200);
    for mut client in stalled {
        assert_eq!(client.response().status, 503);
    }
    proxy.pass();
    wait_until_ready(&server);
    assert_eq!(create(&server, "afterwards"), 3);
}

#[test]
fn a_slow_way_is_only_slow() {
    let database = Postgres::start();
    let proxy = Proxy::to(database.address());
    proxy.delay(Duration::from_millis(50));
    let server = with(database.url_at(proxy.address())).start();
    wait_until_ready(&server);
    let clients: Vec<_> = (0..50)
        .map(|number| {
            let mut client = server.connect();
            let body = json!({ "title": format!("{number}") }).to_string();
            client.send_request("POST", "/api/todos", &[], body.as_bytes());
            client
        })
        .collect();
    for mut client in clients {
        assert_eq!(client.response().status, 201);
    }
}

#[test]
fn a_database_without_free_connections_is_used_through_those_that_there_are() {
    let database = Postgres::builder()
        .setting("max_connections", 6)
        .setting("superuser_reserved_connections", 2)
        .start();
    let server = with(database.url()).set("DATABASE_CONNECTIONS", 8).start();
    wait_until_ready(&server);
    for _ in 0..20 {
        assert_eq!(server.connect().post("/api/todos", r#"{"title":"x"}"#).status, 201);
    }
    assert_eq!(server.connect().get("/api/todos?limit=1").json()["total"], 22);
}

/// The first server replicates synchronously: what it has answered the second one has as well.
#[test]
fn todos_go_on_on_the_standby_when_it_is_promoted() {
    let mut first = Postgres::start();
    let second = first.standby();
    first.sql("ALTER SYSTEM SET synchronous_standby_names = '*'");
    first.sql("SELECT pg_reload_conf()");
    let hosts = format!("{},{}", second.address(), first.address());
    let url = first.url().replace(&first.address().to_string(), &hosts)
        + "?target_session_attrs=read-write";
    let servers = [0; 2].map(|_| with(url.clone()).start());
    let ledger = Ledger::default();
    ledger.during(&servers.each_ref(), || {
        first.stop_immediate();
        second.promote();
        for server in &servers {
            wait_until_ready(server);
        }
    });
    assert_eq!(second.sql("SELECT pg_is_in_recovery()").trim(), "f");
    ledger.compare(&servers[0], "a failover");
}
