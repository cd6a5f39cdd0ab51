//! What one user does with todos.

use e2e::Server;

use crate::browser::Browser;

fn empty() -> Server {
    Server::builder().set("SEED_TODOS", false).start()
}

#[test]
fn a_todo_is_added_with_its_description_and_is_there_after_a_reload() {
    let server = empty();
    let browser = Browser::open(&server);
    assert!(browser.text("document.querySelector('#empty').textContent").contains("first todo"));
    browser.type_into("#add input", "Buy milk");
    browser.type_into("#add textarea", "two bottles");
    browser.click("#add button");
    for _ in 0..2 {
        browser.wait_for_titles(&["Buy milk"]);
        assert_eq!(browser.text("document.querySelector('li p').textContent"), "two bottles");
        browser.reload();
    }
    assert_eq!(browser.text("document.querySelector('#add input').value"), "");
    let todos = server.connect().get("/api/todos").json();
    assert_eq!((&todos["total"], &todos["todos"][0]["title"]), (&1.into(), &"Buy milk".into()));
    browser.assert_clean(&[]);
}

#[test]
fn a_todo_is_edited_in_place() {
    let server = empty();
    let browser = Browser::open(&server);
    browser.add("Buy milk");
    browser.click("li .edit");
    browser.replace(".editor input", "Buy oat milk");
    browser.type_into(".editor textarea", "two\nbottles");
    browser.click(".editor .primary");
    browser.wait_for_titles(&["Buy oat milk"]);
    let todo = server.connect().get("/api/todos/1").json();
    assert_eq!(todo["todo"]["description"], "two\nbottles");
    assert_eq!(todo["todo"]["title"], "Buy oat milk");
    browser.assert_clean(&[]);
}

#[test]
fn a_todo_is_completed_and_made_active_again() {
    let server = empty();
    let browser = Browser::open(&server);
    browser.add("Buy milk");
    for completed in [true, false] {
        browser.click("li input");
        let count = u8::from(completed);
        let shown = "document.querySelectorAll('#filter b')[2].textContent";
        browser.wait_for(&format!("{shown} === '{count}'"));
        assert_eq!(server.connect().get("/api/todos/1").json()["todo"]["completed"], completed);
    }
    browser.assert_clean(&[]);
}

#[test]
fn a_deleted_todo_can_be_added_again_as_a_new_one() {
    let server = empty();
    let browser = Browser::open(&server);
    browser.add("Buy bread");
    browser.type_into("#add textarea", "rye");
    browser.add("Buy milk");
    browser.click("li input");
    browser.wait_for("document.querySelector('li input').checked");
    browser.click("li .delete");
    browser.wait_for_titles(&["Buy bread"]);
    assert_eq!(server.connect().get("/api/todos/2").status, 404);
    let offer = browser.text("document.querySelector('#undo p').textContent");
    assert!(offer.contains("as a new todo") && offer.contains("Buy milk"), "{offer}");
    browser.click("#undo .act");
    browser.wait_for_titles(&["Buy milk", "Buy bread"]);
    browser.wait_for("document.querySelector('#undo').hidden");
    let todo = server.connect().get("/api/todos/3").json();
    assert_eq!(todo["todo"]["description"], "rye");
    assert_eq!(todo["todo"]["completed"], true);
    browser.assert_clean(&[]);
}

#[test]
fn filters_and_search_show_a_part_of_the_list() {
    let server = empty();
    let browser = Browser::open(&server);
    for title in ["Buy milk", "Call mum", "Buy bread"] {
        browser.add(title);
    }
    browser.click("li:nth-child(1) input");
    browser.wait_for("!document.querySelector('#clear').hidden");
    browser.click("#filter label:nth-of-type(2)");
    browser.wait_for_titles(&["Call mum", "Buy milk"]);
    browser.click("#filter label:nth-of-type(3)");
    browser.wait_for_titles(&["Buy bread"]);
    browser.click("#filter label:nth-of-type(1)");
    browser.wait_for_titles(&["Buy bread", "Call mum", "Buy milk"]);
    browser.type_into("#search", "BUY");
    browser.wait_for_titles(&["Buy bread", "Buy milk"]);
    browser.click("#filter label:nth-of-type(2)");
    browser.wait_for_titles(&["Buy milk"]);
    browser.type_into("#search", " nothing");
    browser.wait_for("document.querySelector('#empty').textContent === 'No todo matches.'");
    browser.wait_for("!document.querySelector('#empty').hidden");
    // What is added is shown, whatever hid it.
    browser.add("Sleep");
    browser.wait_for_titles(&["Sleep", "Buy bread", "Call mum", "Buy milk"]);
    browser.assert_clean(&[]);
}

#[test]
fn completed_todos_are_cleared_together_after_a_question() {
    let server = empty();
    let browser = Browser::open(&server);
    for title in ["one", "two", "three"] {
        browser.add(title);
    }
    browser.click("li:nth-child(1) input");
    browser.click("li:nth-child(3) input");
    browser.wait_for("document.querySelectorAll('#filter b')[2].textContent === '2'");
    browser.click("#clear");
    browser.click("#confirm button[value='']");
    browser.wait_for_titles(&["three", "two", "one"]);
    browser.click("#clear");
    browser.click("#confirm button[value=yes]");
    browser.wait_for_titles(&["two"]);
    browser.wait_for("document.querySelector('#clear').hidden");
    assert_eq!(server.connect().get("/api/todos").json()["total"], 1);
    browser.assert_clean(&[]);
}

#[test]
fn what_the_server_refuses_is_told_in_its_words_and_kept() {
    let server = empty();
    let browser = Browser::open(&server);
    let long = "x".repeat(501);
    browser.run(&format!("document.querySelector('#add input').value = '{long}'"));
    browser.click("#add button");
    browser.wait_for("document.querySelector('#add .error').textContent");
    let error = browser.text("document.querySelector('#add .error').textContent");
    assert!(error.ends_with("title must have at most 500 characters"), "{error}");
    assert_eq!(browser.text("document.querySelector('#add input').value"), long);
    browser.assert_clean(&["400 (Bad Request)"]);
}

#[test]
fn of_ten_thousand_todos_a_hundred_are_shown_and_more_on_demand() {
    let server = empty();
    let mut client = server.connect();
    let count = 10_000;
    for first in (0..count).step_by(100) {
        for number in first..first + 100 {
            let body = format!(r#"{{"title":"todo {number}"}}"#);
            client.send_request("POST", "/api/todos", &[], body.as_bytes());
        }
        for _ in 0..100 {
            assert_eq!(client.response().status, 201);
        }
    }
    let browser = Browser::open(&server);
    browser.wait_for("document.querySelectorAll('li').length === 100");
    assert_eq!(browser.text("document.querySelector('#shown').textContent"), "Shown: 100 / 10000");
    browser.click("#more");
    browser.wait_for("document.querySelectorAll('li').length === 200");
    browser.wait_for("document.activeElement === document.querySelectorAll('li input')[100]");
    let titles =
        browser.value("[0, 199].map((i) => document.querySelectorAll('li label')[i].textContent)");
    assert_eq!(titles, serde_json::json!(["todo 9999", "todo 9800"]));
    browser.type_into("#search", "todo 77");
    browser.wait_for("document.querySelector('#shown').textContent === 'Shown: 100 / 111'");
    browser.assert_clean(&[]);
}

#[test]
fn the_corner_tells_how_the_server_is_doing() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::builder().data(folder.path()).start();
    let browser = Browser::open(&server);
    browser.wait_for("document.querySelectorAll('#server span').length === 2");
    let facts = browser.text("document.querySelector('#server').innerText");
    assert!(facts.contains("Saved on disk"), "{facts}");
    assert!(facts.contains("Up "), "{facts}");
}
