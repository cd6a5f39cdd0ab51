//! Clients that ask for the same todo again, as they got no answer.

use std::thread;

use e2e::{Client, Postgres, Response, Server};
use tempfile::TempDir;

use crate::durability::{on, titles};

const BODY: &[u8] = br#"{"title":"once"}"#;

fn create(client: &mut Client, key: &str) -> Response {
    client.request("POST", "/api/todos", &[&format!("Idempotency-Key: \"{key}\"")], BODY)
}

/// What the answer says of the todo.
fn told(answer: &Response) -> (u16, Option<&str>, Option<&str>, &[u8]) {
    (answer.status, answer.header("location"), answer.header("etag"), &answer.body)
}

#[test]
fn what_was_made_before_a_kill_is_not_made_again_after_it() {
    let folder = TempDir::new().unwrap();
    let server = on(folder.path());
    let first = create(&mut server.connect(), "k");
    server.kill();
    let server = on(folder.path());
    let again = create(&mut server.connect(), "k");
    assert_eq!(told(&first), told(&again));
    assert_eq!(first.status, 201);
    assert_eq!(titles(&server), ["Go 학습하기", "Docker 최적화", "once"]);
    // Also when the first answer did not arrive.
    server.connect().send_request("POST", "/api/todos", &["Idempotency-Key: lost"], BODY);
    server.kill();
    let server = on(folder.path());
    assert_eq!(create(&mut server.connect(), "lost").status, 201);
    assert_eq!(create(&mut server.connect(), "lost").status, 201);
    assert_eq!(titles(&server).len(), 4);
}

/// Clients that ask these servers, which have the same todos, at the same time.
fn one_todo_is_made_per_key(servers: &[&Server]) {
    for round in 0..20 {
        let key = round.to_string();
        let answers: Vec<_> = thread::scope(|scope| {
            let clients: Vec<_> = (0..4)
                .map(|number| {
                    let (address, key) = (servers[number % servers.len()].address(), &key);
                    scope.spawn(move || create(&mut Client::connect(address), key))
                })
                .collect();
            clients.into_iter().map(|client| client.join().unwrap()).collect()
        });
        assert_eq!(answers[0].status, 201);
        assert!(answers.iter().all(|answer| told(answer) == told(&answers[0])));
    }
    assert_eq!(titles(servers[0]).len(), 22);
}

#[test]
fn clients_that_ask_at_the_same_time_get_one_todo() {
    let folder = TempDir::new().unwrap();
    one_todo_is_made_per_key(&[&on(folder.path())]);
    one_todo_is_made_per_key(&[&Server::start()]);
    let database = Postgres::start();
    let servers = [0; 2].map(|_| Server::builder().set("DATABASE_URL", database.url()).start());
    one_todo_is_made_per_key(&servers.each_ref());
}
