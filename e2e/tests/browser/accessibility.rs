//! What axe-core finds, in both colour schemes.

use std::env;
use std::fs;

use e2e::Server;
use serde_json::json;

use crate::browser::{Browser, Wishes};

/// Fails with the violations that axe-core finds in the page as it is.
fn assert_accessible(browser: &Browser, state: &str) {
    let path = env::var("AXE").expect("AXE is the path of axe-core's script");
    let axe = fs::read_to_string(path).expect("axe-core's script is there");
    // As a global of the page; the policy does not hold for what the driver runs.
    browser.run(&format!("{axe};\nwindow.axe = window.axe ?? axe; window.found = null;"));
    browser.run("axe.run(document).then((found) => { window.found = found; }, (e) => { window.found = { error: String(e) }; })");
    browser.wait_for("window.found");
    assert_eq!(browser.value("found.error ?? null"), json!(null), "{state}");
    assert!(browser.value("found.passes.length").as_u64().unwrap() > 10, "{state}: it has looked");
    let violations = browser.value(
        "found.violations.map((rule) => `${rule.id}: ${rule.nodes.map((n) => n.html + ' ' + n.failureSummary).join('; ')}`)",
    );
    assert_eq!(violations, json!([]), "{state}");
}

#[test]
fn axe_finds_nothing_in_any_state_of_the_page() {
    for scheme in ["light", "dark"] {
        let server = Server::start();
        let browser = Browser::open_with(&server, Wishes { scheme, ..Wishes::default() });
        browser.click("summary");
        assert_accessible(&browser, scheme);

        // A conflict, a message, and an offer to undo.
        browser.click("li:last-child .edit");
        browser.type_into(".editor input", "!");
        server.connect().request("PATCH", "/api/todos/1", &[], br#"{"description":"theirs"}"#);
        browser.click(".editor .primary");
        browser.wait_for("document.querySelector('.theirs')?.checkVisibility()");
        browser.click("li:first-child .delete");
        browser.wait_for("!document.querySelector('#undo').hidden");
        assert_accessible(&browser, &format!("{scheme}, a conflict"));

        // A question.
        browser.click("#undo .close");
        browser.add("done");
        browser.click("li:first-child input");
        browser.click("#clear");
        browser.wait_for("document.querySelector('#confirm').open");
        assert_accessible(&browser, &format!("{scheme}, a question"));
        browser.click("#confirm [value='']");

        // No server.
        server.kill();
        browser.type_into("#add input", "kept");
        browser.click("#add button");
        browser.wait_for("!document.querySelector('#offline').hidden");
        assert_accessible(&browser, &format!("{scheme}, offline"));
    }
}

#[test]
fn axe_finds_nothing_in_an_empty_list_on_a_phone() {
    let server = Server::builder().set("SEED_TODOS", false).start();
    for scheme in ["light", "dark"] {
        let wishes = Wishes { scheme, phone: Some((360, 740)), ..Wishes::default() };
        let browser = Browser::open_with(&server, wishes);
        assert_accessible(&browser, scheme);
        if scheme == "light" {
            browser.picture("page-empty");
        }
    }
}

#[test]
fn axe_can_find_something() {
    let browser = Browser::open(&Server::start());
    browser.run("document.querySelector('#search').removeAttribute('aria-label'); document.querySelector('#search').placeholder = '';");
    let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        assert_accessible(&browser, "without a label");
    }));
    assert!(found.is_err(), "a search field without a label is a violation");
}

#[test]
fn what_happens_is_told_to_screen_readers() {
    let server = Server::start();
    let browser = Browser::open(&server);
    let told = |text: &str| {
        browser.wait_for(&format!(
            "document.querySelector('[role=status]').textContent.includes('{text}')"
        ));
    };
    browser.add("Buy milk");
    told("Added: Buy milk");
    browser.click("li:first-child input");
    told("Completed: Buy milk");
    browser.click("li:first-child .delete");
    told("Deleted");
    browser.type_into("#search", "zzz");
    told("No todo matches.");
}
