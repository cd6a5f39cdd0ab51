//! Two users of one list.

use e2e::Server;

use crate::browser::Browser;

/// Two windows, both editing the first sample todo; the first one has saved.
fn conflict(server: &Server) -> (Browser, Browser) {
    let windows = (Browser::open(server), Browser::open(server));
    for (window, title) in [(&windows.0, "from one"), (&windows.1, "from two")] {
        window.click("li:last-child .edit");
        window.replace(".editor input", title);
    }
    windows.0.click(".editor .primary");
    windows.0.wait_for_titles(&["Docker 최적화", "from one"]);
    windows.1.click(".editor .primary");
    windows.1.wait_for("document.activeElement.className === 'theirs'");
    let theirs = windows.1.text("document.querySelector('.theirs strong').textContent");
    let mine = windows.1.text("document.querySelector('.editor input').value");
    assert_eq!((theirs.as_str(), mine.as_str()), ("from one", "from two"));
    (windows.0, windows.1)
}

fn title(server: &Server) -> String {
    server.connect().get("/api/todos/1").json()["todo"]["title"].as_str().unwrap().to_owned()
}

#[test]
fn who_saves_second_sees_both_versions_and_can_keep_their_own() {
    let server = Server::start();
    let (_first, second) = conflict(&server);
    assert_eq!(title(&server), "from one");
    second.picture("page-conflict");
    second.click(".keep");
    second.wait_for_titles(&["Docker 최적화", "from two"]);
    assert_eq!(title(&server), "from two");
    second.assert_clean(&["412 (Precondition Failed)"]);
}

#[test]
fn who_saves_second_can_take_the_other_version() {
    let server = Server::start();
    let (_first, second) = conflict(&server);
    second.click(".take");
    second.wait_for_titles(&["Docker 최적화", "from one"]);
    assert_eq!(title(&server), "from one");
}

#[test]
fn a_third_version_is_noticed_while_the_second_is_looked_at() {
    let server = Server::start();
    let (_first, second) = conflict(&server);
    server.connect().request("PATCH", "/api/todos/1", &[], br#"{"title":"from three"}"#);
    second.click(".keep");
    second.wait_for("document.querySelector('.theirs strong').textContent === 'from three'");
    assert_eq!(title(&server), "from three");
    second.click(".keep");
    second.wait_for_titles(&["Docker 최적화", "from two"]);
}

#[test]
fn what_was_deleted_elsewhere_while_it_is_edited_can_be_added_again() {
    let server = Server::start();
    let browser = Browser::open(&server);
    browser.click("li:last-child .edit");
    browser.replace(".editor input", "still here");
    assert_eq!(server.connect().request("DELETE", "/api/todos/1", &[], b"").status, 204);
    browser.click(".editor .primary");
    browser.click(".editor .again");
    browser.wait_for_titles(&["still here", "Docker 최적화"]);
    assert_eq!(server.connect().get("/api/todos/3").json()["todo"]["title"], "still here");
    browser.assert_clean(&["404 (Not Found)"]);
}

#[test]
fn nobody_deletes_a_version_that_they_have_not_seen() {
    // Without events: with them it would have been seen.
    let server = Server::builder().set("MAX_EVENT_READERS", 0).start();
    let browser = Browser::open(&server);
    server.connect().request("PATCH", "/api/todos/1", &[], br#"{"title":"new"}"#);
    browser.click("li:last-child .delete");
    browser.wait_for_titles(&["Docker 최적화", "new"]);
    let notice = browser.text("document.querySelector('#notice p').textContent");
    assert!(notice.contains("not deleted"), "{notice}");
    browser.click("li:last-child .delete");
    browser.wait_for_titles(&["Docker 최적화"]);
}
