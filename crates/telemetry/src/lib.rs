//! What the server tells its operator: log lines and metrics.

pub mod log;
pub mod metrics;
pub mod output;
