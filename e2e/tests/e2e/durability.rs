//! The file that todos are kept in: restarts, damage, owners, a full disk.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use e2e::{Server, repository};
use tempfile::TempDir;

fn on(folder: &Path) -> Server {
    Server::builder().data(folder).start()
}

fn titles(server: &Server) -> Vec<String> {
    let list = server.connect().get("/api/todos").json();
    let todos = list["todos"].as_array().unwrap().iter();
    todos.map(|todo| todo["title"].as_str().unwrap().to_owned()).collect()
}

fn create(server: &Server, title: &str) -> u64 {
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
fn a_file_of_this_release_can_be_read() {
    let folder = TempDir::new().unwrap();
    let fixture = repository().join("e2e/fixtures/schema-1.redb");
    fs::copy(fixture, folder.path().join("todos.redb")).unwrap();
    let server = on(folder.path());
    assert_eq!(titles(&server), ["Go 학습하기", "Docker 최적화", "장보기 🥛"]);
    let todo = server.connect().get("/api/todos/3");
    assert!(todo.header("etag").unwrap().ends_with("-2\""));
    let todo = todo.json();
    assert_eq!(todo["todo"]["description"], "two\nlines");
    assert_eq!(todo["todo"]["completed"], true);
    assert_eq!(create(&server, "next"), 5);
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
fn a_second_server_leaves_the_file_of_a_living_one_alone() {
    let folder = TempDir::new().unwrap();
    let first = on(folder.path());
    create(&first, "a");
    let before = fs::read(folder.path().join("todos.redb")).unwrap();
    for _ in 0..3 {
        let exit = Server::builder().data(folder.path()).run();
        assert_eq!(exit.code, Some(74));
        let expected = "todo: cannot keep todos in /data/todos.redb: another server uses it\n";
        assert_eq!(exit.stderr, expected);
    }
    assert!(fs::read(folder.path().join("todos.redb")).unwrap() == before);
    create(&first, "b");
    first.kill();
    assert_eq!(titles(&on(folder.path()))[2..], ["a", "b"]);
}

/// A stopped server looks dead. When it goes on, it must not write to what is another one's by then.
#[test]
fn a_server_that_was_stopped_for_too_long_gives_up() {
    let folder = TempDir::new().unwrap();
    let mut first = on(folder.path());
    create(&first, "a");
    first.signal("STOP");
    let second = on(folder.path());
    create(&second, "b");
    // This one waits inside the first server, which will find the lock to be another's.
    let mut late = first.connect();
    late.send_request("POST", "/api/todos", &[], br#"{"title":"late"}"#);
    first.signal("CONT");
    assert_eq!(first.wait_for_end(), Some(74));
    first.wait_for_log("another server has taken over the store's file, so this one ends", 1);
    create(&second, "c");
    second.kill();
    assert_eq!(titles(&on(folder.path()))[2..], ["a", "b", "c"]);
}

/// Starts this many servers at once, and gives what each ended with.
fn start_together(folder: &Path, count: usize) -> Vec<e2e::Exit> {
    let starting: Vec<_> = (0..count)
        .map(|_| {
            let folder = folder.to_owned();
            // Whoever gets the file fails at the address, gives it back and ends.
            let builder = move || Server::builder().data(&folder).set("HOST", "192.0.2.1");
            thread::spawn(move || builder().run())
        })
        .collect();
    starting.into_iter().map(|server| server.join().unwrap()).collect()
}

#[test]
fn a_living_server_keeps_its_file_however_many_want_it() {
    let folder = TempDir::new().unwrap();
    let owner = on(folder.path());
    for exit in start_together(folder.path(), 20) {
        assert_eq!(exit.code, Some(74), "{}", exit.stderr);
        assert!(exit.stderr.ends_with("another server uses it\n"), "{}", exit.stderr);
    }
    assert_eq!(create(&owner, "still here"), 3);
    drop(owner);
    assert_eq!(titles(&on(folder.path())).len(), 3);
}

#[test]
fn of_servers_that_start_together_on_a_dead_ones_file_one_at_a_time_gets_it() {
    let folder = TempDir::new().unwrap();
    on(folder.path()).kill();
    let exits = start_together(folder.path(), 5);
    assert!(exits.iter().all(|exit| matches!(exit.code, Some(69 | 74))), "{exits:?}");
    assert!(exits.iter().any(|exit| exit.code == Some(69)), "nobody got it: {exits:?}");
    assert_eq!(titles(&on(folder.path())).len(), 2);
    let beside = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let mut beside: Vec<_> = beside.map(|name| name.into_string().unwrap()).collect();
    beside.sort();
    // The lease and the one before.
    let numbers: Vec<u64> = beside
        .iter()
        .filter_map(|name| name.strip_prefix("todos.redb.lease.")?.parse().ok())
        .collect();
    assert_eq!((beside.len(), numbers.len()), (3, 2), "{beside:?}");
    assert_eq!(numbers[0] + 1, numbers[1]);
}

#[test]
fn a_server_out_of_descriptors_keeps_its_file() {
    let folder = TempDir::new().unwrap();
    let server = Server::builder().data(folder.path()).max_descriptors(60).start();
    let mut first = server.connect();
    assert_eq!(first.get("/health").status, 200);
    let waiting: Vec<_> = (0..100).map(|_| server.connect()).collect();
    server.wait_for_log("cannot accept connections now", 1);
    for _ in 0..20 {
        assert_eq!(first.post("/api/todos", r#"{"title":"x"}"#).status, 201);
        thread::sleep(Duration::from_millis(20));
    }
    drop((first, waiting));
    server.assert_serves();
}

/// When its disk has failed a server opens its database again. By then the name of the file may stand for another one's.
#[test]
fn a_server_that_was_stopped_with_a_full_disk_leaves_the_next_ones_file_alone() {
    let folder = TempDir::new().unwrap();
    let mut first = Server::builder().data(folder.path()).max_file_bytes(300_000).start();
    let mut client = first.connect();
    let body = format!(r#"{{"title":"x","description":"{}"}}"#, "y".repeat(9_000));
    while client.post("/api/todos", &body).status == 201 {}
    first.signal("STOP");
    let second = on(folder.path());
    let before = titles(&second).len();
    create(&second, "b");
    client.send_request("POST", "/api/todos", &[], br#"{"title":"late"}"#);
    first.lift_file_limit();
    first.signal("CONT");
    assert_eq!(first.wait_for_end(), Some(74));
    create(&second, "c");
    second.kill();
    let titles = titles(&on(folder.path()));
    assert_eq!(titles.len(), before + 2);
    assert_eq!(titles[before..], ["b", "c"]);
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
