//! The API's description in OpenAPI 3.1: `openapi.json` beside this file. It is written by hand and held to the code: to
//! the routes and limits by the tests below, to the answers of the real server by those in `e2e`.

use hyper::StatusCode;
use hyper::header::{ETAG, HeaderValue};

use super::App;
use super::etag::unless_matched;
use super::handlers::Call;
use super::response::{Answer, json_response};

/// The description.
const DOCUMENT: &str = include_str!("openapi.json");

/// Distinguishes this description from those of other releases.
const DOCUMENT_ETAG: &str = concat!("\"", env!("TODO_OPENAPI_HASH"), "\"");

/// `GET /openapi.json`
pub fn document(_: &App, call: &Call<'_>) -> Answer {
    let mut response = unless_matched(call.headers(), DOCUMENT_ETAG, || {
        json_response(StatusCode::OK, DOCUMENT.as_bytes())
    })?;
    response.headers_mut().insert(ETAG, HeaderValue::from_static(DOCUMENT_ETAG));
    Ok(response)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    use super::super::MAX_TARGET_BYTES;
    use super::super::query::MAX_LIMIT;
    use super::super::route::ROUTES;
    use super::*;
    use todo_model::{Description, Title};

    /// What stands at a JSON pointer (RFC 6901) in the description.
    fn at(pointer: &str) -> Value {
        let document: Value = serde_json::from_str(DOCUMENT).unwrap();
        document.pointer(pointer).unwrap_or_else(|| panic!("nothing is at {pointer}")).clone()
    }

    #[test]
    fn it_has_every_operation_of_every_route_and_no_others() {
        let routes = ROUTES
            .iter()
            .map(|route| (route.pattern.to_owned(), route.method.as_str().to_lowercase()));
        let (mut described, mut ids) = (BTreeSet::new(), BTreeSet::new());
        for (path, item) in at("/paths").as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                if method != "parameters" {
                    described.insert((path.clone(), method.clone()));
                    ids.insert(operation["operationId"].as_str().unwrap().to_owned());
                }
            }
        }
        assert_eq!(described, routes.collect());
        assert_eq!(ids.len(), ROUTES.len());
    }

    #[test]
    fn its_version_is_that_of_the_program() {
        assert_eq!(at("/info/version"), env!("CARGO_PKG_VERSION"));
    }

    #[test]
    fn its_limits_are_those_of_the_code() {
        let limit = at("/paths/~1api~1todos/get/parameters/3");
        assert_eq!(limit["name"], "limit");
        assert_eq!(limit["schema"]["maximum"], MAX_LIMIT);
        let todo = at("/components/schemas/Todo/properties");
        assert_eq!(todo["title"]["maxLength"], Title::MAX_CHARS);
        assert_eq!(todo["description"]["maxLength"], Description::MAX_CHARS);
        let description = at("/components/schemas/NewDescription");
        assert_eq!(description["maxLength"], Description::MAX_CHARS);
        // All but the first and the last of the characters.
        let inner = format!("{{0,{}}}", Title::MAX_CHARS - 2);
        assert!(at("/components/schemas/NewTitle/pattern").as_str().unwrap().contains(&inner));
        let target = at("/components/responses/TargetTooLong/description");
        assert!(target.as_str().unwrap().contains(&format!(" {MAX_TARGET_BYTES} bytes")));
    }

    #[test]
    fn every_part_of_it_is_used() {
        for (kind, parts) in at("/components").as_object().unwrap() {
            for name in parts.as_object().unwrap().keys() {
                // These are for requests that no description of an operation can have.
                if ["NothingHere", "WrongMethod", "Methods", "Preflight"].contains(&name.as_str()) {
                    continue;
                }
                let reference = match kind.as_str() {
                    // Named, not referred to.
                    "securitySchemes" => format!("{{ \"{name}\": [] }}"),
                    _ => json!(format!("#/components/{kind}/{name}")).to_string(),
                };
                assert!(DOCUMENT.contains(&reference), "{reference}");
            }
        }
    }
}
