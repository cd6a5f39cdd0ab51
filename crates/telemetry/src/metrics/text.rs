//! Prometheus's text format 0.0.4, which every scraper reads.
//!
//! The client library writes its successor, OpenMetrics 1.0. With what this server shows, the two differ in two things
//! only: OpenMetrics leaves `_total` out of the name in front of a counter's samples, where 0.0.4 would then take them
//! for metrics of no known type; and it ends with `# EOF`.

use std::fmt::{self, Write as _};

use prometheus_client::encoding::text::encode_registry;
use prometheus_client::registry::Registry;

/// The media type of the text (the exposition formats' documentation, "Basic info").
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) fn encode(registry: &Registry) -> Result<String, fmt::Error> {
    let mut text = String::new();
    // This one leaves out the end.
    encode_registry(&mut text, registry)?;
    with_full_names(&text)
}

/// Gives counters their whole name in `# HELP` and `# TYPE`, which stand in this order in front of their samples.
fn with_full_names(openmetrics: &str) -> Result<String, fmt::Error> {
    let mut text = String::with_capacity(openmetrics.len() + 1024);
    let mut lines = openmetrics.lines().peekable();
    while let Some(line) = lines.next() {
        let counter = lines.peek().and_then(|next| counter_type(next));
        match (line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')), counter) {
            (Some((name, help)), Some(counter)) if name == counter => {
                lines.next();
                writeln!(text, "# HELP {name}_total {help}\n# TYPE {name}_total counter")?;
            }
            _ => writeln!(text, "{line}")?,
        }
    }
    Ok(text)
}

/// The name in a line that declares it to be a counter's.
fn counter_type(line: &str) -> Option<&str> {
    line.strip_prefix("# TYPE ")?.strip_suffix(" counter")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{Counter, Encoder, Histogram, Metrics, Source};
    use super::*;
    use std::time::Duration;

    struct Everything {
        counters: [Counter; 2],
        histogram: Histogram<2>,
    }

    impl Source for Everything {
        fn encode(&self, encoder: &mut Encoder<'_>) -> fmt::Result {
            let [first, second] = &self.counters;
            let samples = [([("kind", "a\"b\\c\nd")], first), ([("kind", "e")], second)];
            encoder.counters("things_total", "Things counter.", samples)?;
            encoder.counters("bare_total", "Without labels.", [([], first)])?;
            encoder.counters("none_total", "Without samples.", [] as [([_; 1], _); 0])?;
            encoder.gauges("now", "At the moment.", [([("a", "1"), ("b", "2")], 7)])?;
            encoder.histograms("took_seconds", "Time.", [([("way", "up")], &self.histogram)])
        }
    }

    #[test]
    fn the_text_is_that_of_format_0_0_4() {
        let everything = Arc::new(Everything {
            counters: Default::default(),
            histogram: Histogram::new(&[5_000, 1_000_000]),
        });
        everything.counters[0].count();
        everything.histogram.observe(Duration::from_millis(250));
        let mut metrics = Metrics::default();
        metrics.add(everything);
        let expected = "\
# HELP things_total Things counter.
# TYPE things_total counter
things_total{kind=\"a\\\"b\\\\c\\nd\"} 1
things_total{kind=\"e\"} 0
# HELP bare_total Without labels.
# TYPE bare_total counter
bare_total 1
# HELP none_total Without samples.
# TYPE none_total counter
# HELP now At the moment.
# TYPE now gauge
now{a=\"1\",b=\"2\"} 7
# HELP took_seconds Time.
# TYPE took_seconds histogram
took_seconds_sum{way=\"up\"} 0.25
took_seconds_count{way=\"up\"} 1
took_seconds_bucket{le=\"0.005\",way=\"up\"} 0
took_seconds_bucket{le=\"1.0\",way=\"up\"} 1
took_seconds_bucket{le=\"+Inf\",way=\"up\"} 1
";
        assert_eq!(metrics.text().unwrap(), expected);
    }

    #[test]
    fn a_counter_must_be_named_as_one() {
        struct Wrong;
        impl Source for Wrong {
            fn encode(&self, encoder: &mut Encoder<'_>) -> fmt::Result {
                encoder.counters("things", "Things.", [([], &Counter::default())])
            }
        }
        let mut metrics = Metrics::default();
        metrics.add(Arc::new(Wrong));
        assert!(metrics.text().is_err());
    }
}
