//! What a container may do and see, read back from the kernel.

use std::collections::BTreeSet;

use crate::podman::{Container, NATIVE_HOST, PLAIN, UNIVERSAL, run};

/// A field of `/proc/PID/status`, its values separated by one blank.
fn status(container: &Container, field: &str) -> String {
    let status = container.proc("status");
    let line = status.lines().find_map(|line| line.strip_prefix(&format!("{field}:")));
    line.expect("a field").split_whitespace().collect::<Vec<_>>().join(" ")
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
fn memory_is_limited_to_64_mib() {
    let container = Container::start(UNIVERSAL, &[]);
    assert_eq!(container.memory("memory.limit_in_bytes", "memory.max"), 64 << 20);
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
