//! The page as pictures show it.

use e2e::Server;
use serde_json::json;

use crate::browser::{Browser, Wishes};

/// A list such as somebody has.
fn with_data() -> Server {
    let server = Server::builder().set("SEED_TODOS", false).start();
    let mut client = server.connect();
    for (title, description) in [
        ("Read the chapter on lifetimes", ""),
        ("Book the train to Busan", "Window seat, before 9 o'clock"),
        ("Docker 이미지 최적화", "scratch 이미지와 wasm 모듈 하나로"),
        ("Water the plants", ""),
        (
            "Write the release notes",
            "What changed, what breaks, how to move on.\nLink to the benchmarks.",
        ),
        ("Buy oat milk", "two bottles"),
    ] {
        let body = json!({ "title": title, "description": description }).to_string();
        assert_eq!(client.post("/api/todos", body).status, 201);
    }
    for id in [1, 4] {
        client.request("PATCH", &format!("/api/todos/{id}"), &[], br#"{"completed":true}"#);
    }
    server
}

#[test]
fn the_page_fits_every_screen() {
    let server = with_data();
    let long = json!({ "title": "w".repeat(500), "description": "가".repeat(300) }).to_string();
    for (scheme, phone, picture) in [
        ("light", None, "page-light"),
        ("dark", Some((360, 740)), "page-dark-phone"),
        ("dark", None, "page-dark"),
        ("light", Some((320, 568)), "page-small"),
    ] {
        let browser = Browser::open_with(&server, Wishes { scheme, phone, ..Wishes::default() });
        browser.wait_for("document.querySelectorAll('li').length === 6");
        browser.wait_for("document.querySelectorAll('#server span').length === 2");
        browser.picture(picture);
        // Nothing sticks out to the right, however long it is.
        let added = server.connect().post("/api/todos", &long);
        browser.reload();
        browser.wait_for("document.querySelectorAll('li').length === 7");
        browser.click("li:first-child .edit");
        browser.wait_for("document.querySelector('.editor')");
        let widths = browser.value("[document.documentElement.scrollWidth, innerWidth]");
        assert!(widths[0].as_u64() <= widths[1].as_u64(), "{scheme} {phone:?}: {widths}");
        let location = added.header("location").unwrap();
        assert_eq!(server.connect().request("DELETE", location, &[], b"").status, 204);
    }
}

#[test]
fn the_colours_follow_the_users_choice() {
    let server = Server::start();
    let colour = |scheme| {
        let browser = Browser::open_with(&server, Wishes { scheme, ..Wishes::default() });
        browser.text("getComputedStyle(document.body).backgroundColor")
    };
    assert_eq!(
        (colour("light"), colour("dark")),
        ("rgb(245, 244, 240)".into(), "rgb(18, 23, 22)".into())
    );
}
