//! Power cuts: what may be on the disk after each call, and that a start finds all that was acknowledged in it.
//!
//! A disk keeps what was written before an `fsync` that succeeded. Of what was written after it, any part may be there:
//! whole calls in any order, or some of the sectors of one. A name is the new one for sure only after an `fsync` of the
//! folder, or of the file that has it: see [`file_lease`].

use super::crash_disk::{CrashDisk, FAILURES, Op, SECTOR};
use super::faults::fail_at;
use super::script::{Run, Step, run, start, submit};
use super::*;

/// What became of the images.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) opened: usize,
    /// There was none yet.
    pub(super) absent: usize,
    /// The state before what was in progress, and that after it.
    pub(super) before: usize,
    pub(super) after: usize,
}

/// How images are chosen where there are too many.
pub(super) struct Choice {
    pub(super) random: Random,
    /// So many calls without an `fsync` are combined in all ways.
    pub(super) all_ways: usize,
    /// Combinations of more calls than that, per crash.
    pub(super) combinations: usize,
    /// Ways to tear each call that is in progress.
    pub(super) torn: usize,
}

/// SplitMix64.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

/// One file of the disk.
#[derive(Clone, Default)]
struct Durable {
    bytes: Vec<u8>,
    /// What was done to it since, by its place in the log.
    pending: Vec<usize>,
    /// After an `fsync` that failed nothing is certain any more.
    is_in_doubt: bool,
}

/// Opens what may be there after a power cut at every point of a run.
pub(super) fn cut_everywhere(run: &Run, old: Option<&[u8]>, choice: &mut Choice) -> Counts {
    let mut counts = Counts::default();
    let mut files = vec![Durable { bytes: old.unwrap_or_default().to_vec(), ..Durable::default() }];
    let mut names = vec![old.map(|_| 0)];
    let (mut allowed, mut is_started) = (vec![0], false);
    for (index, op) in run.log.iter().enumerate() {
        let number = match *op {
            Op::Write(number, ..) | Op::SetLen(number, _) | Op::Sync(number, _) => number,
            Op::Rename(number) => number,
            _ => 0,
        };
        files.resize(files.len().max(number + 1), Durable::default());
        let file = &mut files[number];
        match *op {
            Op::Write(..) | Op::SetLen(..) => file.pending.push(index),
            Op::Sync(_, true) if !file.is_in_doubt => {
                if let Some(place) = names.iter().position(|name| *name == Some(number)) {
                    names.drain(..place);
                }
                for pending in std::mem::take(&mut file.pending) {
                    apply(&mut file.bytes, &run.log[pending], None);
                }
            }
            Op::Sync(..) => file.is_in_doubt = true,
            Op::Rename(number) => names.push(Some(number)),
            Op::SyncFolder => drop(names.drain(..names.len() - 1)),
            Op::Asked(number) => allowed.push(number),
            Op::Acknowledged(number) => (allowed, is_started) = (vec![number], true),
        }
        for name in &names {
            let Some(name) = *name else {
                assert!(!is_started, "the file has no name after {index}: {op:?}");
                counts.absent += 1;
                continue;
            };
            // What happens to one file does not change another one.
            let concerns_it = match op {
                Op::Write(..) | Op::SetLen(..) => name == number,
                Op::Sync(..) | Op::SyncFolder => false,
                Op::Rename(..) | Op::Asked(_) | Op::Acknowledged(_) => true,
            };
            if concerns_it {
                let file = &files[name];
                for image in images(file, &run.log, choice) {
                    let found = open(image, &allowed, is_started, run, counts.opened);
                    let found = found.unwrap_or_else(|error| panic!("{index}: {op:?}: {error}"));
                    counts.opened += 1;
                    let is_before = found == allowed[0];
                    *(if is_before { &mut counts.before } else { &mut counts.after }) += 1;
                }
            }
        }
    }
    counts
}

/// What may be in a file.
fn images(file: &Durable, log: &[Op], choice: &mut Choice) -> Vec<Vec<u8>> {
    let count = file.pending.len();
    let Some((&last, earlier)) = file.pending.split_last() else { return vec![file.bytes.clone()] };
    let mut masks: Vec<Vec<bool>> = Vec::new();
    if earlier.len() <= choice.all_ways {
        let mask = |bits: usize| (0..earlier.len()).map(|bit| bits >> bit & 1 == 1).collect();
        masks.extend((0..1 << earlier.len()).map(mask));
    } else {
        masks.push(vec![true; count - 1]);
        masks.push(vec![false; count - 1]);
        for _ in 0..choice.combinations {
            // Some lose few calls, some keep few.
            let share = 1 + choice.random.below(15);
            masks.push((1..count).map(|_| choice.random.below(16) < share).collect());
        }
    }
    let mut images = Vec::new();
    for mask in masks {
        let mut image = file.bytes.clone();
        let kept = earlier.iter().zip(mask).filter(|(_, is_kept)| *is_kept);
        kept.for_each(|(&index, _)| apply(&mut image, &log[index], None));
        if let Op::Write(_, _, data) = &log[last] {
            let sectors = data.len().div_ceil(SECTOR);
            for _ in 0..if sectors > 1 { choice.torn } else { 0 } {
                let mut torn = image.clone();
                let mask: Vec<_> = match choice.random.below(3) {
                    0 => (0..choice.random.below(sectors)).map(|_| true).collect(),
                    _ => (0..sectors).map(|_| choice.random.below(2) == 0).collect(),
                };
                apply(&mut torn, &log[last], Some(&mask));
                images.push(torn);
            }
        }
        // Without the last one it is an image of the call before.
        apply(&mut image, &log[last], None);
        images.push(image);
    }
    images
}

/// Does to a file what was done, or to those of the sectors that `sectors` tells.
fn apply(bytes: &mut Vec<u8>, op: &Op, sectors: Option<&[bool]>) {
    match op {
        Op::Write(_, offset, data) => {
            for (index, part) in data.chunks(SECTOR).enumerate() {
                if sectors.is_none_or(|sectors| sectors.get(index) == Some(&true)) {
                    let start = *offset as usize + index * SECTOR;
                    bytes.resize(bytes.len().max(start + part.len()), 0);
                    bytes[start..start + part.len()].copy_from_slice(part);
                }
            }
        }
        Op::SetLen(_, len) => bytes.resize(*len as usize, 0),
        _ => {}
    }
}

/// Starts a store on an image, and tells in which state it is. Now and then goes on with it.
fn open(
    image: Vec<u8>,
    allowed: &[usize],
    was_open: bool,
    run: &Run,
    number: usize,
) -> Result<usize, String> {
    let disk = CrashDisk::new(Some(image));
    let restarted = disk.restarted();
    // What was published can be opened whatever is cut off.
    let store = start(disk)?;
    let found = run.find(allowed, &store, was_open)?;
    if number.is_multiple_of(16) {
        let before = store.todos.borrow().count().total();
        assert!(submit(&store, &[Step::Create(10, None)]));
        drop(store);
        assert_eq!(start(restarted)?.todos.borrow().count().total(), before + 1);
    }
    Ok(found)
}

pub(super) fn short_script() -> Vec<Vec<Step>> {
    vec![
        vec![Step::Create(10, None)],
        vec![Step::Create(20, Some("a")), Step::Create(30, Some("b")), Step::Update(1, 40)],
        vec![Step::Create(9_000, Some("a")), Step::Create(9_000, None), Step::Complete(2)],
        vec![Step::Delete(1), Step::Update(3, 5_000)],
        vec![Step::DeleteCompleted, Step::Create(0, None)],
    ]
}

/// WasmEdge 0.17 is such a system.
#[test]
fn a_name_is_on_the_disk_where_folders_cannot_be_synced() {
    let disk = CrashDisk::new(None).without_synced_folders().recorded();
    let run = run(disk, &[vec![Step::Create(10, None)]]).unwrap();
    let mut choice = Choice { random: Random(1), all_ways: 0, combinations: 0, torn: 0 };
    let counts = cut_everywhere(&run, None, &mut choice);
    assert!(counts.before > 0 && counts.after > 0 && counts.absent > 0);
}

#[test]
fn a_power_cut_loses_nothing_that_was_acknowledged() {
    let run = run(CrashDisk::new(None).recorded(), &short_script()).unwrap();
    assert_eq!((run.acknowledged, run.failed), (5, 0));
    let mut choice = Choice { random: Random(1), all_ways: 2, combinations: 2, torn: 1 };
    let counts = cut_everywhere(&run, None, &mut choice);
    println!("{} calls, {counts:?}", run.log.len());
    assert!(counts.before > 0 && counts.after > 0 && counts.absent > 0);
}

/// A file from before there were keys and epochs becomes one of today in its copy.
#[test]
fn a_power_cut_in_a_start_leaves_the_old_file_or_the_new_one() {
    let old = include_bytes!("../../../../../e2e/fixtures/schema-1.redb");
    let disk = CrashDisk::new(Some(old.to_vec())).recorded();
    let script = [vec![Step::Create(10, Some("a"))]];
    let run = run(disk, &script).unwrap();
    let mut choice = Choice { random: Random(1), all_ways: 2, combinations: 2, torn: 1 };
    let counts = cut_everywhere(&run, Some(old), &mut choice);
    println!("{} calls, {counts:?}", run.log.len());
    assert!(counts.before > 0 && counts.after > 0 && counts.absent == 0);
}

/// `scripts/crash-images.sh` tells for how long.
#[test]
#[ignore = "takes as long as it is told to"]
fn power_cuts_and_faults_at_random() {
    let setting = |name| std::env::var(name).ok().and_then(|value| value.parse().ok());
    let seconds = setting("CRASH_SECONDS").unwrap_or(60);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let mut seed = setting("CRASH_SEED").unwrap_or(now.as_secs());
    let began = std::time::Instant::now();
    let (mut total, mut runs, mut refused, mut failed) = (Counts::default(), 0, 0, 0);
    while began.elapsed().as_secs() < seconds {
        println!("CRASH_SEED={seed}");
        let random = Random(seed);
        let mut choice = Choice { random, all_ways: 5, combinations: 8, torn: 2 };
        let script = random_script(&mut choice.random);
        // Of a store that was closed, of one that was killed, or of none.
        let old = match choice.random.below(3) {
            0 => None,
            _ => run(CrashDisk::new(None), &random_script(&mut choice.random)).unwrap().named,
        };
        let run = if choice.random.below(2) == 0 {
            let disk = CrashDisk::new(old.clone()).recorded();
            let disk =
                if choice.random.below(2) == 0 { disk } else { disk.without_synced_folders() };
            Some(run(disk, &script).unwrap())
        } else {
            let failure = FAILURES[choice.random.below(FAILURES.len())];
            let (call, lasts) =
                (choice.random.below(30 + 12 * script.len()), choice.random.below(4) == 0);
            fail_at(old.as_deref(), &script, call, failure, lasts)
        };
        refused += usize::from(run.is_none());
        if let Some(run) = run {
            let counts = cut_everywhere(&run, old.as_deref(), &mut choice);
            total.opened += counts.opened;
            total.absent += counts.absent;
            total.before += counts.before;
            total.after += counts.after;
            failed += run.failed;
        }
        runs += 1;
        seed += 1;
    }
    println!("{runs} runs, {refused} starts refused, {failed} changes failed, {total:?}");
}

/// From one to twelve transactions: small and large todos, many at once, and all gone.
fn random_script(random: &mut Random) -> Vec<Vec<Step>> {
    let mut next_id = 1;
    let batches = 1 + random.below(12);
    (0..batches)
        .map(|_| {
            let most = [3, 3, 3, 60][random.below(4)];
            let steps = 1 + random.below(most);
            (0..steps).map(|_| random_step(random, &mut next_id)).collect()
        })
        .collect()
}

fn random_step(random: &mut Random, next_id: &mut TodoId) -> Step {
    let bytes = [0, 10, 300, 4_000, 10_000][random.below(5)];
    let id = 1 + random.below(*next_id as usize) as TodoId;
    match random.below(12) {
        0..5 => {
            *next_id += 1;
            Step::Create(bytes, [None, None, Some("a"), Some("b")][random.below(4)])
        }
        5..8 => Step::Update(id, bytes),
        8 => Step::Complete(id),
        9..11 => Step::Delete(id),
        _ => Step::DeleteCompleted,
    }
}
