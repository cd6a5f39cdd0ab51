//! What a server counts about connections.

use std::fmt;

use telemetry::metrics::{Counter, Encoder, Gauge, Guard, Source};

use crate::Refusal;

/// How many connections there are, and how many were refused.
#[derive(Debug, Default)]
pub struct ServerMetrics {
    open: Gauge,
    refused: [Counter; Refusal::ALL.len()],
}

impl ServerMetrics {
    /// A connection is open until what this gives is dropped.
    pub(crate) fn connection_opens(&self) -> Guard {
        self.open.enter()
    }

    /// How many connections are open and not refused.
    pub fn open_connections(&self) -> usize {
        usize::try_from(self.open.get()).unwrap_or(usize::MAX)
    }

    pub(crate) fn refuse(&self, refusal: Refusal) {
        let mut counters = Refusal::ALL.iter().zip(&self.refused);
        if let Some((_, counter)) = counters.find(|(known, _)| **known == refusal) {
            counter.count();
        }
    }
}

impl Source for ServerMetrics {
    fn encode(&self, encoder: &mut Encoder<'_>) -> fmt::Result {
        let help = "Connections that are open and not refused.";
        encoder.gauges("http_connections_open", help, [([], self.open.get())])?;
        let help = "Connections that ended because of what never became a request.";
        let samples = Refusal::ALL.iter().map(|refusal| [("reason", refusal.reason())]);
        encoder.counters("http_connections_refused_total", help, samples.zip(&self.refused))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_is_counted_under_its_own_reason() {
        let metrics = ServerMetrics::default();
        for (index, refusal) in Refusal::ALL.into_iter().enumerate() {
            metrics.refuse(refusal);
            assert_eq!(metrics.refused[index].get(), 1, "{refusal:?}");
        }
        let mut reasons = Refusal::ALL.map(Refusal::reason).to_vec();
        reasons.sort_unstable();
        reasons.dedup();
        assert_eq!(reasons.len(), Refusal::ALL.len());
    }
}
