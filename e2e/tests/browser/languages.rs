//! The page in the user's language.

use e2e::Server;

use crate::browser::{Browser, Wishes};

#[test]
fn a_korean_user_reads_korean() {
    let server = Server::start();
    let wishes = Wishes { languages: "ko-KR,ko,en", ..Wishes::default() };
    let browser = Browser::open_with(&server, wishes);
    assert_eq!(browser.text("document.documentElement.lang"), "ko");
    assert_eq!(browser.text("document.title"), "할 일");
    assert_eq!(browser.text("document.querySelector('#add button').textContent"), "추가");
    browser.add("우유 사기");
    browser.click("li:first-child .delete");
    browser.wait_for("document.querySelector('#undo p').textContent.includes('우유 사기')");
    browser.picture("page-korean");
    // Nothing is left in English, but for names of keys.
    let words = browser.text(
        "[...document.querySelectorAll('body > :not(script)')].map((e) => e.innerText).join(' ')",
    );
    let keys = ["Docker", "Go", "PM", "AM"];
    let english: Vec<_> = words
        .split(|letter: char| !letter.is_ascii_alphabetic())
        .filter(|word| word.len() > 1 && !keys.contains(word))
        .collect();
    assert_eq!(english, [""; 0]);
    browser.assert_clean(&[]);
}

#[test]
fn the_first_language_that_is_known_counts() {
    let server = Server::start();
    for (languages, lang) in [("de-DE,ko,en", "ko"), ("fr,en,ko", "en"), ("de,fr", "en")] {
        let browser = Browser::open_with(&server, Wishes { languages, ..Wishes::default() });
        assert_eq!(browser.text("document.documentElement.lang"), lang, "{languages}");
    }
}
