//! `--backup`: of a server that works, of one that is gone, and what is left of one that fails.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use e2e::{Builder, Exit, Server};
use tempfile::TempDir;

use crate::durability::{create, on, titles};

/// So many todos of 10,000 bytes are there before.
const FILLED: usize = 200;

fn back_up(builder: Builder, target: &str) -> Exit {
    builder.argument("--backup").argument(target).run()
}

fn back_up_in(folder: &Path) -> Exit {
    back_up(Server::builder().data(folder), "/data/copy")
}

/// A folder whose store is this backup.
fn restored(backup: &Path) -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::copy(backup, folder.path().join("todos.redb")).unwrap();
    folder
}

/// What is in a folder but the store and its leases.
fn rest(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let names = names.map(|name| name.into_string().unwrap());
    let is_rest = |name: &String| name != "todos.redb" && !name.starts_with("todos.redb.lease.");
    let mut rest: Vec<_> = names.filter(is_rest).collect();
    rest.sort();
    rest
}

/// Puts so many todos of 10,000 bytes into a folder's store.
fn fill(folder: &Path, count: usize) {
    let mut text =
        format!("{{\"todo_export\":1,\"epoch\":\"00000000000000ab\",\"next_id\":{}}}\n", count + 1);
    let description = "x".repeat(10_000);
    for id in 1..=count {
        text += &format!(
            "{{\"id\":{id},\"title\":\"Todo {id}\",\"description\":\"{description}\",\"completed\":false,\"created_at\":{id},\"revision\":1}}\n"
        );
    }
    text += &format!("{{\"end\":{count}}}\n");
    let file = folder.join("todos.ndjson");
    fs::write(&file, text).unwrap();
    let lines = fs::File::open(&file).unwrap();
    let exit = Server::builder().data(folder).argument("--import").stdin(lines).run();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    fs::remove_file(file).unwrap();
}

fn etag(server: &Server, id: u64) -> String {
    let todo = server.connect().get(&format!("/api/todos/{id}"));
    todo.header("etag").unwrap().to_owned()
}

#[test]
fn a_backup_under_load_has_all_that_was_acknowledged_before() {
    let folder = TempDir::new().unwrap();
    // It takes many steps to write them.
    fill(folder.path(), FILLED);
    let server = on(folder.path());
    let acknowledged = Arc::new(Mutex::new(BTreeSet::new()));
    let is_done = Arc::new(AtomicBool::new(false));
    // Counts in the first and in the last of them, one after the other.
    let (mut client, counts) = (server.connect(), is_done.clone());
    let counting = thread::spawn(move || {
        for number in (0..).take_while(|_| !counts.load(Ordering::Relaxed)) {
            for id in [1, FILLED] {
                let body = format!(r#"{{"title":"{number}"}}"#);
                let changed =
                    client.request("PATCH", &format!("/api/todos/{id}"), &[], body.as_bytes());
                assert_eq!(changed.status, 200);
            }
        }
    });
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let (mut client, acknowledged) = (server.connect(), acknowledged.clone());
            let is_done = is_done.clone();
            thread::spawn(move || {
                for number in 0.. {
                    if is_done.load(Ordering::Relaxed) {
                        return number;
                    }
                    let title = format!("{writer}-{number}");
                    let body = format!(r#"{{"title":"{title}"}}"#);
                    assert_eq!(client.post("/api/todos", body).status, 201);
                    acknowledged.lock().unwrap().insert(title);
                }
                0
            })
        })
        .collect();
    for number in 0..2 {
        e2e::wait_until("some more todos", || {
            acknowledged.lock().unwrap().len() > 50 + number * 100
        });
        let before = acknowledged.lock().unwrap().clone();
        let target = format!("copy-{number}");
        let exit = back_up(Server::builder().data(folder.path()), &format!("/data/{target}"));
        let after = acknowledged.lock().unwrap().clone();
        assert_eq!(exit.code, Some(0), "{}", exit.stderr);

        let copy = restored(&folder.path().join(&target));
        let check = Server::builder().data(copy.path()).argument("--check").run();
        assert_eq!(check.code, Some(0), "{}", check.stderr);
        let copy = on(copy.path());
        let counted = [1, FILLED].map(|id| {
            let todo = copy.connect().get(&format!("/api/todos/{id}")).json();
            todo["todo"]["title"].as_str().unwrap().parse::<u64>().unwrap()
        });
        assert!([0, 1].contains(&(counted[0] - counted[1])), "{counted:?} at one moment");
        let found: BTreeSet<_> = titles(&copy).into_iter().skip(FILLED).collect();
        assert!(before.is_subset(&found), "{:?} are lost", before.difference(&found));
        // Each writer has one change on its way.
        let new = found.difference(&after).count();
        assert!(new <= 4, "{new} todos were not acknowledged, and are in the backup");
        let expected =
            format!("todo: a backup of {} todos is in /data/{target}\n", found.len() + FILLED);
        assert_eq!(exit.stdout, expected);
    }
    is_done.store(true, Ordering::Relaxed);
    counting.join().unwrap();
    let made: usize = writers.into_iter().map(|writer| writer.join().unwrap()).sum();
    assert_eq!(titles(&server).len(), made + FILLED);
    assert_eq!(rest(folder.path()), ["copy-0", "copy-1"]);
}

/// Ids and revisions that were given out after the backup are given out again. An entity tag must not fit both.
#[test]
fn every_restored_store_has_an_epoch_of_its_own() {
    let folder = TempDir::new().unwrap();
    let server = on(folder.path());
    let body = br#"{"title":"once"}"#;
    let key = "Idempotency-Key: a";
    let mut client = server.connect();
    assert_eq!(client.request("POST", "/api/todos", &[key], body).status, 201);
    assert_eq!(back_up_in(folder.path()).code, Some(0));
    let copies = [0, 1].map(|_| restored(&folder.path().join("copy")));
    let mut tags = vec![etag(&server, 3)];
    for copy in &copies {
        let server = on(copy.path());
        tags.push(etag(&server, 3));
        let again = server.connect().request("POST", "/api/todos", &[key], body);
        assert_eq!((again.status, titles(&server).len()), (201, 3), "the key is in the backup");
        server.kill();
        assert_eq!(etag(&on(copy.path()), 3), tags[tags.len() - 1], "it keeps the epoch");
    }
    let different: BTreeSet<_> = tags.iter().collect();
    assert_eq!(different.len(), 3, "{tags:?}");
}

#[test]
fn a_store_without_a_server_is_backed_up_as_well() {
    let folder = TempDir::new().unwrap();
    let server = on(folder.path());
    create(&server, "a");
    server.kill();
    // What others have left behind goes, and nothing else.
    let others = ["todos.redb.backing-up.notes", "todos.redb.backup.part"];
    let left = ["asked", "0123456789abcdef", "0123456789abcdef.part"];
    let left = left.map(|end| format!("todos.redb.backing-up.{end}"));
    for name in others.map(str::to_owned).iter().chain(&left) {
        fs::write(folder.path().join(name), "0123456789abcdef").unwrap();
    }
    let exit = back_up_in(folder.path());
    assert_eq!(exit.stdout, "todo: a backup of 3 todos is in /data/copy\n", "{}", exit.stderr);
    assert_eq!(titles(&on(restored(&folder.path().join("copy")).path()))[2..], ["a"]);
    assert_eq!(rest(folder.path()), ["copy", others[0], others[1]]);
    assert_eq!(titles(&on(folder.path())).len(), 3);
    assert_eq!(rest(folder.path()).len(), 3);
}

/// Whoever asked was killed between creating the file and writing the token, which the server cannot answer.
#[test]
fn what_was_asked_for_by_half_does_not_stop_the_next_backup() {
    let folder = TempDir::new().unwrap();
    let server = on(folder.path());
    fs::write(folder.path().join("todos.redb.backing-up.asked"), "0123").unwrap();
    let exit = back_up_in(folder.path());
    assert_eq!((exit.code, &exit.stderr[..]), (Some(0), ""));
    server.assert_serves();
    assert_eq!(rest(folder.path()), ["copy"]);
}

#[test]
fn a_backup_that_cannot_be_made_says_why_and_leaves_nothing() {
    let folder = TempDir::new().unwrap();
    let refused = |builder: Builder, target: &str, reason: &str| {
        let exit = back_up(builder, target);
        assert_eq!(exit.code, Some(74), "{}", exit.stdout);
        assert_eq!(exit.stderr, format!("todo: cannot make a backup: {reason}\n"));
    };
    let with = || Server::builder().data(folder.path());
    refused(Server::builder(), "/data/copy", "a store in memory has no file");
    let database = Server::builder().set("DATABASE_URL", "postgres://todo@db/todo");
    let reason =
        "a database has backups of its own, such as pg_dump; --export writes its todos as JSON";
    refused(database, "/data/copy", reason);
    refused(with(), "/data/copy", "there is no /data/todos.redb");
    assert!(rest(folder.path()).is_empty());

    let server = on(folder.path());
    fs::write(folder.path().join("copy"), "another one").unwrap();
    refused(with(), "/data/copy", "/data/copy exists already");
    refused(with(), "/data/todos.redb", "/data/todos.redb exists already");
    let exit = back_up(with(), "/data/none/copy");
    assert_eq!(exit.code, Some(74));
    assert!(exit.stderr.contains("/data/none/copy: it cannot be written"), "{}", exit.stderr);
    let exit = back_up(with(), "/elsewhere/copy");
    assert_eq!(exit.code, Some(74));
    assert!(exit.stderr.contains("/elsewhere/copy"), "{}", exit.stderr);
    assert_eq!(rest(folder.path()), ["copy"]);
    assert_eq!(fs::read(folder.path().join("copy")).unwrap(), b"another one");
    server.assert_serves();
}

#[test]
fn a_full_disk_leaves_no_backup_and_the_server_serves() {
    let folder = TempDir::new().unwrap();
    fill(folder.path(), 300);
    // Where the copy is written.
    let server = on(folder.path());
    let exit =
        back_up(Server::builder().data(folder.path()).max_file_bytes(1_000_000), "/data/copy");
    assert_eq!(exit.code, Some(74));
    assert!(exit.stderr.contains("/data/copy: it cannot be written: "), "{}", exit.stderr);
    assert!(rest(folder.path()).is_empty(), "{:?}", rest(folder.path()));
    assert_eq!(back_up_in(folder.path()).code, Some(0));
    let whole = fs::metadata(folder.path().join("copy")).unwrap().len();
    fs::remove_file(folder.path().join("copy")).unwrap();
    server.kill();

    // Where the server writes it.
    let server = Server::builder().data(folder.path()).max_file_bytes(1 << 40).start();
    server.limit_files(whole / 2);
    let exit = back_up_in(folder.path());
    assert_eq!(exit.code, Some(74));
    let reason = "its server could not make it, or has ended: see its log";
    assert_eq!(exit.stderr, format!("todo: cannot make a backup: {reason}\n"));
    server.wait_for_log("the backup cannot be made: ", 1);
    assert!(rest(folder.path()).is_empty(), "{:?}", rest(folder.path()));
    server.lift_file_limit();
    create(&server, "after");
    assert_eq!(back_up_in(folder.path()).code, Some(0));
}

/// Whoever is killed, the name stands for a whole backup or for nothing, and the next one succeeds.
#[test]
fn a_backup_that_is_killed_leaves_no_half_file() {
    let folder = TempDir::new().unwrap();
    fill(folder.path(), 600);
    let mut server = on(folder.path());
    let copy = folder.path().join("copy");
    let mut whole = 0;
    for round in 0..5 {
        let mut backing_up = Server::builder()
            .data(folder.path())
            .argument("--backup")
            .argument("/data/copy")
            .spawn();
        thread::sleep(Duration::from_millis(100 + 80 * round));
        if round == 3 {
            server.kill();
            assert!(backing_up.wait().unwrap().code().is_some());
            server = on(folder.path());
        } else {
            backing_up.kill().unwrap();
            backing_up.wait().unwrap();
        }
        if copy.exists() {
            let check =
                Server::builder().set("DATABASE_URL", "redb:///data/copy").data(folder.path());
            let check = check.argument("--check").run();
            assert!(check.stdout.contains("todos in it: 600"), "{}", check.stderr);
            fs::remove_file(&copy).unwrap();
            whole += 1;
        }
    }
    assert!(whole < 5, "none was killed before its end");
    let exit = back_up_in(folder.path());
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    server.assert_serves();
    // What was killed is gone when the server begins the next one, but for the client's own file.
    let rest = rest(folder.path());
    assert!(rest.iter().all(|name| name.starts_with("copy")), "{rest:?}");
}

#[test]
fn a_store_that_is_full_is_backed_up_in_little_memory() {
    let folder = TempDir::new().unwrap();
    fill(folder.path(), 3_000);
    let server = on(folder.path());
    let memory = || {
        let metrics = String::from_utf8(server.connect().get("/metrics").body).unwrap();
        let line = metrics.lines().find(|line| line.starts_with("wasm_memory_bytes ")).unwrap();
        line.split(' ').nth(1).unwrap().parse::<u64>().unwrap()
    };
    let before = memory();
    assert_eq!(back_up_in(folder.path()).code, Some(0));
    let more = memory() - before;
    assert!(more < 4 << 20, "{more} bytes for a backup of 30 MB");
}
