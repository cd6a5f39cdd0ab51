//! What counts. A WebAssembly module has one thread: the atomics satisfy the compiler, and become plain loads and stores.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// A number that only rises.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn count(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    /// How many there were.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// How many there are at the moment.
#[derive(Clone, Debug, Default)]
pub struct Gauge(Arc<AtomicU64>);

impl Gauge {
    /// One more, until what this gives is dropped.
    pub fn enter(&self) -> Guard {
        self.0.fetch_add(1, Relaxed);
        Guard(self.0.clone())
    }

    /// How many there are.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Counts for as long as it exists, so what is dropped half-way is not counted for ever.
#[derive(Debug)]
pub struct Guard(Arc<AtomicU64>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// How often something took how long.
#[derive(Debug)]
pub struct Histogram<const B: usize> {
    /// The upper bounds of the buckets, in microseconds, rising.
    bounds: &'static [u64; B],
    /// How many are in each bucket and not in the one before.
    buckets: [AtomicU64; B],
    /// How many are above the last bound.
    above: AtomicU64,
    nanoseconds: AtomicU64,
}

impl<const B: usize> Histogram<B> {
    /// No observations yet. `bounds` are the upper bounds of the buckets, in microseconds, rising.
    pub fn new(bounds: &'static [u64; B]) -> Self {
        Self {
            bounds,
            buckets: std::array::from_fn(|_| AtomicU64::new(0)),
            above: AtomicU64::new(0),
            nanoseconds: AtomicU64::new(0),
        }
    }

    /// Something took this long.
    pub fn observe(&self, duration: Duration) {
        // 584 years of nanoseconds.
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let fits = |(bound, _): &(&u64, _)| nanoseconds <= **bound * 1_000;
        let bucket = self.bounds.iter().zip(&self.buckets).find(fits);
        bucket.map_or(&self.above, |(_, bucket)| bucket).fetch_add(1, Relaxed);
        self.nanoseconds.fetch_add(nanoseconds, Relaxed);
    }

    /// How many durations there were.
    pub fn count(&self) -> u64 {
        self.buckets().iter().map(|(_, count)| count).sum()
    }

    /// All durations together.
    pub(super) fn seconds(&self) -> f64 {
        Duration::from_nanos(self.nanoseconds.load(Relaxed)).as_secs_f64()
    }

    /// The upper bound of each bucket, in seconds, and how many are in it and not in the one before.
    pub(super) fn buckets(&self) -> Vec<(f64, u64)> {
        let bounds = self.bounds.iter().map(|bound| Duration::from_micros(*bound).as_secs_f64());
        let counts = self.buckets.iter().chain([&self.above]).map(|count| count.load(Relaxed));
        bounds.chain([f64::INFINITY]).zip(counts).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_falls_when_the_guard_goes() {
        let gauge = Gauge::default();
        let (first, second) = (gauge.enter(), gauge.enter());
        assert_eq!(gauge.get(), 2);
        drop(first);
        assert_eq!(gauge.get(), 1);
        drop(second);
        assert_eq!(gauge.get(), 0);
    }

    #[test]
    fn a_duration_is_in_the_first_bucket_whose_bound_it_does_not_exceed() {
        let histogram = Histogram::new(&[1_000, 5_000]);
        assert_eq!(histogram.count(), 0);
        for nanoseconds in [0, 1_000_000, 1_000_001, 5_000_000, 5_000_001, u64::MAX / 2] {
            histogram.observe(Duration::from_nanos(nanoseconds));
        }
        assert_eq!(histogram.buckets(), [(0.001, 2), (0.005, 2), (f64::INFINITY, 2)]);
        assert_eq!(histogram.count(), 6);
    }

    #[test]
    fn the_sum_is_in_seconds() {
        let histogram = Histogram::new(&[1_000]);
        for _ in 0..2 {
            histogram.observe(Duration::from_millis(250));
        }
        assert_eq!(histogram.seconds(), 0.5);
    }
}
