//! Tables in Markdown.

use std::fmt::Write as _;

use crate::measure::{Outcome, Row, Run};
use crate::start::StartRow;
use crate::statistics::Spread;

/// A table for each group of cases, and one for starts.
pub fn tables(outcomes: &[Outcome], starts: &[StartRow]) -> String {
    let mut text = String::new();
    let mut tables: Vec<&str> = outcomes.iter().map(|outcome| outcome.case.table).collect();
    tables.sort_unstable();
    tables.dedup();
    tables.sort_by_key(|table| outcomes.iter().position(|outcome| outcome.case.table == *table));
    for table in tables {
        let outcomes = outcomes.iter().filter(|outcome| outcome.case.table == table);
        _ = writeln!(text, "### {table}\n");
        text += "| case | server | requests/s | p50 ms | p99 ms | p99.9 ms | µs CPU per request | ÷ native | ÷ peer | private MiB |\n";
        text += "|---|---|---|---|---|---|---|---|---|---|\n";
        outcomes.for_each(|outcome| rows(&mut text, outcome));
        text += "\n";
    }
    if !starts.is_empty() {
        text +=
            "### Start\n\n| what | start to first 200, ms | private MiB at rest |\n|---|---|---|\n";
        starts.iter().for_each(|row| start(&mut text, row));
        text += "\n";
    }
    text
}

/// What went wrong, one line each.
pub fn failures(outcomes: &[Outcome], starts: &[StartRow]) -> Vec<String> {
    let rows =
        outcomes.iter().flat_map(|outcome| outcome.rows.iter().map(move |row| (outcome, row)));
    let rows = rows.filter_map(|(outcome, row)| {
        Some(format!("{}, {}: {}", outcome.case.name, row.server, row.failure.as_ref()?))
    });
    let starts = starts
        .iter()
        .filter_map(|row| Some(format!("start, {}: {}", row.what, row.failure.as_ref()?)));
    rows.chain(starts).collect()
}

fn rows(text: &mut String, outcome: &Outcome) {
    let title = outcome.case.title;
    if let Some(why) = &outcome.skipped {
        _ = writeln!(text, "| {title} | skipped: {why} | | | | | | | | |");
        return;
    }
    for row in &outcome.rows {
        _ = write!(text, "| {title} | {} |", row.server);
        if let Some(failure) = &row.failure {
            let line = failure.lines().next().unwrap_or_default();
            _ = writeln!(text, " **failed**: {line} | | | | | | | |");
            continue;
        }
        let of = |value: fn(&Run) -> f64| figure(Spread::of(row.runs.iter().map(value)));
        let cells = [
            of(|run| run.sample.rate),
            of(|run| run.sample.latencies[0]),
            of(|run| run.sample.latencies[1]),
            of(|run| run.sample.latencies[2]),
            figure(cost(row)),
            figure(ratio(outcome, row, "native")),
            figure(ratio(outcome, row, "peer")),
            figure(Spread::of(row.runs.iter().filter_map(|run| Some(run.cost?.1)))),
        ];
        _ = writeln!(text, " {} |", cells.join(" | "));
    }
}

fn start(text: &mut String, row: &StartRow) {
    if let Some(failure) = &row.failure {
        let line = failure.lines().next().unwrap_or_default();
        _ = writeln!(text, "| {} | **failed**: {line} | |", row.what);
        return;
    }
    let times = figure(Spread::of(row.times.iter().copied()));
    let memory = figure(Spread::of(row.memory.iter().copied()));
    _ = writeln!(text, "| {} | {times} | {memory} |", row.what);
}

/// The processor time per request, in microseconds.
pub fn cost(row: &Row) -> Option<Spread> {
    Spread::of(row.runs.iter().filter_map(|run| Some(run.cost?.0)))
}

/// How much more processor time per request `row` takes than the server with the name `other`, pair by pair. None for
/// that server itself, and where it was not measured.
fn ratio(outcome: &Outcome, row: &Row, other: &str) -> Option<Spread> {
    let other = outcome.rows.iter().find(|candidate| candidate.server == other)?;
    if other.server == row.server {
        return None;
    }
    let pairs = row.runs.iter().zip(&other.runs);
    Spread::of_ratios(pairs.filter_map(|(a, b)| Some((a.cost?.0, b.cost?.0))))
}

/// The median, and from the smallest to the largest where they differ.
fn figure(spread: Option<Spread>) -> String {
    let Some(Spread { median, min, max }) = spread else { return "–".to_owned() };
    let digits = match median {
        median if median >= 100.0 => 0,
        median if median >= 10.0 => 1,
        _ => 2,
    };
    let [median, min, max] = [median, min, max].map(|value| grouped(&format!("{value:.digits$}")));
    if min == max { median } else { format!("{median} ({min}–{max})") }
}

/// Digits in groups of three.
fn grouped(number: &str) -> String {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let mut text = String::new();
    for (index, digit) in whole.char_indices() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if !fraction.is_empty() {
        text = format!("{text}.{fraction}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::CASES;
    use crate::load::Sample;

    fn run(cost: f64) -> Run {
        let sample = Sample { requests: 10.0, rate: 93_324.4, latencies: [0.1, 1.0, 12.345] };
        Run { sample, cost: Some((cost, 9.5)) }
    }

    fn row(server: &str, costs: &[f64]) -> Row {
        let runs = costs.iter().map(|cost| run(*cost)).collect();
        Row { server: server.to_owned(), runs, failure: None }
    }

    #[test]
    fn a_table_has_medians_spreads_and_ratios() {
        let mut failed = row("peer", &[]);
        failed.failure = Some("2 reads failed\nmore".to_owned());
        let rows = vec![row("ours", &[12.0, 15.0, 10.0]), row("native", &[6.0, 5.0, 10.0]), failed];
        let outcome = Outcome { case: CASES[0], rows, skipped: None };
        let text = tables(std::slice::from_ref(&outcome), &[]);
        assert_eq!(
            text.lines().skip(4).collect::<Vec<_>>(),
            [
                "| GET /health, 10 connections | ours | 93,324 | 0.10 | 1.00 | 12.3 | 12.0 (10.0–15.0) | 2.00 (1.00–3.00) | – | 9.50 |",
                "| GET /health, 10 connections | native | 93,324 | 0.10 | 1.00 | 12.3 | 6.00 (5.00–10.00) | – | – | 9.50 |",
                "| GET /health, 10 connections | peer | **failed**: 2 reads failed | | | | | | | |",
                "",
            ]
        );
        assert_eq!(failures(&[outcome], &[]), ["health-10, peer: 2 reads failed\nmore"]);
    }

    #[test]
    fn digits_come_in_groups() {
        for (number, text) in
            [("1", "1"), ("999", "999"), ("1000", "1,000"), ("1234567.5", "1,234,567.5")]
        {
            assert_eq!(grouped(number), text);
        }
    }
}
