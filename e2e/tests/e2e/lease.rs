//! Who holds the file that todos are kept in: starts at the same time, stopped and busy servers, links.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::thread;
use std::time::Duration;

use e2e::Server;
use serde_json::json;
use tempfile::TempDir;

use crate::durability::{create, on, titles};

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

/// Interpreted, a look at one of these texts takes some 40 ms. Should every search look at one before the others have their turn,
/// the server would not be heard of for longer than the lease lasts. In the order of titles nothing is remembered of the texts.
#[test]
fn a_busy_server_keeps_its_file() {
    const LONG_TODOS: u64 = 2;
    const SEARCHES: usize = 200;
    let folder = TempDir::new().unwrap();
    let filling = on(folder.path());
    let mut client = filling.connect();
    for _ in 0..LONG_TODOS {
        let body = json!({ "title": "x", "description": "Ä".repeat(10_000) }).to_string();
        assert_eq!(client.post("/api/todos", &body).status, 201);
    }
    filling.kill();
    let holder = Server::builder().data(folder.path()).interpreted().start();
    let mut searching: Vec<_> = (0..SEARCHES).map(|_| holder.connect()).collect();
    for client in &mut searching {
        client.send_request("GET", "/api/todos?q=nothing&sort=title&limit=1", &[], b"");
    }
    let exit = Server::builder().data(folder.path()).run();
    assert_eq!(exit.code, Some(74), "{}", exit.stderr);
    assert!(exit.stderr.ends_with("another server uses it\n"), "{}", exit.stderr);
    for client in &mut searching {
        assert_eq!(client.response().json()["total"], 0);
    }
    assert_eq!(create(&holder, "still here"), LONG_TODOS + 3);
}

#[test]
fn a_link_in_the_place_of_the_file_stays_one() {
    let folder = TempDir::new().unwrap();
    let (link, file) = (folder.path().join("todos.redb"), folder.path().join("elsewhere"));
    symlink("elsewhere", &link).unwrap();
    for expected in 3..6 {
        let server = on(folder.path());
        assert_eq!(create(&server, "a"), expected);
        let by_its_name = Server::builder().data(folder.path());
        let exit = by_its_name.set("DATABASE_URL", "redb:///data/elsewhere").run();
        assert!(exit.stderr.ends_with("another server uses it\n"), "{}", exit.stderr);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert!(fs::symlink_metadata(&file).unwrap().is_file());
        server.kill();
    }
}
