//! Holds what the server answers against the description that it gives of itself, `src/http/openapi.json`.

use std::fs;

use jsonschema::Validator;
use regex_lite::Regex;
use serde_json::{Map, Value, json};

use crate::client::Response;
use crate::paths::repository;

/// Headers that HTTP itself describes.
const OF_HTTP: [&str; 5] =
    ["connection", "content-length", "content-type", "date", "transfer-encoding"];

/// Schemas of what clients send. They may have further keys; answers may not.
const OF_REQUESTS: [&str; 3] = ["NewTodo", "Patch", "Replacement"];

/// The description of the API.
pub struct Description {
    document: Value,
}

/// One place in the description, with a schema and what it says of it.
pub struct Part<'a> {
    /// Where it is, as a JSON pointer (RFC 6901).
    pub pointer: String,
    /// The object that holds the schema.
    pub object: &'a Map<String, Value>,
}

impl Description {
    /// The description as it is in the repository.
    pub fn read() -> Self {
        let text = Self::text();
        let mut document: Value = serde_json::from_str(&text).expect("the description is JSON");
        for (name, schema) in document["components"]["schemas"].as_object_mut().expect("schemas") {
            if schema.get("properties").is_some() && !OF_REQUESTS.contains(&name.as_str()) {
                schema["additionalProperties"] = false.into();
            }
        }
        Self { document }
    }

    /// The bytes of the description.
    pub fn text() -> String {
        fs::read_to_string(repository().join("src/http/openapi.json")).expect("it is there")
    }

    /// Fails unless the description has this answer to such a request.
    pub fn check(&self, method: &str, target: &str, headers: &[&str], response: &Response) {
        let request = format!("{method} {target}");
        let is_preflight = headers.iter().any(|header| header.starts_with("Origin: "));
        let responses = self.responses(method, target, is_preflight);
        let described = responses.get(&response.status.to_string());
        let described = described.unwrap_or_else(|| panic!("{request}: {response:?}"));
        let described = self.resolve(described);
        self.check_headers(&request, described, response);
        match described.get("content") {
            None => assert_eq!(response.body, b"", "{request}"),
            Some(_) if method == "HEAD" => assert_eq!(response.body, b"", "{request}"),
            Some(content) => self.check_body(&request, content, response),
        }
    }

    fn check_headers(&self, request: &str, described: &Value, response: &Response) {
        let empty = Map::new();
        let headers = described.get("headers").map_or(&empty, |headers| object(headers));
        for (name, header) in headers {
            let header = self.resolve(header);
            let Some(value) = response.header(&name.to_lowercase()) else {
                assert_ne!(header["required"], true, "{request}: {name} is missing");
                continue;
            };
            let schema = &header["schema"];
            let value = match schema["type"].as_str() {
                Some("integer") => serde_json::from_str(value).expect("a number"),
                _ => Value::from(value),
            };
            self.assert_fits(schema, &value, &format!("{request}: {name}"));
        }
        for (name, _) in &response.headers {
            let is_described = headers.keys().any(|known| known.eq_ignore_ascii_case(name));
            assert!(is_described || OF_HTTP.contains(&name.as_str()), "{request}: {name}");
        }
    }

    fn check_body(&self, request: &str, content: &Value, response: &Response) {
        let media_type = response.header("content-type").expect("a type");
        let media_type = media_type.split(';').next().expect("a type");
        let described = &content[media_type];
        assert!(described.is_object(), "{request}: {media_type}");
        let body = match media_type {
            "application/json" => serde_json::from_slice(&response.body).expect("JSON"),
            _ => Value::from(String::from_utf8(response.body.clone()).expect("UTF-8")),
        };
        self.assert_fits(&described["schema"], &body, request);
        if let Some(sentence) = body["error"].as_str() {
            let examples = self.examples(object(described)).into_iter();
            let sentences = examples.filter_map(|example| example["error"].as_str().map(form_of));
            let sentences: Vec<_> = sentences.collect();
            assert!(sentences.contains(&form_of(sentence)), "{request}: {sentence}");
        }
    }

    /// What the description has to say on such a request: answers by status.
    fn responses(&self, method: &str, target: &str, is_preflight: bool) -> Map<String, Value> {
        let reference = |name| json!({ "$ref": format!("#/components/responses/{name}") });
        let refused = |status: &str, name| {
            let bad = ("400".to_owned(), reference("BadRequest"));
            [bad, (status.to_owned(), reference(name))].into_iter().collect()
        };
        match (method, is_preflight) {
            ("OPTIONS", true) => return refused("204", "Preflight"),
            ("OPTIONS", false) => return refused("204", "Methods"),
            _ => {}
        }
        let Some(item) = self.path_item(target) else { return refused("404", "NothingHere") };
        let method = if method == "HEAD" { "get" } else { &method.to_lowercase() };
        match item.get(method) {
            Some(operation) => object(&operation["responses"]).clone(),
            None => refused("405", "WrongMethod"),
        }
    }

    fn path_item(&self, target: &str) -> Option<&Value> {
        let path = target.split('?').next().expect("a path").replace("%68", "h");
        let shorter = path.strip_suffix('/').filter(|shorter| !shorter.is_empty());
        let path = shorter.unwrap_or(&path);
        let paths = &self.document["paths"];
        paths.get(path).or_else(|| {
            let id = path.strip_prefix("/api/todos/")?;
            let is_segment = !id.is_empty() && !id.contains('/');
            is_segment.then(|| &paths["/api/todos/{id}"])
        })
    }

    /// What stands at a JSON pointer.
    pub fn at(&self, pointer: &str) -> &Value {
        self.document.pointer(pointer).unwrap_or_else(|| panic!("nothing is at {pointer}"))
    }

    /// Every part with a schema and examples.
    pub fn parts_with_examples(&self) -> Vec<Part<'_>> {
        let mut found = Vec::new();
        collect_parts(&self.document, String::new(), &mut found);
        found
    }

    /// The examples of a part.
    pub fn examples<'a>(&'a self, part: &'a Map<String, Value>) -> Vec<&'a Value> {
        let several = part.get("examples").map(|examples| object(examples).values());
        let several = several.into_iter().flatten().map(|example| &self.resolve(example)["value"]);
        part.get("example").into_iter().chain(several).collect()
    }

    /// Fails unless `value` fits `schema`.
    pub fn assert_fits(&self, schema: &Value, value: &Value, what: &str) {
        if let Err(error) = self.validator(schema).validate(value) {
            panic!("{what}: {error}");
        }
    }

    /// What tells whether a value fits `schema`.
    pub fn validator(&self, schema: &Value) -> Validator {
        // The references in it begin at the root.
        let schema = json!({ "components": self.document["components"], "allOf": [schema] });
        let options = jsonschema::draft202012::options().should_validate_formats(true);
        options.build(&schema).expect("a schema")
    }

    fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value.get("$ref") {
            Some(reference) => self.at(reference.as_str().expect("text").trim_start_matches('#')),
            None => value,
        }
    }
}

fn object(value: &Value) -> &Map<String, Value> {
    value.as_object().expect("an object")
}

fn collect_parts<'a>(value: &'a Value, pointer: String, found: &mut Vec<Part<'a>>) {
    let Value::Object(object) = value else { return };
    let has_examples = object.contains_key("example") || object.contains_key("examples");
    if object.contains_key("schema") && has_examples {
        found.push(Part { pointer, object });
        return;
    }
    for (key, value) in object {
        let key = key.replace('~', "~0").replace('/', "~1");
        collect_parts(value, format!("{pointer}/{key}"), found);
    }
}

/// A sentence without what varies from one request to the next.
fn form_of(sentence: &str) -> String {
    let sentence = Regex::new(r"\d+").expect("valid").replace_all(sentence, "0");
    let sentence = Regex::new(r#"^".*" is not"#).expect("valid").replace(&sentence, "ID is not");
    Regex::new("^/.* takes only .*").expect("valid").replace(&sentence, "METHODS").into_owned()
}
