//! TLS to the database. `make test-tls` runs those that need a module with the feature `tls`.

use e2e::{Postgres, Server};

/// A database that takes the role `todo` only with TLS.
fn database() -> Postgres {
    Postgres::builder().tls().access("hostnossl all todo all reject").start()
}

/// Starts a server whose URL has these parameters, and gives its state and what it told.
fn with(database: &Postgres, host: &str, parameters: &str) -> (u16, Server) {
    let url = database.url().replace("127.0.0.1", host) + parameters;
    let mut builder = Server::builder().set("DATABASE_URL", url).set("ACCESS_LOG", "off");
    // The certificates are read from the folder that the module knows as /data.
    builder = builder.data(Postgres::ca().parent().expect("a folder"));
    let server = builder.start();
    let mut status = 0;
    e2e::wait_until("an answer to whether it is ready", || {
        status = server.connect().get("/readyz").status;
        status == 200 || server.output().contains("cannot be reached")
    });
    (status, server)
}

fn certificates(of: &std::path::Path) -> String {
    format!("/data/{}", of.file_name().expect("a name").to_str().expect("UTF-8"))
}

#[test]
#[ignore = "make test-tls runs it"]
fn a_server_is_trusted_as_far_as_its_certificate_goes() {
    let database = database();
    let (ca, other) = (certificates(&Postgres::ca()), certificates(&Postgres::other_ca()));
    for (host, parameters, expected) in [
        ("127.0.0.1", "?sslmode=require".to_owned(), 200),
        ("127.0.0.1", format!("?sslmode=verify-full&sslrootcert={ca}"), 200),
        ("localhost", format!("?sslmode=verify-full&sslrootcert={ca}"), 200),
        ("127.0.0.2", format!("?sslmode=verify-ca&sslrootcert={ca}"), 503),
        ("localhost", format!("?sslmode=verify-ca&sslrootcert={ca}&channel_binding=require"), 200),
        ("localhost", format!("?sslmode=verify-full&sslrootcert={other}"), 503),
        ("localhost", format!("?sslmode=verify-ca&sslrootcert={other}"), 503),
        ("localhost", format!("?sslmode=require&sslrootcert={other}"), 503),
        ("localhost", "?sslmode=verify-ca&sslrootcert=/data/none".to_owned(), 503),
        ("localhost", "?sslmode=disable".to_owned(), 503),
    ] {
        let (status, server) = with(&database, host, &parameters);
        assert_eq!(status, expected, "{host}{parameters}: {}", server.output());
        if expected == 200 {
            assert_eq!(server.connect().post("/api/todos", r#"{"title":"x"}"#).status, 201);
            assert_eq!(server.connect().get("/api/todos?limit=1").status, 200);
        }
    }
}

#[test]
#[ignore = "make test-tls runs it"]
fn nothing_is_sent_in_the_clear_to_a_server_without_tls() {
    let database = Postgres::start();
    let (status, server) = with(&database, "127.0.0.1", "?sslmode=require");
    assert_eq!(status, 503);
    server.wait_for_log("server does not support TLS", 1);
}

#[test]
fn a_module_without_tls_refuses_what_asks_for_it() {
    let url = "postgres://todo:secret-word@127.0.0.1/todo?sslmode=require";
    let exit = Server::builder().set("DATABASE_URL", url).run();
    assert_eq!(exit.code, Some(78));
    assert!(
        exit.stderr.contains("this program was built without: see docs/database.md"),
        "{}",
        exit.stderr
    );
    assert!(!exit.stderr.contains("secret-word"));
}
