//! One server process for one test.

use std::env;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::paths::{native_module, plain_module, repository};
use crate::process::Process;

/// How long anything may take before a test gives up. Far more than it takes, so that a busy machine does not matter.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How a server is to be started. Without settings it listens on 127.0.0.1 and a free port.
pub struct Builder {
    arguments: Vec<String>,
    settings: Vec<(String, String)>,
    max_descriptors: Option<u32>,
    log_reader_leaves: bool,
    log_reader_stalls: bool,
    max_file_bytes: Option<u64>,
    interpreted: bool,
    stdin: Option<File>,
}

/// What a server that ended by itself left behind.
#[derive(Debug)]
pub struct Exit {
    /// Its exit code.
    pub code: Option<i32>,
    /// All that it wrote to standard output.
    pub stdout: String,
    /// All that it wrote to standard error.
    pub stderr: String,
}

impl Builder {
    /// Adds an argument to the command line.
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Sets an environment variable.
    pub fn set(mut self, name: &str, value: impl ToString) -> Self {
        self.settings.push((name.into(), value.to_string()));
        self
    }

    /// Bounds the file descriptors of the whole runtime.
    pub fn max_descriptors(mut self, count: u32) -> Self {
        self.max_descriptors = Some(count);
        self
    }

    /// Keeps todos in `folder`, which the server sees as `/data`.
    pub fn data(self, folder: &Path) -> Self {
        self.set("DATA_DIR", folder.display())
    }

    /// Bounds the size of the files that it writes, as a full disk would: see [`Server::lift_file_limit`].
    pub fn max_file_bytes(mut self, bytes: u64) -> Self {
        self.max_file_bytes = Some(bytes);
        self
    }

    /// Closes the reading end of the server's standard output as soon as the address is known.
    pub fn log_reader_leaves(mut self) -> Self {
        self.log_reader_leaves = true;
        self
    }

    /// Stops reading the server's standard output as soon as the address is known, and keeps it open.
    pub fn log_reader_stalls(mut self) -> Self {
        self.log_reader_stalls = true;
        self
    }

    /// Runs the module without native code.
    pub fn interpreted(mut self) -> Self {
        self.interpreted = true;
        self
    }

    /// Lets it read `file` from its standard input, which is empty otherwise.
    pub fn stdin(mut self, file: File) -> Self {
        self.stdin = Some(file);
        self
    }

    /// Starts the server and waits until it listens.
    pub fn start(self) -> Server {
        let mut child = self.spawn();
        let output = Arc::new(Mutex::new(String::new()));
        let (sender, listening) = mpsc::channel();
        let stdout = child.stdout.take().expect("piped");
        let mut stalled = None;
        if self.log_reader_leaves || self.log_reader_stalls {
            let mut stdout = BufReader::new(stdout);
            for line in stdout.by_ref().lines().map_while(Result::ok) {
                let is_last = line.contains(" listens on ");
                sender.send(line).expect("the receiver is there");
                if is_last {
                    break;
                }
            }
            stalled = self.log_reader_stalls.then_some(stdout);
        } else {
            collect(stdout, output.clone(), Some(sender));
        }
        collect(child.stderr.take().expect("piped"), output.clone(), None);
        let mut server = Server { child, address: None, output, stalled };
        server.address = Some(server.wait_for_address(&listening));
        server
    }

    /// Starts a server that is expected to end by itself.
    pub fn run(self) -> Exit {
        let mut child = self.spawn();
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        // Both are read while it runs: a pipe that is full would stop it.
        let (stdout, stderr) = (read(stdout.expect("piped")), read(stderr.expect("piped")));
        let deadline = Instant::now() + PATIENCE;
        while child.try_wait().expect("the process can be waited for").is_none() {
            if Instant::now() > deadline {
                let _ = child.kill();
                panic!("the server does not end");
            }
            thread::sleep(Duration::from_millis(5));
        }
        let code = child.wait().expect("the process has ended").code();
        let text = |reading: JoinHandle<Vec<u8>>| {
            String::from_utf8_lossy(&reading.join().expect("it can be read")).into_owned()
        };
        Exit { code, stdout: text(stdout), stderr: text(stderr) }
    }

    /// Starts it as a process that the test itself looks after.
    pub fn spawn(&self) -> Child {
        let launcher = env::var_os("E2E_LAUNCHER").map(PathBuf::from);
        let launcher = launcher.unwrap_or_else(|| repository().join("scripts/run-wasm.sh"));
        let mut command = Command::new("sh");
        let mut script = String::new();
        if let Some(count) = self.max_descriptors {
            script += &format!("ulimit -n {count} && ");
        }
        if let Some(bytes) = self.max_file_bytes {
            // The signal is ignored: what remains is an error of the write.
            script += &format!("trap '' XFSZ && exec prlimit --fsize={bytes}: \"$@\"; ");
        }
        command.arg("-c").arg(script + "exec \"$@\"").arg("sh").arg(launcher);
        let module = if self.interpreted { plain_module() } else { native_module().to_path_buf() };
        command
            .arg(module)
            .args(&self.arguments)
            .env("HOST", "127.0.0.1")
            .env("PORT", "0")
            .envs(self.settings.iter().cloned())
            .stdin(
                self.stdin
                    .as_ref()
                    .map_or_else(Stdio::null, |file| file.try_clone().expect("a file").into()),
            )
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the launcher starts")
    }
}

fn read(mut source: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        source.read_to_end(&mut bytes).expect("a pipe");
        bytes
    })
}

pub(crate) fn collect(
    source: impl Read + Send + 'static,
    output: Arc<Mutex<String>>,
    lines: Option<Sender<String>>,
) {
    thread::spawn(move || {
        for line in BufReader::new(source).lines() {
            let Ok(line) = line else { break };
            let mut output = output.lock().expect("no panic while it was held");
            output.push_str(&line);
            output.push('\n');
            drop(output);
            if let Some(lines) = &lines {
                let _ = lines.send(line);
            }
        }
    });
}

/// Sends a process a signal, and tells whether it is there. By the shell, as small systems have no other `kill`.
pub(crate) fn signal(child: &Child, name: &str) -> bool {
    let script = format!("kill -{name} {}", child.id());
    Command::new("sh").args(["-c", &script]).status().is_ok_and(|status| status.success())
}

/// A running server. It is killed when dropped, and what it wrote is shown when the test has failed.
pub struct Server {
    child: Child,
    address: Option<SocketAddr>,
    output: Arc<Mutex<String>>,
    /// Its standard output, if nobody is to read it.
    stalled: Option<BufReader<ChildStdout>>,
}

impl Server {
    /// A server with the default settings, on 127.0.0.1 and a free port.
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// A server with settings of the test's own.
    pub fn builder() -> Builder {
        Builder {
            arguments: Vec::new(),
            settings: Vec::new(),
            max_descriptors: None,
            log_reader_leaves: false,
            log_reader_stalls: false,
            max_file_bytes: None,
            interpreted: false,
            stdin: None,
        }
    }

    fn wait_for_address(&self, lines: &Receiver<String>) -> SocketAddr {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = lines.recv_timeout(left).unwrap_or_else(|_| {
                panic!("the server does not listen; it wrote:\n{}", self.output())
            });
            if let Some((_, address)) = line.split_once(" listens on http://") {
                // In a line of JSON it is the end of a string.
                return address.trim_end_matches("\"}").parse().expect("an address and a port");
            }
        }
    }

    /// Reads on where [`Builder::log_reader_stalls`] has stopped.
    pub fn read_log_again(&mut self) {
        collect(self.stalled.take().expect("it was stalled"), self.output.clone(), None);
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address.expect("set at the start")
    }

    /// What the kernel tells of it.
    pub fn process(&self) -> Process {
        Process::new(self.child.id())
    }

    /// A new connection to it.
    pub fn connect(&self) -> Client {
        Client::connect(self.address())
    }

    /// All that it has written so far, both streams together.
    pub fn output(&self) -> String {
        self.output.lock().expect("no panic while it was held").clone()
    }

    /// The lines of its access log that contain `text`, once there are `count` of them.
    pub fn wait_for_log(&self, text: &str, count: usize) -> Vec<String> {
        let mut found = Vec::new();
        wait_until(&format!("{count} log lines with {text:?}"), || {
            let output = self.output();
            found = output.lines().filter(|line| line.contains(text)).map(Into::into).collect();
            found.len() >= count
        });
        found
    }

    /// Takes away the bound of [`Builder::max_file_bytes`].
    pub fn lift_file_limit(&self) {
        self.set_file_limit("unlimited");
    }

    /// Makes the limit of [`Builder::max_file_bytes`] another one.
    pub fn limit_files(&self, bytes: u64) {
        self.set_file_limit(&bytes.to_string());
    }

    fn set_file_limit(&self, limit: &str) {
        let pid = self.child.id().to_string();
        let limit = format!("--fsize={limit}:");
        let status = Command::new("prlimit").args(["--pid", &pid, &limit]).status();
        assert!(status.expect("prlimit starts").success());
    }

    /// Ends it at once, as a crash or a power cut would.
    pub fn kill(mut self) {
        self.child.kill().expect("it is alive");
        self.child.wait().expect("it ends");
    }

    /// Waits until it ends by itself, and tells its exit code.
    pub fn wait_for_end(&mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("the process can be waited for") {
                return status.code();
            }
            assert!(Instant::now() < deadline, "it does not end");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends it a signal, such as `STOP`, after which it does nothing more.
    pub fn signal(&self, name: &str) {
        assert!(signal(&self.child, name), "it is alive");
        if name == "STOP" {
            // On a busy machine it goes on for a moment.
            wait_until("the stop", || self.is_stopped());
        }
    }

    /// Fails unless it is alive and answers.
    pub fn assert_serves(&self) {
        assert_eq!(self.connect().get("/health").status, 200);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let output = self.output();
            let lines: Vec<_> = output.lines().collect();
            let last = &lines[lines.len().saturating_sub(30)..];
            eprintln!("--- the server wrote, at the end ---\n{}\n---", last.join("\n"));
        }
    }
}

/// Waits until something is so, and fails if that takes too long.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "still waiting for {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
