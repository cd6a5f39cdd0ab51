//! Todos in memory, with what it takes to find them fast. Every local store answers from one of these.

use std::sync::{Arc, Weak};

use super::query::title_key;
use super::{Change, Condition, Count, Order, Outcome, Page, Query, StoreError};
use clock::Timestamp;
use todo_model::{Description, NewTodo, Title, Todo, TodoId};

/// The titles of the todos that a new store begins with, and whether they are completed.
const SAMPLES: [(&str, bool); 2] = [("Go 학습하기", false), ("Docker 최적화", true)];

/// What a todo counts against the limit of bytes beside its texts.
const FIXED_BYTES: usize = 100;

/// The longest text of all todos, and all such texts together that clients have not taken yet, in bytes. The memory that
/// lists take is bounded by these two, whatever clients do.
const MAX_TEXT: usize = 64 * 1024 * 1024;
const MAX_TEXTS: usize = 128 * 1024 * 1024;

/// All todos of a store, as the text that clients get.
#[derive(Clone, Debug)]
pub struct AllTodos {
    /// A JSON array of them.
    pub json: Arc<str>,
    /// How many there are.
    pub total: usize,
}

pub(super) struct Collection {
    /// In the order of their ids.
    todos: Vec<Arc<Todo>>,
    /// The same in the order of their titles, from the first time that somebody asks for it.
    by_title: Option<Vec<Arc<Todo>>>,
    /// The same as text, from when somebody asks for it until something changes.
    text: Option<AllTodos>,
    /// The texts that somebody still needs.
    texts: Vec<Weak<str>>,
    next_id: TodoId,
    bytes: usize,
    max_bytes: usize,
    completed: usize,
}

/// One todo, before and after a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Effect {
    pub(super) id: TodoId,
    pub(super) before: Option<Arc<Todo>>,
    pub(super) after: Option<Arc<Todo>>,
}

impl Collection {
    /// No todos, and room for `max_bytes`, in which each todo counts 100 bytes and its texts.
    pub(super) fn new(max_bytes: usize) -> Self {
        Self {
            todos: Vec::new(),
            by_title: None,
            text: None,
            texts: Vec::new(),
            next_id: 1,
            bytes: 0,
            max_bytes,
            completed: 0,
        }
    }

    /// Todos that were stored before, in the order of their ids, all of them below `next_id`.
    pub(super) fn restore(todos: Vec<Arc<Todo>>, next_id: TodoId, max_bytes: usize) -> Self {
        let bytes = todos.iter().map(|todo| size(todo)).sum();
        let completed = todos.iter().filter(|todo| todo.completed).count();
        Self { todos, next_id, bytes, completed, ..Self::new(max_bytes) }
    }

    /// Puts in the two sample todos, whatever the limit.
    pub(super) fn add_samples(&mut self) -> Vec<Effect> {
        let samples = SAMPLES.iter().filter_map(|&(title, completed)| {
            let title = Title::parse(title).ok()?;
            Some((NewTodo { title, description: Description::default() }, completed))
        });
        samples.map(|(new, completed)| self.create(new, completed)).collect()
    }

    /// Takes other todos in place of all that are there. Ids that were given out stay given out.
    pub(super) fn replace(&mut self, todos: Vec<Arc<Todo>>, next_id: TodoId) {
        let texts = std::mem::take(&mut self.texts);
        let restored = Self::restore(todos, next_id.max(self.next_id), self.max_bytes);
        *self = Self { texts, ..restored };
    }

    pub(super) fn next_id(&self) -> TodoId {
        self.next_id
    }

    pub(super) fn count(&self) -> Count {
        Count { open: self.todos.len().saturating_sub(self.completed), completed: self.completed }
    }

    pub(super) fn get(&self, id: TodoId) -> Option<&Arc<Todo>> {
        self.todos.get(self.position(id).ok()?)
    }

    pub(super) fn all(&mut self) -> Result<AllTodos, StoreError> {
        if self.text.is_none() {
            // Clients that are slow to take their answers hold on to old texts.
            self.texts.retain(|text| text.strong_count() > 0);
            let texts = self.texts.iter().filter_map(Weak::upgrade);
            if texts.map(|text| text.len()).sum::<usize>() > MAX_TEXTS {
                return Err(StoreError::Busy);
            }
            let json: Arc<str> = json_array(&self.todos)?.into();
            self.texts.push(Arc::downgrade(&json));
            self.text = Some(AllTodos { json, total: self.todos.len() });
        }
        self.text.clone().ok_or(StoreError::Busy)
    }

    pub(super) fn find(&mut self, query: &Query) -> Page {
        match query.order {
            Order::Id => query.select(&self.todos),
            Order::Title => {
                let todos = &self.todos;
                query.select(self.by_title.get_or_insert_with(|| {
                    let mut sorted = todos.clone();
                    sorted.sort_by(|left, right| title_key(left).cmp(&title_key(right)));
                    sorted
                }))
            }
        }
    }

    /// Makes one change and tells what it did, for others to do the same or for [`revert`](Self::revert).
    pub(super) fn apply(&mut self, change: Change) -> Result<(Outcome, Vec<Effect>), StoreError> {
        match change {
            Change::Create(new) => {
                self.make_room(FIXED_BYTES + text_size(&new.title, &new.description))?;
                let effect = self.create(new, false);
                let outcome = effect.after.clone().map_or(Outcome::Deleted(0), Outcome::Stored);
                Ok((outcome, vec![effect]))
            }
            Change::Update(id, update, condition) => {
                let before = self.meeting(id, &condition)?;
                let Some(after) = update.apply(&before) else {
                    return Ok((Outcome::Stored(before), Vec::new()));
                };
                self.make_room(size(&after).saturating_sub(size(&before)))?;
                let after = Arc::new(after);
                self.remove(&before);
                self.insert(after.clone());
                let effect = Effect { id, before: Some(before), after: Some(after.clone()) };
                Ok((Outcome::Stored(after), vec![effect]))
            }
            Change::Delete(id, condition) => {
                let before = self.meeting(id, &condition)?;
                self.remove(&before);
                let effect = Effect { id, before: Some(before), after: None };
                Ok((Outcome::Deleted(1), vec![effect]))
            }
            Change::DeleteCompleted => {
                let effects = self.delete_completed();
                Ok((Outcome::Deleted(effects.len()), effects))
            }
        }
    }

    /// Takes back changes that [`apply`](Self::apply) made since. The ids that they gave out stay given out.
    pub(super) fn revert(&mut self, effects: Vec<Effect>) {
        if effects.is_empty() {
            return;
        }
        // Of several effects on one todo the first knows how it was.
        let mut effects = effects;
        effects.sort_by_key(|effect| effect.id);
        effects.dedup_by_key(|effect| effect.id);
        self.todos
            .retain(|todo| effects.binary_search_by_key(&todo.id, |effect| effect.id).is_err());
        self.todos.extend(effects.into_iter().filter_map(|effect| effect.before));
        self.todos.sort_by_key(|todo| todo.id);
        let todos = std::mem::take(&mut self.todos);
        self.replace(todos, self.next_id);
    }

    fn create(&mut self, new: NewTodo, completed: bool) -> Effect {
        let last = self.todos.last().map(|todo| todo.created_at);
        let now = Timestamp::now();
        let todo = Arc::new(Todo {
            id: self.next_id,
            title: new.title,
            description: new.description,
            completed,
            // The clock may have been set back.
            created_at: last.map_or(now, |last| last.max(now)),
            revision: 1,
        });
        self.next_id += 1;
        self.insert(todo.clone());
        Effect { id: todo.id, before: None, after: Some(todo) }
    }

    fn delete_completed(&mut self) -> Vec<Effect> {
        let completed = self.todos.extract_if(.., |todo| todo.completed);
        let effects: Vec<_> =
            completed.map(|todo| Effect { id: todo.id, before: Some(todo), after: None }).collect();
        if !effects.is_empty() {
            if let Some(by_title) = &mut self.by_title {
                by_title.retain(|todo| !todo.completed);
            }
            self.bytes = self.todos.iter().map(|todo| size(todo)).sum();
            self.completed = 0;
            self.text = None;
        }
        effects
    }

    fn meeting(&self, id: TodoId, condition: &Condition) -> Result<Arc<Todo>, StoreError> {
        let todo = self.get(id).ok_or(StoreError::NotFound(id))?;
        if condition.holds(todo.revision) {
            Ok(todo.clone())
        } else {
            Err(StoreError::ConditionFailed(id))
        }
    }

    fn make_room(&self, more: usize) -> Result<(), StoreError> {
        if more > 0 && self.bytes.saturating_add(more) > self.max_bytes {
            return Err(StoreError::Full);
        }
        Ok(())
    }

    fn insert(&mut self, todo: Arc<Todo>) {
        self.bytes += size(&todo);
        self.completed += usize::from(todo.completed);
        self.text = None;
        if let Some(by_title) = &mut self.by_title {
            let key = title_key(&todo);
            let (Ok(position) | Err(position)) =
                by_title.binary_search_by(|other| title_key(other).cmp(&key));
            by_title.insert(position, todo.clone());
        }
        let (Ok(position) | Err(position)) = self.position(todo.id);
        self.todos.insert(position, todo);
    }

    fn remove(&mut self, todo: &Arc<Todo>) {
        self.bytes = self.bytes.saturating_sub(size(todo));
        self.completed = self.completed.saturating_sub(usize::from(todo.completed));
        self.text = None;
        if let Some(by_title) = &mut self.by_title {
            let key = title_key(todo);
            if let Ok(position) = by_title.binary_search_by(|other| title_key(other).cmp(&key)) {
                by_title.remove(position);
            }
        }
        if let Ok(position) = self.position(todo.id) {
            self.todos.remove(position);
        }
    }

    fn position(&self, id: TodoId) -> Result<usize, usize> {
        self.todos.binary_search_by_key(&id, |todo| todo.id)
    }
}

/// The text of `todos`, made piece by piece so that no more than the limit is ever there.
fn json_array(todos: &[Arc<Todo>]) -> Result<String, StoreError> {
    let mut json = String::from("[");
    for todo in todos {
        if json.len() > 1 {
            json.push(',');
        }
        // A todo is plain text and numbers: this does not fail.
        json.push_str(&serde_json::to_string(&**todo).unwrap_or_default());
        if json.len() > MAX_TEXT {
            return Err(StoreError::TooLong);
        }
    }
    json.push(']');
    Ok(json)
}

fn size(todo: &Todo) -> usize {
    FIXED_BYTES + text_size(&todo.title, &todo.description)
}

fn text_size(title: &Title, description: &Description) -> usize {
    title.as_str().len() + description.as_str().len()
}
