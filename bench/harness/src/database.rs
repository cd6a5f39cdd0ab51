//! A PostgreSQL server for as long as it is needed.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::Failure;
use crate::cases::{Case, Place};
use crate::process::output;
use crate::programs::tool;
use crate::settings::repository;

/// A server, which ends when this is dropped.
pub struct Database {
    child: Child,
    url: String,
    psql: PathBuf,
}

impl Database {
    /// Starts it if one of the cases needs it.
    ///
    /// # Errors
    /// `scripts/with-postgres.sh` fails.
    pub fn for_cases(cases: &[Case]) -> Result<Option<Self>, Failure> {
        let is_needed = cases.iter().any(|case| case.place == Place::Database);
        is_needed.then(Self::start).transpose()
    }

    fn start() -> Result<Self, Failure> {
        let psql = tool("postgresql")?.join("psql");
        // It tells where it is, and ends when nobody holds the other end of its input any more.
        let mut child = Command::new(repository().join("scripts/with-postgres.sh"))
            .args(["sh", "-c", "echo \"$DATABASE_URL\"; exec cat >/dev/null"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut url = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut url)?;
        }
        if url.is_empty() {
            return Err(format!("PostgreSQL did not start ({})", child.wait()?).into());
        }
        Ok(Self { child, url: url.trim_end().to_owned(), psql })
    }

    /// Its URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its URL, with nothing in the database.
    ///
    /// # Errors
    /// psql fails.
    pub fn emptied(&self) -> Result<&str, Failure> {
        let statement = "DROP SCHEMA public CASCADE; CREATE SCHEMA public";
        output(
            Command::new(&self.psql)
                .args(["-q", "-X", "-v", "ON_ERROR_STOP=1", "-c", statement, &self.url])
                .env("PGOPTIONS", "--client-min-messages=warning"),
        )?;
        Ok(&self.url)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
