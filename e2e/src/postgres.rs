//! One PostgreSQL server for one test.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::cluster::{self, ADMIN, PASSWORD, TODO};
use crate::port::Port;
use crate::server::{PATIENCE, collect, signal, wait_until};

/// How a PostgreSQL server is to be started.
pub struct PostgresBuilder {
    settings: String,
    access: String,
    tls: bool,
}

impl PostgresBuilder {
    /// Sets a parameter of `postgresql.conf`.
    pub fn setting(mut self, name: &str, value: impl ToString) -> Self {
        let value = value.to_string().replace('\'', "''");
        self.settings += &format!("{name} = '{value}'\n");
        self
    }

    /// Offers TLS, with a certificate for localhost and 127.0.0.1 that [`Postgres::ca`] has signed. Connections without TLS
    /// are still taken.
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self.setting("ssl", "on")
    }

    /// Adds a line to the top of `pg_hba.conf`, such as `hostnossl all todo all reject`. Without, everybody needs their
    /// password, by SCRAM-SHA-256.
    pub fn access(mut self, line: &str) -> Self {
        self.access += line;
        self.access += "\n";
        self
    }

    /// Starts the server and waits until it takes connections.
    pub fn start(self) -> Postgres {
        let folder = cluster::own_folder();
        let data = folder.path().join("data");
        cluster::copy_data(&data);
        cluster::append(&data.join("postgresql.conf"), &self.settings);
        if !self.access.is_empty() {
            let file = data.join("pg_hba.conf");
            let rest = fs::read_to_string(&file).expect("initdb has made it");
            fs::write(&file, self.access + &rest).expect("it can be written to");
        }
        if self.tls {
            cluster::copy_certificate(&data);
        }
        Postgres::launch(folder)
    }
}

/// A running PostgreSQL server on 127.0.0.1 and a port of its own. A role `todo` owns a database `todo` that is empty.
///
/// It is ended and its data removed when dropped, and what it wrote is shown when the test has failed.
pub struct Postgres {
    folder: TempDir,
    port: Port,
    process: Option<Child>,
    output: Arc<Mutex<String>>,
}

impl Postgres {
    /// A server with the default settings.
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// A server with settings of the test's own.
    pub fn builder() -> PostgresBuilder {
        PostgresBuilder { settings: String::new(), access: String::new(), tls: false }
    }

    fn launch(folder: TempDir) -> Self {
        let mut server =
            Self { folder, port: Port::reserve(), process: None, output: Arc::default() };
        server.start_again();
        server
    }

    /// Starts it again after [`stop_immediate`](Self::stop_immediate) or [`stop`](Self::stop), with the same port and data.
    pub fn start_again(&mut self) {
        assert!(self.process.is_none(), "it runs");
        let mut child = cluster::command("postgres")
            .arg("-D")
            .arg(self.folder.path().join("data"))
            .args(["-p", &self.address().port().to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("postgres starts");
        let (sender, lines) = mpsc::channel();
        collect(child.stderr.take().expect("piped"), self.output.clone(), Some(sender));
        self.process = Some(child);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            // Without a sender it has ended.
            let line = lines.recv_timeout(left).unwrap_or_else(|_| {
                panic!("PostgreSQL takes no connections; it wrote:\n{}", self.output())
            });
            if line.contains("ready to accept") {
                break;
            }
        }
    }

    /// Ends it as a crash would: connections are cut, nothing more is written, the next start recovers from the log.
    pub fn stop_immediate(&mut self) {
        self.end("QUIT");
    }

    /// Ends it in an orderly way: transactions are rolled back, clients are told.
    pub fn stop(&mut self) {
        self.end("INT");
    }

    /// [`stop`](Self::stop), and [`start_again`](Self::start_again).
    pub fn restart(&mut self) {
        self.stop();
        self.start_again();
    }

    fn end(&mut self, name: &str) {
        let child = self.process.as_mut().expect("it runs");
        let sent = signal(child, name);
        let deadline = Instant::now() + PATIENCE;
        while sent && Instant::now() < deadline {
            if child.try_wait().expect("the process can be waited for").is_some() {
                self.process = None;
                return;
            }
            thread::sleep(Duration::from_millis(2));
        }
        panic!("PostgreSQL does not end");
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// The password of the role `todo`.
    pub fn password(&self) -> &'static str {
        PASSWORD
    }

    /// A URL for `DATABASE_URL`.
    pub fn url(&self) -> String {
        self.url_at(self.address())
    }

    /// A URL for `DATABASE_URL` by way of another address, such as that of a proxy.
    pub fn url_at(&self, address: SocketAddr) -> String {
        format!("postgres://{TODO}:{PASSWORD}@{address}/{TODO}")
    }

    /// The certificate, in PEM, of the authority that signed the certificate of every server with
    /// [`tls`](PostgresBuilder::tls).
    pub fn ca() -> PathBuf {
        cluster::certificates().join("ca.pem")
    }

    /// The certificate, in PEM, of an authority that has signed nothing.
    pub fn other_ca() -> PathBuf {
        cluster::certificates().join("other-ca.pem")
    }

    /// All that it has written so far.
    pub fn output(&self) -> String {
        self.output.lock().expect("no panic while it was held").clone()
    }

    /// What psql prints for `statements` in the database `todo`: a line per row, `|` between columns, without the line break
    /// at the end. Each statement is a transaction. The role is a superuser; what `todo` shall own comes after
    /// `SET ROLE todo;`.
    pub fn sql(&self, statements: &str) -> String {
        self.try_sql(statements).unwrap_or_else(|error| panic!("{statements}: {error}"))
    }

    /// The same as [`sql`](Self::sql), or what psql says if a statement fails or nobody listens.
    pub fn try_sql(&self, statements: &str) -> Result<String, String> {
        let output = self.psql(self.address(), statements);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    pub(crate) fn psql(&self, address: SocketAddr, statements: &str) -> Output {
        let mut child = client("psql", address)
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", TODO])
            .env("PGCONNECT_TIMEOUT", PATIENCE.as_secs().to_string())
            // A lock that is never released fails the test.
            .env("PGOPTIONS", format!("-c statement_timeout={}", PATIENCE.as_millis()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("psql starts");
        // It may have failed to connect, which its exit code tells.
        let _ = child.stdin.take().expect("piped").write_all(statements.as_bytes());
        child.wait_with_output().expect("it ends")
    }

    /// A server that streams from this one, can be read, and can be promoted. The two can end in any order.
    pub fn standby(&self) -> Self {
        self.standby_through(self.address())
    }

    /// The same as [`standby`](Self::standby), by way of another address, such as that of a proxy.
    pub fn standby_through(&self, address: SocketAddr) -> Self {
        let folder = cluster::own_folder();
        cluster::run(
            client("pg_basebackup", address)
                .args(["--write-recovery-conf", "--checkpoint=fast", "--no-sync", "--pgdata"])
                .arg(folder.path().join("data")),
        );
        Self::launch(folder)
    }

    /// Makes a standby take changes, and waits until it does.
    pub fn promote(&self) {
        let seconds = PATIENCE.as_secs();
        assert_eq!(self.sql(&format!("SELECT pg_promote(true, {seconds})")), "t", "not promoted");
    }

    /// Waits until this standby shows everything that `primary` has written so far.
    pub fn wait_until_caught_up(&self, primary: &Self) {
        let written = primary.sql("SELECT pg_current_wal_flush_lsn()");
        let query = format!("SELECT pg_last_wal_replay_lsn() >= '{written}'");
        wait_until("the standby to catch up", || self.sql(&query) == "t");
    }

    /// Its data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }
}

fn client(program: &str, address: SocketAddr) -> Command {
    let mut command = cluster::command(program);
    command.args(["-h", &address.ip().to_string(), "-p", &address.port().to_string(), "-U", ADMIN]);
    command.env("PGPASSWORD", PASSWORD);
    command
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(mut child) = self.process.take() {
            // Killed at once it would leave its processes and its shared memory behind.
            let asked = signal(&child, "QUIT") && signal(&child, "CONT");
            let deadline = Instant::now() + PATIENCE;
            while asked && Instant::now() < deadline && matches!(child.try_wait(), Ok(None)) {
                thread::sleep(Duration::from_millis(2));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
        if thread::panicking() {
            let output = self.output();
            let lines: Vec<_> = output.lines().collect();
            let last = &lines[lines.len().saturating_sub(30)..];
            eprintln!("--- PostgreSQL wrote, at the end ---\n{}\n---", last.join("\n"));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn what_was_committed_outlives_a_crash() {
        let begun = Instant::now();
        let mut server = Postgres::start();
        eprintln!("started after {:?}", begun.elapsed());
        assert_eq!(server.sql("SHOW fsync; SHOW port"), format!("on\n{}", server.address().port()));
        server.sql("CREATE TABLE kept (name text); INSERT INTO kept VALUES ('a'), ('b')");
        server.stop_immediate();
        assert!(server.try_sql("SELECT 1").is_err_and(|error| error.contains("refused")));
        let begun = Instant::now();
        server.start_again();
        eprintln!("started again after {:?}", begun.elapsed());
        assert!(server.output().contains("automatic recovery in progress"), "{}", server.output());
        assert_eq!(server.sql("SELECT name, 1 FROM kept ORDER BY name"), "a|1\nb|1");
        server.restart();
        assert_eq!(server.sql("SELECT count(*) FROM kept"), "2");
    }

    #[test]
    fn the_role_needs_its_password_and_owns_the_database() {
        let server = Postgres::builder().setting("max_connections", 20).start();
        assert_eq!(server.sql("SHOW max_connections"), "20");
        let psql = |password: &str| {
            let mut command = client("psql", server.address());
            command.args(["-X", "-A", "-t", "-U", TODO, "-d", TODO, "-c", "CREATE SCHEMA a", "-c"]);
            command.arg("SELECT 'a' < 'B', current_user").env("PGPASSWORD", password);
            command.output().expect("psql starts")
        };
        assert!(!psql("wrong").status.success());
        let output = psql(server.password());
        // Not in the order of bytes.
        assert_eq!(String::from_utf8_lossy(&output.stdout), "CREATE SCHEMA\nt|todo\n");
        let hashes = server.sql("SELECT left(rolpassword, 14) FROM pg_authid WHERE rolcanlogin");
        assert_eq!(hashes, "SCRAM-SHA-256$\nSCRAM-SHA-256$");
    }

    #[test]
    fn tls_is_verified() {
        let server = Postgres::builder().tls().access("hostnossl all todo all reject").start();
        let psql = |host: &str, mode: &str, ca: &Path| {
            let mut command = client("psql", server.address());
            command.args(["-X", "-A", "-t", "-h", host, "-U", TODO, "-d", TODO, "-c"]);
            command.arg("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()");
            command.env("PGSSLMODE", mode).env("PGSSLROOTCERT", ca);
            let output = command.output().expect("psql starts");
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        assert_eq!(psql("127.0.0.1", "verify-full", &Postgres::ca()), "t\n");
        assert_eq!(psql("localhost", "verify-full", &Postgres::ca()), "t\n");
        assert_eq!(psql("127.0.0.1", "verify-full", &Postgres::other_ca()), "");
        assert_eq!(psql("127.0.0.1", "disable", &Postgres::ca()), "");
    }

    #[test]
    fn a_standby_streams_and_can_be_promoted() {
        let primary = Postgres::start();
        primary.sql("CREATE TABLE kept (name text)");
        let standby = primary.standby();
        primary.sql("INSERT INTO kept VALUES ('a')");
        standby.wait_until_caught_up(&primary);
        assert_eq!(standby.sql("SELECT name FROM kept"), "a");
        let refused = standby.try_sql("INSERT INTO kept VALUES ('b')");
        assert!(refused.is_err_and(|error| error.contains("read-only transaction")));
        drop(primary);
        standby.promote();
        standby.sql("INSERT INTO kept VALUES ('b')");
        assert_eq!(standby.sql("SELECT count(*) FROM kept"), "2");
    }
}
