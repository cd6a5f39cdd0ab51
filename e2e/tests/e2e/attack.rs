//! An attack on the API by schemathesis, which makes its requests up from the API's own description: some that fit it, some
//! that do not, and sequences in which one follows from the other.
//!
//! `make api` runs it for a minute or two with a fixed seed. `make fuzz-api` goes on for as long as it is told, with another
//! seed each time.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use e2e::{Server, repository};
use serde_json::Value;
use tempfile::TempDir;

const SEED: &str = "1";

/// How many requests are made up for each operation, and how many sequences.
const EXAMPLES: &str = "100";

/// All that schemathesis looks at.
const CHECKS: [&str; 14] = [
    "allow_header_conformance",
    "content_type_conformance",
    "ensure_resource_availability",
    "ignored_auth",
    "missing_required_header",
    "negative_data_rejection",
    "not_a_server_error",
    "object_level_authorization",
    "positive_data_acceptance",
    "response_headers_conformance",
    "response_schema_conformance",
    "status_code_conformance",
    "unsupported_method",
    "use_after_free",
];

fn schemathesis() -> PathBuf {
    let tool = Command::new(repository().join("scripts/tool.sh"))
        .arg("validators")
        .stderr(Stdio::inherit())
        .output()
        .expect("scripts/tool.sh starts");
    assert!(tool.status.success(), "scripts/tool.sh fails");
    let folder = String::from_utf8(tool.stdout).unwrap();
    PathBuf::from(folder.trim()).join("schemathesis")
}

/// Attacks `server` and fails if there is any finding.
fn attack(server: &Server) {
    let folder = TempDir::new().unwrap();
    let report = folder.path().join("report.ndjson");
    let mut command = Command::new(schemathesis());
    command.arg("--config-file").arg(repository().join("e2e/schemathesis.toml"));
    command.arg("run").arg(format!("http://{}/openapi.json", server.address()));
    command.args(["--no-color", "--request-timeout", "60"]);
    // Its response does not end: e2e/events.rs has tests of its own.
    command.args(["--exclude-path", "/api/todos/events"]);
    command.arg("--report-ndjson-path").arg(&report);
    match env::var("FUZZ_SECONDS") {
        Ok(seconds) => command.args(["--max-time", &seconds]),
        Err(_) => command.args(["--seed", SEED, "--max-examples", EXAMPLES]),
    };
    let status = command.current_dir(folder.path()).status().expect("schemathesis starts");
    assert!(status.success(), "schemathesis has findings");

    let mut counts = BTreeMap::<String, usize>::new();
    let mut cases = 0;
    for event in fs::read_to_string(report).unwrap().lines() {
        let event: Value = serde_json::from_str(event).unwrap();
        let Some(checked) = event["ScenarioFinished"]["recorder"]["checks"].as_object() else {
            continue;
        };
        cases += checked.len();
        for check in checked.values().flat_map(|checks| checks.as_array().unwrap()) {
            assert_eq!(check["status"], "success", "{check}");
            *counts.entry(check["name"].as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
    // A check that never ran finds nothing either.
    assert_eq!(counts.keys().collect::<Vec<_>>(), CHECKS.iter().collect::<Vec<_>>());
    println!("schemathesis: {cases} cases, {} checks, no finding", counts.values().sum::<usize>());
    server.assert_serves();
}

fn total(server: &Server) -> Value {
    server.connect().get("/api/todos?limit=1").json()["total"].clone()
}

#[test]
#[ignore = "takes a minute and needs Python: `make api` runs it"]
fn an_attack_on_todos_in_memory_finds_nothing() {
    attack(&Server::builder().set("ACCESS_LOG", "off").start());
}

#[test]
#[ignore = "takes a minute and needs Python: `make api` runs it"]
fn an_attack_on_todos_in_a_file_finds_nothing_and_the_file_stays_intact() {
    let folder = TempDir::new().unwrap();
    let server = Server::builder().data(folder.path()).set("ACCESS_LOG", "off").start();
    attack(&server);
    let before = total(&server);
    server.kill();
    assert_eq!(total(&Server::builder().data(folder.path()).start()), before);
}
