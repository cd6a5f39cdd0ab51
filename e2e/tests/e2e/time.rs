//! Clocks that are set while the server runs, and time in which it does not run.
//!
//! `STOP_SECONDS` in the environment sets for how long servers are stopped (6).

use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use e2e::{Builder, Client, Postgres, Server, tool, wait_until};
use tempfile::TempDir;

use crate::durability::{create, titles};

const HOUR: i64 = 3_600;

/// The clock that a server is told, so many seconds beside this machine's.
struct Clock(TempDir);

impl Clock {
    fn new() -> Self {
        let clock = Self(TempDir::new().unwrap());
        clock.set(0);
        clock
    }

    fn set(&self, seconds: i64) {
        // Whole or not at all, for the server that reads it.
        let next = self.0.path().join("next");
        fs::write(&next, format!("{seconds:+}")).unwrap();
        fs::rename(next, self.0.path().join("offset")).unwrap();
    }

    /// A server with this clock. Its monotonic clock is the machine's, as it is when somebody sets the time.
    fn server(&self) -> Builder {
        self.server_with("DONT_FAKE_MONOTONIC=1")
    }

    /// A server whose monotonic clock is set as well. That happens where it counts the time in which a machine sleeps.
    fn server_in_a_machine_that_slept(&self) -> Builder {
        self.server_with("DONT_FAKE_MONOTONIC=0")
    }

    fn server_with(&self, setting: &str) -> Builder {
        let library = tool("faketime").with_file_name("libfaketime.so.1");
        let file = self.0.path().join("offset");
        // The times of files stay what they are.
        let under = format!(
            "env LD_PRELOAD={} FAKETIME_TIMESTAMP_FILE={} FAKETIME_NO_CACHE=1 NO_FAKE_STAT=1 {setting}",
            library.display(),
            file.display()
        );
        Server::builder().set("RUN_UNDER", under)
    }
}

/// Seconds since 1970 of a date in any of the forms that HTTP and the API use.
fn seconds(date: &str) -> i64 {
    let output = Command::new("date").args(["-u", "+%s", "-d", date]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().parse().expect("a date")
}

/// Fails unless `date` is the present, `offset` seconds beside this machine's.
fn assert_is_now(date: &str, offset: i64) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64 + offset;
    assert!((seconds(date) - now).abs() < 120, "{date} at {offset:+} seconds");
}

#[test]
fn clocks_that_jump_change_what_time_it_is_and_nothing_else() {
    let (clock, folder) = (Clock::new(), TempDir::new().unwrap());
    let server = clock.server().data(folder.path()).set("HEAD_TIMEOUT_MS", 3_000).start();
    let (mut client, mut idle) = (server.connect(), server.connect());
    assert_eq!(idle.get("/health").status, 200);
    let (mut last_id, mut latest) = (0, i64::MIN);
    for hours in [0, 5, -7, 40, 0, -100_000, 0] {
        let offset = hours * HOUR;
        // Its deadline is on the other clock.
        let mut slow = server.connect();
        slow.send("GET /health HTTP/1.1\r\n");
        clock.set(offset);
        // One look at the clock serves for 10 ms.
        thread::sleep(Duration::from_millis(50));
        slow.send("Host: test\r\n\r\n");
        assert_eq!(slow.response().status, 200);

        let answer = client.post("/api/todos", r#"{"title":"a"}"#);
        assert_eq!(answer.status, 201);
        let todo = &answer.json()["todo"];
        assert!(todo["id"].as_u64().unwrap() > last_id);
        last_id = todo["id"].as_u64().unwrap();
        // In a file and in memory todos are in the order in which they were made.
        latest = latest.max(offset);
        assert_is_now(todo["created_at"].as_str().unwrap(), latest);
        assert_is_now(answer.header("date").unwrap(), offset);
        let health = client.get(&format!("/health?{hours}"));
        assert_is_now(health.json()["timestamp"].as_str().unwrap(), offset);
        let line = server.wait_for_log(&format!("/health?{hours} "), 1).pop().unwrap();
        assert_is_now(line.split(' ').next().unwrap(), offset);
        // Changes do not change when a todo was made.
        let changed = client.request("PATCH", "/api/todos/1", &[], br#"{"completed":true}"#);
        assert_eq!(changed.status, 200);
        assert_eq!(client.get("/readyz").status, 200);
    }
    let list = client.get("/api/todos?sort=created_at").json();
    assert_eq!(list["total"], 9);
    assert_eq!(idle.get("/health").status, 200, "it was not idle for hours");
    let mut slow = server.connect();
    slow.send("GET /health HTTP/1.1\r\n");
    assert_eq!(slow.response().status, 408);
    let other = Server::builder().data(folder.path()).run();
    assert_eq!(other.code, Some(74), "the file is still its own: {}", other.stderr);
    server.kill();
    assert_eq!(titles(&clock.server().data(folder.path()).start()).len(), 9);
}

#[test]
fn a_client_that_sent_too_much_may_ask_again_however_the_clock_is_set() {
    let clock = Clock::new();
    let server = clock.server().set("MAX_REQUESTS_PER_SECOND", 1).start();
    let mut client = server.connect();
    for hours in [0, -10, 10] {
        wait_until("it has sent too much", || client.get("/health").status == 429);
        clock.set(hours * HOUR);
        wait_until("it may ask again", || client.get("/health").status == 200);
    }
}

#[test]
fn idempotency_keys_are_kept_for_a_day_of_the_servers_clock() {
    let (clock, folder) = (Clock::new(), TempDir::new().unwrap());
    let server = clock.server().data(folder.path()).start();
    let mut client = server.connect();
    let mut create = |hours: i64| {
        clock.set(hours * HOUR);
        let headers = ["Idempotency-Key: k"];
        let answer = client.request("POST", "/api/todos", &headers, br#"{"title":"once"}"#);
        assert_eq!(answer.status, 201);
        answer.json()["todo"]["id"].as_u64().unwrap()
    };
    assert_eq!([0, 23, -50, 0].map(&mut create), [3; 4]);
    // That is too long ago, also for a clock that was right before.
    assert_eq!([25, 0, 48].map(&mut create), [4; 3]);
}

#[test]
fn a_server_in_a_machine_that_slept_goes_on() {
    let (clock, folder) = (Clock::new(), TempDir::new().unwrap());
    let server = clock.server_in_a_machine_that_slept().data(folder.path()).start();
    let (idle, mut waiting) = (server.connect(), server.connect());
    assert_eq!(waiting.get("/health").status, 200);
    create(&server, "before");
    server.signal("STOP");
    waiting.send_request("GET", "/health", &[], b"");
    clock.set(9 * HOUR);
    server.signal("CONT");
    assert_eq!(waiting.response().status, 200, "it was there before its time was over");
    idle.assert_closed();
    create(&server, "after");
    assert_eq!(Server::builder().data(folder.path()).run().code, Some(74));
    server.kill();
    assert_eq!(titles(&clock.server().data(folder.path()).start())[2..], ["before", "after"]);
}

fn stop(server: &Server) {
    server.signal("STOP");
    let seconds = std::env::var("STOP_SECONDS").map_or(6, |text| text.parse().expect("a number"));
    thread::sleep(Duration::from_secs(seconds));
}

/// All deadlines pass meanwhile. What clients have done in time is found before them.
#[test]
fn what_clients_sent_while_the_server_was_stopped_is_not_too_late() {
    let server = ["HEAD", "BODY", "IDLE", "WRITE"]
        .iter()
        .fold(Server::builder(), |builder, name| builder.set(&format!("{name}_TIMEOUT_MS"), 5_000))
        .start();
    let connect = || (0..30).map(|_| server.connect()).collect::<Vec<Client>>();
    let (mut idle, mut heads, mut bodies) = (connect(), connect(), connect());
    for client in &mut idle {
        assert_eq!(client.get("/health").status, 200);
    }
    for client in &mut heads {
        client.send("GET /health HTTP/1.1\r\n");
    }
    for client in &mut bodies {
        client.send("POST /api/todos HTTP/1.1\r\nHost: test\r\nContent-Length: 13\r\n\r\n{");
    }
    // It has read all that.
    server.assert_serves();
    let (mut silent, unused) = (server.connect(), server.connect());
    silent.send("GET /health HTTP/1.1\r\n");
    server.assert_serves();
    server.signal("STOP");
    for client in &mut idle {
        client.send_request("GET", "/health", &[], b"");
    }
    for client in &mut heads {
        client.send("Host: test\r\n\r\n");
    }
    for client in &mut bodies {
        client.send(r#""title":"x"}"#);
    }
    stop(&server);
    server.signal("CONT");
    for client in idle.iter_mut().chain(&mut heads) {
        assert_eq!(client.response().status, 200);
    }
    for client in &mut bodies {
        assert_eq!(client.response().status, 201);
    }
    assert_eq!(silent.response().status, 408);
    unused.assert_closed();
    server.assert_serves();
}

#[test]
fn a_server_that_was_stopped_beside_others_on_one_database_changes_nothing_that_it_has_not_seen() {
    let database = Postgres::start();
    let servers = [0; 2].map(|_| Server::builder().set("DATABASE_URL", database.url()).start());
    let [stopped, other] = servers.each_ref();
    let mut client = stopped.connect();
    let tag = client.get("/api/todos/1").header("etag").unwrap().to_owned();
    stopped.signal("STOP");
    let if_match = format!("If-Match: {tag}");
    client.send_request("PATCH", "/api/todos/1", &[&if_match], br#"{"title":"late"}"#);
    let changed = other.connect().request("PATCH", "/api/todos/1", &[], br#"{"title":"new"}"#);
    assert_eq!(changed.status, 200);
    stop(stopped);
    stopped.signal("CONT");
    let answer = client.response();
    assert_eq!((answer.status, answer.error().contains("ETag")), (412, true), "{}", answer.error());
    assert_eq!(titles(stopped)[0], "new");
    create(stopped, "from here");
    assert_eq!(titles(other)[2..], ["from here"]);
}
