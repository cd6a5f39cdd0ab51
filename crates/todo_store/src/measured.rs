//! Counts what a store is asked to do, and what it answers.

use std::fmt;
use std::sync::Arc;

use super::{AllTodos, Change, Count, Outcome, Page, Query, Store, StoreError};
use telemetry::metrics::{self, Counter, Source};
use todo_model::{Todo, TodoId};

/// Another store, and how often it did what.
pub struct Measured<S> {
    store: Arc<S>,
    operations: [[Counter; OUTCOMES.len()]; OPERATIONS.len()],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Get,
    All,
    Find,
    Create,
    Update,
    Delete,
    DeleteCompleted,
}

/// Each with its name in metrics.
const OPERATIONS: [(Operation, &str); 7] = [
    (Operation::Get, "get"),
    (Operation::All, "all"),
    (Operation::Find, "find"),
    (Operation::Create, "create"),
    (Operation::Update, "update"),
    (Operation::Delete, "delete"),
    (Operation::DeleteCompleted, "delete_completed"),
];

const OUTCOMES: [&str; 8] =
    ["ok", "not_found", "condition_failed", "too_long", "busy", "full", "no_space", "failed"];

fn outcome<T>(result: &Result<T, StoreError>) -> &'static str {
    match result {
        Ok(_) => "ok",
        Err(StoreError::NotFound(_)) => "not_found",
        Err(StoreError::ConditionFailed(_)) => "condition_failed",
        Err(StoreError::TooLong) => "too_long",
        Err(StoreError::Busy) => "busy",
        Err(StoreError::Full) => "full",
        Err(StoreError::NoSpace) => "no_space",
        Err(StoreError::Failed) => "failed",
    }
}

impl<S: Store> Measured<S> {
    /// `store`, with nothing counted yet.
    pub fn new(store: Arc<S>) -> Self {
        Self { store, operations: Default::default() }
    }

    fn count<T>(
        &self,
        operation: Operation,
        result: Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut operations = OPERATIONS.iter().zip(&self.operations);
        let counters = operations.find(|((known, _), _)| *known == operation);
        let counters = counters.map(|(_, counters)| counters.as_slice()).unwrap_or_default();
        let outcome = outcome(&result);
        if let Some((_, counter)) =
            OUTCOMES.iter().zip(counters).find(|(name, _)| **name == outcome)
        {
            counter.count();
        }
        result
    }
}

impl<S: Store> Store for Measured<S> {
    fn kind(&self) -> &'static str {
        self.store.kind()
    }

    async fn get(&self, id: TodoId) -> Result<Option<Arc<Todo>>, StoreError> {
        self.count(Operation::Get, self.store.get(id).await)
    }

    async fn all(&self) -> Result<AllTodos, StoreError> {
        self.count(Operation::All, self.store.all().await)
    }

    async fn find(&self, query: &Query) -> Result<Page, StoreError> {
        self.count(Operation::Find, self.store.find(query).await)
    }

    async fn change(&self, change: Change) -> Result<Outcome, StoreError> {
        let operation = match &change {
            Change::Create(_) => Operation::Create,
            Change::Update(..) => Operation::Update,
            Change::Delete(..) => Operation::Delete,
            Change::DeleteCompleted => Operation::DeleteCompleted,
        };
        self.count(operation, self.store.change(change).await)
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.store.check().await
    }

    fn count(&self) -> Count {
        self.store.count()
    }
}

impl<S: Store> Source for Measured<S> {
    fn show(&self, page: &mut metrics::Page<'_>) -> fmt::Result {
        // All of them from the start: of a counter that comes into being with its first failure no rate can be told.
        let samples = OPERATIONS.iter().zip(&self.operations).flat_map(|((_, name), counters)| {
            let outcomes =
                OUTCOMES.iter().map(|outcome| [("operation", *name), ("outcome", outcome)]);
            outcomes.zip(counters)
        });
        let help = "What the store was asked to do.";
        page.counters("store_operations_total", help, samples)?;
        let Count { open, completed } = self.store.count();
        let samples = [("open", open), ("completed", completed)];
        let samples = samples
            .map(|(state, count)| ([("state", state)], u64::try_from(count).unwrap_or(u64::MAX)));
        page.gauges("todos", "Todos in the store.", samples)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Condition, MemoryStore};
    use telemetry::metrics::Metrics;
    use todo_model::{Description, NewTodo, Title};

    fn new(title: &str) -> NewTodo {
        let title = Title::parse(title).unwrap();
        NewTodo { title, description: Description::default() }
    }

    #[test]
    fn every_operation_is_counted_with_its_outcome() {
        let store = Arc::new(Measured::new(Arc::new(MemoryStore::new(500, true))));
        let mut metrics = Metrics::default();
        metrics.add(store.clone());
        assert_eq!(metrics.text().unwrap().matches("\nstore_operations_total{").count(), 56);
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
            store.get(1).await.unwrap();
            store.get(99).await.unwrap();
            store.all().await.unwrap();
            store.find(&Query::default()).await.unwrap();
            store.change(Change::Create(new("x"))).await.unwrap();
            store.change(Change::Create(new(&"x".repeat(400)))).await.unwrap_err();
            store.change(Change::Delete(99, Condition::default())).await.unwrap_err();
            store.change(Change::DeleteCompleted).await.unwrap();
        });
        let text = metrics.text().unwrap();
        let more: Vec<_> = text.lines().filter(|line| !line.ends_with(" 0")).collect();
        let expected = [
            "# HELP store_operations_total What the store was asked to do.",
            "# TYPE store_operations_total counter",
            r#"store_operations_total{operation="get",outcome="ok"} 2"#,
            r#"store_operations_total{operation="all",outcome="ok"} 1"#,
            r#"store_operations_total{operation="find",outcome="ok"} 1"#,
            r#"store_operations_total{operation="create",outcome="ok"} 1"#,
            r#"store_operations_total{operation="create",outcome="full"} 1"#,
            r#"store_operations_total{operation="delete",outcome="not_found"} 1"#,
            r#"store_operations_total{operation="delete_completed",outcome="ok"} 1"#,
            "# HELP todos Todos in the store.",
            "# TYPE todos gauge",
            r#"todos{state="open"} 2"#,
        ];
        assert_eq!(more, expected);
    }
}
