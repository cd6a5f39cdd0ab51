//! A server that asks for a token.

use e2e::Server;
use serde_json::json;

use crate::browser::{Browser, Wishes};

/// Stands between the page and the server: without the token `secret` the API answers 401.
const GUARD: &str = "
    const answer = window.fetch;
    window.fetch = async (path, options) => {
      const sent = new Headers(options?.headers).get('Authorization');
      if (!path.startsWith('/api/') || sent === 'Bearer secret') return answer(path, options);
      return new Response('{\"error\":\"a valid token is required\"}', { status: 401 });
    };";

#[test]
fn who_is_asked_for_a_token_gives_it_once() {
    let server = Server::start();
    let browser = Browser::blank(Wishes::default());
    browser.devtools("Page.addScriptToEvaluateOnNewDocument", json!({ "source": GUARD }));
    browser.go_to(&server);
    browser.type_into("#access input", "wrong");
    browser.click("#access .primary");
    browser.wait_for("document.querySelector('#access .error').textContent");
    assert_eq!(
        browser.text("document.querySelector('#access .error').textContent"),
        "a valid token is required"
    );
    browser.type_into("#access input", "secret");
    browser.click("#access .primary");
    browser.wait_for_titles(&["Docker 최적화", "Go 학습하기"]);
    browser.add("with a token");
    browser.reload();
    browser.wait_for_titles(&["with a token", "Docker 최적화", "Go 학습하기"]);
    assert_eq!(browser.value("document.querySelector('#access').open"), false);
    assert_eq!(browser.value("localStorage.length"), 0);
}
