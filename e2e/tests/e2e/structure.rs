//! What the sources and the module are made of.

use std::fs;
use std::path::{Path, PathBuf};

use e2e::{native_module, plain_module, repository};
use wasmparser::{Parser, Payload};

/// Which other modules each module of `src` may name. The table in `src/lib.rs` says why.
const MAY_USE: [(&str, &[&str]); 12] = [
    ("access_log", &["clock", "log"]),
    ("cli", &["config"]),
    ("clock", &[]),
    ("config", &[]),
    ("execution", &[]),
    (
        "http",
        &["access_log", "clock", "execution", "log", "metrics", "server", "store", "tasks", "todo"],
    ),
    ("log", &["clock"]),
    ("metrics", &[]),
    ("server", &["log", "metrics", "tasks"]),
    ("store", &["clock", "log", "metrics", "todo"]),
    ("tasks", &["metrics"]),
    ("todo", &["clock"]),
];

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let mut files: Vec<_> =
        files.into_iter().filter(|path| path.extension().is_some_and(|e| e == "rs")).collect();
    files.extend(folders.iter().flat_map(|folder| rust_files(folder)));
    files
}

/// The sources of `src`, each with the name of its module.
fn sources() -> Vec<(String, PathBuf, String)> {
    let src = repository().join("src");
    let named = rust_files(&src).into_iter().map(|path| {
        let first = path.strip_prefix(&src).unwrap().iter().next().unwrap();
        let module = first.to_str().unwrap().trim_end_matches(".rs").to_owned();
        let text = fs::read_to_string(&path).unwrap();
        (module, path, text)
    });
    named.filter(|(module, ..)| !["main", "lib"].contains(&module.as_str())).collect()
}

#[test]
fn modules_use_each_other_in_one_direction() {
    let mut seen = Vec::new();
    for (module, path, text) in sources() {
        let allowed = MAY_USE.iter().find(|(name, _)| *name == module);
        let (_, allowed) = allowed.unwrap_or_else(|| panic!("{module} is not in the table"));
        for used in text.split("crate::").skip(1) {
            let used: String =
                used.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
            assert!(
                used == module || allowed.contains(&used.as_str()),
                "{} uses {used}",
                path.display()
            );
        }
        seen.push(module);
    }
    for (module, _) in MAY_USE {
        assert!(seen.iter().any(|name| name == module), "{module} is gone");
    }
}

#[test]
fn todos_and_stores_know_nothing_of_http() {
    for (module, path, text) in sources() {
        if ["todo", "store", "clock", "cli", "config", "execution", "log", "metrics", "tasks"]
            .contains(&module.as_str())
        {
            assert!(!text.contains("hyper"), "{} names hyper", path.display());
        }
    }
}

#[test]
fn no_file_outgrows_400_lines() {
    for folder in ["src", "crates", "e2e/src", "e2e/tests"] {
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

/// Every setting of the table in `src/config/settings.rs`.
fn settings() -> Vec<String> {
    let text = fs::read_to_string(repository().join("src/config/settings.rs")).unwrap();
    let names = text.split("    name: \"").skip(1).map(|rest| rest.split('"').next().unwrap());
    let names: Vec<_> = names.map(Into::into).collect();
    assert!(!names.is_empty());
    names
}

#[test]
fn the_launcher_hands_on_every_setting() {
    let launcher = fs::read_to_string(repository().join("scripts/run-wasm.sh")).unwrap();
    let list = launcher.split("SETTINGS=(").nth(1).unwrap().split(')').next().unwrap();
    let handed_on: Vec<_> = list.split_whitespace().collect();
    assert_eq!(handed_on, settings());
}

#[test]
fn the_readme_has_every_setting_as_it_is() {
    let readme = fs::read_to_string(repository().join("README.md")).unwrap();
    let config = fs::read_to_string(repository().join("src/config/settings.rs")).unwrap();
    let field = |setting: &str, name: &str| {
        let rest = setting.split(&format!("{name}: \"")).nth(1).unwrap();
        rest.split("\",\n").next().unwrap().to_owned()
    };
    let rows = config.split(": Setting = Setting {").skip(1).map(|setting| {
        let [name, default, values, meaning] =
            ["name", "default", "values", "meaning"].map(|name| field(setting, name));
        let default = if default.is_empty() { "–".into() } else { format!("`{default}`") };
        format!("| `{name}` | {default} | {values} | {meaning} |")
    });
    let written = readme
        .lines()
        .filter(|line| settings().iter().any(|name| line.starts_with(&format!("| `{name}` |"))));
    assert_eq!(written.map(Into::into).collect::<Vec<String>>(), rows.collect::<Vec<_>>());
}
