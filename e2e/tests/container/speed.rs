//! Figures of the containers, told and not judged: machines differ.

use std::env;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::podman::{
    Container, NATIVE_HOST, PLAIN, UNIVERSAL, is_healthy, podman, run, wait_until,
};

/// Requests per second that wrk sees.
fn requests_per_second(port: &str) -> f64 {
    let url = format!("http://127.0.0.1:{port}/health");
    let report = run(&["wrk", "-t1", "-c10", "-d2s", &url]);
    let line = report.lines().find_map(|line| line.strip_prefix("Requests/sec:"));
    assert!(!report.contains("Non-2xx"), "{report}");
    line.expect("a figure").trim().parse().expect("a number")
}

/// The same module in the same WasmEdge, without a container.
struct Outside(Child);

impl Outside {
    fn start(module: &str, port: &str) -> Self {
        let enter = env::var_os("CONTAINER_ENTER").expect("scripts/container-system.sh sets it");
        let port_setting = format!("PORT={port}");
        let options = ["wasmedge", "--env", &port_setting, "--env", "ACCESS_LOG=off"];
        let child = Command::new(enter).args(options).arg(module).stdout(Stdio::null()).spawn();
        let outside = Self(child.expect("wasmedge starts"));
        let address = format!("127.0.0.1:{port}").parse().expect("an address");
        wait_until("the server outside", || is_healthy(address));
        outside
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[ignore = "make test-container runs it"]
fn the_cost_of_a_container_is_told() {
    println!("image                       first answer  memory MiB  requests/s  of those outside");
    for (image, module) in [
        (PLAIN, "/repository/dist/todo.wasm"),
        (UNIVERSAL, "/repository/dist/todo-universal.wasm"),
        (NATIVE_HOST, "/repository/dist/todo-universal.wasm"),
    ] {
        let options = ["--env=ACCESS_LOG=off", "--network=host", "--env=PORT=18081"];
        let address = "127.0.0.1:18081".parse().expect("an address");
        let began = Instant::now();
        let container = Container::launch(image, &options);
        wait_until("the first answer", || is_healthy(address));
        let first_answer = began.elapsed();
        let memory = container.memory("memory.usage_in_bytes", "memory.current");
        let inside = requests_per_second("18081");
        podman(&["stop", container.id()]);
        let outside = {
            let _server = Outside::start(module, "18082");
            requests_per_second("18082")
        };
        println!(
            "{image:<28}{:>9} ms{:>12.1}{inside:>12.0}{:>17.2}",
            first_answer.as_millis(),
            memory as f64 / f64::from(1 << 20),
            inside / outside
        );
        assert!(memory < 64 << 20);
        thread::sleep(Duration::from_millis(100));
    }
}
