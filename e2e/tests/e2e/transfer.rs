//! `--export` and `--import`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;

use e2e::{Builder, Postgres, Server};
use serde_json::Value;
use tempfile::TempDir;

/// How many todos are moved.
const COUNT: usize = 100_000;

fn in_file(folder: &Path) -> Builder {
    Server::builder().set("MAX_STORE_BYTES", 1 << 30).data(folder)
}

fn in_database(database: &Postgres) -> Builder {
    Server::builder().set("DATABASE_URL", database.url())
}

fn export(store: Builder) -> String {
    let exit = store.argument("--export").run();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    exit.stdout
}

fn import(store: Builder, file: &Path) -> e2e::Exit {
    store.argument("--import").stdin(File::open(file).unwrap()).run()
}

/// All todos with their entity tags' revisions, as the API shows the first and the last of them.
fn seen(server: &Server, ids: [usize; 2]) -> (u64, Vec<(String, Value)>) {
    let mut client = server.connect();
    let total = client.get("/api/todos?limit=1").json()["total"].as_u64().unwrap();
    let one = |id| {
        let todo = client.get(&format!("/api/todos/{id}"));
        (todo.header("etag").unwrap().to_owned(), todo.json())
    };
    (total, ids.map(one).to_vec())
}

#[test]
fn a_hundred_thousand_todos_go_into_a_database_and_back() {
    let work = TempDir::new().unwrap();
    let (first, second) = (work.path().join("first"), work.path().join("second"));
    fs::create_dir(&first).unwrap();
    fs::create_dir(&second).unwrap();
    let file = work.path().join("todos.ndjson");
    let mut text = format!(
        "{{\"todo_export\":1,\"epoch\":\"00000000000000ab\",\"next_id\":{}}}\n",
        COUNT + 10
    );
    for id in 1..=COUNT {
        text += &format!(
            "{{\"id\":{id},\"title\":\"Todo {id}\",\"description\":\"Ä 할 일\",\"completed\":{},\"created_at\":{},\"revision\":{}}}\n",
            id % 3 == 0,
            1_700_000_000_000_000_000 + id,
            id % 7 + 1
        );
    }
    text += &format!("{{\"end\":{COUNT}}}\n");
    fs::write(&file, &text).unwrap();

    let exit = import(in_file(&first), &file);
    assert_eq!((exit.code, exit.stderr.trim()), (Some(0), "todo: 100000 todos moved"));
    let ids = [1, COUNT];
    let before = seen(&in_file(&first).start(), ids);
    assert_eq!(before.0, COUNT as u64);
    assert_eq!(before.1[0].0, "\"00000000000000ab-2\"");

    let exported = export(in_file(&first));
    assert!(exported == text, "what was exported is what was imported");
    let database = Postgres::start();
    assert_eq!(import(in_database(&database), &file).code, Some(0));
    assert_eq!(database.sql("SELECT count(*) FROM todos").trim(), COUNT.to_string());
    let server = in_database(&database).start();
    e2e::wait_until("a server that is ready", || server.connect().get("/readyz").status == 200);
    assert_eq!(seen(&server, ids), before);
    // What is not ASCII is found in either case, so it was prepared for the search.
    let found = server.connect().get("/api/todos?limit=1&q=%C3%A4").json();
    assert_eq!(found["total"], COUNT);

    let back: BTreeMap<usize, String> =
        export(in_database(&database)).lines().map(Into::into).enumerate().collect();
    assert_eq!(back.len(), COUNT + 2);
    fs::write(&file, back.values().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    assert_eq!(import(in_file(&second), &file).code, Some(0));
    let last = in_file(&second).start();
    assert_eq!(seen(&last, ids), before);
    let created = last.connect().post("/api/todos", r#"{"title":"next"}"#).json();
    assert!(created["todo"]["id"].as_u64().unwrap() >= COUNT as u64 + 10);
}

#[test]
fn an_import_that_cannot_be_right_changes_nothing() {
    let work = TempDir::new().unwrap();
    let file = work.path().join("todos.ndjson");
    let database = Postgres::start();
    fs::write(&file, export(in_database(&database))).unwrap();
    let cut = fs::read(&file).unwrap();
    fs::write(&file, &cut[..cut.len() - 4]).unwrap();
    let exit = import(in_database(&database), &file);
    assert_eq!(exit.code, Some(74));
    assert!(exit.stderr.contains("is cut off or too long"), "{}", exit.stderr);

    let server = in_database(&database).start();
    e2e::wait_until("a server that is ready", || server.connect().get("/readyz").status == 200);
    server.connect().post("/api/todos", r#"{"title":"there before"}"#);
    fs::write(&file, &cut).unwrap();
    let exit = import(in_database(&database), &file);
    assert_eq!(exit.code, Some(74));
    assert!(exit.stderr.contains("there are todos in the store already"), "{}", exit.stderr);
    assert_eq!(server.connect().get("/api/todos?limit=1").json()["total"], 1);
    let exit = import(Server::builder(), &file);
    assert!(exit.stderr.contains("a store in memory ends with this program"), "{}", exit.stderr);
}
