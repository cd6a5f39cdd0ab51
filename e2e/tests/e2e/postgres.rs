//! Todos in a database: starts, settings, several servers at the same time.

use std::collections::BTreeSet;
use std::thread;

use e2e::{Client, Postgres, Server};
use serde_json::json;

use crate::durability::{create, titles};
use crate::races::no_update_is_lost;

fn on(database: &Postgres) -> e2e::Builder {
    Server::builder().set("ACCESS_LOG", "off").set("DATABASE_URL", database.url())
}

/// Waits until the server says that it is ready, or not.
fn wait_until_ready(server: &Server, status: u16) {
    e2e::wait_until(&format!("{status} from /readyz"), || {
        server.connect().get("/readyz").status == status
    });
}

#[test]
fn todos_stay_when_the_server_goes() {
    let database = Postgres::start();
    let first = on(&database).start();
    assert_eq!(create(&first, "a"), 3);
    let tag = first.connect().get("/api/todos/3").header("etag").unwrap().to_owned();
    first.kill();
    let second = on(&database).start();
    assert_eq!(titles(&second), ["Go 학습하기", "Docker 최적화", "a"]);
    assert_eq!(second.connect().get("/api/todos/3").header("etag"), Some(tag.as_str()));
    assert_eq!(second.connect().get("/").json()["store"], "postgres");
}

#[test]
fn ten_servers_that_start_together_make_the_tables_once() {
    let database = Postgres::start();
    let servers: Vec<_> = (0..10)
        .map(|_| {
            let builder = on(&database).set("DATABASE_CONNECTIONS", 1);
            thread::spawn(move || builder.start())
        })
        .collect();
    let servers: Vec<_> = servers.into_iter().map(|server| server.join().unwrap()).collect();
    let epochs: BTreeSet<_> = servers
        .iter()
        .map(|server| {
            wait_until_ready(server, 200);
            server.connect().get("/api/todos/1").header("etag").unwrap().to_owned()
        })
        .collect();
    assert_eq!(epochs.len(), 1, "{epochs:?}");
    assert_eq!(titles(&servers[9]), ["Go 학습하기", "Docker 최적화"]);
    for (server, id) in servers.iter().zip(3..) {
        assert_eq!(create(server, "another"), id);
    }
}

#[test]
fn three_servers_lose_no_update() {
    let database = Postgres::start();
    let servers = [0; 3].map(|_| on(&database).start());
    no_update_is_lost(&servers.each_ref(), 100);
}

#[test]
fn a_page_and_its_total_are_of_one_moment() {
    let database = Postgres::start();
    let servers = [0; 2].map(|_| on(&database).start());
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut client = servers[1].connect();
            let mut lengths = BTreeSet::new();
            for _ in 0..1_000 {
                let page = client.get("/api/todos?limit=1&offset=2").json();
                let length = page["todos"].as_array().unwrap().len();
                assert_eq!(page["total"], 2 + length, "{page}");
                lengths.insert(length);
            }
            lengths
        });
        let mut client = servers[0].connect();
        while !reader.is_finished() {
            let id = create(&servers[0], "there and gone");
            let deleted = client.request("DELETE", &format!("/api/todos/{id}"), &[], b"");
            assert_eq!(deleted.status, 204);
        }
        assert_eq!(reader.join().unwrap(), BTreeSet::from([0, 1]), "it came and went meanwhile");
    });
}

#[test]
fn three_servers_give_out_each_id_once_and_see_each_others_changes_at_once() {
    let database = Postgres::start();
    let servers = [0; 3].map(|_| on(&database).start());
    let ids: Vec<u64> = thread::scope(|scope| {
        let writers: Vec<_> = (0..9)
            .map(|number: usize| {
                let servers = &servers;
                scope.spawn(move || {
                    let mut here = servers[number % 3].connect();
                    let mut there = servers[(number + 1) % 3].connect();
                    let mut ids = Vec::new();
                    for _ in 0..100 {
                        let body = json!({ "title": format!("of writer {number}") }).to_string();
                        let created = here.post("/api/todos", &body);
                        assert_eq!(created.status, 201);
                        let id = created.json()["todo"]["id"].as_u64().unwrap();
                        let target = format!("/api/todos/{id}");
                        assert_eq!(there.get(&target).json(), created.json());
                        let done = there.request("PATCH", &target, &[], br#"{"completed":true}"#);
                        let seen = here.get(&target);
                        assert_eq!(seen.header("etag"), done.header("etag"));
                        ids.push(id);
                    }
                    assert!(ids.is_sorted(), "ids rise");
                    ids
                })
            })
            .collect();
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
    });
    let different: BTreeSet<_> = ids.iter().collect();
    assert_eq!((ids.len(), different.len()), (900, 900));
    assert_eq!(servers[0].connect().get("/api/todos?limit=1").json()["total"], 902);
}

#[test]
fn long_lists_come_in_pieces() {
    let database = Postgres::start();
    let server = on(&database).start();
    wait_until_ready(&server, 200);
    database.sql(
        "INSERT INTO todos (id, title, description, completed, created_at, revision) \
         SELECT nextval('todo_ids'), 'todo ' || n, repeat('x', 1000), n % 2 = 0, n, 1 \
         FROM generate_series(1, 20000) AS n",
    );
    let mut client = server.connect();
    let list = client.get("/api/todos");
    assert_eq!(list.header("transfer-encoding"), Some("chunked"));
    let list = list.json();
    assert_eq!(
        (list["total"].as_u64(), list["todos"].as_array().unwrap().len()),
        (Some(20_002), 20_002)
    );
    // A page of 1,000 has more than 1 MiB, so it is shortened, and the links lead through all of it.
    let (mut target, mut count) = ("/api/todos?completed=true&limit=1000".to_owned(), 0);
    loop {
        let page = client.get(&target);
        count += page.json()["todos"].as_array().unwrap().len();
        assert_eq!(page.json()["total"], 10_001);
        let link = page.header("link").unwrap_or_default();
        let Some(end) = link.find(">; rel=\"next\"") else { break };
        target = link[1..end].to_owned();
    }
    assert_eq!(count, 10_001);
}

#[test]
fn text_is_compared_as_the_other_stores_compare_it() {
    let database = Postgres::start();
    let servers =
        [on(&database).set("SEED_TODOS", "false"), Server::builder().set("SEED_TODOS", "false")];
    let answers = servers.map(|server| {
        let server = server.start();
        for title in
            ["b", "B", "a", "Ä", "ä", "_", "ß", "ẞ", "장보기", "İstanbul", "100%", "a_b", "ǅ"]
        {
            create(&server, title);
        }
        let ask = |query: &str| {
            let page = server.connect().get(&format!("/api/todos?{query}")).json();
            let found = page["todos"].as_array().unwrap().iter();
            found.map(|todo| todo["title"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let searches = ["ä", "SS", "ẞ", "%", "_", "i", "İ", "ǆ", "\0", "장", "B"];
        let encoded = searches
            .map(|text| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>());
        let mut all: Vec<_> = encoded.iter().map(|text| ask(&format!("q={text}"))).collect();
        all.extend(["sort=title", "sort=-title", "sort=-title&limit=3&offset=2"].map(ask));
        all
    });
    assert_eq!(answers[0], answers[1]);
}

#[test]
fn a_database_that_is_away_at_the_start_is_waited_for() {
    let mut database = Postgres::start();
    database.stop_immediate();
    let server = on(&database).start();
    wait_until_ready(&server, 503);
    assert_eq!(server.connect().get("/livez").status, 200);
    for (method, target, body) in [
        ("GET", "/api/todos", ""),
        ("GET", "/api/todos/1", ""),
        ("POST", "/api/todos", r#"{"title":"x"}"#),
        ("PATCH", "/api/todos/1", "{}"),
        ("DELETE", "/api/todos/1", ""),
    ] {
        let response = server.connect().request(method, target, &[], body.as_bytes());
        assert_eq!(response.status, 503, "{method} {target}");
        assert_eq!(response.header("retry-after"), Some("1"));
        assert_eq!(response.error(), "the database cannot be reached at the moment");
    }
    assert_eq!(server.wait_for_log("cannot be reached", 1).len(), 1);
    database.start_again();
    wait_until_ready(&server, 200);
    server.wait_for_log("can be reached again", 1);
    assert_eq!(create(&server, "now"), 3);
}

#[test]
fn a_name_is_looked_up() {
    let database = Postgres::start();
    let url = database.url().replace("127.0.0.1", "localhost");
    let server = Server::builder().set("DATABASE_URL", url).start();
    wait_until_ready(&server, 200);
}

#[test]
fn the_password_is_shown_nowhere() {
    let database = Postgres::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, format!("{}\n", database.password())).unwrap();
    let without = database.url().replace(&format!(":{}@", database.password()), "@");
    let with_file = Server::builder()
        .set("DATABASE_URL", without)
        .set("DATABASE_PASSWORD_FILE", file.display())
        .start();
    wait_until_ready(&with_file, 200);
    let wrong = database.url().replace(database.password(), "a wrong password");
    let server = Server::builder().set("DATABASE_URL", &wrong).start();
    server.wait_for_log("password authentication failed for user", 1);
    wait_until_ready(&server, 503);
    let info = server.connect().get("/").json().to_string();
    let mut shown = [server.output(), with_file.output(), info].concat();
    for url in [database.url(), wrong] {
        let check = Server::builder().argument("--check").set("DATABASE_URL", url).run();
        shown += &[check.stdout, check.stderr].concat();
    }
    for secret in [database.password(), "a wrong password"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn check_tells_what_is_in_the_database_and_changes_nothing() {
    let mut database = Postgres::start();
    let check = |database: &Postgres| on(database).argument("--check").run();
    let empty = check(&database);
    assert_eq!(empty.code, Some(0), "{}", empty.stderr);
    assert!(empty.stdout.contains("the next start makes its tables"), "{}", empty.stdout);
    assert_eq!(
        database.sql("SELECT count(*) FROM pg_tables WHERE tablename LIKE 'todo%'").trim(),
        "0"
    );
    let server = on(&database).start();
    wait_until_ready(&server, 200);
    assert!(check(&database).stdout.contains("todos in it: 2"));
    database.sql("UPDATE todo_meta SET value = 99 WHERE key = 'schema'");
    for exit in [check(&database), on(&database).run()] {
        assert_eq!(exit.code, Some(74));
        assert!(
            exit.stderr.contains("a newer version of this program (schema 99, not 1)"),
            "{}",
            exit.stderr
        );
    }
    database.stop_immediate();
    let away = check(&database);
    assert_eq!(away.code, Some(74));
    assert!(
        away.stderr.starts_with("todo: cannot keep todos in the database todo at 127.0.0.1"),
        "{}",
        away.stderr
    );
}

#[test]
fn statements_are_prepared_again_when_they_are_gone() {
    let database = Postgres::start();
    let server = on(&database).start();
    wait_until_ready(&server, 200);
    let mut client: Client = server.connect();
    assert_eq!(client.get("/api/todos/1").status, 200);
    // A new type of a column makes the plans of prepared statements useless.
    database.sql("ALTER TABLE todos ALTER COLUMN description TYPE varchar(10000)");
    for _ in 0..8 {
        assert_eq!(client.get("/api/todos/1").status, 200);
        assert_eq!(client.get("/api/todos?limit=1").json()["total"], 2);
    }
    assert_eq!(create(&server, "a"), 3);
}
