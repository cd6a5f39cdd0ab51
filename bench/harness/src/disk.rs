//! What the disk can do: the bound of whatever is durable before it is answered.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::load::Sample;

/// Writes one page of 4 KiB and waits until the disk has it, again and again for `seconds`, in a file in `folder`.
///
/// # Errors
/// As the system has them.
pub fn measure(folder: &Path, seconds: u64) -> io::Result<Sample> {
    let path = folder.join("fsync");
    let file = File::create(&path)?;
    let mut page = [0; 4096];
    file.write_all_at(&page, 0)?;
    file.sync_all()?;
    let mut latencies = Vec::new();
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(seconds) {
        let at = Instant::now();
        page[0] = page[0].wrapping_add(1);
        file.write_all_at(&page, 0)?;
        file.sync_data()?;
        latencies.push(at.elapsed().as_secs_f64() * 1e3);
    }
    let elapsed = began.elapsed().as_secs_f64();
    std::fs::remove_file(&path)?;
    latencies.sort_by(f64::total_cmp);
    let count = latencies.len();
    let within = |per_mille: usize| latencies[(count * per_mille / 1_000).min(count - 1)];
    let requests = count as f64;
    let latencies = [within(500), within(990), within(999)];
    Ok(Sample { requests, rate: requests / elapsed, latencies })
}
