//! A server that is away for a while, and input that outlives it.

use e2e::Server;

use crate::browser::Browser;

#[test]
fn what_is_typed_while_the_server_is_away_is_kept_and_sent_later() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::builder().data(folder.path()).start();
    let port = server.address().port();
    let browser = Browser::open(&server);
    browser.click("li:last-child .edit");
    browser.replace(".editor input", "edited while away");
    server.kill();

    browser.type_into("#add input", "added while away");
    browser.click("#add button");
    browser.wait_for("!document.querySelector('#offline').hidden");
    browser.wait_for("document.querySelector('#add .error').textContent");
    browser.click(".editor .primary");
    browser.wait_for("document.querySelector('.editor .error').textContent");
    browser.picture("page-offline");

    let server = Server::builder().data(folder.path()).set("PORT", port).start();
    browser.wait_for("document.querySelector('#offline').hidden");
    let [added, edited] = ["#add", ".editor"]
        .map(|form| browser.text(&format!("document.querySelector('{form} input').value")));
    assert_eq!((added.as_str(), edited.as_str()), ("added while away", "edited while away"));
    browser.click(".editor .primary");
    browser.wait_for_titles(&["Docker 최적화", "edited while away"]);
    browser.click("#add button");
    browser.wait_for_titles(&["added while away", "Docker 최적화", "edited while away"]);
    assert_eq!(server.connect().get("/api/todos").json()["total"], 3);
    browser.assert_clean(&[
        "ERR_CONNECTION_REFUSED",
        "ERR_CONNECTION_RESET",
        "ERR_EMPTY_RESPONSE",
        "ERR_INCOMPLETE_CHUNKED_ENCODING",
    ]);
}

#[test]
fn what_is_typed_outlives_a_reload() {
    let server = Server::start();
    let browser = Browser::open(&server);
    browser.type_into("#add input", "half a title");
    browser.type_into("#add textarea", "half a description");
    browser.click("li:last-child .edit");
    browser.replace(".editor input", "half an edit");
    server.connect().request("PATCH", "/api/todos/1", &[], br#"{"title":"meanwhile"}"#);
    browser.reload();
    let values = browser.value(
        "['#add input', '#add textarea', '.editor input'].map((s) => document.querySelector(s).value)",
    );
    let expected = ["half a title", "half a description", "half an edit"];
    assert_eq!(values, serde_json::json!(expected));
    // It is still an edit of the version from before.
    browser.click(".editor .primary");
    browser.wait_for("document.querySelector('.theirs strong').textContent === 'meanwhile'");
    browser.click(".take");
    browser.wait_for_titles(&["Docker 최적화", "meanwhile"]);
    browser.click("#add button");
    browser.wait_for_titles(&["half a title", "Docker 최적화", "meanwhile"]);
    browser.reload();
    browser.wait_for_titles(&["half a title", "Docker 최적화", "meanwhile"]);
    assert_eq!(browser.text("document.querySelector('#add input').value"), "");
}

#[test]
fn a_change_that_could_not_be_made_is_taken_back() {
    let server = Server::start();
    let browser = Browser::open(&server);
    server.kill();
    browser.click("li:last-child input");
    browser.wait_for("!document.querySelector('#offline').hidden");
    browser.wait_for("!document.querySelector('li:last-child input').checked");
}

#[test]
fn what_was_added_without_an_answer_is_not_added_twice() {
    let server = Server::start();
    let browser = Browser::open(&server);
    browser.type_into("#add input", "once");
    // The request arrives, and its answer does not.
    browser.value(
        "void (window.real = fetch, window.fetch = async (path, options) => {
            const answer = await real(path, options);
            if (options.method === 'POST') throw new Error('lost');
            return answer;
        })",
    );
    browser.click("#add button");
    browser.wait_for("document.querySelector('#add .error').textContent");
    assert_eq!(server.connect().get("/api/todos").json()["total"], 3);
    // The input and its key outlive a reload.
    browser.reload();
    browser.wait_for_titles(&["once", "Docker 최적화", "Go 학습하기"]);
    browser.click("#add button");
    browser.wait_for("!document.querySelector('#add input').value");
    browser.wait_for_titles(&["once", "Docker 최적화", "Go 학습하기"]);
    // Who types it again means another one.
    browser.type_into("#add input", "once");
    browser.click("#add button");
    browser.wait_for_titles(&["once", "once", "Docker 최적화", "Go 학습하기"]);
    assert_eq!(server.connect().get("/api/todos").json()["total"], 4);
}
