//! What the sources and the module are made of.

use std::fs;
use std::path::{Path, PathBuf};

use e2e::{native_module, plain_module, repository};
use wasmparser::{Parser, Payload};

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let mut files: Vec<_> =
        files.into_iter().filter(|path| path.extension().is_some_and(|e| e == "rs")).collect();
    files.extend(folders.iter().flat_map(|folder| rust_files(folder)));
    files
}

/// The compiler holds the direction between crates: one that does not name another cannot use it.
#[test]
fn the_transport_knows_no_todos_and_the_stores_no_http() {
    let dependencies = |name: &str| {
        let manifest = repository().join("crates").join(name).join("Cargo.toml");
        let text = fs::read_to_string(manifest).unwrap();
        let rest = text.split("[dependencies]").nth(1).unwrap();
        let lines = rest.split("\n[").next().unwrap().lines();
        let names = lines.filter_map(|line| line.split(['.', ' ', '=']).next());
        names.filter(|name| !name.is_empty()).map(str::to_owned).collect::<Vec<_>>()
    };
    let names = |of: &str, other: &str| dependencies(of).iter().any(|name| name == other);
    for other in ["todo_model", "todo_store", "todo_table"] {
        assert!(!names("http_server", other), "http_server names {other}");
    }
    for store in ["todo_store", "todo_table", "todo_model"] {
        for other in ["hyper_wasi", "http_server"] {
            assert!(!names(store, other), "{store} names {other}");
        }
    }
    assert!(names("http_server", "hyper_wasi") && names("todo_store", "todo_model"));
}

#[test]
fn no_file_outgrows_400_lines() {
    for folder in [
        "src",
        "crates",
        "bench/harness",
        "bench/native",
        "e2e/src",
        "e2e/tests",
        "fuzz/src",
        "fuzz/targets",
        "xtask/src",
    ] {
        for path in rust_files(&repository().join(folder)) {
            let lines = fs::read_to_string(&path).unwrap().lines().count();
            assert!(lines <= 400, "{} has {lines} lines", path.display());
        }
    }
}

#[test]
fn the_module_imports_nothing_but_wasi_preview_1() {
    let module = fs::read(plain_module()).unwrap();
    let mut imports = 0;
    for payload in Parser::new(0).parse_all(&module) {
        if let Payload::ImportSection(section) = payload.unwrap() {
            for import in section {
                let import = import.unwrap();
                assert_eq!(import.module, "wasi_snapshot_preview1", "{}", import.name);
                imports += 1;
            }
        }
    }
    assert!(imports > 0);
}

#[test]
fn the_native_module_is_the_plain_one_and_one_section() {
    let plain = fs::read(plain_module()).unwrap();
    let native = fs::read(native_module()).unwrap();
    assert!(native.starts_with(&plain), "the code is the same, byte for byte");
    let mut added = Vec::new();
    for payload in Parser::new(0).parse_all(&native) {
        if let Payload::CustomSection(section) = payload.unwrap()
            && section.data_offset() >= plain.len()
        {
            added.push((section.name().to_owned(), section.range().end));
        }
    }
    assert_eq!(added, [("wasmedge".to_owned(), native.len())]);
}
