//! What the Deployment says about itself: volumes, mounts, selectors, and the database it names.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::database_url::DatabaseUrl;
use crate::manifests::{list, name_of, problems_of, text};

/// All that a mode may have that is for a secret: owner and group read it.
const READABLE: u64 = 0o440;

/// The mode of a secret's files where none is said.
const DEFAULT_MODE: u64 = 0o644;

/// The Deployment of the server. Its first container is the server.
pub struct Deployment<'a> {
    /// The name of the Deployment.
    pub name: &'a str,
    /// What the Deployment is to be like.
    pub spec: &'a Value,
    /// The labels of its pods.
    pub labels: &'a Value,
    /// The container of the server.
    pub container: &'a Value,
    /// Where todos are, if the manifest says it.
    pub database: Option<DatabaseUrl>,
    pod: &'a Value,
}

impl<'a> Deployment<'a> {
    /// Takes a manifest apart.
    pub fn new(item: &'a Value) -> Self {
        let spec = &item["spec"];
        let pod = &spec["template"]["spec"];
        let container = &pod["containers"][0];
        let mut settings = settings(container);
        let url = settings.find(|(name, url)| *name == "DATABASE_URL" && !url.is_empty());
        Self {
            name: name_of(item),
            spec,
            labels: &spec["template"]["metadata"]["labels"],
            container,
            database: url.map(|(_, url)| DatabaseUrl::parse(url)),
            pod,
        }
    }

    /// Whether labels that are to be there say something, and all of it is in the pods' labels.
    pub fn is_selected_by(&self, wanted: &Value) -> bool {
        wanted.as_object().is_some_and(|wanted| {
            let mut labels = wanted.iter();
            !wanted.is_empty() && labels.all(|(name, value)| self.labels.get(name) == Some(value))
        })
    }

    /// Where the Deployment contradicts itself or the names of the claims, one sentence each.
    pub fn problems(&self, claims: &BTreeSet<&str>) -> Vec<String> {
        let mut found = self.of_volumes(claims);
        for constraint in list(&self.pod["topologySpreadConstraints"]) {
            if !self.is_selected_by(&constraint["labelSelector"]["matchLabels"]) {
                let key = text(&constraint["topologyKey"]);
                found.push(format!("pods are spread by {key}, but not these"));
            }
        }
        if !self.is_selected_by(&self.spec["selector"]["matchLabels"]) {
            found.push("its selector is not for its own pods".to_owned());
        }
        found.extend(self.of_files());
        let about = format!("Deployment {}", self.name);
        let mut found: Vec<_> = found.iter().map(|problem| format!("{about}: {problem}")).collect();
        let Some(url) = &self.database else {
            found.push(format!("{about}: DATABASE_URL has no value"));
            return found;
        };
        let is_alone = self.spec["strategy"]["type"] == "Recreate";
        found.extend(problems_of(
            &about,
            [
                ("DATABASE_URL has the password in it", url.has_password),
                (
                    "DATABASE_URL does not say whether there is TLS",
                    url.is_postgres() && url.values("sslmode").next().is_none(),
                ),
                (
                    "a file has one server at a time (Recreate), a database any number (RollingUpdate)",
                    url.is_file() != is_alone,
                ),
                (
                    "a claim is there without a file of todos, or the other way about",
                    url.is_file() == claims.is_empty(),
                ),
            ],
        ));
        found
    }

    fn mounts(&self) -> impl Iterator<Item = &'a Value> {
        list(&self.pod["containers"]).iter().flat_map(|container| list(&container["volumeMounts"]))
    }

    fn of_volumes(&self, claims: &BTreeSet<&str>) -> Vec<String> {
        let volumes = list(&self.pod["volumes"]);
        let there: BTreeSet<_> = volumes.iter().map(|volume| text(&volume["name"])).collect();
        let mounted: BTreeSet<_> = self.mounts().map(|mount| text(&mount["name"])).collect();
        let mut found = Vec::new();
        if there != mounted {
            found.push(format!("the volumes {there:?} are there, {mounted:?} are mounted"));
        }
        for volume in volumes {
            let name = text(&volume["name"]);
            let claim = text(&volume["persistentVolumeClaim"]["claimName"]);
            if !claim.is_empty() && !claims.contains(claim) {
                found.push(format!("volume {name}: there is no claim {claim}"));
            }
            if let Some(secret) = volume.get("secret") {
                found.extend(self.of_secret(name, secret));
            }
        }
        found
    }

    fn of_secret(&self, name: &str, secret: &Value) -> Vec<String> {
        let mode = match &secret["defaultMode"] {
            Value::Null => DEFAULT_MODE,
            mode => mode.as_u64().unwrap_or(u64::MAX),
        };
        let has_group = !self.pod["securityContext"]["fsGroup"].is_null();
        let mut mounts = self.mounts().filter(|mount| mount["name"] == name);
        problems_of(
            &format!("volume {name}"),
            [
                (
                    "a secret is for owner and group to read, with a fsGroup",
                    mode & !READABLE != 0 || !has_group,
                ),
                (
                    "a secret is mounted to be written to",
                    !mounts.all(|mount| mount["readOnly"] == true),
                ),
            ],
        )
    }

    /// Files that the server is told to read, and that no volume has.
    fn of_files(&self) -> impl Iterator<Item = String> {
        let settings = settings(self.container).filter(|(name, _)| name.ends_with("_FILE"));
        let certificates = self.database.iter().flat_map(|url| url.values("sslrootcert"));
        let files = settings.chain(certificates.map(|file| ("sslrootcert", file)));
        let is_below = |file: &str, folder: &Value| {
            let folder = folder.as_str().map(|folder| folder.trim_end_matches('/'));
            let rest = folder.and_then(|folder| file.strip_prefix(folder));
            rest.is_some_and(|rest| rest.starts_with('/'))
        };
        let missing = files.filter(move |(_, file)| {
            !self.mounts().any(|mount| is_below(file, &mount["mountPath"]))
        });
        missing.map(|(name, file)| format!("{name}: {file:?} is on no volume"))
    }
}

/// The variables of a container. Those without a value in the manifest are empty.
fn settings(container: &Value) -> impl Iterator<Item = (&str, &str)> {
    let variables = list(&container["env"]).iter();
    variables.map(|variable| (text(&variable["name"]), text(&variable["value"])))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::examples::{DATABASE, FILE, changed};
    use crate::references::problems;

    const POD: &str = "/spec/template/spec";
    const URL: &str = "/spec/template/spec/containers/0/env/0/value";

    /// The problems once a field of the Deployment says something else, without what all of them begin with.
    fn with(example: &str, pointer: &str, value: serde_json::Value) -> Vec<String> {
        let found = problems(&changed(example, "Deployment", pointer, value));
        let short =
            |problem: &String| problem.strip_prefix("Deployment todo: ").unwrap().to_owned();
        found.iter().map(short).collect()
    }

    #[test]
    fn what_is_mounted_is_there_and_the_other_way_about() {
        let found = with(FILE, &format!("{POD}/containers/0/volumeMounts/0/name"), json!("other"));
        assert_eq!(found, [r#"the volumes {"data"} are there, {"other"} are mounted"#]);
        let found = with(FILE, &format!("{POD}/containers/0/volumeMounts"), json!([]));
        assert_eq!(found, [r#"the volumes {"data"} are there, {} are mounted"#]);
    }

    #[test]
    fn a_claim_is_there() {
        let pointer = format!("{POD}/volumes/0/persistentVolumeClaim/claimName");
        assert_eq!(with(FILE, &pointer, json!("data")), ["volume data: there is no claim data"]);
    }

    #[test]
    fn a_secret_is_read_by_owner_and_group() {
        let problem = ["volume database: a secret is for owner and group to read, with a fsGroup"];
        for mode in [json!(0o444), json!(0o640), json!(0o450), json!(null), json!("0440")] {
            let pointer = format!("{POD}/volumes/0/secret/defaultMode");
            assert_eq!(with(DATABASE, &pointer, mode.clone()), problem, "{mode}");
        }
        let found = with(DATABASE, &format!("{POD}/securityContext/fsGroup"), json!(null));
        assert_eq!(found, problem);
    }

    #[test]
    fn a_secret_is_not_written_to() {
        for value in [json!(false), json!(null)] {
            let pointer = format!("{POD}/containers/0/volumeMounts/0/readOnly");
            let found = with(DATABASE, &pointer, value);
            assert_eq!(found, ["volume database: a secret is mounted to be written to"]);
        }
    }

    #[test]
    fn pods_are_spread_by_their_own_labels() {
        let problem = ["pods are spread by kubernetes.io/hostname, but not these"];
        let pointer = format!("{POD}/topologySpreadConstraints/0/labelSelector");
        assert_eq!(with(DATABASE, &pointer, json!(null)), problem);
        let other = json!({ "app": "todo", "tier": "other" });
        assert_eq!(with(DATABASE, &format!("{pointer}/matchLabels"), other), problem);
    }

    #[test]
    fn a_deployment_selects_its_own_pods() {
        for selector in [json!({}), json!({ "app": "other" }), json!({ "more": "todo" })] {
            let found = with(DATABASE, "/spec/selector/matchLabels", selector);
            assert_eq!(found, ["its selector is not for its own pods"]);
        }
    }

    #[test]
    fn files_that_are_named_are_on_a_volume() {
        let pointer = format!("{POD}/containers/0/env/1/value");
        for file in ["/etc/password", "/etc/todos/password", "/etc/todo", ""] {
            let found = with(DATABASE, &pointer, json!(file));
            assert_eq!(found, [format!("DATABASE_PASSWORD_FILE: {file:?} is on no volume")]);
        }
        let url = "postgres://todo@db/todo?sslmode=verify-full&sslrootcert=%2Fetc%2Fca";
        assert_eq!(with(DATABASE, URL, json!(url)), [r#"sslrootcert: "/etc/ca" is on no volume"#]);
    }

    #[test]
    fn a_mount_has_what_is_below_its_path() {
        let pointer = format!("{POD}/containers/0/volumeMounts/0/mountPath");
        for path in ["/etc/todo/", "/etc", "/"] {
            assert_eq!(with(DATABASE, &pointer, json!(path)), [""; 0]);
        }
        assert_eq!(with(DATABASE, &pointer, json!(null)).len(), 2, "password and certificate");
    }

    #[test]
    fn the_database_is_named() {
        assert_eq!(with(FILE, URL, json!(null)), ["DATABASE_URL has no value"]);
    }

    #[test]
    fn the_password_is_not_in_the_manifest() {
        let found = with(DATABASE, URL, json!("postgres://todo:secret@db/todo?sslmode=disable"));
        assert_eq!(found, ["DATABASE_URL has the password in it"]);
    }

    #[test]
    fn it_is_said_whether_there_is_tls() {
        for url in ["postgres://todo@db/todo", "postgres://todo@db/todo?sslmode="] {
            let found = with(DATABASE, URL, json!(url));
            assert_eq!(found, ["DATABASE_URL does not say whether there is TLS"]);
        }
    }

    #[test]
    fn a_file_has_one_server_at_a_time() {
        let problem =
            ["a file has one server at a time (Recreate), a database any number (RollingUpdate)"];
        for kind in [json!("RollingUpdate"), json!(null)] {
            assert_eq!(with(FILE, "/spec/strategy/type", kind), problem);
        }
        assert_eq!(with(DATABASE, "/spec/strategy/type", json!("Recreate")), problem);
    }

    #[test]
    fn a_claim_is_there_for_a_file() {
        let problem = ["a claim is there without a file of todos, or the other way about"];
        let mut without = changed(FILE, "PersistentVolumeClaim", "/kind", json!("Other"));
        let volume = without.iter_mut().find(|item| item["kind"] == "Deployment").unwrap();
        volume["spec"]["template"]["spec"]["volumes"][0] = json!({ "name": "data" });
        assert_eq!(problems(&without), problem.map(|text| format!("Deployment todo: {text}")));
        let with_claim = changed(DATABASE, "RuntimeClass", "/kind", json!("PersistentVolumeClaim"));
        let found = problems(&with_claim);
        assert_eq!(found[0], format!("Deployment todo: {}", problem[0]));
    }
}
