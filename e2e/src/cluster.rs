//! What the PostgreSQL servers of a test process share: the programs, the user, an initialised data folder, certificates.

use std::env;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::paths::tool;

/// The user and the group that PostgreSQL runs as when the tests run as root, whom it refuses: nobody.
const NOBODY: u32 = 65534;

/// The role that owns everything. Tests act as it when they look into the database or change the server.
pub(crate) const ADMIN: &str = "postgres";
/// The role and the database of the server that is tested.
pub(crate) const TODO: &str = "todo";
/// The password of both roles. Nothing else contains it, so that a log can be searched for it.
pub(crate) const PASSWORD: &str = "pw-2b7e151628aed2a6";

/// Small and quiet, but as durable as any other. No socket in the file system: its path could be too long.
const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
shared_buffers = 16MB
wal_keep_size = 64MB
jit = off
";

/// The database sorts by the rules of a language, as most do: what relies on the order of bytes is found out.
const ROLES: &str = "
CREATE ROLE todo LOGIN PASSWORD 'PASSWORD'
CREATE DATABASE todo OWNER todo TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en'
REVOKE ALL ON DATABASE todo FROM PUBLIC
";

/// Two certificate authorities, one of which has signed a certificate for localhost and 127.0.0.1.
const OPENSSL: &str = "
[req]
distinguished_name = name
prompt = no
[name]
CN = made by a test
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost, IP:127.0.0.1
";

/// Ends what a test that was killed has left running, and removes the folder, when its standard input ends: whichever way
/// the process ends that holds it. Signals that are meant for all of the terminal's processes do not concern it.
const REMOVER: &str = "
trap '' HUP INT TERM
cat >/dev/null
for file in \"$1\"/*/data/postmaster.pid; do
  [ ! -e \"$file\" ] || kill -QUIT \"$(head -n 1 \"$file\")\"
done
# A copy that is being made may come in between.
rm -rf \"$1\" 2>/dev/null || { sleep 1; rm -rf \"$1\"; }
";

struct Shared {
    /// Holds the initialised data folder, and the folders of the servers.
    folder: PathBuf,
    programs: PathBuf,
    /// See [`REMOVER`]. Statics are not dropped.
    _remover: Child,
}

fn shared() -> &'static Shared {
    static SHARED: OnceLock<Shared> = OnceLock::new();
    SHARED.get_or_init(|| {
        let folder = folder_in(&env::temp_dir()).keep();
        let remover = Command::new("sh")
            .args(["-c", REMOVER, "sh"])
            .arg(&folder)
            .stdin(Stdio::piped())
            .spawn()
            .expect("sh starts");
        let programs = usable_programs(&folder);
        initialise(&programs, &folder);
        Shared { folder, programs, _remover: remover }
    })
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// A temporary folder that belongs to the user of [`command`].
pub(crate) fn own_folder() -> TempDir {
    folder_in(&shared().folder)
}

fn folder_in(parent: &Path) -> TempDir {
    let folder = TempDir::with_prefix_in("todo-pg-", parent).expect("a temporary folder");
    give(folder.path());
    folder
}

fn give(path: &Path) {
    if is_root() {
        chown(path, Some(NOBODY), Some(NOBODY)).expect("root may give away files");
    }
}

/// A program of PostgreSQL, run as the owner of [`own_folder`] and without the caller's settings.
pub(crate) fn command(program: &str) -> Command {
    command_in(&shared().programs, program)
}

fn command_in(programs: &Path, program: &str) -> Command {
    let path = programs.join(program);
    let mut command = if is_root() {
        let mut command = Command::new("setpriv");
        let ids = [format!("--reuid={NOBODY}"), format!("--regid={NOBODY}")];
        command.args(ids).arg("--clear-groups").arg(path);
        command
    } else {
        Command::new(path)
    };
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("PG") {
            command.env_remove(name);
        }
    }
    // Of a folder that the user must not read it would ask for files of its own, or where it is.
    command.env("HOME", "/nonexistent").current_dir("/").env("LC_ALL", "C").stdin(Stdio::null());
    command
}

/// The folder of the programs. If the user cannot reach it, a copy that it can.
fn usable_programs(folder: &Path) -> PathBuf {
    let tool = tool("postgresql");
    let programs = tool.with_file_name("");
    let version = command_in(&programs, "postgres").arg("--version").output();
    if version.is_ok_and(|output| output.status.success()) {
        return programs;
    }
    let copy = folder.join("programs");
    // Above usr/bin, which is a link.
    let whole = tool.ancestors().nth(3).expect("tool.sh prints such a path");
    run(Command::new("cp").arg("-RP").arg(whole).arg(&copy));
    copy.join("usr/bin")
}

/// Makes `folder/data`, with the roles and the database.
fn initialise(programs: &Path, folder: &Path) {
    let data = folder.join("data");
    let password = folder.join("password");
    fs::write(&password, PASSWORD).expect("the folder can be written to");
    give(&password);
    // Copies of it are as durable as their server makes them, so nothing is gained by waiting for the disk here.
    run(command_in(programs, "initdb")
        .args(["--username", ADMIN, "--auth=scram-sha-256", "--encoding=UTF8", "--no-locale"])
        .args(["--no-sync", "--wal-segsize=1", "--no-instructions"])
        .arg(format!("--pwfile={}", password.display()))
        .arg(format!("--pgdata={}", data.display())));
    append(&data.join("postgresql.conf"), SETTINGS);
    let statements = folder.join("roles");
    fs::write(&statements, ROLES.trim_start().replace("'PASSWORD'", &format!("'{PASSWORD}'")))
        .expect("the folder can be written to");
    run(command_in(programs, "postgres")
        .args(["--single", "-c", "fsync=off", "-D"])
        .arg(&data)
        .arg("postgres")
        .stdin(fs::File::open(statements).expect("just written")));
}

pub(crate) fn append(file: &Path, text: &str) {
    let file = fs::OpenOptions::new().append(true).open(file);
    file.and_then(|mut file| file.write_all(text.as_bytes())).expect("the file can be written to");
}

/// Copies the initialised data folder to `data`, which must not exist.
pub(crate) fn copy_data(data: &Path) {
    run(Command::new("cp").arg("-a").arg(shared().folder.join("data")).arg(data));
}

/// Certificates, made once.
pub(crate) fn certificates() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = shared().folder.join("certificates");
        fs::create_dir(&folder).expect("the folder can be written to");
        fs::write(folder.join("openssl.cnf"), OPENSSL).expect("the folder can be written to");
        let openssl = |arguments: &str| {
            run(Command::new(shared().programs.join("openssl"))
                .args(arguments.split_whitespace())
                .env("OPENSSL_CONF", "openssl.cnf")
                .current_dir(&folder));
        };
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -config openssl.cnf";
        for name in ["ca", "other-ca"] {
            openssl(&format!(
                "req -x509 {key} -extensions authority -subj /CN={name} -days 30 -keyout {name}.key -out {name}.pem"
            ));
        }
        openssl(&format!("req -new {key} -subj /CN=localhost -keyout server.key -out server.csr"));
        openssl(
            "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 \
             -extfile openssl.cnf -extensions server -out server.crt",
        );
        folder
    })
}

/// Puts the server's certificate and its key into `data`.
pub(crate) fn copy_certificate(data: &Path) {
    for name in ["server.crt", "server.key"] {
        let file = data.join(name);
        fs::copy(certificates().join(name), &file).expect("the folder can be written to");
        // PostgreSQL refuses a key that others may read.
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("just written");
        give(&file);
    }
}

/// Runs a command, and fails with what it wrote if it fails.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{stdout}{stderr}", output.status);
    stdout
}
