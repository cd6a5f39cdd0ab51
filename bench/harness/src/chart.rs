//! The picture of the processor time per request, as SVG.

use std::fmt::Write as _;

use crate::cases::REQUESTS;
use crate::measure::Outcome;
use crate::report::cost;

/// Sizes, in pixels.
const WIDTH: usize = 760;
const LABELS: usize = 90;
const BAR: usize = 14;
const GAP: usize = 3;
const TITLE: usize = 20;
const AFTER_CASE: usize = 14;
/// Room for the number behind the longest bar.
const NUMBERS: usize = 80;

/// Colours that can be told apart on white and on black, and by those who see fewer colours.
const STYLE: &str = "text { font: 12px system-ui, sans-serif; fill: #1f2328 } .title { font-weight: 600 } \
.ours { fill: #0969da } .native { fill: #8c959f } .peer { fill: #bc6c25 } \
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .ours { fill: #58a6ff } .native { fill: #7d8590 } \
.peer { fill: #d9a05b } }";

/// One bar.
struct Bar {
    class: &'static str,
    label: String,
    value: f64,
}

/// The usual requests, each with a bar for the newest WasmEdge, the native server and the peer. Every case has a scale of
/// its own: its longest bar is as long as the picture allows. `None` if none of them was measured.
pub fn svg(outcomes: &[Outcome]) -> Option<String> {
    let cases: Vec<_> = outcomes
        .iter()
        .filter(|outcome| outcome.case.table == REQUESTS)
        .map(|outcome| (outcome.case.title, bars(outcome)))
        .filter(|(_, bars)| !bars.is_empty())
        .collect();
    if cases.is_empty() {
        return None;
    }
    let mut body = String::new();
    let mut y = 0;
    for (title, bars) in &cases {
        _ = writeln!(
            body,
            "<text class=\"title\" x=\"0\" y=\"{}\">{}</text>",
            y + 13,
            escaped(title)
        );
        y += TITLE;
        let longest = bars.iter().map(|bar| bar.value).fold(f64::MIN_POSITIVE, f64::max);
        for bar in bars {
            let room = (WIDTH - LABELS - NUMBERS) as f64;
            let length = (bar.value / longest * room).max(1.0);
            let base = y + BAR - 3;
            _ = writeln!(body, "<text x=\"0\" y=\"{base}\">{}</text>", escaped(&bar.label));
            _ = writeln!(
                body,
                "<rect class=\"{}\" x=\"{LABELS}\" y=\"{y}\" width=\"{length:.1}\" height=\"{BAR}\"/>",
                bar.class
            );
            let x = LABELS as f64 + length + 6.0;
            _ = writeln!(body, "<text x=\"{x:.1}\" y=\"{base}\">{:.1} µs</text>", bar.value);
            y += BAR + GAP;
        }
        y += AFTER_CASE;
    }
    let label = "Processor time per request, in microseconds; less is better. Every case has a scale of its own.";
    Some(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {y}\" width=\"{WIDTH}\" height=\"{y}\" role=\"img\" \
         aria-label=\"{label}\">\n<title>{label}</title>\n<style>{STYLE}</style>\n{body}</svg>\n"
    ))
}

/// The bars of one case: of those that were measured without failure.
fn bars(outcome: &Outcome) -> Vec<Bar> {
    let is_module = |server: &str| server.starts_with("WasmEdge ");
    // The first is the newest.
    let ours = outcome.rows.iter().find(|row| is_module(&row.server));
    let named = |name: &str| outcome.rows.iter().find(|row| row.server == name);
    [("ours", ours), ("native", named("native")), ("peer", named("peer"))]
        .into_iter()
        .filter_map(|(class, row)| {
            let row = row.filter(|row| row.failure.is_none())?;
            let label = if class == "ours" { "WasmEdge" } else { class };
            Some(Bar { class, label: label.to_owned(), value: cost(row)?.median })
        })
        .collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('`', "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::{CASES, Case};
    use crate::load::Sample;
    use crate::measure::{Row, Run};

    fn outcome(servers: &[(&str, f64)]) -> Outcome {
        let sample = Sample { requests: 1.0, rate: 1.0, latencies: [1.0; 3] };
        let rows = servers.iter().map(|(server, cost)| {
            let runs = vec![Run { sample, cost: Some((*cost, 1.0)) }];
            Row { server: (*server).to_owned(), runs, failure: None }
        });
        let case = Case { title: "a < b & c", ..CASES[0] };
        Outcome { case, rows: rows.collect(), skipped: None }
    }

    #[test]
    fn bars_are_as_long_as_their_values() {
        let servers =
            [("WasmEdge 0.17.1", 10.0), ("WasmEdge 0.14.1", 99.0), ("native", 5.0), ("peer", 20.0)];
        let text = svg(&[outcome(&servers)]).unwrap();
        let widths: Vec<_> = text
            .lines()
            .filter(|line| line.starts_with("<rect"))
            .map(|line| line.split("width=\"").nth(1).unwrap().split('"').next().unwrap())
            .collect();
        assert_eq!(widths, ["295.0", "147.5", "590.0"]);
        assert!(text.contains(">10.0 µs<") && text.contains(">a &lt; b &amp; c<"));
        assert!(text.starts_with("<svg ") && text.ends_with("</svg>\n"));
        assert!(text.contains("prefers-color-scheme: dark"));
    }

    #[test]
    fn without_usual_requests_there_is_no_picture() {
        assert_eq!(svg(&[]), None);
        let mut failed = outcome(&[("native", 1.0)]);
        failed.rows[0].failure = Some("no answer".to_owned());
        assert_eq!(svg(&[failed]), None);
    }
}
