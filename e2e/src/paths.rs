//! Where the module and tools are.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The root of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("e2e lies in the repository")
}

/// The module as the compiler wrote it.
pub fn plain_module() -> PathBuf {
    repository().join("target/wasm32-wasip1/release/todo.wasm")
}

/// The module with native code for this machine; or the one that `E2E_MODULE` names.
pub fn native_module() -> &'static Path {
    static MODULE: OnceLock<PathBuf> = OnceLock::new();
    MODULE.get_or_init(|| {
        if let Some(module) = env::var_os("E2E_MODULE") {
            return PathBuf::from(module);
        }
        let script = repository().join("scripts/native.sh");
        let output = Command::new(script).arg(plain_module()).stderr(Stdio::inherit()).output();
        let output = output.expect("scripts/native.sh starts");
        assert!(output.status.success(), "scripts/native.sh fails; has `make build` been run?");
        PathBuf::from(String::from_utf8(output.stdout).expect("a path").trim())
    })
}

/// A program that `scripts/tool.sh` brings.
pub fn tool(name: &str) -> PathBuf {
    let script = repository().join("scripts/tool.sh");
    let output = Command::new(script).arg(name).stderr(Stdio::inherit()).output();
    let output = output.expect("scripts/tool.sh starts");
    assert!(output.status.success(), "scripts/tool.sh cannot bring {name}");
    Path::new(String::from_utf8(output.stdout).expect("a path").trim()).join(name)
}
