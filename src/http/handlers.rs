//! What each operation does: one short function each.

use std::rc::Rc;
use std::time::Instant;

use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, LOCATION};
use hyper::http::request::Parts;
use hyper::{Response, StatusCode};
use serde::Serialize;

use super::body::RequestBody;
use super::error::ApiError;
use super::etag::{condition, etag};
use super::idempotency_key::idempotency_key;
use super::query::require_completed;
use super::response::{Answer, json, json_response, no_content};
use super::{App, web_page};
use crate::process::memory_bytes;
use clock::{GoDuration, Timestamp};
use http_server::ResponseBody;
use todo_model::{Invalid, NewTodo, Todo, TodoFields, TodoId, TodoUpdate};
use todo_store::{ChangeError, Store as _};

/// A request on its way to a handler.
pub struct Call<'a> {
    /// When its head was complete.
    pub began: Instant,
    /// Method, target and headers.
    pub head: &'a Parts,
    /// The segment of the path that stands for `{id}`, or nothing.
    pub id: &'a str,
    /// The body, not read yet.
    pub body: &'a mut RequestBody,
}

impl Call<'_> {
    /// The request's headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// What came after `?`.
    pub fn query(&self) -> Option<&str> {
        self.head.uri.query()
    }
}

/// `GET /`: the web page for browsers, JSON for everybody else.
pub fn root(app: &App, call: &Call<'_>) -> Answer {
    #[derive(Serialize)]
    struct ServerInfo<'a> {
        message: &'a str,
        rust_version: &'a str,
        platform: &'a str,
        store: &'a str,
        uptime: GoDuration,
        memory_mb: usize,
        tasks: u64,
        timestamp: Timestamp,
    }
    if let Some(page) = web_page::response(call.headers())? {
        return Ok(page);
    }
    let info = ServerInfo {
        message: "Docker로 배포된 Rust WebAssembly API 서버",
        rust_version: env!("TODO_RUST_VERSION"),
        platform: concat!("wasi/", "wasm32"),
        store: app.store.kind(),
        uptime: app.uptime(call.began),
        memory_mb: memory_bytes() / (1024 * 1024),
        tasks: app.tasks.live(),
        timestamp: app.clock.at(call.began),
    };
    json(StatusCode::OK, &info)
}

/// `GET /health`
pub fn health(app: &App, call: &Call<'_>) -> Answer {
    #[derive(Serialize)]
    struct Health<'a> {
        status: &'a str,
        timestamp: Timestamp,
        uptime: GoDuration,
    }
    let (timestamp, uptime) = (app.clock.at(call.began), app.uptime(call.began));
    json(StatusCode::OK, &Health { status: "healthy", timestamp, uptime })
}

#[derive(Serialize)]
struct Probe<'a> {
    status: &'a str,
}

/// `GET /livez`: the process answers. Whatever else is wrong, a restart would not mend it.
pub fn live(_: &App, _: &Call<'_>) -> Answer {
    json(StatusCode::OK, &Probe { status: "ok" })
}

/// `GET /readyz`: the store can serve as well, and there is room for more connections.
pub async fn ready(app: &App) -> Answer {
    if app.is_nearly_full() {
        return Err(ApiError::nearly_full());
    }
    app.store.check().await.map_err(|_| ApiError::not_ready())?;
    json(StatusCode::OK, &Probe { status: "ok" })
}

/// `GET /metrics`
pub async fn metrics(app: &App) -> Answer {
    let text = app.metrics_text().await.map_err(|_| {
        let message = "the metrics cannot be written";
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    })?;
    let mut response = Response::new(ResponseBody::from(text));
    let content_type = HeaderValue::from_static(telemetry::metrics::CONTENT_TYPE);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    Ok(response)
}

/// `POST /api/todos`
pub async fn create(app: &Rc<App>, call: Call<'_>) -> Answer {
    let key = idempotency_key(call.headers())?;
    let new = NewTodo::from_fields(&call.body.json_object().await?)?;
    let todo = app.store.create(new, key.as_ref()).await?;
    let mut response = todo_response(app, &todo).await?;
    *response.status_mut() = StatusCode::CREATED;
    let location = ["/api/todos/", itoa::Buffer::new().format(todo.id)].concat();
    if let Ok(location) = HeaderValue::try_from(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// `DELETE /api/todos`
pub async fn delete_completed(app: &Rc<App>, call: Call<'_>) -> Answer {
    #[derive(Serialize)]
    struct Deleted {
        deleted: usize,
    }
    require_completed(call.query())?;
    let deleted = app.store.delete_completed().await?;
    json(StatusCode::OK, &Deleted { deleted })
}

/// `GET /api/todos/{id}`
pub async fn get(app: &Rc<App>, call: Call<'_>) -> Answer {
    let id = parse_id(call.id)?;
    let condition = condition(app.store.epoch().await?, call.headers())?;
    let todo = app.store.get(id).await?.ok_or_else(|| ApiError::no_todo(id))?;
    if condition.one_of.is_some_and(|revisions| !revisions.contains(&todo.revision)) {
        return Err(ApiError::condition_failed(id));
    }
    if condition.none_of.contains(todo.revision) {
        let mut response = Response::new(ResponseBody::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response.headers_mut().insert(ETAG, etag(app.store.epoch().await?, todo.revision));
        return Ok(response);
    }
    todo_response(app, &todo).await
}

/// `PUT` and `PATCH /api/todos/{id}`, which differ in how they `read` what is to change.
pub async fn update(
    app: &Rc<App>,
    call: Call<'_>,
    read: fn(&TodoFields) -> Result<TodoUpdate, Invalid>,
) -> Answer {
    let id = parse_id(call.id)?;
    let condition = condition(app.store.epoch().await?, call.headers())?;
    let update = read(&call.body.json_object().await?)?;
    let todo = app.store.update(id, update, &condition).await;
    todo_response(app, &*todo.map_err(|error| change_error(error, id))?).await
}

/// `DELETE /api/todos/{id}`
pub async fn delete(app: &Rc<App>, call: Call<'_>) -> Answer {
    let id = parse_id(call.id)?;
    let condition = condition(app.store.epoch().await?, call.headers())?;
    app.store.delete(id, &condition).await.map_err(|error| change_error(error, id))?;
    Ok(no_content())
}

fn change_error(error: ChangeError, id: TodoId) -> ApiError {
    match error {
        ChangeError::NotFound => ApiError::no_todo(id),
        ChangeError::ConditionFailed => ApiError::condition_failed(id),
        ChangeError::Store(error) => error.into(),
    }
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

async fn todo_response(app: &App, todo: &Todo) -> Answer {
    let mut json = Vec::with_capacity(256);
    json.extend_from_slice(br#"{"todo":"#);
    todo.append_json_to(&mut json);
    json.push(b'}');
    let mut response = json_response(StatusCode::OK, Bytes::from(json));
    response.headers_mut().insert(ETAG, etag(app.store.epoch().await?, todo.revision));
    Ok(response)
}
