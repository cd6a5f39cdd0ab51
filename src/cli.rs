//! The command line: `todo.wasm [FLAG [FILE]]`.

use std::ffi::OsString;
use std::fmt::{self, Write as _};
use std::path::PathBuf;

use crate::config::SETTINGS;

/// The command line cannot be understood. This code and those below are of sysexits.h, which service managers and scripts
/// know.
pub const EX_USAGE: u8 = 64;
/// The address or the port cannot be had.
pub const EX_UNAVAILABLE: u8 = 69;
/// The program or its runtime fails.
pub const EX_SOFTWARE: u8 = 70;
/// The store cannot be used.
pub const EX_IOERR: u8 = 74;
/// A setting cannot be used.
pub const EX_CONFIG: u8 = 78;

/// Every exit code, and when the program ends with it.
const EXIT_CODES: [(u8, &str); 6] = [
    (0, "--check found nothing wrong, or what another flag asks for is done"),
    (EX_USAGE, "the command line cannot be understood"),
    (EX_UNAVAILABLE, "the port is taken, or the address is not one of this machine"),
    (EX_SOFTWARE, "the program or its runtime fails"),
    (
        EX_IOERR,
        "the store cannot be used, another server has its file, or todos cannot be moved or backed up",
    ),
    (EX_CONFIG, "a setting has a value that cannot be used"),
];

/// What the program is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Without a flag: serve until the process is ended.
    Serve,
    /// `--check`: tell whether a start would find settings and a store that it can use.
    Check,
    /// `--backup`: put a copy of the store's file into this one.
    Backup(PathBuf),
    /// `--export`: write all todos to standard output.
    Export,
    /// `--import`: put todos from standard input into an empty store.
    Import,
    /// `--help`
    Help,
    /// `--version`
    Version,
}

impl Command {
    /// Reads the arguments behind the program's name.
    ///
    /// # Errors
    /// [`UsageError`] names the argument that is not known, one too many, or one that lacks its file.
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, UsageError> {
        let mut arguments = arguments.into_iter();
        let Some(argument) = arguments.next() else { return Ok(Self::Serve) };
        let command = match argument.to_str() {
            Some("--backup") => match arguments.next().filter(|file| !file.is_empty()) {
                Some(file) => Self::Backup(file.into()),
                None => return Err(UsageError::NoFile),
            },
            Some("--check") => Self::Check,
            Some("--export") => Self::Export,
            Some("--import") => Self::Import,
            Some("--help" | "-h") => Self::Help,
            Some("--version" | "-V") => Self::Version,
            _ => return Err(UsageError::Unknown(argument)),
        };
        arguments.next().map_or(Ok(command), |more| Err(UsageError::Unknown(more)))
    }
}

/// Why the arguments cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UsageError {
    /// An argument that is not known, or that stands behind another one.
    Unknown(OsString),
    /// `--backup` without a file.
    NoFile,
}

impl fmt::Display for UsageError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(argument) => write!(
                formatter,
                "{argument:?} is not --backup FILE, --check, --export, --help, --import or --version alone"
            ),
            Self::NoFile => formatter.write_str("--backup needs the name of a file"),
        }
    }
}

impl std::error::Error for UsageError {}

/// What `--version` prints: name, version and the compiler that built it. The same sources built by the same compiler are
/// the same file, so there is nothing more to tell.
pub fn version() -> String {
    let (version, compiler) = (env!("CARGO_PKG_VERSION"), env!("TODO_RUST_VERSION"));
    format!("todo {version} (Rust {compiler})")
}

/// What `--help` prints: the flags, every setting, every exit code.
pub fn help() -> String {
    let mut text = format!("{}: {}\n", version(), env!("CARGO_PKG_DESCRIPTION"));
    text += "
Usage: wasmedge [--env NAME=VALUE]... [--dir /data:FOLDER] todo.wasm [FLAG]

Without a flag it serves until the process is ended. FOLDER is where todos are kept.

Flags:
  --backup FILE  put a copy of the store's file into FILE, which must not exist, also while a server uses the store
  --check        tell whether a start would find settings and a store that it can use, and change nothing
  --export       write all todos to standard output, as lines of JSON
  --import       put todos from standard input into the store, which must be empty
  -h, --help     print this text
  -V, --version  print the version

Settings, all from environment variables; an empty one means its default:
";
    // Writing into a String does not fail.
    for setting in &SETTINGS {
        let default = match setting.default {
            "" => String::new(),
            default => format!("; default: {default}"),
        };
        let values = setting.kind.values().replace('`', "");
        let meaning = setting.meaning.replace('`', "");
        let _ = writeln!(text, "  {} ({values}{default})\n      {meaning}", setting.name);
    }
    text += "\nExit codes:\n";
    for (code, meaning) in EXIT_CODES {
        let _ = writeln!(text, "  {code:>2}  {meaning}");
    }
    text.truncate(text.trim_end().len());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Command, String> {
        Command::parse(arguments.iter().map(OsString::from)).map_err(|error| error.to_string())
    }

    #[test]
    fn there_is_one_flag_or_none() {
        assert_eq!(parse(&[]), Ok(Command::Serve));
        assert_eq!(parse(&["--check"]), Ok(Command::Check));
        assert_eq!(parse(&["--export"]), Ok(Command::Export));
        assert_eq!(parse(&["--import"]), Ok(Command::Import));
        assert_eq!(parse(&["--backup", "/b/x"]), Ok(Command::Backup("/b/x".into())));
        for flag in ["--help", "-h"] {
            assert_eq!(parse(&[flag]), Ok(Command::Help));
        }
        for flag in ["--version", "-V"] {
            assert_eq!(parse(&[flag]), Ok(Command::Version));
        }
    }

    #[test]
    fn what_is_not_known_is_told_in_one_line() {
        for (arguments, named) in [
            (&["--port"][..], "\"--port\""),
            (&["--check=1"], "\"--check=1\""),
            (&[""], "\"\""),
            (&["a\nb"], "\"a\\nb\""),
            (&["--check", "--help"], "\"--help\""),
            (&["--backup", "/b/x", "--check"], "\"--check\""),
        ] {
            let expected = format!(
                "{named} is not --backup FILE, --check, --export, --help, --import or --version alone"
            );
            assert_eq!(parse(arguments), Err(expected));
        }
        for arguments in [&["--backup"][..], &["--backup", ""]] {
            assert_eq!(parse(arguments), Err("--backup needs the name of a file".to_owned()));
        }
    }

    #[test]
    fn help_has_every_setting_and_every_exit_code() {
        let help = help();
        for setting in SETTINGS {
            assert!(help.contains(&format!("\n  {} (", setting.name)), "{}", setting.name);
        }
        for (code, meaning) in EXIT_CODES {
            assert!(help.contains(&format!("{code:>2}  {meaning}")), "{code}");
        }
        assert!(!help.contains('`'));
    }
}
