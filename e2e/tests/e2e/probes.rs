//! What the probes of Kubernetes and load balancers are told.

use std::fs;
use std::os::unix::fs::symlink;
use std::thread;
use std::time::Duration;

use e2e::Server;
use tempfile::TempDir;

#[test]
fn probes_are_answered_like_everything_else() {
    let server = Server::start();
    let mut client = server.connect();
    for target in ["/livez", "/readyz", "/livez/"] {
        let answer = client.get(target);
        assert_eq!((answer.status, answer.json()["status"].as_str()), (200, Some("ok")));
        let head = client.request("HEAD", target, &[], b"");
        assert_eq!((head.status, head.header("content-length")), (200, Some("15")));
        let post = client.post(target, "");
        assert_eq!((post.status, post.header("allow")), (405, Some("GET, HEAD, OPTIONS")));
    }
}

#[test]
fn a_server_that_cannot_read_its_lock_is_alive_and_not_ready_until_it_can_again() {
    let folder = TempDir::new().unwrap();
    let server = Server::builder().data(folder.path()).start();
    let mut client = server.connect();
    assert_eq!(client.get("/readyz").status, 200);
    // In one step each, as a lock that is gone would mean that the file is another server's.
    let [lock, kept, loop_] =
        ["todos.redb.lease.1", "kept", "loop"].map(|name| folder.path().join(name));
    fs::hard_link(&lock, &kept).unwrap();
    symlink("todos.redb.lease.1", &loop_).unwrap();
    fs::rename(&loop_, &lock).unwrap();
    // A server that was reading the lock just now may be told the former state once.
    let mut answer = client.get("/readyz");
    for _ in 0..100 {
        if answer.status != 200 {
            break;
        }
        thread::sleep(Duration::from_millis(5));
        answer = client.get("/readyz");
    }
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    assert_eq!(answer.error(), "the store does not work at the moment");
    assert_eq!(client.request("HEAD", "/readyz", &[], b"").status, 503);
    assert_eq!(client.post("/api/todos", r#"{"title":"x"}"#).status, 500);
    assert_eq!(client.get("/livez").status, 200);
    assert_eq!(client.get("/health").status, 200);

    fs::rename(&kept, &lock).unwrap();
    assert_eq!(client.get("/readyz").status, 200);
    assert_eq!(client.post("/api/todos", r#"{"title":"x"}"#).status, 201);
}
