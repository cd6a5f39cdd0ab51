//! What a container may do and see, read back from the kernel.

use std::collections::BTreeSet;

use e2e::status_field;

use crate::podman::{Container, NATIVE_HOST, PLAIN, UNIVERSAL, enter, run};

/// The option for the filter of system calls, as the pages name it.
const PROFILE: &str = "--security-opt=seccomp=/repository/deploy/seccomp.json";

fn status(container: &Container, field: &str) -> String {
    status_field(&container.proc("status"), field)
}

#[test]
#[ignore = "make test-container runs it"]
fn the_process_has_no_rights() {
    for image in [UNIVERSAL, NATIVE_HOST] {
        let container = Container::start(image, &[]);
        let nobody = "65534 65534 65534 65534";
        assert_eq!([status(&container, "Uid"), status(&container, "Gid")], [nobody; 2], "{image}");
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert_eq!(status(&container, set), "0000000000000000", "{image}: {set}");
        }
        assert_eq!(status(&container, "NoNewPrivs"), "1", "{image}");
        assert_eq!(status(&container, "Seccomp"), "2", "{image}: calls of the kernel are filtered");
        println!("{image}: user 65534, CapEff {}", status(&container, "CapEff"));
    }
}

#[test]
#[ignore = "make test-container runs it"]
fn memory_and_processes_are_limited() {
    for image in [UNIVERSAL, NATIVE_HOST] {
        let container = Container::start(image, &[]);
        assert_eq!(container.memory("memory.limit_in_bytes", "memory.max"), 64 << 20);
        assert_eq!(container.max_processes(), 2048, "{image}: podman's default");
    }
    let container = Container::start(UNIVERSAL, &[PROFILE, "--pids-limit=64"]);
    assert_eq!(container.max_processes(), 64);
}

#[test]
#[ignore = "make test-container runs it"]
fn the_root_is_read_only_and_data_is_all_of_the_machine_that_is_seen() {
    let container = Container::start(UNIVERSAL, &[]);
    let mut of_the_machine = BTreeSet::new();
    for line in container.proc("mountinfo").lines() {
        // proc(5): the mount's root, point and options are fields 4 to 6, the file system stands behind " - ".
        let (mount, source) = line.split_once(" - ").expect("two parts");
        let [point, options] = [4, 5].map(|field| mount.split(' ').nth(field).expect("a field"));
        let kind = source.split(' ').next().expect("a file system");
        if point == "/" {
            assert_eq!(kind, "overlay");
            assert_eq!(options.split(',').next(), Some("ro"), "the root is read-only");
        } else if !["cgroup", "cgroup2", "devpts", "mqueue", "proc", "sysfs", "tmpfs"]
            .contains(&kind)
        {
            of_the_machine.insert(point.to_owned());
        }
    }
    // podman's own files of names; devices that hide something of /proc are none of the machine's files.
    of_the_machine.retain(|point| !point.starts_with("/proc/"));
    let expected = ["/data", "/etc/group", "/etc/passwd"].map(Into::into);
    assert_eq!(of_the_machine, BTreeSet::from(expected));
    let root = format!("/proc/{}/root/", container.process());
    let files = run(&["find", &root, "-xdev", "-type", "f", "-printf", "%P\n"]);
    let files: BTreeSet<_> = files.lines().collect();
    let names = ["etc/group", "etc/hostname", "etc/hosts", "etc/passwd", "etc/resolv.conf"];
    let mut expected = BTreeSet::from(names);
    expected.insert("todo.wasm");
    assert_eq!(files, expected);
}

#[test]
#[ignore = "make test-container runs it"]
fn the_process_opens_its_root_its_files_and_one_listening_socket() {
    let container = Container::start(UNIVERSAL, &[]);
    let folder = format!("/proc/{}/fd/", container.process());
    let open = run(&["find", &folder, "-type", "l", "-printf", "%l\n"]);
    let paths: BTreeSet<_> = open.lines().filter(|path| path.starts_with('/')).collect();
    assert_eq!(paths, BTreeSet::from(["/", "/data/todos.redb", "/dev/null", "/todo.wasm"]));
    // The namespace of the network is the container's own: 0A listens, 1F90 is 8080.
    let tables = container.proc("net/tcp") + &container.proc("net/tcp6");
    let rows = tables.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let listening: Vec<_> = rows.filter(|row| row.get(3) == Some(&"0A")).collect();
    assert_eq!(listening.len(), 1, "{listening:?}");
    assert!(listening[0][1].ends_with(":1F90"), "{listening:?}");
}

#[test]
#[ignore = "make test-container runs it"]
fn the_server_works_under_the_profile() {
    let container = Container::start(UNIVERSAL, &[PROFILE]);
    assert_eq!([status(&container, "Seccomp"), status(&container, "Seccomp_filters")], ["2", "1"]);
    let mut client = container.connect();
    assert_eq!(client.post("/api/todos", r#"{"title":"x"}"#).status, 201);
    assert_eq!(client.get("/readyz").status, 200);
}

/// In this image the container's process has to become another program, which the module never does.
#[test]
#[ignore = "make test-container runs it"]
fn nothing_is_executed_under_the_profile() {
    let output =
        enter(&["podman", "run", "--rm", "--security-opt=no-new-privileges", PROFILE, NATIVE_HOST]);
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("/usr/bin/bash`: Operation not permitted"), "{text}");
}

/// Native code is executable memory that belongs to no file. WasmEdge's interpreter needs none.
#[test]
#[ignore = "make test-container runs it"]
fn the_universal_module_runs_as_native_code() {
    let native_code = |image: &str| {
        let container = Container::start(image, &[]);
        let maps = container.proc("maps");
        let fields = maps.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        fields.filter(|fields| fields[1].contains('x') && fields.len() == 5).count()
    };
    assert_eq!(native_code(PLAIN), 0);
    assert_ne!(native_code(UNIVERSAL), 0);
    assert_ne!(native_code(NATIVE_HOST), 0);
}
