//! Everything without a mouse.

use e2e::Server;
use thirtyfour::Key;

use crate::browser::Browser;

/// What has the focus: its accessible name.
const FOCUSED: &str =
    "(document.activeElement.ariaLabel ?? document.activeElement.labels?.[0]?.textContent)";

#[test]
fn a_list_is_kept_by_keyboard_alone() {
    let server = Server::builder().set("SEED_TODOS", false).start();
    let browser = Browser::open(&server);
    let tab = || Key::Tab + "";
    browser.press(tab());
    for title in ["one", "two", "three"] {
        browser.press(title);
        browser.press(Key::Enter + "");
        browser.wait_for(&format!("document.querySelector('li label')?.textContent === '{title}'"));
        // Ready for the next one.
        browser.wait_for(&format!("{FOCUSED} === 'Title' && !document.activeElement.value"));
    }

    // Description, button, filter, search, and into the list.
    for _ in 0..5 {
        browser.press(tab());
    }
    browser.wait_for(&format!("{FOCUSED} === 'three'"));
    browser.press(Key::Space + "");
    browser.wait_for("document.querySelectorAll('#filter b')[2].textContent === '1'");
    browser.press(Key::Down + "");
    browser.wait_for(&format!("{FOCUSED} === 'two'"));
    browser.press(Key::F2 + "");
    browser.wait_for("document.activeElement.name === 'title'");
    browser.press(Key::End + " edited");
    browser.press(Key::Enter + "");
    browser.wait_for_titles(&["three", "two edited", "one"]);
    browser.wait_for(&format!("{FOCUSED} === 'Edit: two edited'"));

    // The focus goes on to the next todo, or the last one, or where a new one is typed.
    for (pressed, next) in
        [(Key::Delete, "Delete: one"), (Key::Delete, "Delete: three"), (Key::Delete, "Title")]
    {
        browser.press(pressed + "");
        browser.wait_for(&format!("{FOCUSED} === '{next}'"));
    }
    browser.wait_for_titles(&[]);
    assert_eq!(server.connect().get("/api/todos").json()["total"], 0);
    browser.assert_clean(&[]);
}

#[test]
fn escape_leaves_an_edit_and_asks_before_input_is_lost() {
    let server = Server::start();
    let browser = Browser::open(&server);
    browser.run("document.querySelector('li input').focus()");
    browser.press(Key::F2 + "");
    browser.wait_for("document.activeElement.name === 'title'");
    browser.press(Key::Escape + "");
    browser.wait_for(&format!("{FOCUSED} === 'Edit: Docker 최적화'"));

    browser.press(Key::Enter + "");
    browser.wait_for("document.activeElement.name === 'title'");
    browser.press("!");
    browser.press(Key::Escape + "");
    browser.wait_for("document.querySelector('#confirm').open");
    browser.press(Key::Escape + "");
    browser.wait_for("document.activeElement.value === 'Docker 최적화!'");
    browser.press(Key::Control + Key::Enter);
    browser.wait_for_titles(&["Docker 최적화!", "Go 학습하기"]);
}

#[test]
fn what_has_the_focus_can_be_seen() {
    let server = Server::start();
    let browser = Browser::open(&server);
    let mut last = String::new();
    while last != "SUMMARY" {
        browser.press(Key::Tab + "");
        let outline = browser.text(
            "(() => { let e = document.activeElement; if (e.name === 'filter') e = e.nextElementSibling; \
             const s = getComputedStyle(e); return `${s.outlineStyle} ${s.outlineWidth}`; })()",
        );
        assert_eq!(outline, "solid 2px", "after {last}: {}", browser.value(FOCUSED));
        last = browser.text("document.activeElement.tagName");
    }
}
