//! Numbers about the process, as Prometheus reads them.
//!
//! Whoever has numbers counts them in a [`Counter`], a [`Gauge`] or a [`Histogram`] of its own, at the price of an
//! addition, and is a [`Source`] that names them when somebody asks. So nothing is looked up by its labels, and a client
//! cannot make more of them.
//!
//! The client library's own instruments were tried: its families hash the labels of every request, and show them in
//! random order, so that the text cannot be compared as a whole.

mod instruments;
mod text;

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

pub use instruments::{Counter, Gauge, Guard, Histogram};
pub use text::CONTENT_TYPE;

/// Something that has numbers to show.
pub trait Source: Send + Sync + 'static {
    /// Writes all of them.
    ///
    /// # Errors
    /// Those of `encoder`.
    fn encode(&self, encoder: &mut Encoder<'_>) -> fmt::Result;
}

/// All sources.
#[derive(Default)]
pub struct Metrics(Registry);

impl Metrics {
    /// Shows `source`, too, behind those that are there.
    pub fn add(&mut self, source: Arc<impl Source>) {
        self.0.register_collector(Box::new(Adapter(source)));
    }

    /// What all sources show, in Prometheus's text format 0.0.4: see [`CONTENT_TYPE`].
    ///
    /// # Errors
    /// Those of the sources.
    pub fn text(&self) -> Result<String, fmt::Error> {
        text::encode(&self.0)
    }
}

struct Adapter<S>(Arc<S>);

impl<S> fmt::Debug for Adapter<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Adapter")
    }
}

impl<S: Source> Collector for Adapter<S> {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.0.encode(&mut Encoder(encoder))
    }
}

/// Names and values of labels.
pub type Labels<'a, const N: usize> = [(&'static str, &'a str); N];

/// Where sources show their numbers: each metric once, with all its labels.
pub struct Encoder<'a>(DescriptorEncoder<'a>);

impl Encoder<'_> {
    /// Numbers that only rise. `name` ends with `_total`.
    ///
    /// # Errors
    /// When `name` does not.
    pub fn counters<'l, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'l, N>, &'l Counter)>,
    ) -> fmt::Result {
        self.totals(
            name,
            help,
            samples.into_iter().map(|(labels, counter)| (labels, counter.get())),
        )
    }

    /// The same for numbers that are not counted in a [`Counter`].
    ///
    /// # Errors
    /// When `name` does not end with `_total`.
    pub fn totals<'l, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'l, N>, u64)>,
    ) -> fmt::Result {
        let name = name.strip_suffix("_total").ok_or(fmt::Error)?;
        self.samples(name, help, MetricType::Counter, samples, |encoder, total| {
            encoder.encode_counter::<NoLabelSet, u64, u64>(&total, None)
        })
    }

    /// Numbers that rise and fall.
    ///
    /// # Errors
    /// None of its own.
    pub fn gauges<'l, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'l, N>, u64)>,
    ) -> fmt::Result {
        self.samples(name, help, MetricType::Gauge, samples, |encoder, value| {
            encoder.encode_gauge(&i64::try_from(value).unwrap_or(i64::MAX))
        })
    }

    /// How long things took. `name` ends with `_seconds`.
    ///
    /// # Errors
    /// None of its own.
    pub fn histograms<'l, const N: usize, const B: usize>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'l, N>, &'l Histogram<B>)>,
    ) -> fmt::Result {
        self.samples(name, help, MetricType::Histogram, samples, |encoder, histogram| {
            let (seconds, count) = (histogram.seconds(), histogram.count());
            encoder.encode_histogram::<NoLabelSet>(seconds, count, &histogram.buckets(), None)
        })
    }

    fn samples<'l, const N: usize, V>(
        &mut self,
        name: &str,
        help: &str,
        metric_type: MetricType,
        samples: impl IntoIterator<Item = (Labels<'l, N>, V)>,
        encode: impl Fn(&mut MetricEncoder<'_>, V) -> fmt::Result,
    ) -> fmt::Result {
        let mut encoder = self.0.encode_descriptor(name, help, None, metric_type)?;
        for (labels, value) in samples {
            if N == 0 {
                encode(&mut encoder, value)?;
            } else {
                encode(&mut encoder.encode_family(&labels)?, value)?;
            }
        }
        Ok(())
    }
}
