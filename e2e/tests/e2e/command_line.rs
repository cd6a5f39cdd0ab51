//! What the program does when it is not to serve.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use e2e::{Builder, Exit, Server, repository};
use redb::{Database, TableDefinition};
use regex_lite::Regex;
use tempfile::TempDir;

const CHECKED: &str = "todo: todos are kept in /data/todos.redb\n";

fn check_with(builder: Builder) -> Exit {
    builder.argument("--check").run()
}

fn check(folder: &Path) -> Exit {
    check_with(Server::builder().data(folder))
}

/// Every file of a folder with what it holds.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())
        })
        .collect();
    files.sort();
    files
}

/// A folder whose store has these bytes.
fn folder_with(bytes: &[u8]) -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("todos.redb"), bytes).unwrap();
    folder
}

fn fixture() -> Vec<u8> {
    fs::read(repository().join("e2e/fixtures/schema-1.redb")).unwrap()
}

/// What a later release may write.
fn of_schema_4() -> Vec<u8> {
    let folder = folder_with(&fixture());
    let file = folder.path().join("todos.redb");
    let database = Database::open(&file).unwrap();
    let transaction = database.begin_write().unwrap();
    let meta: TableDefinition<&str, u64> = TableDefinition::new("meta");
    transaction.open_table(meta).unwrap().insert("schema", 4).unwrap();
    transaction.commit().unwrap();
    drop(database);
    fs::read(file).unwrap()
}

#[test]
fn help_tells_flags_settings_and_exit_codes() {
    let exit = Server::builder().argument("--help").run();
    assert_eq!((exit.code, exit.stderr.as_str()), (Some(0), ""));
    for part in [
        "Usage: wasmedge [--env NAME=VALUE]... [--dir /data:FOLDER] todo.wasm [FLAG]\n",
        "\n  --check ",
        "\n  PORT (0–65535; default: 8080)\n      TCP port to listen on; 0 takes a free one.\n",
        "\n  DATABASE_URL (memory:, redb:///FILE, postgres://USER@HOST/NAME)\n",
        "\n  74  ",
    ] {
        assert!(exit.stdout.contains(part), "{part:?} is not in {}", exit.stdout);
    }
}

#[test]
fn version_tells_name_and_version() {
    let manifest = fs::read_to_string(repository().join("Cargo.toml")).unwrap();
    let version = manifest.split("\nversion = \"").nth(1).unwrap().split('"').next().unwrap();
    // Also where the settings are wrong.
    let exit = Server::builder().argument("--version").set("PORT", "x").run();
    assert_eq!((exit.code, exit.stderr.as_str()), (Some(0), ""));
    let expected = format!(r"^todo {} \(Rust 1\.\d+\.\d+\S*\)\n$", version.replace('.', r"\."));
    assert!(Regex::new(&expected).unwrap().is_match(&exit.stdout), "{}", exit.stdout);
}

#[test]
fn an_argument_that_is_not_known_stops_the_start() {
    for arguments in [&["--port"][..], &["serve"], &["--check", "--port"]] {
        let builder = arguments.iter().fold(Server::builder(), |b, argument| b.argument(argument));
        let exit = builder.run();
        let last = arguments.last().unwrap();
        let expected = format!(
            "todo: {last:?} is not --backup FILE, --check, --export, --help, --import or --version alone\n"
        );
        assert_eq!((exit.code, exit.stderr), (Some(64), expected));
        assert_eq!(exit.stdout, "");
    }
}

#[test]
fn check_tells_all_bad_settings() {
    let exit = check_with(Server::builder().set("PORT", "x").set("ACCESS_LOG", "yes"));
    assert_eq!(exit.code, Some(78));
    assert_eq!(
        exit.stderr,
        "todo: PORT=\"x\" is not a whole number from 0 to 65535\n\
         todo: ACCESS_LOG=\"yes\" is not on or off\n"
    );
}

#[test]
fn check_passes_without_settings_and_without_a_folder() {
    let exit = check_with(Server::builder());
    assert_eq!((exit.code, exit.stderr.as_str()), (Some(0), ""));
    assert_eq!(exit.stdout, "todo: todos are in memory and end with the process\n");
}

#[test]
fn check_passes_where_the_first_start_will_make_the_file() {
    let folder = TempDir::new().unwrap();
    let exit = check(folder.path());
    assert_eq!((exit.code, exit.stderr.as_str()), (Some(0), ""));
    let state = "todo: there is no such file yet, the next start makes it\n";
    assert_eq!(exit.stdout, format!("{CHECKED}{state}"));
    assert_eq!(files(folder.path()), []);
}

#[test]
fn check_tells_what_is_in_a_file_and_leaves_it_alone() {
    let folder = folder_with(&fixture());
    let exit = check(folder.path());
    assert_eq!((exit.code, exit.stderr.as_str()), (Some(0), ""));
    assert_eq!(exit.stdout, format!("{CHECKED}todo: the file can be opened, todos in it: 3\n"));
    assert_eq!(files(folder.path()), [("todos.redb".to_owned(), fixture())]);
}

/// Checks a store with these bytes, which cannot be used, and gives the reason.
fn refused(bytes: &[u8]) -> String {
    let folder = folder_with(bytes);
    let exit = check(folder.path());
    assert_eq!((exit.code, exit.stdout.as_str()), (Some(74), ""), "{}", exit.stderr);
    assert!(files(folder.path()) == [("todos.redb".to_owned(), bytes.to_vec())]);
    let reason = exit.stderr.strip_prefix("todo: cannot keep todos in /data/todos.redb: ");
    reason.unwrap_or_else(|| panic!("{}", exit.stderr)).trim_end().to_owned()
}

#[test]
fn check_fails_where_a_start_would() {
    assert_eq!(refused(b"SQLite format 3\0"), "it is not a database of todos");
    assert_eq!(refused(b""), "it is not a database of todos");
    let mut damaged = fixture();
    for page in (4_096..damaged.len()).step_by(4_096) {
        damaged[page] ^= 0xff;
    }
    assert!(refused(&damaged).starts_with("it is damaged"));
    assert!(refused(&fixture()[..5_000]).starts_with("it is damaged"));
    let expected = "it comes from a newer version of this program (schema 4, not 3)";
    assert_eq!(refused(&of_schema_4()), expected);
}

#[test]
fn check_fails_where_the_folder_cannot_be_written_to() {
    let folder = folder_with(&fixture());
    // WasmEdge hands on the folder for reading only.
    let read_only = format!("{}:readonly", folder.path().display());
    let builder = || Server::builder().data(Path::new(&read_only));
    let exit = check_with(builder().set("DATABASE_URL", "redb:///data/todos.redb"));
    assert_eq!((exit.code, exit.stdout.as_str()), (Some(74), ""));
    let expected = "todo: cannot keep todos in /data/todos.redb: its folder cannot be written to: ";
    assert!(exit.stderr.starts_with(expected), "{}", exit.stderr);
    // Also left to itself, a start does not do without.
    let exit = check_with(builder());
    assert_eq!(exit.code, Some(74));
    assert!(exit.stderr.starts_with(expected), "{}", exit.stderr);
}

#[test]
fn check_leaves_a_file_in_use_to_its_server() {
    let folder = TempDir::new().unwrap();
    let server = Server::builder().data(folder.path()).start();
    let names = |files: Vec<(String, Vec<u8>)>| files.into_iter().map(|(name, _)| name);
    let before: Vec<_> = names(files(folder.path())).collect();
    let done = AtomicBool::new(false);
    let (mut created, mut checks) = (0, Vec::new());
    thread::scope(|scope| {
        // Changes under way must not look like damage.
        let writer = scope.spawn(|| {
            let (mut client, mut created) = (server.connect(), 0);
            while !done.load(Ordering::Relaxed) {
                let answer = client.post("/api/todos", r#"{"title":"x"}"#);
                assert_eq!(answer.status, 201);
                created += 1;
            }
            created
        });
        checks.extend((0..5).map(|_| check(folder.path())));
        done.store(true, Ordering::Relaxed);
        created = writer.join().unwrap();
    });
    assert!(created > 0);
    checks.push(check(folder.path()));
    let owner = "todo: a server uses the file, or was killed while it did: then the next start takes it over\n";
    for exit in &checks {
        assert_eq!((exit.code, exit.stderr.as_str()), (Some(0), ""));
        assert!(exit.stdout.ends_with(owner), "{}", exit.stdout);
    }
    let last = format!("{CHECKED}todo: the file can be opened, todos in it: {}\n", created + 2);
    assert_eq!(checks.last().unwrap().stdout, format!("{last}{owner}"));
    assert_eq!(names(files(folder.path())).collect::<Vec<_>>(), before);
    server.assert_serves();
    assert_eq!(server.connect().post("/api/todos", r#"{"title":"x"}"#).status, 201);

    server.kill();
    let exit = check(folder.path());
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    assert!(exit.stdout.ends_with(owner), "{}", exit.stdout);
    assert_eq!(names(files(folder.path())).collect::<Vec<_>>(), before);
}
