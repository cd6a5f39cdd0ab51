//! Folders that are gone afterwards, and stores in them.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::{env, fs, process};

use serde_json::Value;
use todo_store::{AnyStore, Location, StoreOptions};

use crate::api::{Api, Executor};

/// A folder of this process, in the machine's folder for temporary files.
pub struct Folder(PathBuf);

impl Folder {
    /// A new, empty folder.
    ///
    /// # Panics
    /// Where none can be made.
    pub fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("todo-fuzz-{name}-{}", process::id()));
        let folder = Self(path);
        folder.empty();
        folder
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Removes all that is in it.
    ///
    /// # Panics
    /// Where that fails.
    pub fn empty(&self) {
        let _ = fs::remove_dir_all(&self.0);
        fs::create_dir_all(&self.0).expect("a folder");
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Opens the file as the server does, without sample todos.
///
/// # Errors
/// What the operator is told.
pub fn open(executor: &Executor, file: &Path) -> Result<AnyStore, String> {
    let options = StoreOptions { max_bytes: 1_000_000, samples: false };
    let store = executor.run(AnyStore::open(&Location::Redb(file.into()), options));
    store.map_err(|error| error.to_string())
}

/// Uses a store that was just opened: its list, each todo, a change of each, and a new todo. Gives the list as it was.
///
/// # Panics
/// If one of them is not as the API promises.
pub fn use_store(store: AnyStore) -> Vec<Value> {
    let store = Rc::new(store);
    let api = Api::over(store.clone(), &[]);
    api.spawn({
        let store = store.clone();
        async move {
            store.run().await;
        }
    });
    let list = api.request("GET", "/api/todos", "").json();
    let todos = list["todos"].as_array().expect("a list").clone();
    assert_eq!(list["total"], todos.len());
    let mut last = 0;
    for todo in &todos {
        let id = todo["id"].as_u64().expect("an id");
        assert!(id > last, "{id} behind {last}");
        last = id;
        let title = todo["title"].as_str().expect("a title");
        assert!(!title.is_empty() && title == title.trim() && title.chars().count() <= 500);
        let target = format!("/api/todos/{id}");
        let answer = api.request("GET", &target, "");
        assert_eq!(answer.json()["todo"], *todo);
        let changed = api.request("PATCH", &target, r#"{"title":"changed"}"#);
        if changed.status == 200 {
            assert_eq!(changed.json()["todo"]["title"], "changed");
            let is_same = answer.header("etag") == changed.header("etag");
            assert_eq!(is_same, title == "changed", "an entity tag of two states");
        }
    }
    for _ in 0..2 {
        let made = api.request("POST", "/api/todos", r#"{"title":"new"}"#);
        if made.status == 201 {
            let id = made.json()["todo"]["id"].as_u64().expect("an id");
            assert!(id > last, "{id} behind {last}");
            last = id;
        }
    }
    todos
}
