//! Starts tasks and counts the live ones.

use std::future::Future;

use telemetry::metrics::Gauge;

/// Starts local tasks and knows how many of them are live.
///
/// Clones share one count.
#[derive(Clone, Default)]
pub struct Tasks {
    live: Gauge,
}

impl Tasks {
    /// Runs `task` beside the caller until it ends.
    ///
    /// # Panics
    /// Outside of a [`LocalSet`](tokio::task::LocalSet).
    pub fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        // Dropped with the task, also when that is dropped half-way.
        let live = self.live.enter();
        tokio::task::spawn_local(async move {
            task.await;
            drop(live);
        });
    }

    /// The number of started tasks that have not ended.
    pub fn live(&self) -> u64 {
        self.live.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_counts_until_it_ends() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let tasks = Tasks::default();
        tokio::task::LocalSet::new().block_on(&runtime, async {
            tasks.spawn(async {});
            assert_eq!(tasks.live(), 1);
            tokio::task::yield_now().await;
            assert_eq!(tasks.live(), 0);
        });
    }
}
