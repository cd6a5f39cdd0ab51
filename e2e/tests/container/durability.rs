//! What a volume keeps when its container ends.

use std::time::Instant;

use e2e::Client;

use crate::podman::{Container, NATIVE_HOST, UNIVERSAL, enter, inspect, podman, run, wait_until};

/// A named volume of one test.
struct Volume(&'static str);

impl Volume {
    fn option(&self) -> String {
        format!("--volume={}:/data", self.0)
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        enter(&["podman", "volume", "rm", "--force", self.0]);
    }
}

fn create(client: &mut Client, title: &str) {
    let answer = client.post("/api/todos", format!(r#"{{"title":"{title}"}}"#));
    assert_eq!(answer.status, 201);
}

fn titles(client: &mut Client) -> Vec<String> {
    let list = client.get("/api/todos?sort=id").json();
    let todos = list["todos"].as_array().unwrap();
    todos.iter().map(|todo| todo["title"].as_str().unwrap().to_owned()).collect()
}

#[test]
#[ignore = "make test-container runs it"]
fn todos_survive_a_stop_and_a_kill_and_a_new_container() {
    for image in [UNIVERSAL, NATIVE_HOST] {
        let volume = Volume("todos");
        let options = [&volume.option()[..], "--env=SEED_TODOS=false"];
        let container = Container::start(image, &options);
        create(&mut container.connect(), "before a stop");

        podman(&["stop", container.id()]);
        podman(&["start", container.id()]);
        wait_until("an answer after stop and start", || container.is_healthy());
        create(&mut container.connect(), "before a kill");

        run(&["kill", "-KILL", &container.process()]);
        wait_until("its end", || inspect(container.id(), ".State.Running") == "false");
        podman(&["start", container.id()]);
        wait_until("an answer after a kill", || container.is_healthy());
        create(&mut container.connect(), "before a new container");

        drop(container);
        let container = Container::start(image, &options);
        let found = titles(&mut container.connect());
        assert_eq!(found, ["before a stop", "before a kill", "before a new container"], "{image}");
    }
}

/// An engine that gets no answer to its signal says so and kills after the time of grace.
#[test]
#[ignore = "make test-container runs it"]
fn a_stop_does_not_wait() {
    for image in [UNIVERSAL, NATIVE_HOST] {
        let container = Container::start(image, &[]);
        let began = Instant::now();
        let output = enter(&["podman", "stop", "--time", "20", container.id()]);
        println!("{image}: stop takes {:?}", began.elapsed());
        assert!(output.status.success());
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{image}");
    }
}
