//! What the server with a fault has, and what it does to it.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};

use super::Fault;

#[derive(Clone)]
pub struct Todo {
    pub body: Value,
    pub revision: u64,
}

#[derive(Clone, Default)]
pub struct State {
    pub todos: BTreeMap<u64, Todo>,
    /// What a todo was before its latest change.
    pub former: BTreeMap<u64, Todo>,
    pub last_id: u64,
    pub deleted: Option<Todo>,
    pub keys: BTreeMap<String, (Value, u64, Todo)>,
    /// What was asked for, to be faulty now and then only.
    pub count: u64,
    /// The latest changes, to be made again.
    pub latest: VecDeque<(u64, Value)>,
    /// All events since the start.
    pub events: Vec<String>,
    /// How many events there were to tell, to be wrong now and then only.
    pub told: u64,
}

/// Status, entity tag and body.
pub type Reply = (u16, Option<u64>, Value);

impl State {
    pub fn create(
        &mut self,
        fault: Fault,
        key: Option<String>,
        body: Value,
        now_and_then: bool,
    ) -> Reply {
        let forgets = fault == Fault::KeyForgotten && now_and_then;
        if let Some((first, id, made)) = key.as_ref().and_then(|key| self.keys.get(key))
            && !forgets
        {
            if *first != body && fault != Fault::KeyUnchecked {
                return (422, None, json!({ "error": "another todo" }));
            }
            let now = self.todos.get(id).filter(|_| fault == Fault::KeyToldAnew);
            let todo = now.unwrap_or(made);
            return (201, Some(todo.revision), json!({ "todo": todo.body }));
        }
        let id = match fault {
            Fault::IdDoubled if now_and_then => self.last_id.max(1),
            Fault::IdReused => self.todos.keys().last().unwrap_or(&0) + 1,
            // Those between are not given out otherwise.
            Fault::IdFalls if now_and_then && self.last_id > 0 => self.last_id - 1,
            Fault::IdFalls => self.last_id + 3,
            _ => self.last_id + 1,
        };
        self.last_id = id.max(self.last_id);
        let body_now = json!({
            "id": id, "title": body["title"], "description": body["description"],
            "completed": false, "created_at": format!("at {id}"),
        });
        let todo = Todo { body: body_now, revision: 1 };
        self.todos.insert(id, todo.clone());
        self.tell(id, fault);
        let reply = (201, Some(1), json!({ "todo": todo.body }));
        if let Some(key) = key {
            self.keys.insert(key, (body, id, todo));
        }
        reply
    }

    pub fn change(
        &mut self,
        id: u64,
        change: &Value,
        fault: Fault,
        now_and_then: bool,
    ) -> Option<Todo> {
        let todo = self.todos.get_mut(&id)?;
        let former = todo.clone();
        for (name, value) in change.as_object()? {
            todo.body[name] = value.clone();
        }
        let is_changed = todo.body != former.body;
        let keeps_revision = fault == Fault::RevisionReused && now_and_then;
        todo.revision += u64::from(is_changed && !keeps_revision);
        let todo = todo.clone();
        if is_changed {
            self.former.insert(id, former);
            self.tell(id, fault);
        }
        self.latest.push_back((id, change.clone()));
        if self.latest.len() > 50 {
            self.latest.pop_front();
        }
        Some(todo)
    }

    pub fn delete(&mut self, id: u64, fault: Fault) {
        self.deleted = self.todos.remove(&id);
        self.former.remove(&id);
        self.tell(id, fault);
    }

    /// Writes an event of a todo as it is now.
    fn tell(&mut self, id: u64, fault: Fault) {
        self.told += 1;
        let is = |wrong: Fault| fault == wrong && self.told.is_multiple_of(3);
        let former = self.former.get(&id).filter(|_| is(Fault::EventStale));
        let event = match former.or(self.todos.get(&id)) {
            Some(Todo { body, revision }) => {
                let data = json!({ "todo": body, "etag": format!("\"f00d-{revision}\"") });
                format!("event: todo\ndata: {data}")
            }
            None => format!("event: deleted\ndata: {{\"id\":{id}}}"),
        };
        let times =
            if is(Fault::EventLost) { 0 } else { 1 + usize::from(is(Fault::EventRepeated)) };
        self.events.extend(std::iter::repeat_n(event, times));
    }

    pub fn delete_completed(&mut self, fault: Fault) -> Reply {
        let completed = self.todos.iter().filter(|(_, todo)| todo.body["completed"] == true);
        let ids: Vec<u64> = completed.map(|(id, _)| *id).collect();
        ids.iter().for_each(|id| self.delete(*id, fault));
        (200, None, json!({ "deleted": ids.len() }))
    }

    pub fn list(&self, target: &str, fault: Fault, now_and_then: bool) -> Reply {
        let is = |wrong: Fault| fault == wrong && now_and_then;
        let mut todos: Vec<_> = self.todos.values().map(|todo| &todo.body).collect();
        let deleted = self.deleted.as_ref().filter(|_| is(Fault::StaleList));
        todos.extend(deleted.map(|todo| &todo.body));
        todos.sort_by_key(|todo| todo["id"].as_u64());
        let parameter = |name: &str| target.split(['?', '&']).find_map(|p| p.strip_prefix(name));
        if let Some(completed) = parameter("completed=") {
            todos.retain(|todo| todo["completed"] == (completed == "true"));
        }
        if let Some(text) = parameter("q=") {
            let text = text.replace("%20", " ").to_lowercase();
            todos.retain(|todo| {
                let former = todo["id"].as_u64().and_then(|id| self.former.get(&id));
                let former = former.map(|todo| &todo.body).filter(|_| is(Fault::SearchStale));
                let todo = former.unwrap_or(todo);
                ["title", "description"].into_iter().any(|name| {
                    todo[name].as_str().unwrap_or_default().to_lowercase().contains(&text)
                })
            });
            if is(Fault::SearchMisses) {
                todos.pop();
            }
        }
        let total = todos.len();
        todos.truncate(parameter("limit=").map_or(total, |limit| limit.parse().unwrap()));
        (200, None, json!({ "todos": todos, "total": total }))
    }
}
