//! A disk that fails at any one call, or from it on: what was acknowledged stays, what was not is not seen, and the store
//! recovers with the disk.

use super::crash_disk::{CrashDisk, FAILURES, Failure};
use super::power_cut::short_script;
use super::script::{Run, Step, run, start, submit};

/// Runs a script on a disk that fails at `call`, and then looks at what is there. Tells whether the start succeeded.
pub(super) fn fail_at(
    old: Option<&[u8]>,
    script: &[Vec<Step>],
    call: usize,
    failure: Failure,
    lasts: bool,
) -> Option<Run> {
    let disk = CrashDisk::new(old.map(<[u8]>::to_vec)).recorded();
    let (handle, restarted) = (disk.handle(), disk.restarted());
    handle.fail(call, if lasts { usize::MAX } else { 1 }, failure);
    let run = run(disk, script);
    handle.repair();
    let Ok(run) = run else {
        // Nothing was answered yet. The disk is well again: so is the next start.
        start(restarted).unwrap();
        return None;
    };
    assert!(lasts || run.failed <= 1, "{} changes failed at one fault", run.failed);
    let image = run.named.clone();
    // A change that failed may be there as long as no later one was acknowledged.
    let last = run.expected.len() - 1;
    let allowed: Vec<_> = (run.last_acknowledged()..=last).collect();
    let store = start(CrashDisk::new(image)).unwrap();
    run.find(&allowed, &store, true).unwrap();
    Some(run)
}

#[test]
fn a_disk_that_fails_at_any_call_loses_and_invents_nothing() {
    let script = short_script();
    let counted = CrashDisk::new(None).recorded();
    let handle = counted.handle();
    run(counted, &script).unwrap();
    let (mut refused, mut failed) = (0, 0);
    for call in 0..handle.calls() {
        let failure = FAILURES[call % FAILURES.len()];
        match fail_at(None, &script, call, failure, call / FAILURES.len() % 2 == 1) {
            None => refused += 1,
            Some(run) => failed += run.failed,
        }
    }
    println!("{} calls, {refused} starts refused, {failed} changes failed", handle.calls());
    assert!(refused > 0 && failed > 0);
}

/// The store recovers while it runs, as soon as the disk does. From which call on it fails makes no difference.
#[test]
fn a_store_whose_disk_is_well_again_goes_on() {
    let script = short_script();
    for (number, failure) in FAILURES.into_iter().enumerate() {
        let disk = CrashDisk::new(None);
        let (handle, restarted) = (disk.handle(), disk.restarted());
        let store = start(disk).unwrap();
        assert!(submit(&store, &[Step::Create(10, None)]));
        handle.fail(handle.calls() + number, usize::MAX, failure);
        for batch in &script {
            assert!(!submit(&store, batch), "{failure:?}");
            assert_eq!(store.todos.borrow().count().total(), 1);
            store.database.borrow_mut().end_pause();
        }
        handle.repair();
        assert!(submit(&store, &[Step::Create(10, None)]), "{failure:?}");
        let before = store.todos.borrow().count();
        drop(store);
        assert_eq!(start(restarted).unwrap().todos.borrow().count(), before);
    }
}
