//! The restricted level of Kubernetes' [Pod Security Standards], as far as manifests here have its fields.
//!
//! The cluster has the last word, by the labels of the namespace; this finds what was forgotten without one. Not
//! looked at are AppArmor, SELinux, `procMount`, `sysctls`, hosts of probes, ephemeral containers and Windows.
//!
//! [Pod Security Standards]: https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted

use serde_json::Value;

use crate::manifests::{all_of, list, problems_of, text};

/// The kinds of volumes that the level allows.
const VOLUMES: [&str; 8] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

/// What the level forbids in the pods of Deployments, one sentence each.
pub fn problems(items: &[Value]) -> Vec<String> {
    let pods = all_of(items, "Deployment").map(|item| &item["spec"]["template"]["spec"]);
    let found = pods.flat_map(of_pod);
    found.map(|problem| format!("not at the restricted level: {problem}")).collect()
}

fn of_pod(pod: &Value) -> Vec<String> {
    let mut found = problems_of(
        "pod",
        [
            ("hostNetwork is set", is_set(&pod["hostNetwork"])),
            ("hostPID is set", is_set(&pod["hostPID"])),
            ("hostIPC is set", is_set(&pod["hostIPC"])),
            ("there are no containers", list(&pod["containers"]).is_empty()),
        ],
    );
    for volume in list(&pod["volumes"]) {
        let mut kinds = volume.as_object().into_iter().flat_map(|fields| fields.keys());
        if !kinds.all(|kind| kind == "name" || VOLUMES.contains(&kind.as_str())) {
            found.push(format!("volume {} is none of {VOLUMES:?}", text(&volume["name"])));
        }
    }
    for container in list(&pod["containers"]).iter().chain(list(&pod["initContainers"])) {
        found.extend(of_container(container, &pod["securityContext"]));
    }
    found
}

fn of_container(container: &Value, of_pod: &Value) -> Vec<String> {
    let own = &container["securityContext"];
    // What a container says goes before what its pod says.
    let either = |field: &str| if own[field].is_null() { &of_pod[field] } else { &own[field] };
    let seccomp = text(&either("seccompProfile")["type"]);
    let capabilities = &own["capabilities"];
    let adds_more = list(&capabilities["add"]).iter().any(|name| name != "NET_BIND_SERVICE");
    problems_of(
        &format!("container {}", text(&container["name"])),
        [
            ("privileged is set", is_set(&own["privileged"])),
            ("allowPrivilegeEscalation is not false", own["allowPrivilegeEscalation"] != false),
            ("runAsNonRoot is not true", *either("runAsNonRoot") != true),
            ("runAsUser is root", *either("runAsUser") == 0),
            (
                "capabilities do not drop ALL",
                !list(&capabilities["drop"]).iter().any(|name| name == "ALL"),
            ),
            ("capabilities add more than NET_BIND_SERVICE", adds_more),
            (
                "seccompProfile is not RuntimeDefault or Localhost",
                !["RuntimeDefault", "Localhost"].contains(&seccomp),
            ),
            (
                "a hostPort is set",
                list(&container["ports"]).iter().any(|port| is_set(&port["hostPort"])),
            ),
        ],
    )
}

/// Whether a field says anything but no.
fn is_set(field: &Value) -> bool {
    !(field.is_null() || *field == false || *field == 0)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::examples::{DATABASE, changed};

    /// The problems once a field of the pod says something else, without what all of them begin with.
    fn with(pointer: &str, value: Value) -> Vec<String> {
        let pointer = format!("/spec/template/spec{pointer}");
        let found = problems(&changed(DATABASE, "Deployment", &pointer, value));
        let short = |problem: &String| {
            problem.strip_prefix("not at the restricted level: ").unwrap().to_owned()
        };
        found.iter().map(short).collect()
    }

    #[test]
    fn a_pod_does_not_share_what_is_the_hosts() {
        for name in ["hostNetwork", "hostPID", "hostIPC"] {
            assert_eq!(with(&format!("/{name}"), json!(true)), [format!("pod: {name} is set")]);
            assert_eq!(with(&format!("/{name}"), json!(false)), [""; 0]);
        }
        let host_port = with("/containers/0/ports/0/hostPort", json!(80));
        assert_eq!(host_port, ["container todo: a hostPort is set"]);
        assert_eq!(with("/containers/0/ports/0/hostPort", json!(0)), [""; 0]);
    }

    #[test]
    fn a_pod_has_containers() {
        assert_eq!(with("/containers", json!([])), ["pod: there are no containers"]);
    }

    #[test]
    fn volumes_are_of_some_kinds() {
        let found = with("/volumes/0", json!({ "name": "host", "hostPath": { "path": "/" } }));
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("volume host is none of"), "{found:?}");
        assert_eq!(with("/volumes/0", json!({ "name": "scratch", "emptyDir": {} })), [""; 0]);
    }

    #[test]
    fn a_container_has_few_privileges() {
        for (field, value, problem) in [
            ("privileged", json!(true), "privileged is set"),
            ("allowPrivilegeEscalation", json!(true), "allowPrivilegeEscalation is not false"),
            ("allowPrivilegeEscalation", json!(null), "allowPrivilegeEscalation is not false"),
            ("runAsNonRoot", json!(false), "runAsNonRoot is not true"),
            ("runAsUser", json!(0), "runAsUser is root"),
            ("capabilities/drop", json!(["CHOWN"]), "capabilities do not drop ALL"),
            ("capabilities/drop", json!(null), "capabilities do not drop ALL"),
            (
                "capabilities/add",
                json!(["NET_BIND_SERVICE", "SYS_ADMIN"]),
                "capabilities add more than NET_BIND_SERVICE",
            ),
            (
                "seccompProfile",
                json!({ "type": "Unconfined" }),
                "seccompProfile is not RuntimeDefault or Localhost",
            ),
        ] {
            let found = with(&format!("/containers/0/securityContext/{field}"), value);
            assert_eq!(found, [format!("container todo: {problem}")], "{field}");
        }
    }

    #[test]
    fn a_container_has_what_its_pod_says() {
        for (field, value, problem) in [
            ("runAsNonRoot", json!(null), "runAsNonRoot is not true"),
            ("runAsUser", json!(0), "runAsUser is root"),
            ("seccompProfile", json!(null), "seccompProfile is not RuntimeDefault or Localhost"),
        ] {
            let found = with(&format!("/securityContext/{field}"), value);
            assert_eq!(found, [format!("container todo: {problem}")], "{field}");
        }
    }

    #[test]
    fn containers_that_prepare_are_containers_too() {
        let found = with("/initContainers", json!([{ "name": "first" }]));
        assert_eq!(
            found,
            [
                "container first: allowPrivilegeEscalation is not false",
                "container first: capabilities do not drop ALL",
            ]
        );
    }
}
