//! A server's process, and what it costs.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::Failure;
use crate::client::Client;

/// How long a start may take.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// A running server. It ends when this is dropped.
pub struct Server {
    child: Child,
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    /// From the start of the process to the first 200.
    pub start: Duration,
    log: File,
}

impl Server {
    /// Starts `command`, which listens on `port`, with its output in a file at `log`; waits for its first 200.
    ///
    /// # Errors
    /// It does not start, ends, or does not answer in time.
    pub fn start(mut command: Command, port: u16, log: &Path) -> Result<Self, Failure> {
        let file = File::options().create(true).append(true).open(log)?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file.try_clone()?);
        let began = Instant::now();
        let child = command
            .spawn()
            .map_err(|error| format!("cannot start {:?}: {error}", command.get_program()))?;
        let mut server = Self { child, port, start: Duration::ZERO, log: file };
        while !matches!(Client::connect(port).and_then(|mut client| client.get("/health")), Ok(200))
        {
            if let Some(status) = server.child.try_wait()? {
                return Err(format!("the server ended ({status}):\n{}", tail(log)).into());
            }
            if began.elapsed() > START_TIMEOUT {
                return Err(format!("the server does not answer:\n{}", tail(log)).into());
            }
            sleep(Duration::from_micros(200));
        }
        server.start = began.elapsed();
        Ok(server)
    }

    /// The process's number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its processor time so far, of all its threads.
    ///
    /// # Errors
    /// It is gone.
    pub fn processor_time(&self) -> io::Result<Duration> {
        processor_time(self.id())
    }

    /// Its memory that is nobody else's, in MiB: see [`private_memory`].
    ///
    /// # Errors
    /// It is gone.
    pub fn private_memory(&self) -> io::Result<f64> {
        private_memory(self.id())
    }

    /// Empties the file with its output, so that the disk is not written to while others are measured.
    ///
    /// # Errors
    /// As the system has them.
    pub fn empty_log(&self) -> io::Result<()> {
        self.log.set_len(0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The processor time of the process with this number.
///
/// The scheduler counts it in nanoseconds for each thread; `/proc/ID/stat` has it in hundredths of a second.
///
/// # Errors
/// There is no such process, or the kernel keeps no such numbers.
pub fn processor_time(id: u32) -> io::Result<Duration> {
    let mut sum = Duration::ZERO;
    for thread in fs::read_dir(format!("/proc/{id}/task"))? {
        let text = fs::read_to_string(thread?.path().join("schedstat"))?;
        let nanoseconds = text.split(' ').next().and_then(|first| first.parse().ok());
        sum += Duration::from_nanos(nanoseconds.ok_or(io::ErrorKind::InvalidData)?);
    }
    Ok(sum)
}

/// The memory of the process with this number that is nobody else's, in MiB: pages that it has written to.
///
/// Pages of programs and libraries as they are in their files do not count. The system can drop them, and whether they are
/// private depends on what else is running.
///
/// # Errors
/// There is no such process.
pub fn private_memory(id: u32) -> io::Result<f64> {
    let text = fs::read_to_string(format!("/proc/{id}/smaps_rollup"))?;
    let kilobytes = |line: &str| line.split_whitespace().nth(1)?.parse::<f64>().ok();
    let private = text.lines().filter(|line| line.starts_with("Private_Dirty"));
    Ok(private.filter_map(kilobytes).sum::<f64>() / 1024.0)
}

/// How many files a process may have open.
///
/// # Errors
/// `/proc` is not as expected.
pub fn max_open_files() -> io::Result<usize> {
    let text = fs::read_to_string("/proc/self/limits")?;
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"));
    match line.and_then(|line| line.split_whitespace().next()) {
        Some("unlimited") => Ok(usize::MAX),
        Some(number) => number.parse().map_err(|_| io::ErrorKind::InvalidData.into()),
        None => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// The last lines of a file.
pub fn tail(path: &Path) -> String {
    let text = fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let text = text.unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(10)..].join("\n")
}

/// Runs a command and returns what it prints, without the line's end.
///
/// # Errors
/// It fails; what it has to say of that is on standard error.
pub fn output(command: &mut Command) -> Result<String, Failure> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cannot run {:?}: {error}", command.get_program()))?;
    if !output.status.success() {
        return Err(format!("{:?} ended with {}", command.get_program(), output.status).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}
