//! Manifests for Kubernetes: how they are read, and what all checks use.
//!
//! The checks come after those of the schemas, which know names and types. A field that is not there is null, as for
//! Kubernetes, and a problem wherever it has to be there.

use serde_json::Value;
use serde_saphyr::{Error, from_multiple_with_options};

use crate::{pod_security, references};

/// The resources of a stream of YAML documents. Empty documents are left out.
///
/// A number that begins with 0 is octal, as in YAML 1.1, which Kubernetes reads: modes are written so.
pub fn parse(text: &str) -> Result<Vec<Value>, Error> {
    let options = serde_saphyr::options! { legacy_octal_numbers: true };
    let mut items: Vec<Value> = from_multiple_with_options(text, options)?;
    items.retain(|item| !item.is_null());
    Ok(items)
}

/// All that is wrong with the resources of one deployment, one sentence each.
pub fn problems(items: &[Value]) -> Vec<String> {
    let mut found = pod_security::problems(items);
    found.extend(references::problems(items));
    found
}

/// The resources of a kind.
pub fn all_of<'a>(items: &'a [Value], kind: &str) -> impl Iterator<Item = &'a Value> {
    items.iter().filter(move |item| item["kind"] == kind)
}

/// The elements of a list; none if there is no list.
pub fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// What a field says; nothing if it is not there or not a string.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The name of a resource.
pub fn name_of(item: &Value) -> &str {
    text(&item["metadata"]["name"])
}

/// The sentences that are so, with what they are about.
pub fn problems_of<const N: usize>(about: &str, checks: [(&str, bool); N]) -> Vec<String> {
    let so = checks.into_iter().filter(|(_, is_so)| *is_so);
    so.map(|(sentence, _)| format!("{about}: {sentence}")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::examples::{DATABASE, FILE};

    #[test]
    fn good_manifests_have_no_problems() {
        for example in [DATABASE, FILE] {
            assert_eq!(problems(&parse(example).unwrap()), [""; 0]);
        }
    }

    #[test]
    fn both_kinds_of_problems_are_told() {
        let broken = DATABASE
            .replace("allowPrivilegeEscalation: false", "allowPrivilegeEscalation: true")
            .replace("policyTypes: [Ingress, Egress]", "policyTypes: [Ingress]");
        assert_eq!(
            problems(&parse(&broken).unwrap()),
            [
                "not at the restricted level: container todo: allowPrivilegeEscalation is not false",
                "NetworkPolicy todo: leaves one direction open",
            ]
        );
    }

    #[test]
    fn documents_are_told_apart_and_empty_ones_left_out() {
        let items = parse("---\na: 1\n---\n---\n# nothing\n---\na: 0440\nb: '0440'\n").unwrap();
        assert_eq!(items, [json!({ "a": 1 }), json!({ "a": 0o440, "b": "0440" })]);
    }

    #[test]
    fn what_is_not_yaml_is_an_error() {
        for text in ["a: [", "a: 1\na: 2\n", "a: 1\n---\nb: }\n"] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn nothing_is_not_fine() {
        assert_eq!(problems(&parse("").unwrap()), ["there are 0 Deployments, not one"]);
        let two = format!("{FILE}---\n{FILE}");
        assert_eq!(problems(&parse(&two).unwrap()), ["there are 2 Deployments, not one"]);
    }
}
