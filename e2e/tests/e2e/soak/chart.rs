//! The samples as a picture: a row for each figure, a line for each store.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::sample::{FIGURES, Sample, parse};

/// Sizes, in pixels.
const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 90.0;
const ROW: f64 = 130.0;

const STORES: [&str; 2] = ["redb", "postgres"];
const TITLES: [(&str, &str); 4] = [
    ("requests_per_second", "requests per second"),
    ("p99_ms", "99 % of answers within, ms"),
    ("memory_mib", "private memory of the server, MiB"),
    ("size_mib", "store on the disk, MiB"),
];

/// As in the picture of the benchmark: colours that can be told apart on white and on black.
const STYLE: &str = "text { font: 12px system-ui, sans-serif; fill: #1f2328 } .title { font-weight: 600 } \
path { fill: none; stroke: #8c959f; stroke-width: 0.5 } .redb { stroke: #0969da; stroke-width: 1.5; fill: none } \
.postgres { stroke: #bc6c25; stroke-width: 1.5; fill: none } text.redb { fill: #0969da; stroke: none } \
text.postgres { fill: #bc6c25; stroke: none } @media (prefers-color-scheme: dark) { text { fill: #e6edf3 } \
.redb { stroke: #58a6ff } text.redb { fill: #58a6ff } .postgres { stroke: #d9a05b } text.postgres { fill: #d9a05b } }";

/// Draws the tables in `folder` anew.
pub fn update(folder: &Path) {
    let stores: Vec<_> = STORES
        .iter()
        .filter_map(|store| {
            let text = fs::read_to_string(folder.join(format!("{store}.csv"))).ok()?;
            Some((*store, parse(&text)))
        })
        .collect();
    fs::write(folder.join("soak.svg"), svg(&stores)).unwrap();
}

fn svg(stores: &[(&str, Vec<Sample>)]) -> String {
    let samples = || stores.iter().flat_map(|(_, samples)| samples);
    let time = samples().map(|sample| sample.at).fold(1.0, f64::max);
    let mut body = String::new();
    for (row, (figure, title)) in TITLES.iter().enumerate() {
        let index = FIGURES.iter().position(|name| name == figure).expect("a figure");
        let (top, bottom) = (row as f64 * ROW + 24.0, row as f64 * ROW + 24.0 + HEIGHT);
        let most = samples().map(|sample| sample.figures[index]).fold(f64::MIN_POSITIVE, f64::max);
        let y = top - 8.0;
        _ = writeln!(body, "<text class=\"title\" x=\"0\" y=\"{y}\">{title}</text>");
        _ = writeln!(body, "<text x=\"{WIDTH}\" y=\"{y}\" text-anchor=\"end\">{most:.0}</text>");
        _ = writeln!(body, "<path d=\"M0 {top}H{WIDTH}M0 {bottom}H{WIDTH}\"/>");
        for (place, (store, samples)) in stores.iter().enumerate() {
            let x = 260.0 + 80.0 * place as f64;
            _ = writeln!(body, "<text class=\"{store}\" x=\"{x}\" y=\"{y}\">{store}</text>");
            // Every life has a line of its own.
            for life in samples.chunk_by(|a, b| a.life == b.life) {
                let points = life.iter().map(|sample| {
                    let x = sample.at / time * WIDTH;
                    let y = bottom - sample.figures[index] / most * HEIGHT;
                    format!("{x:.1},{y:.1}")
                });
                let points = points.collect::<Vec<_>>().join(" ");
                _ = writeln!(body, "<polyline class=\"{store}\" points=\"{points}\"/>");
            }
        }
    }
    let label = format!("{:.0} minutes of use, with a kill after each tenth", time / 60.0);
    let height = TITLES.len() as f64 * ROW;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         role=\"img\" aria-label=\"{label}\">\n<title>{label}</title>\n<style>{STYLE}</style>\n{body}</svg>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soak::sample::csv;

    #[test]
    fn lines_end_with_lives_and_rows_have_a_scale_of_their_own() {
        let sample =
            |life, at, memory| Sample { life, at, figures: [1.0, 1.0, 1.0, memory, 1.0, 1.0] };
        let samples = vec![sample(0, 0.0, 10.0), sample(0, 60.0, 20.0), sample(1, 120.0, 10.0)];
        assert_eq!(parse(&csv(&samples)), samples);
        let text = svg(&[("redb", samples)]);
        let memory = text.split("private memory").nth(1).unwrap().split("title").next().unwrap();
        assert!(memory.contains("\"0.0,329.0 380.0,284.0\""), "{memory}");
        assert!(memory.contains("\"760.0,329.0\""), "{memory}");
        assert!(text.contains("2 minutes of use"));
    }
}
