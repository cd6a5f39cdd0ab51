//! Resources against one another: what one of them names, another one has.
//!
//! Schemas know one resource at a time, so they find none of this.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::deployment::Deployment;
use crate::manifests::{all_of, list, name_of, problems_of, text};

/// The port of DNS, which a pod needs for the database's name.
const DNS: &str = "53";

/// The kinds here that are in no namespace.
const OF_THE_CLUSTER: [&str; 2] = ["Namespace", "RuntimeClass"];

/// All contradictions, one sentence each.
pub fn problems(items: &[Value]) -> Vec<String> {
    let deployments: Vec<_> = all_of(items, "Deployment").collect();
    let [deployment] = deployments.as_slice() else {
        return vec![format!("there are {} Deployments, not one", deployments.len())];
    };
    let server = Deployment::new(deployment);
    let claims = all_of(items, "PersistentVolumeClaim").map(name_of).collect();
    let mut found = server.problems(&claims);
    let mut check = |kind: &str, of: fn(&str, &Value, &Deployment<'_>) -> Vec<String>| {
        for item in all_of(items, kind) {
            found.extend(of(&format!("{kind} {}", name_of(item)), &item["spec"], &server));
        }
    };
    check("Service", of_service);
    check("PodDisruptionBudget", of_budget);
    check("HorizontalPodAutoscaler", of_autoscaler);
    check("NetworkPolicy", of_policy);
    if items.iter().any(|item| text(&item["kind"]).is_empty() || name_of(item).is_empty()) {
        found.push("there is a resource without a kind or a name".to_owned());
    }
    let of_namespaces = items.iter().filter(|item| !OF_THE_CLUSTER.contains(&text(&item["kind"])));
    let namespaces: BTreeSet<_> =
        of_namespaces.map(|item| text(&item["metadata"]["namespace"])).collect();
    if namespaces.len() != 1 {
        found.push(format!("not all are in the same namespace: {namespaces:?}"));
    }
    found
}

fn of_service(about: &str, spec: &Value, server: &Deployment<'_>) -> Vec<String> {
    let named: Vec<_> = list(&server.container["ports"]).iter().map(|port| &port["name"]).collect();
    let ports = list(&spec["ports"]);
    let mut targets = ports.iter().map(|port| &port["targetPort"]);
    let leads_there =
        !ports.is_empty() && targets.all(|target| !target.is_null() && named.contains(&target));
    problems_of(
        about,
        [
            ("does not select the pods", !server.is_selected_by(&spec["selector"])),
            ("leads to a port that the container does not name", !leads_there),
        ],
    )
}

fn of_budget(about: &str, spec: &Value, server: &Deployment<'_>) -> Vec<String> {
    let is_for_pods = server.is_selected_by(&spec["selector"]["matchLabels"]);
    problems_of(about, [("is not for the pods", !is_for_pods)])
}

fn of_autoscaler(about: &str, spec: &Value, server: &Deployment<'_>) -> Vec<String> {
    let target = &spec["scaleTargetRef"];
    let is_for_server = target["kind"] == "Deployment" && target["name"] == server.name;
    problems_of(
        about,
        [
            ("is not for the Deployment", !is_for_server),
            ("the Deployment has a number of replicas, too", !server.spec["replicas"].is_null()),
        ],
    )
}

fn of_policy(about: &str, spec: &Value, server: &Deployment<'_>) -> Vec<String> {
    let directions: BTreeSet<_> = list(&spec["policyTypes"]).iter().map(text).collect();
    let listening = list(&server.container["ports"]).iter();
    let listening = listening.map(|port| port["containerPort"].to_string()).collect();
    let mut needed = BTreeSet::from([DNS.to_owned()]);
    needed.extend(server.database.iter().flat_map(|url| url.ports.iter().cloned()));
    problems_of(
        about,
        [
            ("is not for the pods", !server.is_selected_by(&spec["podSelector"]["matchLabels"])),
            ("leaves one direction open", directions != BTreeSet::from(["Egress", "Ingress"])),
            (
                "lets in to other ports than the container's",
                ports_of(&spec["ingress"]) != listening,
            ),
            (
                "lets out to other ports than names and database need",
                ports_of(&spec["egress"]) != needed,
            ),
        ],
    )
}

/// The ports that rules allow, as JSON; "null" stands for all of them.
fn ports_of(rules: &Value) -> BTreeSet<String> {
    let mut ports = BTreeSet::new();
    for rule in list(rules) {
        let allowed = list(&rule["ports"]);
        if allowed.is_empty() {
            ports.insert(Value::Null.to_string());
        }
        ports.extend(allowed.iter().map(|port| port["port"].to_string()));
    }
    ports
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::examples::{DATABASE, FILE, changed};

    /// The problems once a field of the resource of a kind says something else.
    fn with(kind: &str, pointer: &str, value: Value) -> Vec<String> {
        problems(&changed(DATABASE, kind, pointer, value))
    }

    #[test]
    fn a_service_selects_the_pods() {
        for selector in [json!({ "app": "other" }), json!({}), json!(null)] {
            let found = with("Service", "/spec/selector", selector);
            assert_eq!(found, ["Service todo: does not select the pods"]);
        }
    }

    #[test]
    fn a_service_leads_to_a_port_by_its_name() {
        let without = with("Service", "/spec/ports", json!([]));
        assert_eq!(without, ["Service todo: leads to a port that the container does not name"]);
        for port in [json!("https"), json!(8080), json!(null)] {
            let found = with("Service", "/spec/ports/0/targetPort", port);
            assert_eq!(found, ["Service todo: leads to a port that the container does not name"]);
        }
    }

    #[test]
    fn a_budget_is_for_the_pods() {
        for selector in [json!({ "matchLabels": { "app": "other" } }), json!({}), json!(null)] {
            let found = with("PodDisruptionBudget", "/spec/selector", selector);
            assert_eq!(found, ["PodDisruptionBudget todo: is not for the pods"]);
        }
    }

    #[test]
    fn an_autoscaler_is_for_the_deployment() {
        for (field, value) in [("kind", "StatefulSet"), ("name", "other")] {
            let pointer = format!("/spec/scaleTargetRef/{field}");
            let found = with("HorizontalPodAutoscaler", &pointer, json!(value));
            assert_eq!(found, ["HorizontalPodAutoscaler todo: is not for the Deployment"]);
        }
    }

    #[test]
    fn only_an_autoscaler_says_how_many_replicas_there_are() {
        let found = with("Deployment", "/spec/replicas", json!(3));
        let problem = "HorizontalPodAutoscaler todo: the Deployment has a number of replicas, too";
        assert_eq!(found, [problem]);
    }

    #[test]
    fn a_policy_is_for_the_pods_and_both_directions() {
        for labels in [json!({ "app": "other" }), json!({})] {
            let found = with("NetworkPolicy", "/spec/podSelector/matchLabels", labels);
            assert_eq!(found, ["NetworkPolicy todo: is not for the pods"]);
        }
        for directions in [json!(["Egress"]), json!(["Ingress"]), json!(null)] {
            let found = with("NetworkPolicy", "/spec/policyTypes", directions);
            assert_eq!(found, ["NetworkPolicy todo: leaves one direction open"]);
        }
    }

    #[test]
    fn a_policy_lets_in_to_the_containers_ports_only() {
        let ports = |ports| json!([{ "ports": ports }]);
        let rules = [json!([]), json!([{}]), ports(json!([])), ports(json!([{ "port": 80 }]))];
        let more = [
            ports(json!([{ "port": 8080 }, { "port": 9090 }])),
            ports(json!([{ "protocol": "TCP" }])),
            // A rule without ports is for all of them.
            json!([{ "ports": [{ "port": 8080 }] }, { "from": [] }]),
        ];
        for rules in rules.into_iter().chain(more) {
            let found = with("NetworkPolicy", "/spec/ingress", rules.clone());
            let problem = "NetworkPolicy todo: lets in to other ports than the container's";
            assert_eq!(found, [problem], "{rules}");
        }
    }

    #[test]
    fn a_policy_lets_out_to_names_and_the_database_only() {
        let problem = ["NetworkPolicy todo: lets out to other ports than names and database need"];
        for rules in [json!([]), json!([{}]), json!([{ "ports": [{ "port": 5432 }] }])] {
            assert_eq!(with("NetworkPolicy", "/spec/egress", rules), problem);
        }
        for port in [json!(5433), json!(null), json!("postgres")] {
            assert_eq!(with("NetworkPolicy", "/spec/egress/1/ports/0/port", port), problem);
        }
        let url = "postgres://todo@db:5433/todo?sslmode=disable";
        let pointer = "/spec/template/spec/containers/0/env/0/value";
        assert_eq!(with("Deployment", pointer, json!(url)), problem);
    }

    #[test]
    fn every_resource_has_a_kind_and_a_name() {
        let problem = ["there is a resource without a kind or a name"];
        assert_eq!(with("Service", "/kind", json!(null)), problem);
        assert_eq!(with("Service", "/metadata/name", json!(null)), problem);
    }

    #[test]
    fn all_are_in_one_namespace() {
        for (namespace, shown) in [(json!("other"), "other"), (json!(null), "")] {
            let found = with("Service", "/metadata/namespace", namespace);
            let both = BTreeSet::from([shown, "todo"]);
            assert_eq!(found, [format!("not all are in the same namespace: {both:?}")]);
        }
        assert_eq!(problems(&changed(FILE, "Service", "/metadata/namespace", json!(""))), [""; 0]);
    }
}
