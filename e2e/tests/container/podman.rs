//! podman in the private system, and one container for one test.

use std::env;
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

use e2e::Client;

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// The image with native code in the module.
pub const UNIVERSAL: &str = "localhost/todo:latest";
/// The image with the module alone.
pub const PLAIN: &str = "localhost/todo:plain";
/// The image with WasmEdge beside the module.
pub const NATIVE_HOST: &str = "localhost/todo:native-host";

/// Runs a program in the private system, and tells all that it left behind.
pub fn enter(arguments: &[&str]) -> Output {
    let enter = env::var_os("CONTAINER_ENTER").expect("scripts/container-system.sh sets it");
    Command::new(enter).args(arguments).output().expect("the private system is entered")
}

/// What a program in the private system prints. It must succeed.
pub fn run(arguments: &[&str]) -> String {
    let output = enter(arguments);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// What podman prints. It must succeed.
pub fn podman(arguments: &[&str]) -> String {
    run(&[&["podman"], arguments].concat())
}

/// One value of what podman knows of an image or a container, named as in a Go template.
pub fn inspect(name: &str, value: &str) -> String {
    podman(&["inspect", "--format", &format!("{{{{{value}}}}}"), name])
}

/// Waits until something is so.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "still waiting for {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Whether `/health` at this address answers 200 now.
pub fn is_healthy(address: SocketAddr) -> bool {
    TcpStream::connect(address).is_ok()
        && Client::connect(address)
            .try_request("GET", "/health", &[], b"")
            .is_some_and(|answer| answer.status == 200)
}

/// A container with the options that the product's pages recommend. It is removed when dropped.
pub struct Container {
    id: String,
}

impl Container {
    /// Starts a container of an image with further options, and waits until it serves.
    pub fn start(image: &str, options: &[&str]) -> Self {
        let container = Self::launch(image, options);
        wait_until("the first answer", || container.is_healthy());
        container
    }

    /// Starts a container, and does not wait.
    pub fn launch(image: &str, options: &[&str]) -> Self {
        let recommended = [
            "run",
            "--detach",
            "--read-only",
            "--cap-drop=ALL",
            "--security-opt=no-new-privileges",
            "--memory=64m",
            "--publish=127.0.0.1::8080",
        ];
        Self { id: podman(&[&recommended, options, &[image]].concat()) }
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether it answers now.
    pub fn is_healthy(&self) -> bool {
        is_healthy(self.address())
    }

    /// Where its port is on the machine.
    pub fn address(&self) -> SocketAddr {
        podman(&["port", &self.id, "8080"]).parse().expect("an address and a port")
    }

    /// A new connection to it.
    pub fn connect(&self) -> Client {
        Client::connect(self.address())
    }

    /// The process id of its first process, as the private system counts.
    pub fn process(&self) -> String {
        inspect(&self.id, ".State.Pid")
    }

    /// A file of the kernel about its first process.
    pub fn proc(&self, file: &str) -> String {
        run(&["cat", &format!("/proc/{}/{file}", self.process())])
    }

    /// A number from its memory controller, by its names in the two versions of cgroups.
    pub fn memory(&self, version_1: &str, version_2: &str) -> u64 {
        self.control("memory", version_1, version_2)
    }

    /// How many processes and threads it may have.
    pub fn max_processes(&self) -> u64 {
        self.control("pids", "pids.max", "pids.max")
    }

    fn control(&self, controller: &str, version_1: &str, version_2: &str) -> u64 {
        let groups = self.proc("cgroup");
        let group = |start: &str| {
            let mut lines = groups.lines();
            lines.find_map(|line| line.split_once(start).map(|(_, path)| path.to_owned()))
        };
        let path = match group(&format!(":{controller}:")) {
            Some(path) => format!("/sys/fs/cgroup/{controller}{path}/{version_1}"),
            None => format!("/sys/fs/cgroup{}/{version_2}", group("0::").expect("a group")),
        };
        run(&["cat", &path]).parse().expect("a number")
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if thread::panicking() {
            let log = enter(&["podman", "logs", "--tail", "30", &self.id]);
            let text = [log.stdout, log.stderr].concat();
            eprintln!("--- the container wrote ---\n{}---", String::from_utf8_lossy(&text));
        }
        enter(&["podman", "rm", "--force", "--time", "0", "--volumes", &self.id]);
    }
}
