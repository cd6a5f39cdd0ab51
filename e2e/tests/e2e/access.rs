//! The token, and the origins of web pages.

use e2e::{Client, Response, Server};

const TOKEN: &str = "correct-horse-battery-staple";

fn restricted() -> Server {
    Server::builder().set("API_TOKEN", TOKEN).set("METRICS_ACCESS", "token").start()
}

fn bearer(client: &mut Client, target: &str, token: &str) -> Response {
    client.request("GET", target, &[&format!("Authorization: Bearer {token}")], b"")
}

#[test]
fn a_thousand_wrong_tokens_do_not_open_and_the_right_one_does() {
    let server = restricted();
    let mut client = server.connect();
    let challenge = "Bearer realm=\"todo\", error=\"invalid_token\"";
    for number in 0..1_000 {
        let wrong = match number {
            // Each start of the right one, and each that differs in one place.
            0..28 => TOKEN[..number.max(1)].to_owned(),
            28..56 => {
                let mut token = TOKEN.as_bytes().to_vec();
                token[number - 28] ^= 1;
                String::from_utf8(token).unwrap()
            }
            _ => format!("{TOKEN}{number}"),
        };
        let answer = bearer(&mut client, "/api/todos", &wrong);
        assert_eq!(answer.status, 401, "{wrong}");
        assert_eq!(answer.header("www-authenticate"), Some(challenge));
        assert_eq!(answer.error(), "the token is not the right one");
    }
    let answer = client.get("/api/todos");
    assert_eq!(answer.status, 401);
    assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"todo\""));
    let answer = client.post("/api/todos", r#"{"title":"x"}"#);
    assert_eq!((answer.status, answer.header("connection")), (401, Some("close")));
    let mut client = server.connect();
    assert_eq!(bearer(&mut client, "/api/todos", TOKEN).json()["total"], 2);
    server.wait_for_log(" 401 ", 1_002);
    assert!(!server.output().contains("horse"), "a token is never logged");
}

#[test]
fn probes_and_preflights_need_no_token_and_metrics_do_if_they_are_to() {
    let server = restricted();
    let mut client = server.connect();
    for target in ["/", "/health", "/livez", "/readyz"] {
        assert_eq!(client.get(target).status, 200, "{target}");
    }
    for target in
        ["/metrics", "/metrics/", "/%6detrics", "/api", "/api/nowhere", "/%61pi/todos", "/nowhere"]
    {
        assert_eq!(client.get(target).status, 401, "{target}");
    }
    assert_eq!(bearer(&mut client, "/metrics", TOKEN).status, 200);
    let headers = ["Origin: http://page.test", "Access-Control-Request-Method: PUT"];
    let answer = client.request("OPTIONS", "/api/todos", &headers, b"");
    assert_eq!(answer.status, 204);
    assert_eq!(
        answer.header("access-control-allow-headers"),
        Some(
            "Origin,Content-Length,Content-Type,If-Match,If-None-Match,Idempotency-Key,Authorization,X-Request-Id"
        )
    );
    // A page must be able to read why it was refused.
    let answer = client.request("GET", "/api/todos", &["Origin: http://page.test"], b"");
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (401, Some("*")));

    let open = Server::builder().set("API_TOKEN", TOKEN).start();
    assert_eq!(open.connect().get("/metrics").status, 200);
}

#[test]
fn a_token_that_is_too_short_stops_the_start_and_is_not_shown() {
    let exit = Server::builder().set("API_TOKEN", "hunter2").set("METRICS_ACCESS", "token").run();
    assert_eq!(exit.code, Some(78));
    let expected = "todo: API_TOKEN is not 16 to 512 letters, digits and characters of -._~+/, at least 5 of them different\n";
    assert_eq!(exit.stderr, expected);
}

#[test]
fn only_pages_of_listed_origins_are_let_in() {
    let list = "https://a.test,http://localhost:3000";
    let server = Server::builder().set("CORS_ALLOW_ORIGINS", list).start();
    let mut client = server.connect();
    for (origin, allowed) in [
        ("https://a.test", true),
        ("http://localhost:3000", true),
        ("https://b.test", false),
        ("https://a.test:8443", false),
        ("null", false),
    ] {
        let header = format!("Origin: {origin}");
        let preflight = client.request(
            "OPTIONS",
            "/api/todos",
            &[&header, "Access-Control-Request-Method: PUT"],
            b"",
        );
        let answer = client.request("GET", "/api/todos", &[&header], b"");
        assert_eq!((preflight.status, answer.status), (204, 200), "{origin}");
        for answer in [&preflight, &answer] {
            let expected = allowed.then_some(origin);
            assert_eq!(answer.header("access-control-allow-origin"), expected);
            assert_eq!(answer.header("vary"), Some("Origin"));
        }
        for name in ["methods", "headers"] {
            let name = format!("access-control-allow-{name}");
            assert_eq!(preflight.header(&name).is_some(), allowed, "{origin} {name}");
        }
    }
    assert_eq!(client.get("/api/todos").header("vary"), Some("Origin"));
}

#[test]
fn the_token_may_be_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let with_file = |text: &str| {
        std::fs::write(folder.path().join("token"), text).unwrap();
        Server::builder().data(folder.path()).set("API_TOKEN_FILE", "/data/token")
    };
    let server = with_file(&format!("{TOKEN}\n")).start();
    let bearer = format!("Authorization: Bearer {TOKEN}");
    let status =
        |headers: &[&str]| server.connect().request("GET", "/api/todos", headers, b"").status;
    assert_eq!((status(&[]), status(&[&bearer])), (401, 200));
    assert!(!server.output().contains(TOKEN));
    drop(server);
    let exit = with_file("hunter2").run();
    assert_eq!(exit.code, Some(78));
    assert!(![exit.stdout, exit.stderr].concat().contains("hunter2"));
    let missing = Server::builder().data(folder.path()).set("API_TOKEN_FILE", "/data/none").run();
    assert_eq!(missing.code, Some(78));
}
