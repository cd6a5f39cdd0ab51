//! Histories written by hand: what the judge lets pass, and what it does not.

use super::record::{ALL, Answer, Change, Fields, Filter, Listed, Outcome, Record, Request, Todo};
use super::rules::judge;

fn fields(title: &str) -> Fields {
    Fields { title: title.into(), description: "d".into(), completed: false }
}

fn todo(id: u64, title: &str, revision: u64) -> Answer {
    let todo = Todo { fields: fields(title), revision };
    Answer::Todo { id, created_at: format!("at {id}"), todo }
}

fn list(todos: &[(u64, &str)]) -> Answer {
    let listed = |(id, title): &(u64, &str)| {
        let created_at = format!("at {id}");
        Listed { id: *id, created_at, fields: fields(title) }
    };
    Answer::List { todos: todos.iter().map(listed).collect(), total: todos.len() }
}

fn create(title: &str, key: Option<&str>) -> Request {
    let (title, description) = (title.into(), "d".into());
    Request::Create { title, description, key: key.map(Into::into) }
}

fn get(id: u64) -> Request {
    Request::Get { id, unless: None }
}

fn rename(id: u64, title: &str, only: Option<u64>) -> Request {
    Request::Update { id, change: Change { title: Some(title.into()), ..Change::default() }, only }
}

fn delete(id: u64) -> Request {
    Request::Delete { id, only: None }
}

fn page(completed: Option<bool>, limit: usize) -> Request {
    Request::List { filter: Filter { completed, text: None }, limit: Some(limit) }
}

fn search(text: &str) -> Request {
    Request::List { filter: Filter { completed: None, text: Some(text.into()) }, limit: None }
}

type Step = (u64, u64, Request, Option<Answer>);

/// Steps that follow one another.
fn in_turn<const N: usize>(steps: [(Request, Answer); N]) -> Vec<Step> {
    let times = (1..).step_by(2);
    times
        .zip(steps)
        .map(|(time, (request, answer))| (time, time + 1, request, Some(answer)))
        .collect()
}

fn judged(steps: Vec<Step>) -> Result<(), String> {
    let records = steps.into_iter().map(|(invoked, ended, request, answer)| Record {
        invoked,
        ended,
        request,
        outcome: answer.map_or(Outcome::Unknown, Outcome::Answered),
        epoch: None,
    });
    judge(&records.collect::<Vec<_>>())
}

#[track_caller]
fn assert_refused(steps: Vec<Step>, reason: &str) {
    let error = judged(steps).expect_err(reason);
    assert!(error.contains(reason), "{error}");
}

const NO_ORDER: &str = "there is no order";

#[test]
fn the_life_of_a_todo_passes() {
    let steps = in_turn([
        (create("a", None), todo(1, "a", 1)),
        (get(1), todo(1, "a", 1)),
        (Request::Get { id: 1, unless: Some(1) }, Answer::NotModified),
        (rename(1, "b", Some(1)), todo(1, "b", 2)),
        (rename(1, "b", None), todo(1, "b", 2)),
        (rename(1, "c", Some(1)), Answer::ConditionFailed),
        (ALL, list(&[(1, "b")])),
        (create("d", None), todo(2, "d", 1)),
        (delete(1), Answer::Deleted),
        (delete(1), Answer::NotFound),
        (get(1), Answer::NotFound),
        (ALL, list(&[(2, "d")])),
        (page(Some(true), 2), list(&[])),
        (get(9), Answer::NotFound),
    ]);
    assert_eq!(judged(steps), Ok(()));
    assert_eq!(judged(vec![]), Ok(()));
}

#[test]
fn what_overlaps_may_be_seen_in_either_state() {
    for title in ["a", "b"] {
        let revision = if title == "a" { 1 } else { 2 };
        let steps = vec![
            (1, 2, create("a", None), Some(todo(1, "a", 1))),
            (3, 10, rename(1, "b", None), Some(todo(1, "b", 2))),
            (4, 5, get(1), Some(todo(1, title, revision))),
            (6, 7, ALL, Some(list(&[(1, "b")]))),
        ];
        assert_eq!(judged(steps), Ok(()));
    }
}

#[test]
fn what_was_not_answered_may_have_been_made_or_not() {
    let begin = || vec![(1, 2, create("a", None), None), (3, 4, create("b", None), None)];
    let with = |seen: &[(u64, &str)]| {
        let mut steps = begin();
        steps.push((5, 6, ALL, Some(list(seen))));
        steps
    };
    for seen in [&[][..], &[(1, "a")], &[(1, "b")], &[(1, "b"), (2, "a")]] {
        assert_eq!(judged(with(seen)), Ok(()), "{seen:?}");
    }
    assert_refused(with(&[(1, "c")]), "nobody asked for todo 1");
    let mut again = with(&[(1, "a")]);
    again.push((7, 8, ALL, Some(list(&[]))));
    assert_refused(again, NO_ORDER);
    let mut changed = with(&[(1, "a")]);
    changed.push((7, 8, rename(1, "x", None), None));
    changed.push((9, 10, get(1), Some(todo(1, "a", 1))));
    changed.push((11, 12, get(1), Some(todo(1, "x", 2))));
    assert_eq!(judged(changed.clone()), Ok(()));
    changed.push((13, 14, get(1), Some(todo(1, "a", 1))));
    assert_refused(changed, NO_ORDER);
}

#[test]
fn a_lost_update_does_not_pass() {
    let swap = |title: &str, only| (rename(1, title, only), todo(1, title, 2));
    let steps =
        in_turn([(create("a", None), todo(1, "a", 1)), swap("b", Some(1)), swap("c", Some(1))]);
    assert_refused(steps, NO_ORDER);
    // Nor if both overlap.
    let steps = vec![
        (1, 2, create("a", None), Some(todo(1, "a", 1))),
        (3, 6, rename(1, "b", Some(1)), Some(todo(1, "b", 2))),
        (4, 5, rename(1, "c", Some(1)), Some(todo(1, "c", 2))),
    ];
    assert_refused(steps, NO_ORDER);
}

#[test]
fn what_was_answered_must_stay() {
    let made = (create("a", None), todo(1, "a", 1));
    assert_refused(in_turn([made.clone(), (ALL, list(&[]))]), NO_ORDER);
    assert_refused(in_turn([made.clone(), (get(1), Answer::NotFound)]), NO_ORDER);
    let stale = [made.clone(), (rename(1, "b", None), todo(1, "b", 2)), (get(1), todo(1, "a", 1))];
    assert_refused(in_turn(stale), NO_ORDER);
    let back = [made.clone(), (delete(1), Answer::Deleted), (ALL, list(&[(1, "a")]))];
    assert_refused(in_turn(back), NO_ORDER);
    let same_revision = [made, (rename(1, "b", None), todo(1, "b", 1))];
    assert_refused(in_turn(same_revision), NO_ORDER);
}

#[test]
fn ids_are_given_out_once_and_rise() {
    let two =
        |id| in_turn([(create("a", None), todo(2, "a", 1)), (create("b", None), todo(id, "b", 1))]);
    assert_eq!(judged(two(3)), Ok(()));
    assert_refused(two(2), "id 2 was given out twice");
    assert_refused(two(1), "id 1 was given out after 2");
    let overlapping = vec![
        (1, 3, create("a", None), Some(todo(2, "a", 1))),
        (2, 4, create("b", None), Some(todo(1, "b", 1))),
    ];
    assert_eq!(judged(overlapping), Ok(()));
    let reused = in_turn([
        (create("a", None), todo(1, "a", 1)),
        (delete(1), Answer::Deleted),
        (create("b", None), todo(1, "b", 1)),
    ]);
    assert_refused(reused, "id 1 was given out twice");
}

#[test]
fn a_key_makes_one_todo() {
    let first = (create("a", Some("k")), todo(1, "a", 1));
    let rename = (rename(1, "b", None), todo(1, "b", 2));
    let steps = |last| in_turn([first.clone(), rename.clone(), (delete(1), Answer::Deleted), last]);
    assert_eq!(judged(steps(first.clone())), Ok(()));
    assert_eq!(judged(steps((create("c", Some("k")), Answer::KeyReused))), Ok(()));
    assert_refused(steps((create("a", Some("k")), todo(2, "a", 1))), "key k");
    assert_refused(steps((create("a", Some("k")), todo(1, "b", 2))), "todo 1");
    assert_refused(steps((create("c", Some("k")), todo(2, "c", 1))), "key k");
    assert_refused(in_turn([(create("a", Some("k")), Answer::KeyReused)]), "key k");
    // The one without an answer may have made it.
    let open = vec![
        (1, 2, create("a", Some("k")), None),
        (3, 4, ALL, Some(list(&[(1, "a")]))),
        (5, 6, create("a", Some("k")), Some(todo(1, "a", 1))),
    ];
    assert_eq!(judged(open), Ok(()));
}

#[test]
fn lists_are_of_what_was_asked_for() {
    let made = [(create("a", None), todo(1, "a", 1)), (create("b", None), todo(2, "b", 1))];
    let with = |request, answer| {
        let [first, second] = made.clone();
        in_turn([first, second, (request, answer)])
    };
    assert_eq!(judged(with(ALL, list(&[(1, "a"), (2, "b")]))), Ok(()));
    let not = "not a list";
    assert_refused(with(ALL, list(&[(2, "b"), (1, "a")])), not);
    assert_refused(with(ALL, list(&[(1, "a"), (1, "a"), (2, "b")])), not);
    assert_refused(with(page(None, 1), list(&[(1, "a"), (2, "b")])), not);
    assert_refused(with(page(Some(true), 2), list(&[(1, "a")])), not);
    assert_eq!(judged(with(search("B"), list(&[(2, "b")]))), Ok(()));
    assert_eq!(judged(with(search("D"), list(&[(1, "a"), (2, "b")]))), Ok(()));
    assert_refused(with(search("b"), list(&[(1, "a")])), not);
    assert_refused(with(search("b"), list(&[])), NO_ORDER);
    // A page may leave out what comes behind it, and nothing else.
    let one_of_two = |id: u64, title: &str| match list(&[(id, title)]) {
        Answer::List { todos, .. } => Answer::List { todos, total: 2 },
        _ => unreachable!(),
    };
    assert_eq!(judged(with(page(None, 1), one_of_two(1, "a"))), Ok(()));
    assert_refused(with(page(None, 1), one_of_two(2, "b")), NO_ORDER);
    assert_refused(with(page(None, 3), list(&[(1, "a")])), NO_ORDER);
}

#[test]
fn a_store_has_one_epoch_and_a_todo_one_time() {
    let mut steps = in_turn([(create("a", None), todo(1, "a", 1)), (get(1), todo(1, "a", 1))]);
    let Some(Answer::Todo { created_at, .. }) = &mut steps[1].3 else { unreachable!() };
    *created_at = "later".into();
    assert_refused(steps, "several times");
    let record = |epoch: &str| Record {
        invoked: 1,
        ended: 2,
        request: get(1),
        outcome: Outcome::Answered(Answer::NotModified),
        epoch: Some(epoch.into()),
    };
    let error = judge(&[record("a"), record("b")]).unwrap_err();
    assert!(error.contains("several stores"), "{error}");
}

#[test]
fn events_tell_what_is_there_in_the_order_in_which_it_came() {
    let event = |ended, stream, answer| (1, ended, Request::Event { stream }, Some(answer));
    let with = |events: &[Step]| {
        let mut steps = vec![
            (2, 3, create("a", None), Some(todo(1, "a", 1))),
            (4, 5, rename(1, "b", None), Some(todo(1, "b", 2))),
            (6, 7, delete(1), Some(Answer::Deleted)),
        ];
        steps.extend_from_slice(events);
        steps
    };
    let told = [todo(1, "a", 1), todo(1, "b", 2), Answer::Gone(1)];
    let [first, second, third] = told.clone();
    let all =
        [event(8, 1, first.clone()), event(9, 1, second.clone()), event(10, 1, third.clone())];
    assert_eq!(judged(with(&all)), Ok(()));
    // Some of them as one, and again in another response.
    assert_eq!(judged(with(&all[1..])), Ok(()));
    assert_eq!(judged(with(&[&all[..], &[event(11, 2, first.clone())]].concat())), Ok(()));
    let order = "an event after one";
    assert_refused(with(&[event(8, 1, second.clone()), event(9, 1, first.clone())]), order);
    assert_refused(with(&[event(8, 1, second.clone()), event(9, 1, second.clone())]), order);
    assert_refused(with(&[event(8, 1, third), event(9, 1, second.clone())]), order);
    // What was not, what was not yet, and what nobody asked for.
    assert_refused(with(&[event(8, 1, todo(1, "b", 1))]), NO_ORDER);
    let early = vec![
        (2, 5, create("a", None), Some(todo(1, "a", 1))),
        event(3, 1, first),
        event(4, 1, second),
        (6, 7, rename(1, "b", None), Some(todo(1, "b", 2))),
    ];
    assert_refused(early.clone(), NO_ORDER);
    assert_eq!(judged([&early[..2], &early[3..]].concat()), Ok(()));
    assert_refused(with(&[event(8, 1, todo(2, "c", 1))]), "nobody asked for todo 2");
    let early =
        vec![(2, 3, create("a", None), Some(todo(1, "a", 1))), event(4, 1, Answer::Gone(1))];
    assert_refused(early, NO_ORDER);
}
