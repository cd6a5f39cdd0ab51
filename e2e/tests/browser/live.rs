//! What others change shows by itself.

use e2e::Server;
use serde_json::json;

use crate::browser::Browser;

/// The page follows the server when this many clients read events.
fn wait_for_readers(server: &Server, count: usize) {
    let line = format!("\nevent_readers {count}\n");
    let mut client = server.connect();
    while !String::from_utf8(client.get("/metrics").body).unwrap().contains(&line) {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn two_browsers_see_each_others_changes() {
    let server = Server::builder().set("SEED_TODOS", false).start();
    let (one, two) = (Browser::open(&server), Browser::open(&server));
    wait_for_readers(&server, 2);
    one.add("from one");
    two.wait_for_titles(&["from one"]);
    two.add("from two");
    one.wait_for_titles(&["from two", "from one"]);
    one.click("li:last-child input");
    two.wait_for("document.querySelector('li:last-child input').checked");
    two.wait_for("document.querySelectorAll('#filter b')[2].textContent === '1'");
    two.click("li:first-child .delete");
    one.wait_for_titles(&["from one"]);
    one.assert_clean(&[]);
    two.assert_clean(&[]);
}

#[test]
fn what_is_being_edited_is_left_alone() {
    let server = Server::start();
    let browser = Browser::open(&server);
    wait_for_readers(&server, 1);
    browser.click("li:last-child .edit");
    browser.replace(".editor input", "half a title");
    let mut client = server.connect();
    client.request("DELETE", "/api/todos/2", &[], b"");
    client.request("PATCH", "/api/todos/1", &[], br#"{"title":"elsewhere"}"#);
    client.post("/api/todos", json!({ "title": "new" }).to_string());
    browser.wait_for_titles(&["new"]);
    assert_eq!(browser.text("document.querySelector('.editor input').value"), "half a title");
    // Also when it is not there any more.
    client.request("DELETE", "/api/todos/1", &[], b"");
    client.post("/api/todos", json!({ "title": "newer" }).to_string());
    browser.wait_for_titles(&["newer", "new"]);
    browser.wait_for("document.activeElement === document.querySelector('.editor input')");
    assert_eq!(browser.text("document.activeElement.value"), "half a title");
    browser.assert_clean(&[]);
}

#[test]
fn a_page_follows_a_server_that_was_away() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::builder().data(folder.path()).start();
    let port = server.address().port();
    let browser = Browser::open(&server);
    wait_for_readers(&server, 1);
    server.kill();
    browser.wait_for("!document.querySelector('#offline').hidden");
    let server = Server::builder().data(folder.path()).set("PORT", port).start();
    wait_for_readers(&server, 1);
    server.connect().post("/api/todos", json!({ "title": "new" }).to_string());
    browser.wait_for_titles(&["new", "Docker 최적화", "Go 학습하기"]);
}
