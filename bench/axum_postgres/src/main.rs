//! Three routes of the API over the tables that the server has made: axum and tokio-postgres, one thread, statements
//! prepared once, `CONNECTIONS` connections (4) that requests share by pipelining. It takes `PORT` and `DATABASE_URL`.

use std::env;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, NoTls, Row, Statement};

struct Connection {
    client: Client,
    get: Statement,
    page: Statement,
    total: Statement,
    create: Statement,
}

struct Database {
    connections: Vec<Connection>,
    next: AtomicUsize,
}

impl Database {
    fn connection(&self) -> &Connection {
        &self.connections[self.next.fetch_add(1, Relaxed) % self.connections.len()]
    }
}

#[derive(Deserialize)]
struct Page {
    limit: i64,
    #[serde(default)]
    offset: i64,
}

#[derive(Deserialize)]
struct NewTodo {
    title: String,
    #[serde(default)]
    description: String,
}

const COLUMNS: &str = "id, title, description, completed, created_at, revision";

async fn connect(url: &str) -> Connection {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(async move { connection.await.unwrap() });
    let page = format!("SELECT {COLUMNS} FROM todos ORDER BY id LIMIT $1 OFFSET $2");
    let one = format!("SELECT {COLUMNS} FROM todos WHERE id = $1");
    let create = "WITH made AS (INSERT INTO todos (id, title, description, completed, created_at, revision) \
        VALUES (nextval('todo_ids'), $1, $2, false, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint * 1000, 1) \
        RETURNING id, title, description, completed, created_at), \
        logged AS (INSERT INTO todo_changes (todo_id) SELECT id FROM made) SELECT * FROM made";
    Connection {
        get: client.prepare(&one).await.unwrap(),
        page: client.prepare(&page).await.unwrap(),
        total: client.prepare("SELECT count(*) FROM todos").await.unwrap(),
        create: client.prepare(create).await.unwrap(),
        client,
    }
}

fn todo(row: &Row) -> Value {
    json!({
        "id": row.get::<_, i64>(0),
        "title": row.get::<_, &str>(1),
        "description": row.get::<_, &str>(2),
        "completed": row.get::<_, bool>(3),
        "created_at": row.get::<_, i64>(4),
    })
}

async fn page(State(database): State<Arc<Database>>, Query(asked): Query<Page>) -> Json<Value> {
    let connection = database.connection();
    let range: [&(dyn ToSql + Sync); 2] = [&asked.limit, &asked.offset];
    let (rows, total) = tokio::join!(
        connection.client.query(&connection.page, &range),
        connection.client.query_one(&connection.total, &[])
    );
    let todos: Vec<_> = rows.unwrap().iter().map(todo).collect();
    Json(json!({ "total": total.unwrap().get::<_, i64>(0), "todos": todos }))
}

async fn one(
    State(database): State<Arc<Database>>,
    Path(id): Path<i64>,
) -> Result<Json<Value>, StatusCode> {
    let connection = database.connection();
    let row = connection.client.query_opt(&connection.get, &[&id]).await.unwrap();
    row.map(|row| Json(json!({ "todo": todo(&row) }))).ok_or(StatusCode::NOT_FOUND)
}

async fn create(
    State(database): State<Arc<Database>>,
    Json(new): Json<NewTodo>,
) -> (StatusCode, Json<Value>) {
    let connection = database.connection();
    let parameters: [&(dyn ToSql + Sync); 2] = [&new.title, &new.description];
    let row = connection.client.query_one(&connection.create, &parameters).await.unwrap();
    (StatusCode::CREATED, Json(json!({ "todo": todo(&row) })))
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let url = env::var("DATABASE_URL").unwrap();
    let count = env::var("CONNECTIONS").map_or(4, |count| count.parse().unwrap());
    let mut connections = Vec::new();
    for _ in 0..count {
        connections.push(connect(&url).await);
    }
    let database = Arc::new(Database { connections, next: AtomicUsize::new(0) });
    let routes = Router::new()
        .route("/health", get(|| async { Json(json!({ "status": "healthy" })) }))
        .route("/api/todos", get(page).post(create))
        .route("/api/todos/{id}", get(one))
        .with_state(database);
    let listener =
        TcpListener::bind(format!("127.0.0.1:{}", env::var("PORT").unwrap())).await.unwrap();
    axum::serve(listener, routes).await.unwrap();
}
