//! Server-sent events: `GET /api/todos/events`.

use std::thread;
use std::time::{Duration, Instant};

use e2e::{Client, Events, Postgres, Server};
use serde_json::{Value, json};

fn post(client: &mut Client, title: &str) -> Value {
    let response = client.post("/api/todos", json!({ "title": title }).to_string());
    assert_eq!(response.status, 201);
    response.json()["todo"]["id"].clone()
}

#[test]
fn two_clients_see_each_others_changes() {
    let folder = tempfile::tempdir().unwrap();
    for server in [Server::start(), Server::builder().data(folder.path()).start()] {
        let mut events = [Events::of(&server, &[]), Events::of(&server, &[])];
        for (name, value) in [
            ("content-type", "text/event-stream"),
            ("cache-control", "no-store"),
            ("x-accel-buffering", "no"),
            ("transfer-encoding", "chunked"),
        ] {
            assert_eq!(events[0].head.header(name), Some(value));
        }
        let mut clients = [server.connect(), server.connect()];
        let id = post(&mut clients[0], "from one");
        let one = format!("/api/todos/{id}");
        let seen = clients[0].get(&one);
        for events in &mut events {
            let event = events.next().unwrap();
            let expected = json!({ "todo": seen.json()["todo"], "etag": seen.header("etag") });
            assert_eq!((event.name.as_str(), event.data), ("todo", expected));
        }
        clients[1].request("PATCH", &one, &[], br#"{"title":"from two"}"#);
        events.iter_mut().for_each(|events| events.expect_title("from two"));
        clients[1].request("DELETE", &one, &[], b"");
        for events in &mut events {
            let event = events.next().unwrap();
            assert_eq!((event.name.as_str(), event.data), ("deleted", json!({ "id": id })));
        }
    }
}

#[test]
fn who_comes_back_goes_on_where_it_was_and_after_a_restart_begins_anew() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::builder().data(folder.path()).start();
    let mut client = server.connect();
    let mut events = Events::of(&server, &[]);
    for title in ["a", "b", "c"] {
        post(&mut client, title);
    }
    events.expect_title("a");
    let last = format!("Last-Event-ID: {}", events.last_id);
    drop(events);
    post(&mut client, "d");
    let mut events = Events::of(&server, &[&last]);
    for title in ["b", "c", "d"] {
        events.expect_title(title);
    }
    post(&mut client, "e");
    events.expect_title("e");
    server.kill();
    let server = Server::builder().data(folder.path()).start();
    let mut events = Events::of(&server, &[&last]);
    assert_eq!(events.next().unwrap().name, "reset");
    post(&mut server.connect(), "f");
    events.expect_title("f");
}

#[test]
fn two_hundred_readers_see_one_change() {
    let server = Server::builder().set("MAX_EVENT_READERS", 200).start();
    let mut readers: Vec<_> = (0..200).map(|_| Events::of(&server, &[])).collect();
    let mut client = server.connect();
    let refused = client.get("/api/todos/events");
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    assert_eq!(refused.error(), "too many clients read events, try again later");
    post(&mut client, "for all");
    readers.iter_mut().for_each(|events| events.expect_title("for all"));
    drop(readers);
    // Those who are gone are noticed when there is something for them.
    while client.get("/metrics").body.windows(16).all(|text| text != b"\nevent_readers 0") {
        post(&mut client, "for nobody");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn readers_that_never_read_do_not_hold_up_the_others() {
    let server = Server::builder().set("ACCESS_LOG", "off").start();
    let _stuck: Vec<_> = (0..20)
        .map(|_| {
            let mut client = Client::connect_with_buffers(server.address(), 4_096);
            client.send_request("GET", "/api/todos/events", &[], b"");
            client
        })
        .collect();
    let mut readers: Vec<_> = (0..20).map(|_| Events::of(&server, &[])).collect();
    let mut client = server.connect();
    let description = "x".repeat(10_000);
    for number in 0..300 {
        let body = json!({ "title": format!("{number}"), "description": description });
        assert_eq!(client.post("/api/todos", body.to_string()).status, 201);
        readers.iter_mut().for_each(|events| events.expect_title(&number.to_string()));
    }
    server.assert_serves();
}

#[test]
fn who_reads_too_slowly_is_told_to_begin_anew() {
    let server = Server::builder().set("ACCESS_LOG", "off").start();
    let mut slow = Events::on(Client::connect_with_buffers(server.address(), 4_096), &[]);
    let mut client = server.connect();
    let description = "x".repeat(10_000);
    // 10 MB, of which the ring holds one, and the sockets some.
    for number in 0..1_000 {
        let body = json!({ "title": format!("{number}"), "description": description });
        assert_eq!(client.post("/api/todos", body.to_string()).status, 201);
    }
    let (mut count, mut last) = (0, None);
    for event in slow.by_ref() {
        count += 1;
        last = Some(event);
    }
    assert!(count < 1_000, "{count}");
    assert_eq!(last.unwrap().name, "reset");
    // It goes on from there.
    let mut events = Events::of(&server, &[&format!("Last-Event-ID: {}", slow.last_id)]);
    post(&mut client, "next");
    events.expect_title("next");
}

#[test]
fn a_quiet_stream_is_kept_alive() {
    let settings = [("IDLE_TIMEOUT_MS", 500), ("WRITE_TIMEOUT_MS", 500), ("BODY_TIMEOUT_MS", 500)];
    let builder =
        settings.iter().fold(Server::builder(), |builder, (name, value)| builder.set(name, value));
    let server = builder.start();
    let mut events = Events::of(&server, &[]);
    events.wait_for_heartbeat();
    post(&mut server.connect(), "still there");
    events.expect_title("still there");
    server.assert_idle();
}

#[test]
fn a_token_is_asked_for() {
    let token = "0123456789abcdef";
    let server = Server::builder().set("API_TOKEN", token).start();
    assert_eq!(server.connect().get("/api/todos/events").status, 401);
    let header = format!("Authorization: Bearer {token}");
    let mut events = Events::of(&server, &[&header]);
    let body = br#"{"title":"x"}"#;
    server.connect().request("POST", "/api/todos", &[&header], body);
    events.expect_title("x");
}

#[test]
fn servers_of_one_database_tell_each_others_changes_and_go_on_for_each_other() {
    let database = Postgres::start();
    let start = || Server::builder().set("DATABASE_URL", database.url()).start();
    let (one, two) = (start(), start());
    let mut events = Events::of(&two, &[]);
    let mut client = one.connect();
    let id = post(&mut client, "from one");
    events.expect_title("from one");
    // A number that was taken and is not used.
    database.sql("SELECT nextval('todo_change_numbers')");
    client.request("PATCH", &format!("/api/todos/{id}"), &[], br#"{"title":"again"}"#);
    events.expect_title("again");
    client.request("DELETE", &format!("/api/todos/{id}"), &[], b"");
    assert_eq!(events.next().unwrap().data, json!({ "id": id }));
    // On the other server, from before the missing number: some events come again.
    let last = format!("Last-Event-ID: {}", events.last_id);
    drop(events);
    post(&mut client, "missed");
    let mut events = Events::of(&one, &[&last]);
    let mut seen = Vec::new();
    while seen.last() != Some(&json!("missed")) {
        seen.push(events.next().unwrap().data["todo"]["title"].clone());
    }
    assert!(seen.len() <= 3, "{seen:?}");
    let mut other = Events::of(&one, &["Last-Event-ID: 0000000000000007-1"]);
    assert_eq!(other.next().unwrap().name, "reset");
}

#[test]
fn a_change_that_shows_up_after_later_ones_is_told() {
    let database = Postgres::start();
    let server = Server::builder().set("DATABASE_URL", database.url()).start();
    let mut client = server.connect();
    let id = post(&mut client, "late");
    let mut events = Events::of(&server, &[]);
    // What a slow transaction does: it takes its number now, and shows what it did later.
    let number = database.sql("SELECT nextval('todo_change_numbers')").trim().to_owned();
    for title in ["a", "b"] {
        post(&mut client, title);
        events.expect_title(title);
    }
    database.sql(&format!("INSERT INTO todo_changes VALUES ({number}, {id})"));
    events.expect_title("late");
    post(&mut client, "c");
    events.expect_title("c");
}

/// What one change costs with a thousand readers of whom fifty never read: bench/events.sh shows it.
#[test]
#[ignore = "bench/events.sh runs it"]
fn measure_a_thousand_readers() {
    const CHANGES: usize = 100;
    let server = Server::builder()
        .set("ACCESS_LOG", "off")
        .set("MAX_EVENT_READERS", 1_100)
        .set("MAX_CONNECTIONS", 2_000)
        .start();
    let stuck = |server: &Server| {
        let mut client = Client::connect_with_buffers(server.address(), 4_096);
        client.send_request("GET", "/api/todos/events", &[], b"");
        client
    };
    let mut client = server.connect();
    let mut readers: Vec<_> = (0..1_000).map(|_| Events::of(&server, &[])).collect();
    let mut stuck_readers = Vec::new();
    for slow in [0, 50] {
        stuck_readers.extend((0..slow).map(|_| stuck(&server)));
        let (before, mut times) = (server.cpu_ticks(), Vec::new());
        for number in 0..CHANGES {
            let began = Instant::now();
            post(&mut client, &number.to_string());
            readers.iter_mut().for_each(|events| events.expect_title(&number.to_string()));
            times.push(began.elapsed());
        }
        let used = (server.cpu_ticks() - before) as f64 * 10.0 / CHANGES as f64;
        times.sort();
        println!(
            "1000 readers and {slow:>2} that never read: the last has a change after {:?} (median of {CHANGES}, at most {:?}), {used:.1} ms CPU per change",
            times[CHANGES / 2],
            times[CHANGES - 1],
        );
    }
}
