//! The description of the API at `/openapi.json`. That every answer fits it is for `contract.rs` to show.

use e2e::{Description, Server};
use serde_json::{Value, json};

#[test]
fn the_description_is_served_as_it_is_in_the_repository() {
    let server = Server::start();
    let mut client = server.connect();
    let answer = client.get("/openapi.json");
    assert_eq!(answer.status, 200);
    assert!(answer.body == Description::text().as_bytes());
    let head = client.request("HEAD", "/openapi.json", &[], b"");
    assert_eq!(head.header("content-length"), answer.header("content-length"));
}

#[test]
fn the_description_is_sent_once_to_a_client_that_remembers_it() {
    let server = Server::start();
    let mut client = server.connect();
    let etag = client.get("/openapi.json").header("etag").unwrap().to_owned();
    let mut status = |header: &str| {
        let answer = client.request("GET", "/openapi.json", &[header], b"");
        Description::read().check("GET", "/openapi.json", &[], &answer);
        answer.status
    };
    assert_eq!(status(&format!("If-None-Match: {etag}")), 304);
    assert_eq!(status(&format!("If-None-Match: \"1\", W/{etag}")), 304);
    assert_eq!(status("If-None-Match: \"1\""), 200);
    assert_eq!(status(&format!("If-Match: {etag}")), 200);
    assert_eq!(status("If-Match: \"1\""), 412);
    assert_eq!(status("If-None-Match: 1"), 400);
}

#[test]
fn every_example_fits_its_schema() {
    let description = Description::read();
    let parts = description.parts_with_examples();
    assert!(parts.len() > 30);
    for part in parts {
        let examples = description.examples(part.object);
        assert!(!examples.is_empty(), "{}", part.pointer);
        for example in examples {
            description.assert_fits(&part.object["schema"], example, &part.pointer);
        }
    }
}

/// Where a schema of a body is, and the request that takes such bodies.
const BODIES: [(&str, &str, &str); 3] = [
    ("NewTodo", "POST", "/api/todos"),
    ("Replacement", "PUT", "/api/todos/1"),
    ("Patch", "PATCH", "/api/todos/1"),
];

#[test]
fn the_server_takes_the_bodies_that_fit_the_schemas_and_no_others() {
    let description = Description::read();
    let server = Server::start();
    let mut client = server.connect();
    let texts = [
        "x".to_owned(),
        String::new(),
        " \t\u{3000}".to_owned(),
        " \u{2009}가\u{85} ".to_owned(),
        "\u{feff}".to_owned(),
        "\u{200b}".to_owned(),
        "\u{1c}".to_owned(),
        "\u{b}\u{c}".to_owned(),
        "a\nb".to_owned(),
        "a\0b".to_owned(),
        "\0".to_owned(),
        "🦀".repeat(500),
        "🦀".repeat(501),
        format!(" {}\n", "가".repeat(500)),
        format!(" {}\n", "가".repeat(501)),
        format!("x{}x", " ".repeat(498)),
        format!("x{}x", " ".repeat(499)),
        "가".repeat(10_000),
        "가".repeat(10_001),
    ];
    let others = [Value::Null, json!(1), json!(true), json!(["x"]), json!({})];
    let values: Vec<_> = texts.into_iter().map(Value::from).chain(others).collect();
    let mut bodies = vec![json!({}), json!([]), json!("x"), Value::Null];
    for value in &values {
        for key in ["title", "description", "completed", "more"] {
            bodies.push(json!({ key: value }));
            bodies.push(json!({ "title": "x", key: value }));
        }
    }
    for (schema, method, target) in BODIES {
        let (mut taken, mut refused) = (0, 0);
        let schema = description.at(&format!("/components/schemas/{schema}"));
        let validator = description.validator(schema);
        for body in &bodies {
            let status = client.request(method, target, &[], body.to_string().as_bytes()).status;
            assert!([200, 201, 400].contains(&status), "{method} {body}: {status}");
            assert_eq!(status != 400, validator.is_valid(body), "{method} {body}");
            *(if status == 400 { &mut refused } else { &mut taken }) += 1;
        }
        assert!(taken > 20 && refused > 20, "{method}: {taken} taken, {refused} refused");
    }
}

#[test]
fn the_server_takes_the_conditions_that_fit_the_schema_and_no_others() {
    let description = Description::read();
    let validator = description.validator(description.at("/components/schemas/EntityTags"));
    let server = Server::start();
    let mut client = server.connect();
    for (value, fits) in [
        ("*", true),
        ("\"1\"", true),
        ("W/\"1\"", true),
        ("\"1\", W/\"2\"", true),
        ("\"1\",,\t\"2\",", true),
        (",", true),
        ("", true),
        ("\"a,b c\"", true),
        ("\"\"", true),
        ("1", false),
        ("\"1\" \"2\"", false),
        ("\"1", false),
        ("w/\"1\"", false),
        ("*, \"1\"", false),
        ("**", false),
        ("\"é\"", false),
    ] {
        assert_eq!(validator.is_valid(&value.into()), fits, "{value}");
        for name in ["If-Match", "If-None-Match"] {
            let header = format!("{name}: {value}");
            let status = client.request("GET", "/api/todos/1", &[&header], b"").status;
            assert_eq!(status != 400, fits, "{header}: {status}");
        }
    }
}

#[test]
fn the_server_takes_the_keys_that_fit_the_schema_and_no_others() {
    let description = Description::read();
    let validator = description.validator(description.at("/components/schemas/IdempotencyKey"));
    let server = Server::start();
    let [longest, too_long] = [255, 256].map(|count| "x".repeat(count));
    let escapes = r"\\".repeat(255);
    for (value, fits) in [
        ("k", true),
        ("\"k\"", true),
        (r#""a\"b\\c""#, true),
        (r#""a,b;c""#, true),
        (r"a\b;c-+#.~!", true),
        (&longest, true),
        (&format!("\"{longest}\""), true),
        (&format!("\"{escapes}\""), true),
        ("", false),
        ("\"\"", false),
        ("\"", false),
        ("\"k", false),
        ("k\"", false),
        ("k,k", false),
        ("k k", false),
        ("\"k k\"", false),
        (r#""a\b""#, false),
        (r#""k"; p"#, false),
        ("é", false),
        (&too_long, false),
        (&format!("\"{too_long}\""), false),
    ] {
        assert_eq!(validator.is_valid(&value.into()), fits, "{value}");
        let header = format!("Idempotency-Key: {value}");
        let mut client = server.connect();
        let status = client.request("POST", "/api/todos", &[&header], br#"{"title":"x"}"#).status;
        assert_eq!(status, if fits { 201 } else { 400 }, "{header}");
    }
}

#[test]
fn every_example_of_a_request_is_taken() {
    let description = Description::read();
    let server = Server::start();
    let mut client = server.connect();
    let mut sent = 0;
    for part in description.parts_with_examples() {
        let Some((operation, _)) = part.pointer.split_once("/requestBody/") else { continue };
        let (_, method) = operation.rsplit_once('/').unwrap();
        let known = BODIES.iter().find(|(_, known, _)| known.eq_ignore_ascii_case(method));
        let (_, method, target) = known.unwrap_or_else(|| panic!("{operation} is not known"));
        for example in description.examples(part.object) {
            let answer = client.request(method, target, &[], example.to_string().as_bytes());
            assert!(answer.status < 300, "{method} {target} {example}: {answer:?}");
            description.check(method, target, &[], &answer);
            sent += 1;
        }
    }
    assert!(sent >= 6);
}
