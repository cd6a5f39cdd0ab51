//! What is measured every few seconds, and the file that keeps it.

use std::fmt::Write as _;
use std::time::Duration;

use e2e::Server;

/// The names of the figures, in the order of [`Sample::figures`].
pub const FIGURES: [&str; 6] =
    ["requests_per_second", "p50_ms", "p99_ms", "memory_mib", "descriptors", "size_mib"];

/// One moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// How often the server was killed before.
    pub life: u64,
    /// Seconds of use before.
    pub at: f64,
    /// See [`FIGURES`]. Rate and latencies are of the time since the sample before.
    pub figures: [f64; 6],
}

const MIB: f64 = 1_048_576.0;

impl Sample {
    /// With what clients saw in the last `time`.
    pub fn new(life: u64, at: Duration, mut latencies: Vec<Duration>, time: Duration) -> Self {
        latencies.sort_unstable();
        let rate = latencies.len() as f64 / time.as_secs_f64();
        // Without an answer each of them waits for longer than this.
        let within = |share: f64| {
            let index = (latencies.len() as f64 * share) as usize;
            latencies.get(index).unwrap_or(&time).as_secs_f64() * 1e3
        };
        let figures = [rate, within(0.5), within(0.99), 0.0, 0.0, 0.0];
        Self { life, at: at.as_secs_f64(), figures }
    }

    /// Adds what the server has, and the bytes of its store.
    pub fn take(&mut self, server: &Server, size: u64) {
        self.figures[3] = server.private_memory() as f64 / MIB;
        self.figures[4] = server.descriptors() as f64;
        self.figures[5] = size as f64 / MIB;
    }
}

/// Samples as a table, with a line of names.
pub fn csv(samples: &[Sample]) -> String {
    let mut text = format!("life,seconds,{}\n", FIGURES.join(","));
    for Sample { life, at, figures } in samples {
        let figures = figures.map(|figure| format!("{figure:.3}"));
        writeln!(text, "{life},{at:.1},{}", figures.join(",")).expect("memory");
    }
    text
}

/// The samples in such a table.
pub fn parse(text: &str) -> Vec<Sample> {
    let lines = text.lines().skip(1).map(|line| {
        let numbers: Vec<f64> =
            line.split(',').map(|number| number.parse().expect("a number")).collect();
        let figures = numbers[2..].try_into().expect("all figures");
        Sample { life: numbers[0] as u64, at: numbers[1], figures }
    });
    lines.collect()
}
