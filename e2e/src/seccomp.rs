//! The filter of system calls in `deploy/seccomp.json`, for processes without a container.

use std::collections::{BTreeMap, BTreeSet};
use std::env::consts::ARCH;
use std::fs;

use seccompiler::{BpfProgram, TargetArch, apply_filter, compile_from_json};
use serde_json::{Value, json};

use crate::paths::repository;

/// A container's runtime passes over calls that a processor does not have.
const X86_64_ONLY: [&str; 4] = ["access", "arch_prctl", "epoll_wait", "poll"];

/// What happens to a process that makes a call which is not allowed.
#[derive(Clone, Copy, Debug)]
pub enum Refusal {
    /// The call fails with this error number.
    Error(i32),
    /// The process ends, so that no refused call goes unnoticed.
    Kill,
}

/// A profile in the form of the [OCI runtime specification], of which it has a part: calls that are allowed, some with
/// conditions on arguments, and calls that fail with an error of their own.
///
/// [OCI runtime specification]: https://github.com/opencontainers/runtime-spec/blob/main/config-linux.md#seccomp
pub struct Profile(Value);

impl Profile {
    /// Reads `deploy/seccomp.json`. Panics if it is not there or no JSON.
    pub fn read() -> Self {
        let file = fs::read(repository().join("deploy/seccomp.json")).expect("the profile");
        Self(serde_json::from_slice(&file).expect("JSON"))
    }

    /// Allows further calls.
    pub fn allow(&mut self, names: &[&str]) {
        let entry = json!({ "names": names, "action": "SCMP_ACT_ALLOW" });
        self.0["syscalls"].as_array_mut().expect("a list").push(entry);
    }

    /// The names of all calls that are allowed, on conditions or without.
    pub fn allowed(&self) -> Vec<&str> {
        self.entries("SCMP_ACT_ALLOW").flat_map(names).collect()
    }

    /// The names of all calls that programs ask for and go on without.
    pub fn refused(&self) -> Vec<&str> {
        self.entries("SCMP_ACT_ERRNO").flat_map(names).collect()
    }

    /// The names of the calls that are allowed with some arguments only.
    pub fn conditional(&self) -> BTreeSet<&str> {
        let entries = self.entries("SCMP_ACT_ALLOW");
        entries.filter(|entry| conditions(entry).is_some()).flat_map(names).collect()
    }

    /// The number of the error that a call fails with which is not allowed.
    pub fn error(&self) -> i32 {
        let number = self.0["defaultErrnoRet"].as_i64().expect("a number");
        number.try_into().expect("an error")
    }

    fn entries(&self, action: &str) -> impl Iterator<Item = &Value> {
        let entries = self.0["syscalls"].as_array().expect("a list").iter();
        entries.filter(move |entry| entry["action"] == action)
    }

    /// Puts this process and all that it starts under the filter, for ever. Panics if the kernel does not take it.
    pub fn apply(&self, refusal: Refusal) {
        assert_eq!(self.0["defaultAction"], "SCMP_ACT_ERRNO");
        let without = self.entries("SCMP_ACT_ALLOW").filter(|entry| conditions(entry).is_none());
        let free: BTreeSet<_> = without.flat_map(names).collect();
        let conditional = self.conditional();
        let both: Vec<_> = free.intersection(&conditional).collect();
        // seccompiler heeds the conditions, a container's runtime does not.
        assert!(both.is_empty(), "allowed without conditions as well: {both:?}");
        let otherwise = match refusal {
            Refusal::Error(number) => json!({ "errno": number }),
            Refusal::Kill => json!("kill_process"),
        };
        let mut rules = Vec::new();
        // Of two filters the stricter one counts: each error is in one of its own, which allows everything else.
        for entry in self.entries("SCMP_ACT_ERRNO") {
            apply(&json!({
                "mismatch_action": "allow",
                "match_action": { "errno": entry["errnoRet"] },
                "filter": rules_of(entry),
            }));
            rules.extend(rules_of(entry));
        }
        rules.extend(self.entries("SCMP_ACT_ALLOW").flat_map(rules_of));
        apply(&json!({
            "mismatch_action": otherwise,
            "match_action": "allow",
            "filter": rules,
        }));
    }
}

fn names(entry: &Value) -> impl Iterator<Item = &str> {
    let names = entry["names"].as_array().expect("a list").iter();
    names.map(|name| name.as_str().expect("a name"))
}

/// The rules of an entry, as seccompiler writes them.
fn rules_of(entry: &Value) -> Vec<Value> {
    let is_known = |name: &&str| ARCH == "x86_64" || !X86_64_ONLY.contains(name);
    let rules = names(entry).filter(is_known).map(|name| match conditions(entry) {
        None => json!({ "syscall": name }),
        Some(conditions) => json!({ "syscall": name, "args": conditions }),
    });
    rules.collect()
}

/// The conditions of an entry, as seccompiler writes them.
fn conditions(entry: &Value) -> Option<Vec<Value>> {
    let arguments = entry.get("args")?.as_array()?;
    let conditions = arguments.iter().map(|argument| {
        // For SCMP_CMP_MASKED_EQ `value` is the mask, and `valueTwo` what it leaves of the argument.
        let (operation, value) = match argument["op"].as_str().expect("an operation") {
            "SCMP_CMP_EQ" => (json!("eq"), &argument["value"]),
            "SCMP_CMP_MASKED_EQ" => {
                (json!({ "masked_eq": argument["value"] }), &argument["valueTwo"])
            }
            other => panic!("{other} is not used here"),
        };
        json!({ "index": argument["index"], "type": "qword", "op": operation, "val": value })
    });
    Some(conditions.collect())
}

fn apply(filter: &Value) {
    let text = serde_json::to_vec(&json!({ "filter": filter })).expect("JSON");
    let target: TargetArch = ARCH.try_into().expect("a processor that is known");
    let mut programs: BTreeMap<_, BpfProgram> =
        compile_from_json(&text[..], target).expect("a filter").into_iter().collect();
    apply_filter(&programs.remove("filter").expect("a program")).expect("the kernel takes it");
}
