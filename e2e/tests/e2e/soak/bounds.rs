//! What may not happen in the long run.

use std::fmt::Write as _;

use super::sample::{FIGURES, Sample};

/// By how much a figure may be larger later on: a factor, and what small figures may grow by, in the figure's own unit.
type Growth = (f64, f64);

/// Within a life, for each of [`FIGURES`]. What else the machine does may change for minutes, and latencies with it: they are
/// compared over many lives. So is the size of the store.
const WITHIN: [Option<Growth>; 6] = [None, None, None, Some((1.25, 4.0)), Some((1.0, 4.0)), None];

/// From the first half of the lives to the second.
const BETWEEN: [Option<Growth>; 6] = [
    None,
    Some((3.0, 20.0)),
    Some((3.0, 100.0)),
    Some((1.25, 4.0)),
    Some((1.0, 4.0)),
    Some((1.5, 8.0)),
];

/// What samples show.
pub struct Report {
    /// A table: the medians of the first half of the lives and of the second, and the largest figure.
    pub text: String,
    /// Which bounds were broken.
    pub broken: Vec<String>,
}

/// Holds samples against the bounds.
pub fn report(samples: &[Sample]) -> Report {
    let lives: Vec<_> = samples.chunk_by(|a, b| a.life == b.life).collect();
    let mut broken = Vec::new();
    let mut text =
        "| figure | first half | second half | largest |\n|---|---|---|---|\n".to_owned();
    for (index, name) in FIGURES.iter().enumerate() {
        let figures = |samples: &[Sample]| samples.iter().map(|s| s.figures[index]).collect();
        for life in &lives {
            // The first quarter is for warming up.
            let quarter = life.len() / 4;
            let early = median(figures(&life[quarter..2 * quarter]));
            let late = median(figures(&life[3 * quarter..]));
            if grows(WITHIN[index], early, late) {
                broken.push(format!(
                    "{name} goes from {early:.1} to {late:.1} in life {}",
                    life[0].life
                ));
            }
        }
        let (first, second) = lives.split_at(lives.len() / 2);
        let (early, late) = (median(figures(&first.concat())), median(figures(&second.concat())));
        if grows(BETWEEN[index], early, late) {
            broken.push(format!("{name} goes from {early:.1} to {late:.1} over all lives"));
        }
        let largest = figures(samples).into_iter().fold(0.0, f64::max);
        writeln!(text, "| {name} | {early:.1} | {late:.1} | {largest:.1} |").expect("memory");
    }
    Report { text, broken }
}

fn grows(growth: Option<Growth>, early: f64, late: f64) -> bool {
    growth.is_some_and(|(factor, slack)| late > early * factor + slack)
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_unstable_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten lives of twenty samples, with a memory that is a function of the life and of the sample.
    fn samples(memory: impl Fn(u64, u64) -> f64) -> Vec<Sample> {
        let each = (0..10).flat_map(|life| (0..20).map(move |number| (life, number)));
        each.map(|(life, number)| Sample {
            life,
            at: 0.0,
            figures: [1.0, 1.0, 1.0, memory(life, number), 9.0, 1.0],
        })
        .collect()
    }

    #[test]
    fn growth_is_found_within_lives_and_between_them() {
        assert_eq!(
            report(&samples(|_, number| if number < 5 { 5.0 } else { 20.0 })).broken,
            [""; 0]
        );
        let within = report(&samples(|_, number| 20.0 + 2.0 * number as f64)).broken;
        assert_eq!(within.len(), 10);
        assert_eq!(within[0], "memory_mib goes from 34.0 to 54.0 in life 0");
        let between = report(&samples(|life, _| 20.0 + 3.0 * life as f64)).broken;
        assert_eq!(between, ["memory_mib goes from 26.0 to 41.0 over all lives"]);
    }
}
