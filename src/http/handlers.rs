//! What each operation does: one short function each.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, LINK, LOCATION, VARY};
use hyper::{Response, StatusCode};
use serde::Serialize;
use tokio::sync::Semaphore;

use super::body::RequestBody;
use super::error::ApiError;
use super::etag::{condition, etag};
use super::query::{ListParameters, require_completed};
use crate::execution::Execution;
use clock::{GoDuration, Timestamp};
use http_server::Payload;
use http_server::Tasks;
use telemetry::metrics::{self, Metrics};
use todo_model::{Invalid, NewTodo, Revision, Todo, TodoFields, TodoId, TodoUpdate};
use todo_store::{AllTodos, Change, Outcome, Page, Store, StoreError};

/// What an operation comes to.
pub type Answer = Result<Response<Payload>, ApiError>;

/// `GET /`, unless the client prefers the page.
pub fn server_info(uptime: Duration, tasks: &Tasks, store: &str, execution: Execution) -> Answer {
    #[derive(Serialize)]
    struct ServerInfo<'a> {
        message: &'a str,
        rust_version: &'a str,
        platform: &'a str,
        execution: &'a str,
        store: &'a str,
        uptime: String,
        memory_mb: usize,
        tasks: u64,
        timestamp: Timestamp,
    }
    let mut answer = json(
        StatusCode::OK,
        &ServerInfo {
            message: "Docker로 배포된 Rust WebAssembly API 서버",
            rust_version: env!("TODO_RUST_VERSION"),
            platform: concat!("wasi/", "wasm32"),
            execution: execution.as_str(),
            store,
            uptime: GoDuration(uptime).to_string(),
            memory_mb: memory_mib(),
            tasks: tasks.live(),
            timestamp: Timestamp::now(),
        },
    )?;
    answer.headers_mut().insert(VARY, HeaderValue::from_static("Accept"));
    Ok(answer)
}

/// The module's linear memory, in MiB.
fn memory_mib() -> usize {
    crate::process::memory_bytes() / (1024 * 1024)
}

/// `GET /health`
pub fn health(uptime: Duration) -> Answer {
    #[derive(Serialize)]
    struct Health<'a> {
        status: &'a str,
        timestamp: Timestamp,
        uptime: String,
    }
    json(
        StatusCode::OK,
        &Health {
            status: "healthy",
            timestamp: Timestamp::now(),
            uptime: GoDuration(uptime).to_string(),
        },
    )
}

#[derive(Serialize)]
struct Probe<'a> {
    status: &'a str,
}

/// `GET /livez`: the process answers. Whatever else is wrong, a restart would not mend it.
pub fn live() -> Answer {
    json(StatusCode::OK, &Probe { status: "ok" })
}

/// `GET /readyz`: the store can serve as well.
pub async fn ready(store: &impl Store) -> Answer {
    store.check().await.map_err(|_| ApiError::not_ready())?;
    json(StatusCode::OK, &Probe { status: "ok" })
}

/// `GET /metrics`
pub fn show_metrics(metrics: &Metrics) -> Answer {
    let text = metrics.text().map_err(|_| {
        let message = "the metrics cannot be written";
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    })?;
    let mut answer = Response::new(Payload::from(text));
    let content_type = HeaderValue::from_static(metrics::CONTENT_TYPE);
    answer.headers_mut().insert(CONTENT_TYPE, content_type);
    Ok(answer)
}

/// Pages that clients have not taken yet, all together, in KiB. It bounds the memory that they can make pages take, by being
/// slow to read them.
pub const MAX_PAGES_KIB: usize = 64 * 1024;

/// The longest page, in bytes.
const MAX_PAGE: usize = 8 * 1024 * 1024;

/// `GET /api/todos`
pub async fn list_todos(
    store: &impl Store,
    query: Option<&str>,
    pages_kib: &Arc<Semaphore>,
) -> Answer {
    let now = Timestamp::now();
    let Some(parameters) = ListParameters::parse(query)? else {
        let AllTodos { json, total } = store.all().await?;
        let start = format!("{{\"timestamp\":\"{now}\",\"total\":{total},\"todos\":");
        let parts = [start.into(), Bytes::from_owner(SharedText(json)), Bytes::from_static(b"}")];
        return Ok(json_answer(StatusCode::OK, Payload::new(parts)));
    };
    #[derive(Serialize)]
    struct Todos<'a> {
        timestamp: Timestamp,
        total: usize,
        todos: Vec<&'a Todo>,
    }
    let Page { todos, total } = store.find(&parameters.query).await?;
    let texts =
        todos.iter().map(|todo| todo.title.as_str().len() + todo.description.as_str().len());
    if texts.sum::<usize>() > MAX_PAGE {
        return Err(ApiError::bad_request("limit is too high for todos that are so long"));
    }
    let todos = todos.iter().map(|todo| &**todo).collect();
    let body = to_json(&Todos { timestamp: now, total, todos })?;
    let kib = u32::try_from(body.len() / 1024).unwrap_or(u32::MAX);
    let room = pages_kib.clone().try_acquire_many_owned(kib).map_err(|_| ApiError::busy())?;
    let mut answer = json_answer(StatusCode::OK, Payload::from(body).guarded_by(room));
    if let Some(links) = parameters.links(total) {
        answer.headers_mut().insert(LINK, links);
    }
    Ok(answer)
}

/// Text that several answers share.
struct SharedText(Arc<str>);

impl AsRef<[u8]> for SharedText {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// `POST /api/todos`
pub async fn create_todo(store: &impl Store, body: &mut RequestBody) -> Answer {
    let new = NewTodo::from_fields(&body.json_object().await?)?;
    let Outcome::Stored(todo) = store.change(Change::Create(new)).await? else {
        return Err(StoreError::Failed.into());
    };
    let mut answer = todo_answer(&todo)?;
    *answer.status_mut() = StatusCode::CREATED;
    if let Ok(location) = HeaderValue::try_from(format!("/api/todos/{}", todo.id)) {
        answer.headers_mut().insert(LOCATION, location);
    }
    Ok(answer)
}

/// `DELETE /api/todos`
pub async fn delete_completed(store: &impl Store, query: Option<&str>) -> Answer {
    #[derive(Serialize)]
    struct Deleted {
        deleted: usize,
    }
    require_completed(query)?;
    match store.change(Change::DeleteCompleted).await? {
        Outcome::Deleted(deleted) => json(StatusCode::OK, &Deleted { deleted }),
        Outcome::Stored(_) => Err(StoreError::Failed.into()),
    }
}

/// `GET /api/todos/{id}`
pub async fn get_todo(store: &impl Store, id: &str, headers: &HeaderMap) -> Answer {
    let (id, condition) = (parse_id(id)?, condition(headers)?);
    let todo = store.get(id).await?.ok_or(StoreError::NotFound(id))?;
    if condition.one_of.is_some_and(|revisions| !revisions.contains(&todo.revision)) {
        return Err(StoreError::ConditionFailed(id).into());
    }
    if condition.none_of.contains(todo.revision) {
        return Ok(not_modified(todo.revision));
    }
    todo_answer(&todo)
}

/// `PUT` and `PATCH /api/todos/{id}`, which differ in how they `read` what is to change.
pub async fn update_todo(
    store: &impl Store,
    id: &str,
    headers: &HeaderMap,
    body: &mut RequestBody,
    read: fn(&TodoFields) -> Result<TodoUpdate, Invalid>,
) -> Answer {
    let (id, condition) = (parse_id(id)?, condition(headers)?);
    let update = read(&body.json_object().await?)?;
    match store.change(Change::Update(id, update, condition)).await? {
        Outcome::Stored(todo) => todo_answer(&todo),
        Outcome::Deleted(_) => Err(StoreError::Failed.into()),
    }
}

/// `DELETE /api/todos/{id}`
pub async fn delete_todo(store: &impl Store, id: &str, headers: &HeaderMap) -> Answer {
    let (id, condition) = (parse_id(id)?, condition(headers)?);
    store.change(Change::Delete(id, condition)).await?;
    let mut answer = Response::new(Payload::empty());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    Ok(answer)
}

/// An id as the API writes it.
fn parse_id(text: &str) -> Result<TodoId, ApiError> {
    let is_canonical = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    if !is_canonical {
        let shown: String = text.chars().take(40).collect();
        return Err(ApiError::bad_request(format!(
            "{shown:?} is not an id: a positive integer is"
        )));
    }
    // An integer that is too large is an id that no todo has.
    text.parse().map_err(|_| ApiError::no_todo(text))
}

/// 304: the client has this revision of what it asks for.
pub fn not_modified(revision: Revision) -> Response<Payload> {
    let mut answer = Response::new(Payload::empty());
    *answer.status_mut() = StatusCode::NOT_MODIFIED;
    answer.headers_mut().insert(ETAG, etag(revision));
    answer
}

fn todo_answer(todo: &Todo) -> Answer {
    #[derive(Serialize)]
    struct One<'a> {
        todo: &'a Todo,
    }
    let mut answer = json(StatusCode::OK, &One { todo })?;
    answer.headers_mut().insert(ETAG, etag(todo.revision));
    Ok(answer)
}

fn to_json(value: &impl Serialize) -> Result<Vec<u8>, ApiError> {
    serde_json::to_vec(value).map_err(|_| {
        let message = "the answer cannot be written as JSON";
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    })
}

fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    Ok(json_answer(status, to_json(value)?))
}

/// An answer whose `body` is JSON.
pub fn json_answer(status: StatusCode, body: impl Into<Payload>) -> Response<Payload> {
    let mut answer = Response::new(body.into());
    *answer.status_mut() = status;
    set_json(answer.headers_mut());
    answer
}

/// Declares a body to be JSON.
pub fn set_json(headers: &mut HeaderMap) {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
}
