//! A file does not grow as long as there are no more todos in it.

use super::crash_disk::CrashDisk;
use super::power_cut::Random;
use super::script::{Step, start, submit};

#[test]
fn a_file_stays_as_large_as_its_todos_ask_for() {
    const TODOS: usize = 40;
    let disk = CrashDisk::new(None);
    let (handle, restarted) = (disk.handle(), disk.restarted());
    let store = start(disk).unwrap();
    let mut random = Random(1);
    let mut length = || [10, 300, 5_000, 10_000][random.below(4)];
    let all: Vec<_> = (0..TODOS).map(|_| Step::Create(length(), None)).collect();
    assert!(submit(&store, &all));
    let mut largest = [0; 2];
    for round in 0..400 {
        let ids: Vec<_> = store.todos.borrow().iter().map(|todo| todo.id).collect();
        let (updated, deleted) = (ids[round % TODOS], ids[round * 7 % TODOS]);
        let step =
            [Step::Update(updated, length()), Step::Delete(deleted), Step::Create(length(), None)];
        assert!(submit(&store, &step));
        let largest = &mut largest[round / 200];
        *largest = handle.named().unwrap().len().max(*largest);
    }
    assert_eq!(store.todos.borrow().count().total(), TODOS);
    println!("{largest:?} bytes");
    assert!(largest[1] <= largest[0], "{largest:?}");
    drop(store);
    // Nor does it grow from start to start.
    for _ in 0..3 {
        drop(start(restarted.restarted()).unwrap());
        assert!(handle.named().unwrap().len() <= largest[0]);
    }
}
