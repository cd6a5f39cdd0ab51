//! Counts what a store is asked to do, and how that ends.

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use telemetry::metrics::{Counter, Encoder, Histogram, Source};
use todo_model::{IdempotencyKey, NewTodo, Todo, TodoId, TodoUpdate};

use crate::{
    AnyStore, ChangeError, Changes, Condition, Count, CreateError, Epoch, Page, Portion, Position,
    Query, Store, StoreError,
};

/// Another store, and how often it did what.
pub struct Measured {
    store: Rc<AnyStore>,
    metrics: Arc<StoreMetrics>,
}

/// How long commits take: most of them less than the first bound of what is usual for requests, in microseconds.
const COMMIT_BOUNDS: [u64; 12] =
    [250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000];

pub(crate) type Commits = Histogram<{ COMMIT_BOUNDS.len() }>;

pub(crate) fn no_commits() -> Commits {
    Histogram::new(&COMMIT_BOUNDS)
}

/// What is known of a store in numbers.
pub struct StoreMetrics {
    operations: [[Counter; OUTCOMES.len()]; OPERATIONS.len()],
    open: AtomicUsize,
    completed: AtomicUsize,
    /// Where there are commits.
    commits: Option<Arc<Commits>>,
}

/// What a store can be asked to do, each with its name in metrics.
const OPERATIONS: [(Operation, &str); 7] = [
    (Operation::Get, "get"),
    (Operation::List, "list"),
    (Operation::Find, "find"),
    (Operation::Create, "create"),
    (Operation::Update, "update"),
    (Operation::Delete, "delete"),
    (Operation::DeleteCompleted, "delete_completed"),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Get,
    List,
    Find,
    Create,
    Update,
    Delete,
    DeleteCompleted,
}

const OUTCOMES: [&str; 10] = [
    "ok",
    "not_found",
    "condition_failed",
    "key_reused",
    "full",
    "no_space",
    "unavailable",
    "unreachable",
    "busy",
    "undecided",
];

/// An error as it is counted.
trait Outcome {
    fn outcome(&self) -> &'static str;
}

impl Outcome for StoreError {
    fn outcome(&self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::NoSpace => "no_space",
            Self::Unavailable => "unavailable",
            Self::Unreachable => "unreachable",
            Self::Busy => "busy",
            Self::Undecided => "undecided",
        }
    }
}

impl Outcome for CreateError {
    fn outcome(&self) -> &'static str {
        match self {
            Self::KeyReused => "key_reused",
            Self::Store(error) => error.outcome(),
        }
    }
}

impl Outcome for ChangeError {
    fn outcome(&self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::ConditionFailed => "condition_failed",
            Self::Store(error) => error.outcome(),
        }
    }
}

impl Measured {
    /// `store`, with nothing counted yet.
    pub fn new(store: Rc<AnyStore>) -> Self {
        let metrics = Arc::new(StoreMetrics {
            operations: Default::default(),
            open: AtomicUsize::new(0),
            completed: AtomicUsize::new(0),
            commits: store.commits(),
        });
        Self { store, metrics }
    }

    /// The numbers. They go on counting, but for those of the todos: see [`count_todos`](Self::count_todos).
    pub fn metrics(&self) -> Arc<StoreMetrics> {
        self.metrics.clone()
    }

    /// Brings the numbers of todos up to date, if the store tells them.
    pub async fn count_todos(&self) {
        if let Ok(Count { open, completed }) = self.store.count().await {
            self.metrics.open.store(open, Relaxed);
            self.metrics.completed.store(completed, Relaxed);
        }
    }

    fn record<T, E: Outcome>(&self, operation: Operation, result: Result<T, E>) -> Result<T, E> {
        let outcome = result.as_ref().map_or_else(Outcome::outcome, |_| "ok");
        let mut operations = OPERATIONS.iter().zip(&self.metrics.operations);
        let counters = operations.find(|((known, _), _)| *known == operation);
        let counter = counters.and_then(|(_, counters)| {
            OUTCOMES.iter().zip(counters).find(|(name, _)| **name == outcome)
        });
        if let Some((_, counter)) = counter {
            counter.count();
        }
        result
    }
}

impl Store for Measured {
    fn kind(&self) -> &'static str {
        self.store.kind()
    }

    async fn epoch(&self) -> Result<Epoch, StoreError> {
        self.store.epoch().await
    }

    fn version(&self) -> Option<u64> {
        self.store.version()
    }

    async fn count(&self) -> Result<Count, StoreError> {
        self.store.count().await
    }

    async fn get(&self, id: TodoId) -> Result<Option<Rc<Todo>>, StoreError> {
        self.record(Operation::Get, self.store.get(id).await)
    }

    async fn list(&self, after: TodoId, max_bytes: usize) -> Result<Portion, StoreError> {
        self.record(Operation::List, self.store.list(after, max_bytes).await)
    }

    async fn find(&self, query: &Query) -> Result<Page, StoreError> {
        self.record(Operation::Find, self.store.find(query).await)
    }

    async fn create(
        &self,
        new: NewTodo,
        key: Option<&IdempotencyKey>,
    ) -> Result<Rc<Todo>, CreateError> {
        self.record(Operation::Create, self.store.create(new, key).await)
    }

    async fn update(
        &self,
        id: TodoId,
        update: TodoUpdate,
        condition: &Condition,
    ) -> Result<Rc<Todo>, ChangeError> {
        self.record(Operation::Update, self.store.update(id, update, condition).await)
    }

    async fn delete(&self, id: TodoId, condition: &Condition) -> Result<(), ChangeError> {
        self.record(Operation::Delete, self.store.delete(id, condition).await)
    }

    async fn delete_completed(&self) -> Result<usize, StoreError> {
        self.record(Operation::DeleteCompleted, self.store.delete_completed().await)
    }

    // Following is not counted: it is not what clients ask for.

    async fn position(&self) -> Result<Position, StoreError> {
        self.store.position().await
    }

    async fn changes(
        &self,
        after: &Position,
        max_bytes: usize,
    ) -> Result<Option<Changes>, StoreError> {
        self.store.changes(after, max_bytes).await
    }

    async fn changed(&self, after: &Position) {
        self.store.changed(after).await;
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.store.check().await
    }
}

impl Source for StoreMetrics {
    fn encode(&self, encoder: &mut Encoder<'_>) -> fmt::Result {
        // All of them from the start: a counter that appears with its first failure has no rate.
        let samples = OPERATIONS.iter().zip(&self.operations).flat_map(|((_, name), counters)| {
            let outcomes =
                OUTCOMES.iter().map(|outcome| [("operation", *name), ("outcome", outcome)]);
            outcomes.zip(counters)
        });
        let help = "What the store was asked to do.";
        encoder.counters("store_operations_total", help, samples)?;
        let samples =
            [("open", &self.open), ("completed", &self.completed)].map(|(state, count)| {
                ([("state", state)], u64::try_from(count.load(Relaxed)).unwrap_or(u64::MAX))
            });
        encoder.gauges("todos", "Todos in the store.", samples)?;
        let help = "Time from the start of a transaction until it is on the disk.";
        let commits = self.commits.as_deref().map(|commits| ([], commits));
        encoder.histograms("store_commit_duration_seconds", help, commits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MemoryStore, StoreOptions};
    use telemetry::metrics::Metrics;
    use todo_model::{Description, Title};

    fn new(title: &str) -> NewTodo {
        let title = Title::parse(title).unwrap();
        NewTodo { title, description: Description::default() }
    }

    #[test]
    fn every_operation_is_counted_with_its_outcome() {
        let options = StoreOptions { max_bytes: 500, samples: true };
        let store = Measured::new(Rc::new(AnyStore::Memory(MemoryStore::new(options))));
        let mut metrics = Metrics::default();
        metrics.add(store.metrics());
        assert_eq!(metrics.text().unwrap().matches("\nstore_operations_total{").count(), 70);
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
            store.get(1).await.unwrap();
            store.get(99).await.unwrap();
            store.list(0, 1_000).await.unwrap();
            store.find(&Query::default()).await.unwrap();
            let key = IdempotencyKey::parse("k");
            store.create(new("x"), key.as_ref()).await.unwrap();
            store.create(new("y"), key.as_ref()).await.unwrap_err();
            store.create(new(&"x".repeat(400)), None).await.unwrap_err();
            store.delete(99, &Condition::default()).await.unwrap_err();
            store.delete_completed().await.unwrap();
            store.count_todos().await;
        });
        let text = metrics.text().unwrap();
        let more: Vec<_> = text.lines().filter(|line| !line.ends_with(" 0")).collect();
        let expected = [
            "# HELP store_operations_total What the store was asked to do.",
            "# TYPE store_operations_total counter",
            r#"store_operations_total{operation="get",outcome="ok"} 2"#,
            r#"store_operations_total{operation="list",outcome="ok"} 1"#,
            r#"store_operations_total{operation="find",outcome="ok"} 1"#,
            r#"store_operations_total{operation="create",outcome="ok"} 1"#,
            r#"store_operations_total{operation="create",outcome="key_reused"} 1"#,
            r#"store_operations_total{operation="create",outcome="full"} 1"#,
            r#"store_operations_total{operation="delete",outcome="not_found"} 1"#,
            r#"store_operations_total{operation="delete_completed",outcome="ok"} 1"#,
            "# HELP todos Todos in the store.",
            "# TYPE todos gauge",
            r#"todos{state="open"} 2"#,
            "# HELP store_commit_duration_seconds Time from the start of a transaction until it is on the disk.",
            "# TYPE store_commit_duration_seconds histogram",
        ];
        assert_eq!(more, expected);
    }
}
