//! Todos that attack who reads them.

use e2e::Server;
use serde_json::json;

use crate::browser::{Browser, Wishes};

const ATTACKS: [&str; 8] = [
    "<script>window.hit = 1</script>",
    "<img src=x onerror='window.hit = 1'>",
    "<svg onload=window.hit=1>",
    "\"><iframe srcdoc='<script>parent.hit = 1</script>'>",
    "' onfocus='window.hit = 1' autofocus='",
    "javascript:window.hit=1",
    "${window.hit=1}{{window.hit=1}}",
    "</textarea></label></template><script>window.hit = 1</script>",
];

#[test]
fn what_todos_say_is_text_and_never_markup() {
    let server = Server::builder().set("SEED_TODOS", false).start();
    let mut client = server.connect();
    for attack in ATTACKS {
        let body = json!({ "title": attack, "description": attack }).to_string();
        assert_eq!(client.post("/api/todos", body).status, 201);
    }
    let browser = Browser::open(&server);
    let mut newest_first = ATTACKS;
    newest_first.reverse();
    browser.wait_for_titles(&newest_first);
    let descriptions =
        browser.value("[...document.querySelectorAll('.text p')].map((p) => p.textContent)");
    assert_eq!(descriptions, json!(newest_first));
    // In every place that shows them: the editor, a conflict, messages, the question.
    browser.click("li:first-child .edit");
    browser.type_into(".editor input", "!");
    let body = json!({ "title": ATTACKS[1] }).to_string();
    client.request("PATCH", "/api/todos/8", &[], body.as_bytes());
    browser.click(".editor .primary");
    browser.wait_for("document.querySelector('.theirs strong')?.textContent.includes('<img')");
    browser.click("li:nth-child(2) .delete");
    browser.wait_for("document.querySelector('#undo p').textContent.includes('{{')");
    let found =
        "document.querySelectorAll('main :is(script, img, iframe), main svg:not([viewBox])')";
    assert_eq!(browser.value(&format!("{found}.length")), 0);
    assert_eq!(browser.value("window.hit ?? null"), json!(null));
}

#[test]
fn the_policy_stops_scripts_styles_and_requests_that_are_not_the_pages() {
    let server = Server::start();
    let browser = Browser::open(&server);
    browser.run(
        "window.blocked = [];
         addEventListener('securitypolicyviolation', (event) => blocked.push(event.effectiveDirective));
         const add = (name, properties) => document.body.append(Object.assign(document.createElement(name), properties));
         add('style', { textContent: 'body { color: red }' });
         add('img', { src: 'http://127.0.0.1:9/x.png' });
         add('iframe', { src: '/' });
         fetch('http://127.0.0.1:9/').catch(() => {});
         for (const unsafe of [() => { document.body.innerHTML = '<p>'; }, () => document.write('x')]) {
           try { unsafe(); blocked.push('nothing'); } catch { blocked.push('thrown'); }
         }
         try { document.body.setAttribute('onclick', 'window.hit = 1'); } catch { /* just as well */ }
         document.body.click();",
    );
    for directive in
        ["style-src-elem", "img-src", "frame-src", "connect-src", "require-trusted-types-for"]
    {
        browser.wait_for(&format!("blocked.includes('{directive}')"));
    }
    assert_eq!(browser.value("window.hit ?? null"), json!(null));
    assert_eq!(browser.value("blocked.filter((what) => what === 'nothing').length"), 0);
}

#[test]
fn nothing_is_asked_of_anyone_but_the_server() {
    let server = Server::start();
    let browser = Browser::blank(Wishes::default());
    browser.go_to(&server);
    browser.wait_for_titles(&["Docker 최적화", "Go 학습하기"]);
    browser.assert_clean(&[]);
    let page = "performance.getEntriesByType('navigation')[0]";
    let sizes = browser.value(&format!("[{page}.decodedBodySize, {page}.encodedBodySize]"));
    let [decoded, encoded] = [0, 1].map(|index| sizes[index].as_u64().unwrap());
    assert!(decoded < 32_000 && encoded * 2 < decoded, "{sizes}: the browser got it as gzip");
    // The browser kept it, and asks whether it is still the same.
    browser.reload();
    server.wait_for_log(" 304 ", 1);
}
