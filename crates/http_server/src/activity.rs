//! What a server counts about connections.

use std::fmt;

use super::Refusal;
use telemetry::metrics::{Counter, Gauge, Page, Source};

/// How many connections there are, and how many were refused.
#[derive(Debug, Default)]
pub struct Activity {
    pub(super) open: Gauge,
    refused: [Counter; Refusal::ALL.len()],
}

impl Activity {
    pub(super) fn refuse(&self, refusal: Refusal) {
        let mut counters = Refusal::ALL.iter().zip(&self.refused);
        if let Some((_, counter)) = counters.find(|(known, _)| **known == refusal) {
            counter.count();
        }
    }
}

impl Source for Activity {
    fn show(&self, page: &mut Page<'_>) -> fmt::Result {
        let help = "Connections that are open and not refused.";
        page.gauges("http_connections_open", help, [([], self.open.get())])?;
        let help = "Connections that ended because of what never became a request.";
        let samples = Refusal::ALL.iter().map(|refusal| [("reason", refusal.reason())]);
        page.counters("http_connections_refused_total", help, samples.zip(&self.refused))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_is_counted_under_its_own_reason() {
        let activity = Activity::default();
        for (index, refusal) in Refusal::ALL.into_iter().enumerate() {
            activity.refuse(refusal);
            assert_eq!(activity.refused[index].get(), 1, "{refusal:?}");
        }
        let mut reasons = Refusal::ALL.map(Refusal::reason).to_vec();
        reasons.sort_unstable();
        reasons.dedup();
        assert_eq!(reasons.len(), Refusal::ALL.len());
    }
}
