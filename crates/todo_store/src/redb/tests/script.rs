//! Changes that a test asks a store for, what must come of them, and what is found in a file.

use std::collections::BTreeMap;

use tokio::sync::oneshot::{Receiver, error::TryRecvError};

use super::crash_disk::{CrashDisk, Handle, Op};
use super::*;
use crate::redb::open::{Source, open_disk};

/// One change.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// With a description of so many bytes, under a key or not.
    Create(usize, Option<&'static str>),
    Update(TodoId, usize),
    Complete(TodoId),
    Delete(TodoId),
    DeleteCompleted,
}

#[derive(Clone, PartialEq, Eq)]
struct State {
    title: String,
    description: String,
    completed: bool,
    revision: u64,
}

/// Without all of its text.
impl fmt::Debug for State {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (title, bytes) = (&self.title, self.description.len());
        write!(formatter, "{title:?} {bytes} {} {}", self.completed, self.revision)
    }
}

/// Todos and keys as they must be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Expected {
    todos: BTreeMap<TodoId, State>,
    keys: BTreeMap<String, TodoId>,
    next_id: TodoId,
    /// The greatest id that a client was told.
    told: TodoId,
}

impl Expected {
    fn apply(&mut self, step: &Step) {
        match *step {
            Step::Create(_, Some(key)) if self.keys.contains_key(key) => {}
            Step::Create(bytes, key) => {
                let id = self.next_id.max(1);
                (self.next_id, self.told) = (id + 1, id);
                let (title, description) = (title(id).as_str().to_owned(), text(bytes, id));
                self.todos.insert(id, State { title, description, completed: false, revision: 1 });
                if let Some(key) = key {
                    self.keys.insert(key.to_owned(), id);
                }
            }
            Step::Update(id, bytes) => {
                self.change(id, |todo| todo.description = text(bytes, id + 1))
            }
            Step::Complete(id) => self.change(id, |todo| todo.completed = true),
            Step::Delete(id) => drop(self.todos.remove(&id)),
            Step::DeleteCompleted => self.todos.retain(|_, todo| !todo.completed),
        }
    }

    fn change(&mut self, id: TodoId, change: impl FnOnce(&mut State)) {
        if let Some(todo) = self.todos.get_mut(&id) {
            let before = todo.clone();
            change(todo);
            todo.revision += u64::from(*todo != before);
        }
    }

    fn of(todos: &Todos) -> Self {
        let state = |todo: &Rc<Todo>| {
            let (title, description) =
                (todo.title.as_str().into(), todo.description.as_str().into());
            let (completed, revision) = (todo.completed, todo.revision);
            (todo.id, State { title, description, completed, revision })
        };
        Self {
            todos: todos.iter().map(state).collect(),
            keys: todos.keys().map(|(key, made)| (key.as_str().to_owned(), made.id)).collect(),
            next_id: todos.next_id(),
            told: 0,
        }
    }

    /// What is `found` may be what is there: no id that a client knows is given out again.
    fn holds(&self, found: &Self) -> bool {
        self.todos == found.todos && self.keys == found.keys && found.next_id > self.told
    }
}

fn title(id: TodoId) -> Title {
    Title::parse(&format!("todo {id}")).unwrap()
}

fn text(bytes: usize, seed: u64) -> String {
    (0..bytes).map(|index| char::from(b'a' + ((index as u64 * 7 + seed) % 26) as u8)).collect()
}

/// What was seen while a script ran.
pub(super) struct Run {
    pub(super) log: Rc<[Op]>,
    pub(super) expected: Vec<Expected>,
    /// When each todo was made, and the store's epoch: once told, they stay.
    pub(super) times: BTreeMap<TodoId, u64>,
    pub(super) epoch: Epoch,
    pub(super) acknowledged: usize,
    told: TodoId,
    pub(super) failed: usize,
    /// What lies under the name at the end.
    pub(super) named: Option<Vec<u8>>,
}

/// Opens what has the name on a disk, as a start does.
pub(super) fn start(disk: CrashDisk) -> Result<RedbStore, String> {
    let source = match disk.handle().named() {
        None => Source::Nothing,
        Some(bytes) => Source::from_start(&bytes)?,
    };
    let mut disk = Box::new(disk);
    let (table, todos, header) = open_disk(&mut *disk, source, OPTIONS)?;
    Ok(RedbStore::new(todos, TodoDatabase::new(table, disk, header), None))
}

/// Starts a store and makes the changes of each batch in one transaction. A batch that fails is followed by the next one.
pub(super) fn run(disk: CrashDisk, script: &[Vec<Step>]) -> Result<Run, String> {
    let handle = disk.handle();
    let store = start(disk)?;
    let mut run = Run {
        log: Rc::new([]),
        expected: vec![Expected::of(&store.todos.borrow())],
        times: times(&store),
        epoch: store.epoch,
        acknowledged: 0,
        told: 0,
        failed: 0,
        named: None,
    };
    handle.note(Op::Acknowledged(0));
    for batch in script {
        run.batch(&store, &handle, batch);
    }
    drop(store);
    run.named = handle.named();
    run.log = handle.log();
    Ok(run)
}

impl Run {
    fn batch(&mut self, store: &RedbStore, handle: &Handle, batch: &[Step]) {
        let mut before = Expected::of(&store.todos.borrow());
        // The ids of todos that were not made are not told.
        before.told = self.told;
        let mut after = before.clone();
        batch.iter().for_each(|step| after.apply(step));
        let number = self.expected.len();
        self.expected.push(after.clone());
        handle.note(Op::Asked(number));
        let is_done = submit(store, batch);
        let mut found = Expected::of(&store.todos.borrow());
        if is_done {
            handle.note(Op::Acknowledged(number));
            found.told = after.told;
            assert_eq!(found, after, "{batch:?}");
            self.acknowledged += 1;
            self.told = after.told;
            self.times = times(store);
        } else {
            found.next_id = before.next_id;
            found.told = before.told;
            assert_eq!(found, before, "a change that failed is not seen: {batch:?}");
            self.failed += 1;
        }
        store.database.borrow_mut().end_pause();
    }

    /// The number of the state that was acknowledged last.
    pub(super) fn last_acknowledged(&self) -> usize {
        let acknowledged = |op: &Op| match op {
            Op::Acknowledged(number) => Some(*number),
            _ => None,
        };
        self.log.iter().rev().find_map(acknowledged).unwrap_or(0)
    }

    /// What is found in a file is one of the states with these numbers. A store that `was_open` has told its epoch.
    pub(super) fn find(
        &self,
        allowed: &[usize],
        store: &RedbStore,
        was_open: bool,
    ) -> Result<usize, String> {
        let todos = store.todos.borrow();
        let found = Expected::of(&todos);
        let Some(number) = allowed.iter().find(|&&number| self.expected[number].holds(&found))
        else {
            let wanted: Vec<_> = allowed.iter().map(|&number| &self.expected[number]).collect();
            return Err(format!("found {found:?} instead of one of {wanted:?}"));
        };
        let has_other_time = |(id, time)| self.times.get(id).is_some_and(|known| known != time);
        if times(store).iter().any(has_other_time) {
            return Err("a todo has another time of creation".to_owned());
        }
        if was_open && store.epoch != self.epoch {
            return Err("the store has another epoch".to_owned());
        }
        Ok(*number)
    }
}

fn times(store: &RedbStore) -> BTreeMap<TodoId, u64> {
    let todos = store.todos.borrow();
    todos.iter().map(|todo| (todo.id, todo.created_at.nanoseconds())).collect()
}

/// Makes the changes in one transaction. Tells whether they are acknowledged: all of them or none.
pub(super) fn submit(store: &RedbStore, batch: &[Step]) -> bool {
    let (mut next_id, mut keys) = (store.next_id(), Expected::of(&store.todos.borrow()).keys);
    let (mut changes, mut replies) = (Vec::new(), Vec::new());
    for step in batch {
        let (change, reply) = change(step, &mut next_id, &mut keys);
        changes.push(change);
        replies.push(reply);
    }
    store.commit(changes).unwrap();
    let outcomes: Vec<_> = replies.into_iter().map(|mut reply| reply()).collect();
    assert!(outcomes.windows(2).all(|pair| pair[0] == pair[1]), "{outcomes:?} in one transaction");
    outcomes.first() == Some(&true)
}

type Told = Box<dyn FnMut() -> bool>;

/// Whether a change was made, or had nothing to do.
fn told<T: 'static, E: From<StoreError> + PartialEq + 'static>(
    mut reply: Receiver<Result<T, E>>,
) -> Told {
    Box::new(move || match reply.try_recv() {
        Ok(Err(error)) => {
            ![StoreError::NoSpace, StoreError::Unavailable].into_iter().any(|e| error == e.into())
        }
        Ok(Ok(_)) => true,
        Err(TryRecvError::Empty | TryRecvError::Closed) => panic!("no answer"),
    })
}

fn change(
    step: &Step,
    next_id: &mut TodoId,
    keys: &mut BTreeMap<String, TodoId>,
) -> (super::Change, Told) {
    macro_rules! ask {
        ($change:expr) => {{
            let (sender, reply) = oneshot::channel();
            ($change(sender), told(reply))
        }};
    }
    let condition = Condition::default;
    match *step {
        Step::Create(bytes, key) => {
            let known = key.and_then(|key| keys.get(key)).copied();
            let id = known.unwrap_or(*next_id);
            *next_id += u64::from(known.is_none());
            if let Some(key) = key {
                keys.insert(key.to_owned(), id);
            }
            let key = key.map(|key| IdempotencyKey::parse(key).unwrap());
            let description = Description::parse(&text(bytes, id)).unwrap();
            let new = NewTodo { title: title(id), description };
            ask!(|reply| super::Change::Create(new, key, reply))
        }
        Step::Update(id, bytes) => {
            let description = Some(Description::parse(&text(bytes, id + 1)).unwrap());
            let update = TodoUpdate { description, ..TodoUpdate::default() };
            ask!(|reply| super::Change::Update(id, update, condition(), reply))
        }
        Step::Complete(id) => {
            let update = TodoUpdate { completed: Some(true), ..TodoUpdate::default() };
            ask!(|reply| super::Change::Update(id, update, condition(), reply))
        }
        Step::Delete(id) => ask!(|reply| super::Change::Delete(id, condition(), reply)),
        Step::DeleteCompleted => {
            // Those of this transaction as well.
            let ids = (1..*next_id).collect();
            ask!(|reply| super::Change::DeleteCompleted(ids, reply))
        }
    }
}
