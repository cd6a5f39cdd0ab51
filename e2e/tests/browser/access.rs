//! A server that asks for a token.

use e2e::Server;

use crate::browser::{Browser, Wishes};

const TOKEN: &str = "a-token-of-27-letters-or-so";

#[test]
fn who_is_asked_for_a_token_gives_it_once() {
    let server = Server::builder().set("API_TOKEN", TOKEN).start();
    let browser = Browser::blank(Wishes::default());
    browser.go_to(&server);
    browser.type_into("#access input", "wrong");
    browser.click("#access .primary");
    browser.wait_for("document.querySelector('#access .error').textContent");
    assert_eq!(
        browser.text("document.querySelector('#access .error').textContent"),
        "the token is not the right one"
    );
    browser.type_into("#access input", TOKEN);
    browser.click("#access .primary");
    browser.wait_for_titles(&["Docker 최적화", "Go 학습하기"]);
    browser.add("with a token");
    browser.reload();
    browser.wait_for_titles(&["with a token", "Docker 최적화", "Go 학습하기"]);
    assert_eq!(browser.value("document.querySelector('#access').open"), false);
    assert_eq!(browser.value("localStorage.length"), 0);
}
