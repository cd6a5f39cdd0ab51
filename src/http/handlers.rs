//! What each operation does: one short function each.

use std::time::Duration;

use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use hyper::{Response, StatusCode};
use serde::Serialize;

use super::body::RequestBody;
use super::error::ApiError;
use crate::clock::{GoDuration, Timestamp};
use crate::server::Payload;
use crate::store::Store;
use crate::tasks::Tasks;
use crate::todo::{NewTodo, Todo};

type Answer = Result<Response<Payload>, ApiError>;

/// `GET /`
pub fn server_info(uptime: Duration, tasks: &Tasks) -> Answer {
    #[derive(Serialize)]
    struct ServerInfo<'a> {
        message: &'a str,
        rust_version: &'a str,
        platform: &'a str,
        uptime: String,
        memory_mb: usize,
        tasks: usize,
        timestamp: Timestamp,
    }
    json(
        StatusCode::OK,
        &ServerInfo {
            message: "Docker로 배포된 Rust WebAssembly API 서버",
            rust_version: env!("TODO_RUST_VERSION"),
            platform: concat!("wasi/", "wasm32"),
            uptime: GoDuration(uptime).to_string(),
            memory_mb: memory_mib(),
            tasks: tasks.live(),
            timestamp: Timestamp::now(),
        },
    )
}

/// The module's linear memory, in MiB.
fn memory_mib() -> usize {
    const PAGES_PER_MIB: usize = 16;
    core::arch::wasm32::memory_size::<0>() / PAGES_PER_MIB
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

/// `GET /api/todos`
pub async fn list_todos(store: &impl Store) -> Answer {
    #[derive(Serialize)]
    struct Todos {
        timestamp: Timestamp,
        total: usize,
        todos: Vec<Todo>,
    }
    let todos = store.list().await?;
    json(StatusCode::OK, &Todos { timestamp: Timestamp::now(), total: todos.len(), todos })
}

/// `POST /api/todos`
pub async fn create_todo(store: &impl Store, body: &mut RequestBody) -> Answer {
    #[derive(Serialize)]
    struct Created<'a> {
        todo: &'a Todo,
    }
    let new = NewTodo::from_json(&body.json_object().await?)?;
    let todo = store.create(new).await?;
    let mut answer = json(StatusCode::CREATED, &Created { todo: &todo })?;
    if let Ok(location) = HeaderValue::try_from(format!("/api/todos/{}", todo.id)) {
        answer.headers_mut().insert(LOCATION, location);
    }
    Ok(answer)
}

fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    match serde_json::to_vec(value) {
        Ok(body) => Ok(json_answer(status, body)),
        Err(_) => {
            let message = "the answer cannot be written as JSON";
            Err(ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, message))
        }
    }
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
