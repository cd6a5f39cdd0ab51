//! What a server takes of the machine.

use std::thread;
use std::time::{Duration, Instant};

use crate::process::status_field;
use crate::server::{Server, wait_until};

impl Server {
    /// A signal has stopped it.
    pub(crate) fn is_stopped(&self) -> bool {
        let stat = self.process().read("stat");
        stat.rsplit(')').next().is_some_and(|fields| fields.trim_start().starts_with('T'))
    }

    /// The number of its open file descriptors.
    pub fn descriptors(&self) -> usize {
        self.process().files().len()
    }

    /// The number of its open file descriptors when it has served and nobody is connected.
    pub fn descriptors_at_rest(&self) -> usize {
        self.assert_serves();
        let mut last = (usize::MAX, Instant::now());
        wait_until("an unchanging number of descriptors", || {
            let count = self.descriptors();
            if count != last.0 {
                last = (count, Instant::now());
            }
            last.1.elapsed() > Duration::from_millis(100)
        });
        last.0
    }

    /// Waits until it has no more than `count` file descriptors open.
    pub fn wait_for_descriptors(&self, count: usize) {
        wait_until(&format!("{count} descriptors"), || self.descriptors() <= count);
    }

    /// The processor time that it has used, in clock ticks (10 ms).
    pub fn cpu_ticks(&self) -> u64 {
        let stat = self.process().read("stat");
        // The command's name, in parentheses, may hold anything; fields 14 and 15 are counted from behind it.
        let fields: Vec<_> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
        let ticks = |index: usize| fields[index].parse::<u64>().expect("a number");
        ticks(11) + ticks(12)
    }

    /// The bytes of memory that it has written to and that are nobody else's.
    pub fn private_memory(&self) -> u64 {
        let kilobytes = status_field(&self.process().read("smaps_rollup"), "Private_Dirty");
        let number = kilobytes.strip_suffix(" kB").expect("kilobytes");
        number.parse::<u64>().expect("a number") * 1024
    }

    /// Fails if it uses more than a tenth of a processor while nobody asks for anything.
    pub fn assert_idle(&self) {
        let before = self.cpu_ticks();
        thread::sleep(Duration::from_millis(500));
        let used = self.cpu_ticks() - before;
        assert!(used <= 5, "{used} ticks of processor time in half a second");
    }
}
