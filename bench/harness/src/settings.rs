//! What is measured, and how long. Settings are environment variables.

use std::env;
use std::path::{Path, PathBuf};

use crate::Failure;

/// The settings of one measurement.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `RUNS`: how often each figure is taken (5).
    pub runs: usize,
    /// `SECONDS_EACH`: how long each load lasts (2).
    pub seconds: u64,
    /// `CASES`: names of cases, or what they begin with up to a `-`, separated by commas or spaces; all if
    /// empty.
    pub cases: Vec<String>,
    /// `PEER`: another server's program, which takes its port from `PORT`.
    pub peer: Option<PathBuf>,
    /// `UPDATE_DOCS`: the results in the documents are written anew.
    pub updates_docs: bool,
}

impl Settings {
    /// Reads them from the environment.
    ///
    /// # Errors
    /// A number that is none, or 0; a peer that is no file.
    pub fn from_env() -> Result<Self, Failure> {
        let settings = Self {
            runs: number("RUNS", 5)?,
            seconds: number("SECONDS_EACH", 2)?,
            cases: words(&text("CASES")),
            peer: Some(text("PEER")).filter(|peer| !peer.is_empty()).map(PathBuf::from),
            updates_docs: !text("UPDATE_DOCS").is_empty(),
        };
        match &settings.peer {
            Some(peer) if !peer.is_file() => {
                Err(format!("PEER={}: there is no such program", peer.display()).into())
            }
            _ => Ok(settings),
        }
    }

    /// Whether the case of this name is to be measured.
    pub fn wants(&self, case: &str) -> bool {
        let fits = |start: &String| {
            case.strip_prefix(start.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        };
        self.cases.is_empty() || self.cases.iter().any(fits)
    }
}

/// The variable's value; empty if it is not set.
pub fn text(name: &str) -> String {
    env::var(name).unwrap_or_default()
}

/// The variable's value as a number greater than 0, or `default` if it is not set.
///
/// # Errors
/// It is no such number.
pub fn number<T: std::str::FromStr + PartialOrd + From<u8>>(
    name: &str,
    default: T,
) -> Result<T, Failure> {
    match text(name).as_str() {
        "" => Ok(default),
        value => match value.parse() {
            Ok(number) if number > T::from(0) => Ok(number),
            _ => Err(format!("{name}={value}: a number from 1 on is expected").into()),
        },
    }
}

/// The top folder of the repository.
pub fn repository() -> &'static Path {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    folder.ancestors().nth(2).unwrap_or(folder)
}

fn words(list: &str) -> Vec<String> {
    let separators = |character: char| character == ',' || character.is_whitespace();
    list.split(separators).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_chosen_by_the_start_of_their_names() {
        let with = |list: &str| Settings {
            runs: 1,
            seconds: 1,
            cases: words(list),
            peer: None,
            updates_docs: false,
        };
        assert!(with("").wants("health-10"));
        assert!(with("health, post").wants("post-redb-10"));
        assert!(with("health, post").wants("health-1000"));
        assert!(!with("health, post").wants("root"));
        assert!(with("health-10").wants("health-10"));
        assert!(!with("health-10").wants("health-1000"));
    }
}
