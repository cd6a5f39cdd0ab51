//! `GET /api/todos`: pages, and the list of all todos.
//!
//! | what is asked for | how it is answered |
//! |---|---|
//! | a page or a search | at most [`MAX_PAGE_BYTES`]; where that is less than was asked for, `Link` leads on |
//! | all todos, up to [`MAX_TEXT_BYTES`] | one text, which is kept until something changes |
//! | all todos, more than that | a stream, made while it is sent: see [`stream`] |
//!
//! What any of them takes is reserved in the memory budget before it is taken.

use std::any::Any;
use std::io;
use std::rc::Rc;

use futures_util::stream;
use http_server::{RESPONSE_BUFFER_BYTES, Reservation, ResponseBody};
use hyper::StatusCode;
use hyper::body::Bytes;
use hyper::header::LINK;
use todo_model::{Todo, TodoId};
use todo_store::{Page, Portion, Store as _};
use tokio::task::yield_now;

use super::App;
use super::error::ApiError;
use super::handlers::Call;
use super::query::ListParameters;
use super::response::{Answer, json_response};
use clock::Timestamp;

/// The longest page in JSON, but for a page of one todo.
const MAX_PAGE_BYTES: usize = 1024 * 1024;

/// The longest list of all todos that is kept as one text, in bytes of titles and descriptions.
const MAX_TEXT_BYTES: usize = 1024 * 1024;

/// How much of a text is made at one time, in bytes of titles and descriptions and in bytes of JSON.
const PIECE_BYTES: usize = 32 * 1024;

/// Responses that are shorter need no reservation for the buffers of their connection.
const SMALL_RESPONSE_BYTES: usize = 16 * 1024;

/// A list of all todos up to this length is copied for each response: that costs less than several parts do.
const MAX_COPIED_BYTES: usize = 4 * 1024;

/// What a character of a text takes in JSON at the most: `\\u0001`.
const MAX_JSON_PER_BYTE: usize = 6;

/// What a todo takes in JSON beside its texts.
const MAX_JSON_FRAME: usize = 200;

/// What a stream takes: what is on the way to the client, and the piece that is made.
const STREAM_BYTES: usize = RESPONSE_BUFFER_BYTES + 4 * PIECE_BYTES;

/// All todos as a JSON array and the end of the object that it is in, as of some version of the store.
pub struct CachedList {
    version: u64,
    total: usize,
    json: Bytes,
    _reservation: Reservation,
}

/// `GET /api/todos`
pub async fn list(app: &Rc<App>, call: Call<'_>) -> Answer {
    match ListParameters::parse(call.query())? {
        Some(parameters) => page(app, &parameters, app.clock.at(call.began)).await,
        None => all(app, app.clock.at(call.began)).await,
    }
}

async fn page(app: &Rc<App>, parameters: &ListParameters, now: Timestamp) -> Answer {
    let Page { todos, total } = app.store.find(&parameters.query).await?;
    let mut json = Json::begin(app, opening(now, total, "["))?;
    let mut shown = 0;
    for todo in &todos {
        if shown > 0 && json.text.len() + longest(todo) > MAX_PAGE_BYTES {
            break;
        }
        json.push(app, todo, shown > 0)?;
        json.give_way(app).await;
        shown += 1;
    }
    json.text.extend_from_slice(b"]}");
    let links = parameters.links(total, shown);
    let length = json.text.len();
    let (text, reservation) = json.finish();
    let mut response = response(app, [text], length, reservation)?;
    if let Some(links) = links {
        response.headers_mut().insert(LINK, links);
    }
    Ok(response)
}

async fn all(app: &Rc<App>, now: Timestamp) -> Answer {
    let version = app.store.version();
    let cached = app.cached_list.borrow().clone().filter(|cached| Some(cached.version) == version);
    let list = match cached {
        Some(list) => list,
        None => {
            let Portion { todos, is_last } = app.store.list(0, MAX_TEXT_BYTES).await?;
            if !is_last {
                return stream(app, now);
            }
            let list = Rc::new(text(app, &todos, version.unwrap_or_default()).await?);
            *app.cached_list.borrow_mut() = version.map(|_| list.clone());
            list
        }
    };
    let start = opening(now, list.total, "");
    if list.json.len() <= MAX_COPIED_BYTES {
        let text = [&*start, &list.json].concat();
        return Ok(json_response(StatusCode::OK, Bytes::from(text)));
    }
    let parts = [Bytes::from(start), list.json.clone()];
    response(app, parts, list.json.len(), list)
}

/// What a list with all its todos begins with.
fn opening(now: Timestamp, total: usize, todos: &str) -> Vec<u8> {
    let mut text = Vec::with_capacity(96);
    text.extend_from_slice(b"{\"timestamp\":\"");
    now.append_to(&mut text);
    text.extend_from_slice(b"\",\"total\":");
    text.extend_from_slice(itoa::Buffer::new().format(total).as_bytes());
    text.extend_from_slice(b",\"todos\":");
    text.extend_from_slice(todos.as_bytes());
    text
}

async fn text(app: &App, todos: &[Rc<Todo>], version: u64) -> Result<CachedList, ApiError> {
    let mut json = Json::begin(app, b"[".to_vec())?;
    for (index, todo) in todos.iter().enumerate() {
        json.push(app, todo, index > 0)?;
        json.give_way(app).await;
    }
    json.text.extend_from_slice(b"]}");
    let (json, reservation) = json.finish();
    Ok(CachedList { version, total: todos.len(), json, _reservation: reservation })
}

/// All todos, in the order of their ids, made while they are sent.
///
/// No more of them is in memory than one piece, so the list is not of one moment: what is changed meanwhile may show or
/// not. A todo that is there all the time is there exactly once, and `total`, at the end, is the number of those sent.
fn stream(app: &Rc<App>, now: Timestamp) -> Answer {
    let reservation = app.reserve(STREAM_BYTES)?;
    let start = format!("{{\"timestamp\":\"{now}\",\"todos\":[");
    let state = Some(Streaming { app: app.clone(), after: 0, total: 0, start });
    let pieces = stream::unfold(state, |state| async {
        match state?.next().await {
            Ok((piece, state)) => Some((Ok(piece), state)),
            Err(error) => Some((Err(io::Error::other(error.message)), None)),
        }
    });
    let body = ResponseBody::stream(pieces).guarded_by(reservation);
    Ok(json_response(StatusCode::OK, body))
}

struct Streaming {
    app: Rc<App>,
    /// The id of the last todo that was sent.
    after: TodoId,
    total: usize,
    /// What is sent in front of the next piece.
    start: String,
}

impl Streaming {
    /// The next piece, and what goes on behind it.
    async fn next(mut self) -> Result<(Bytes, Option<Self>), ApiError> {
        let Portion { todos, is_last } = self.app.store.list(self.after, PIECE_BYTES).await?;
        let mut piece = std::mem::take(&mut self.start).into_bytes();
        let mut sent = 0;
        for todo in &todos {
            if piece.len() >= PIECE_BYTES {
                break;
            }
            if self.total > 0 {
                piece.push(b',');
            }
            todo.append_json_to(&mut piece);
            (self.after, self.total, sent) = (todo.id, self.total + 1, sent + 1);
        }
        if is_last && sent == todos.len() {
            piece.extend_from_slice(format!("],\"total\":{}}}", self.total).as_bytes());
            return Ok((piece.into(), None));
        }
        Ok((piece.into(), Some(self)))
    }
}

/// A text that grows by todos, with the memory that it takes.
struct Json {
    text: Vec<u8>,
    reservation: Reservation,
    /// How long the text was when others had their turn.
    gave_way_at: usize,
}

impl Json {
    fn begin(app: &App, start: Vec<u8>) -> Result<Self, ApiError> {
        let reservation = app.reserve(SMALL_RESPONSE_BYTES)?;
        Ok(Self { text: start, reservation, gave_way_at: 0 })
    }

    /// After each piece everything else that is ready has its turn, and of all long texts only one goes on then: the store
    /// has to tell other servers in time that it is alive, also where the module is interpreted.
    async fn give_way(&mut self, app: &App) {
        if self.text.len() - self.gave_way_at >= PIECE_BYTES {
            self.gave_way_at = self.text.len();
            let _turn = app.long_texts.acquire().await;
            yield_now().await;
        }
    }

    fn push(&mut self, app: &App, todo: &Todo, is_behind_another: bool) -> Result<(), ApiError> {
        let needed = self.text.len() + longest(todo);
        if needed > self.text.capacity() {
            // Twice as much each time, as vectors grow.
            let capacity = needed.max(self.text.capacity() * 2).max(SMALL_RESPONSE_BYTES);
            let more = capacity.saturating_sub(self.reservation.bytes());
            if more > 0 && !self.reservation.grow(more) {
                app.cached_list.take();
                if !self.reservation.grow(more) {
                    return Err(ApiError::busy());
                }
            }
            self.text.reserve_exact(capacity - self.text.len());
        }
        if is_behind_another {
            self.text.push(b',');
        }
        todo.append_json_to(&mut self.text);
        Ok(())
    }

    fn finish(mut self) -> (Bytes, Reservation) {
        self.text.shrink_to_fit();
        self.reservation.shrink_to(self.text.len());
        (self.text.into(), self.reservation)
    }
}

/// The most that a todo takes in JSON, with a comma.
fn longest(todo: &Todo) -> usize {
    let texts = todo.title.as_str().len() + todo.description.as_str().len();
    MAX_JSON_FRAME + MAX_JSON_PER_BYTE * texts
}

/// A response of `length` bytes, holding on to `guard`.
fn response(
    app: &App,
    parts: impl IntoIterator<Item = Bytes>,
    length: usize,
    guard: impl Any,
) -> Answer {
    let body = ResponseBody::new(parts);
    if length <= SMALL_RESPONSE_BYTES {
        return Ok(json_response(StatusCode::OK, body.guarded_by(guard)));
    }
    // A longer one is not copied, only shared.
    let copied = if length <= RESPONSE_BUFFER_BYTES { length } else { 0 };
    let buffers = app.reserve(copied)?;
    Ok(json_response(StatusCode::OK, body.guarded_by((guard, buffers))))
}
