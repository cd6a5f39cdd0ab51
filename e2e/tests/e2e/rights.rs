//! What a server without a container may do, read back from the kernel; and what the filter of system calls refuses.

use std::collections::BTreeSet;
use std::fs::{self, File, Permissions};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, chroot, symlink};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::{io, thread};

use e2e::{Process, Profile, Refusal, Server, native_module, repository, wait_until};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::kmod::{ModuleInitFlags, finit_module};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::inotify::{InitFlags, Inotify};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::{prctl, ptrace, signal};
use nix::unistd::{Pid, execv, getpid, pipe2};
use socket2::{Domain, Socket, Type};
use tempfile::TempDir;

/// An error that none of the calls here gives by itself.
const REFUSED: Errno = Errno::EHWPOISON;

/// A program that ends when it is dropped.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        self.0.kill().and_then(|()| self.0.wait()).expect("it ends");
    }
}

#[test]
fn the_process_has_two_capabilities_at_most_and_cannot_get_more() {
    let server = Server::start();
    let process = server.process();
    assert_eq!(process.status("NoNewPrivs"), "1");
    // CAP_DAC_OVERRIDE and CAP_NET_BIND_SERVICE, of root.
    let needed = 1 << 1 | 1 << 10;
    let is_root = process.status("Uid").starts_with("0 ");
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb", "CapBnd"] {
        // Another user has none, and may not bound what nobody can give him.
        if set != "CapBnd" || is_root {
            let set = u64::from_str_radix(&process.status(set), 16).unwrap();
            assert_eq!(set & !needed, 0, "{set:#x}");
        }
    }
}

#[test]
fn started_by_wasmedge_alone_the_process_has_the_rights_of_its_starter() {
    let child = Started(
        Command::new("wasmedge")
            .args(["--env", "HOST=127.0.0.1", "--env", "PORT=0"])
            .arg(native_module())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let (process, starter) = (Process::new(child.0.id()), Process::new(std::process::id()));
    wait_until("a port", || !process.listens_on().is_empty());
    let rights = |process: &Process| {
        ["Uid", "CapPrm", "CapEff", "CapBnd", "NoNewPrivs", "Seccomp"]
            .map(|name| process.status(name))
    };
    assert_eq!(rights(&process), rights(&starter));
}

#[test]
fn the_process_gets_no_variable_and_no_file_of_its_starter() {
    let child = Started(
        Command::new("sh")
            .args(["-c", "exec 7</dev/zero && exec \"$@\"", "sh"])
            .arg(repository().join("scripts/run-wasm.sh"))
            .arg(native_module())
            .envs([
                ("HOST", "127.0.0.1"),
                ("PORT", "0"),
                ("SECRET_OF_ANOTHER", "x"),
                ("BASH_ENV", ""),
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let process = Process::new(child.0.id());
    wait_until("a port", || !process.listens_on().is_empty());
    let (variables, files) = (process.variables(), process.files());
    // The shells of the scripts set the last ones.
    let known = [
        "PATH",
        "HOME",
        "LD_LIBRARY_PATH",
        "MALLOC_MMAP_THRESHOLD_",
        "OLDPWD",
        "PWD",
        "SHLVL",
        "_",
    ];
    let unknown: Vec<_> = variables.iter().filter(|name| !known.contains(&&***name)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    assert!(!files.contains(&"/dev/zero".into()), "{files:?}");
}

#[test]
fn the_process_opens_its_folder_and_listens_on_one_port() {
    let folder = TempDir::new().unwrap();
    let server = Server::builder().data(folder.path()).start();
    assert_eq!(server.process().listens_on(), [server.address().port()]);
    let folders = |server: &Server| -> BTreeSet<_> {
        server.process().files().into_iter().filter(|path| path.is_dir()).collect()
    };
    assert_eq!(folders(&server), BTreeSet::from([folder.path().canonicalize().unwrap()]));
    // Without a folder the module sees no file at all.
    assert_eq!(folders(&Server::start()), BTreeSet::new());
}

/// What the filter makes of a call.
fn outcome(result: Result<(), io::Error>) -> Option<Errno> {
    result.err().map(|error| Errno::from_raw(error.raw_os_error().expect("an error of the kernel")))
}

/// Runs something in a thread of its own under the profile; a filter stays for the thread's life.
fn under_the_profile<T: Send + 'static>(what: impl FnOnce() -> T + Send + 'static) -> T {
    let confined = move || {
        Profile::read().apply(Refusal::Error(REFUSED as i32));
        what()
    };
    thread::spawn(confined).join().unwrap()
}

#[test]
fn the_profile_refuses_what_the_server_never_asks_for() {
    // In a folder that is not there: a call that is not refused must leave nothing behind.
    let nowhere = Path::new("/nonexistent/nowhere");
    let file = File::open("/dev/null").unwrap();
    let none: Option<&Path> = None;
    let results = under_the_profile(move || {
        [
            (
                "execve",
                execv::<&std::ffi::CStr>(c"/nonexistent", &[]).map(|_| ()).map_err(Into::into),
            ),
            ("a process", Command::new("/nonexistent").spawn().map(|_| ())),
            ("ptrace", ptrace::attach(Pid::from_raw(1)).map_err(Into::into)),
            ("mount", mount(none, nowhere, none, MsFlags::empty(), none).map_err(Into::into)),
            ("unshare", unshare(CloneFlags::empty()).map_err(Into::into)),
            ("setns", setns(&file, CloneFlags::empty()).map_err(Into::into)),
            ("chroot", chroot(nowhere)),
            ("kill", signal::kill(getpid(), None).map_err(Into::into)),
            ("prctl", prctl::set_dumpable(true).map_err(Into::into)),
            (
                "finit_module",
                finit_module(&file, c"", ModuleInitFlags::empty()).map_err(Into::into),
            ),
            ("memfd_create", memfd_create(c"x", MFdFlags::empty()).map(|_| ()).map_err(Into::into)),
            ("inotify", Inotify::init(InitFlags::empty()).map(|_| ()).map_err(Into::into)),
            ("pipe", pipe2(OFlag::empty()).map(|_| ()).map_err(Into::into)),
            ("symlink", symlink(nowhere, nowhere)),
            ("chmod", fs::set_permissions(nowhere, Permissions::from_mode(0o600))),
            ("a Unix socket", UnixStream::pair().map(|_| ())),
            ("a raw socket", Socket::new(Domain::IPV4, Type::RAW, None).map(|_| ())),
            ("a packet socket", Socket::new(Domain::PACKET, Type::RAW, None).map(|_| ())),
            ("a netlink socket", Socket::new(Domain::from(16), Type::RAW, None).map(|_| ())),
        ]
    });
    for (name, result) in results {
        assert_eq!(outcome(result), Some(REFUSED), "{name}");
    }
}

#[test]
fn the_profile_allows_sockets_files_and_threads() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("file");
    under_the_profile(move || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        TcpStream::connect(address).unwrap();
        fs::write(&path, "x").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"x");
        thread::spawn(|| ()).join().unwrap();
    });
}
