//! The file that todos are kept in: restarts, damage, a full disk.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use e2e::{Server, repository};
use tempfile::TempDir;

pub fn on(folder: &Path) -> Server {
    Server::builder().data(folder).start()
}

pub fn titles(server: &Server) -> Vec<String> {
    let list = server.connect().get("/api/todos").json();
    let todos = list["todos"].as_array().unwrap().iter();
    todos.map(|todo| todo["title"].as_str().unwrap().to_owned()).collect()
}

pub fn create(server: &Server, title: &str) -> u64 {
    let created = server.connect().post("/api/todos", format!(r#"{{"title":"{title}"}}"#));
    assert_eq!(created.status, 201);
    created.json()["todo"]["id"].as_u64().unwrap()
}

#[test]
fn todos_survive_a_kill() {
    let folder = TempDir::new().unwrap();
    let first = on(folder.path());
    first.wait_for_log("todos are kept in /data/todos.redb, as there is a folder /data", 1);
    assert_eq!(create(&first, "a"), 3);
    assert_eq!(create(&first, "b"), 4);
    let mut client = first.connect();
    assert_eq!(client.request("DELETE", "/api/todos/4", &[], b"").status, 204);
    assert_eq!(client.request("PATCH", "/api/todos/3", &[], br#"{"completed":true}"#).status, 200);
    first.kill();

    let second = on(folder.path());
    assert_eq!(titles(&second), ["Go 학습하기", "Docker 최적화", "a"]);
    let todo = second.connect().get("/api/todos/3");
    assert!(todo.header("etag").unwrap().ends_with("-2\""));
    assert_eq!(todo.json()["todo"]["completed"], true);
    assert_eq!(create(&second, "c"), 5, "4 was given out before");
}

#[test]
fn the_samples_are_put_in_once_and_only_if_they_are_to() {
    let folder = TempDir::new().unwrap();
    let first = on(folder.path());
    first.connect().request("DELETE", "/api/todos/1", &[], b"");
    first.kill();
    assert_eq!(titles(&on(folder.path())), ["Docker 최적화"]);

    let folder = TempDir::new().unwrap();
    let empty = Server::builder().data(folder.path()).set("SEED_TODOS", "false").start();
    assert_eq!(titles(&empty), [] as [&str; 0]);
    assert_eq!(create(&empty, "first"), 1);
}

#[test]
fn without_a_folder_todos_are_in_memory_and_the_log_says_so() {
    let server = Server::start();
    server.wait_for_log(
        "todos are in memory and end with the process, as there is no folder /data",
        1,
    );
    let folder = TempDir::new().unwrap();
    let server = Server::builder().data(folder.path()).set("DATABASE_URL", "memory:").start();
    server.wait_for_log("todos are in memory and end with the process, as DATABASE_URL says", 1);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn files_of_earlier_releases_can_be_read() {
    for schema in 1..=3 {
        let folder = TempDir::new().unwrap();
        let fixture = repository().join(format!("e2e/fixtures/schema-{schema}.redb"));
        fs::copy(fixture, folder.path().join("todos.redb")).unwrap();
        let server = on(folder.path());
        assert_eq!(titles(&server), ["Go 학습하기", "Docker 최적화", "장보기 🥛"]);
        let todo = server.connect().get("/api/todos/3");
        assert!(todo.header("etag").unwrap().ends_with("-2\""));
        let todo = todo.json();
        assert_eq!(todo["todo"]["description"], "two\nlines");
        assert_eq!(todo["todo"]["completed"], true);
        assert_eq!(create(&server, "next"), 5);
        server.kill();
        assert_eq!(titles(&on(folder.path())).last().unwrap(), "next");
    }
}

/// Starts a server on a folder with these bytes as its file. It must refuse them and leave them alone.
fn refused(bytes: &[u8]) -> String {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("todos.redb");
    fs::write(&file, bytes).unwrap();
    // A server that takes the file after all ends at the address.
    let exit = Server::builder().data(folder.path()).set("HOST", "192.0.2.1").run();
    assert_eq!(exit.code, Some(74), "{}", exit.stderr);
    assert!(fs::read(&file).unwrap() == bytes, "the file has changed");
    // A lease that was taken and released stays, so that its number is not used again.
    for entry in fs::read_dir(folder.path()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(["todos.redb", "todos.redb.lease.1"].contains(&name.as_str()), "{name}");
    }
    let reason = exit.stderr.strip_prefix("todo: cannot keep todos in /data/todos.redb: ");
    reason.unwrap_or_else(|| panic!("{}", exit.stderr)).trim_end().to_owned()
}

#[test]
fn a_file_that_is_no_store_stops_the_start_and_stays_as_it_is() {
    for bytes in [&b""[..], b"hello\n", b"SQLite format 3\0", &[0; 100_000]] {
        assert_eq!(refused(bytes), "it is not a database of todos");
    }
}

#[test]
fn a_damaged_file_stops_the_start_and_stays_as_it_is() {
    let intact = fs::read(repository().join("e2e/fixtures/schema-1.redb")).unwrap();
    for length in [9, 300, 5_000, intact.len() / 2] {
        assert!(refused(&intact[..length]).starts_with("it is damaged"), "{length}");
    }
    // One byte of every page. Of the pages that only the last transaction has written redb does without: it takes their
    // damage for a power cut in the middle of that transaction, and goes back to the one before.
    for offset in [0, 2] {
        let mut damaged = intact.clone();
        for page in (4_096..intact.len()).step_by(4_096) {
            damaged[page + offset] ^= 0xff;
        }
        assert!(refused(&damaged).starts_with("it is damaged"), "{offset}");
    }
}

#[test]
fn a_folder_that_cannot_be_written_to_stops_the_start() {
    // In /proc not even root creates files.
    let on_proc = || Server::builder().data(Path::new("/proc"));
    let exit = on_proc().set("DATABASE_URL", "redb:///data/todos.redb").run();
    assert_eq!(exit.code, Some(74));
    let expected = "todo: cannot keep todos in /data/todos.redb: its folder cannot be written to:";
    assert!(exit.stderr.starts_with(expected), "{}", exit.stderr);
    // Also left to itself, the server does not go on without: what it answers 201 is to be there after a restart.
    let exit = on_proc().run();
    assert_eq!(exit.code, Some(74));
    assert!(exit.stderr.starts_with(expected), "{}", exit.stderr);
}

#[test]
fn a_full_disk_is_told_and_reading_goes_on_until_there_is_room_again() {
    let folder = TempDir::new().unwrap();
    let server = Server::builder().data(folder.path()).max_file_bytes(300_000).start();
    let mut client = server.connect();
    let body = format!(r#"{{"title":"x","description":"{}"}}"#, "y".repeat(9_000));
    let mut created = 0;
    let refused = loop {
        let answer = client.post("/api/todos", &body);
        if answer.status != 201 {
            break answer;
        }
        created += 1;
        assert!(created < 1_000);
    };
    assert_eq!(refused.status, 507);
    assert_eq!(refused.error(), "the store's disk is full");
    let total = |client: &mut e2e::Client| client.get("/api/todos?limit=1").json()["total"].clone();
    assert_eq!(total(&mut client), created + 2);
    assert_eq!(client.request("DELETE", "/api/todos/1", &[], b"").status, 507);
    assert_eq!(client.get("/readyz").status, 200, "reading is served");
    server.wait_for_log("the store cannot be written", 1);

    server.lift_file_limit();
    while client.post("/api/todos", &body).status != 201 {
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(total(&mut client), created + 3);
    server.wait_for_log("the store can be written again", 1);
    drop(client);
    server.kill();
    assert_eq!(titles(&on(folder.path())).len(), created + 3);
}
