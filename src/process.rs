//! Numbers about the process itself.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use telemetry::metrics::{Encoder, Source};

/// What is running, since when, in how much memory.
pub struct ProcessMetrics {
    started: SystemTime,
    store: &'static str,
}

impl ProcessMetrics {
    /// A process that starts now, with this kind of store.
    pub fn new(store: &'static str) -> Self {
        Self { started: SystemTime::now(), store }
    }
}

impl Source for ProcessMetrics {
    fn encode(&self, encoder: &mut Encoder<'_>) -> fmt::Result {
        let labels = [
            ("version", env!("CARGO_PKG_VERSION")),
            ("rust_version", env!("TODO_RUST_VERSION")),
            ("store", self.store),
        ];
        encoder.gauges("todo_build_info", "What is running; always 1.", [(labels, 1)])?;
        let started = self.started.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let help = "When the server started, in seconds since the start of 1970.";
        encoder.gauges("process_start_time_seconds", help, [([], started)])?;
        let help = "Linear memory of the WebAssembly module.";
        let memory = u64::try_from(memory_bytes()).unwrap_or(u64::MAX);
        encoder.gauges("wasm_memory_bytes", help, [([], memory)])
    }
}

/// The module's linear memory.
#[cfg(target_arch = "wasm32")]
pub fn memory_bytes() -> usize {
    const PAGE: usize = 64 * 1024;
    core::arch::wasm32::memory_size::<0>() * PAGE
}

/// Compiled for the machine itself, as bench/native is, there is no such memory.
#[cfg(not(target_arch = "wasm32"))]
pub fn memory_bytes() -> usize {
    0
}
