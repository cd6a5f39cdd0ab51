//! Runs a command under the filter of `deploy/seccomp.json`: `confine error|kill COMMAND...`
//!
//! A call that is not allowed fails with `error`, and ends the process with `kill`. A container's runtime sets the filter
//! when nothing is to be executed any more. Here the command comes after it, so executing is allowed in addition, and
//! what a shell asks for: `wasmedge` may be a script.

use std::env;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use e2e::{Profile, Refusal};

const OF_A_SHELL: [&str; 7] =
    ["execve", "getegid", "geteuid", "getgid", "getpid", "getppid", "getuid"];

fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1);
    let mut profile = Profile::read();
    let refusal = match arguments.next().as_ref().and_then(|name| name.to_str()) {
        Some("error") => Refusal::Error(profile.error()),
        Some("kill") => Refusal::Kill,
        _ => return usage(),
    };
    let Some(program) = arguments.next() else { return usage() };
    profile.allow(&OF_A_SHELL);
    profile.apply(refusal);
    // By a shell, because the standard library has SIGPIPE end what it executes. It returns only if it fails.
    let script = r#"trap '' PIPE; exec "$0" "$@""#;
    let error = Command::new("sh").args(["-c", script]).arg(&program).args(arguments).exec();
    eprintln!("confine: {}: {error}", program.display());
    ExitCode::from(127)
}

fn usage() -> ExitCode {
    eprintln!("usage: confine error|kill COMMAND...");
    ExitCode::from(2)
}
