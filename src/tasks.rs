//! Starts tasks and counts the live ones.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Starts tasks on the current runtime and knows how many of them are live.
///
/// Clones share one count.
#[derive(Clone, Default)]
pub struct Tasks {
    live: Arc<AtomicUsize>,
}

impl Tasks {
    /// Runs `task` beside the caller until it ends.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let counted = Counted::new(&self.live);
        tokio::spawn(async move {
            task.await;
            drop(counted);
        });
    }

    /// The number of started tasks that have not ended.
    pub fn live(&self) -> usize {
        self.live.load(Ordering::Relaxed)
    }
}

/// Counts for as long as it exists, so a task that is dropped half-way is not counted for ever.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_counts_until_it_ends() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let tasks = Tasks::default();
        runtime.block_on(async {
            tasks.spawn(async {});
            assert_eq!(tasks.live(), 1);
            tokio::task::yield_now().await;
            assert_eq!(tasks.live(), 0);
        });
    }
}
