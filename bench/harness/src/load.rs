//! Load by wrk, and what it tells.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Failure;

/// What POST sends.
pub const BODY: &str = r#"{"title":"Buy milk","description":"two bottles"}"#;

/// Prints one line of numbers, in the order of [`Sample::parse`].
const REPORT: &str = r#"
done = function(summary, latency)
  local errors = summary.errors
  print(string.format("sample %d %d %d %d %d %d %d %.0f %.0f %.0f", summary.requests, summary.duration, errors.connect,
    errors.read, errors.write, errors.status, errors.timeout, latency:percentile(50), latency:percentile(99),
    latency:percentile(99.9)))
end
"#;

/// What one run of wrk saw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Answers.
    pub requests: f64,
    /// Answers per second.
    pub rate: f64,
    /// From a request to the end of its answer, in milliseconds: the median, and what 99 % and 99.9 % stay within.
    pub latencies: [f64; 3],
}

impl Sample {
    /// Reads what wrk printed.
    ///
    /// # Errors
    /// A socket failed, an answer was no success, or there was none.
    pub fn parse(output: &str) -> Result<Self, Failure> {
        let line = output.lines().find_map(|line| line.strip_prefix("sample "));
        let line = line.ok_or_else(|| format!("wrk did not report: {output}"))?;
        let numbers: Result<Vec<f64>, _> = line.split_whitespace().map(str::parse).collect();
        let numbers = numbers.map_err(|error| format!("wrk reported {line}: {error}"))?;
        let [requests, microseconds, connect, read, write, status, timeout, p50, p99, p999] =
            numbers[..]
        else {
            return Err(format!("wrk reported {line}").into());
        };
        let errors = [
            (connect, "connections failed"),
            (read, "reads failed"),
            (write, "writes failed"),
            (status, "answers were no success"),
            (timeout, "answers came too late"),
        ];
        let errors: Vec<_> = errors
            .iter()
            .filter(|(count, _)| *count > 0.0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        if !errors.is_empty() {
            return Err(errors.join(", ").into());
        }
        if requests == 0.0 || microseconds == 0.0 {
            return Err("no answer".into());
        }
        let latencies = [p50, p99, p999].map(|microseconds| microseconds / 1e3);
        Ok(Self { requests, rate: requests / microseconds * 1e6, latencies })
    }
}

/// The program, and its scripts.
pub struct Wrk {
    program: PathBuf,
    get: PathBuf,
    post: PathBuf,
}

impl Wrk {
    /// With its scripts in the folder `work`.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn new(program: PathBuf, work: &Path) -> Result<Self, Failure> {
        let (get, post) = (work.join("get.lua"), work.join("post.lua"));
        fs::write(&get, REPORT)?;
        fs::write(&post, format!("wrk.method = \"POST\"\nwrk.body = '{BODY}'\n{REPORT}"))?;
        Ok(Self { program, get, post })
    }

    /// The command that puts a load on `path`.
    pub fn command(
        &self,
        port: u16,
        path: &str,
        is_post: bool,
        connections: usize,
        seconds: u64,
    ) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args([
                "-t1",
                "--timeout",
                "10s",
                &format!("-c{connections}"),
                &format!("-d{seconds}s"),
            ])
            .arg("-s")
            .arg(if is_post { &self.post } else { &self.get })
            .arg(format!("http://127.0.0.1:{port}{path}"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        command
    }

    /// Puts a load on `path`.
    ///
    /// # Errors
    /// See [`Sample::parse`].
    pub fn run(
        &self,
        port: u16,
        path: &str,
        is_post: bool,
        connections: usize,
        seconds: u64,
    ) -> Result<Sample, Failure> {
        let output = self.command(port, path, is_post, connections, seconds).output()?;
        Sample::parse(&String::from_utf8_lossy(&output.stdout))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "Running 2s test @ http://127.0.0.1:1/\n  10 threads\nRequests/sec: 5\n";

    #[test]
    fn what_wrk_prints_is_read() {
        let output = format!("{HEAD}sample 1000 2000000 0 0 0 0 0 100 1500 2500\n");
        let sample = Sample::parse(&output).unwrap();
        let expected = Sample { requests: 1000.0, rate: 500.0, latencies: [0.1, 1.5, 2.5] };
        assert_eq!(sample, expected);
    }

    #[test]
    fn errors_are_no_sample() {
        let message = |line: &str| Sample::parse(&format!("{HEAD}{line}")).unwrap_err().to_string();
        assert_eq!(
            message("sample 9 2000000 0 2 0 3 0 1 1 1"),
            "2 reads failed, 3 answers were no success"
        );
        assert_eq!(message("sample 9 2000000 0 0 0 0 1 1 1 1"), "1 answers came too late");
        assert_eq!(message("sample 0 2000000 0 0 0 0 0 0 0 0"), "no answer");
        assert!(message("").starts_with("wrk did not report"));
        assert!(message("sample 1 2").starts_with("wrk reported"));
    }
}
