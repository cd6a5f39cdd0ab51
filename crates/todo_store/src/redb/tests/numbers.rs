//! Files whose rows are whole, and cannot all be right: a check says of them what a start says.

use clock::Timestamp;

use super::*;
use crate::keys::Made;
use crate::redb::tables::LAST_NUMBER;
use crate::todos::Effect;

/// What a check and a start say of a file after `change`.
fn judged(
    change: impl FnOnce(Header) -> (Vec<Effect>, Header),
) -> (Result<usize, String>, Result<TodoId, String>) {
    let disk = TestDisk::default();
    let (table, todos, header) = open_disk(&disk, OPTIONS).unwrap();
    let (effects, header) = change(header);
    tables::write(&table, &effects, header).unwrap();
    drop((table, todos));
    let table = open::open_table(disk.open().unwrap()).unwrap();
    let checked = tables::count(&table).map_err(|error| error.to_string());
    drop(table);
    (checked, open_disk(&disk, OPTIONS).map(|(_, todos, _)| todos.next_id()))
}

#[test]
fn numbers_at_the_end_of_their_range_are_refused() {
    for (next_id, transactions, is_right) in [
        (LAST_NUMBER, LAST_NUMBER, true),
        (LAST_NUMBER + 1, 1, false),
        (u64::MAX, 1, false),
        (1, LAST_NUMBER + 1, false),
        (1, u64::MAX, false),
    ] {
        let found = judged(|header| (vec![], Header { next_id, transactions, ..header }));
        let reason = "it is damaged: its numbers have come to their end".to_owned();
        let expected =
            if is_right { (Ok(0), Ok(next_id)) } else { (Err(reason.clone()), Err(reason)) };
        assert_eq!(found, expected);
    }
}

#[test]
fn a_todo_that_was_made_under_two_keys_is_refused() {
    let made = Made { fingerprint: 1, id: 1, created_at: Timestamp::now() };
    let effects = ["a", "b"].map(|key| {
        let key = IdempotencyKey::parse(key).unwrap();
        Effect::Key { key, before: None, after: Some(made) }
    });
    let found = judged(|header| (effects.to_vec(), Header { next_id: 2, ..header }));
    let reason = "it is damaged: the key of todo 1 is not valid".to_owned();
    assert_eq!(found, (Err(reason.clone()), Err(reason)));
}
