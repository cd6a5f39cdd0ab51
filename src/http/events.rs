//! `GET /api/todos/events`: server-sent events (WHATWG HTML, section 9.2), one for every change.
//!
//! | file | concern |
//! |---|---|
//! | `events.rs` | the request and its response; what one reader is sent |
//! | `feed.rs` | the task that follows the store for all readers |
//! | `ring.rs` | the last events, which all readers share |
//! | `format.rs` | what an event looks like |
//!
//! Readers have no queues: each knows the place in the ring of the event that is next for it. A reader that the ring has
//! overtaken is told that something is missing, and its response ends.

mod feed;
mod format;
mod ring;

use std::collections::VecDeque;
use std::io;
use std::rc::Rc;

use futures_util::stream;
use http_server::ResponseBody;
use hyper::body::Bytes;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Method, Response};
use telemetry::metrics::Guard;
use todo_store::{Change, Epoch, Mark, Position, Store as _};

use super::App;
use super::error::ApiError;
use super::handlers::Call;
use super::query;
use super::response::Answer;
use ring::Place;

pub use feed::Feed;

const HEADERS: [(HeaderName, &str); 3] = [
    (CONTENT_TYPE, "text/event-stream"),
    (CACHE_CONTROL, "no-store"),
    // nginx would hold events back until there are many.
    (HeaderName::from_static("x-accel-buffering"), "no"),
];

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// How much of what a reader has missed is in memory at one time, in bytes as stores count them.
const PORTION_BYTES: usize = 32 * 1024;

/// `GET /api/todos/events`
pub async fn events(app: &Rc<App>, call: Call<'_>) -> Answer {
    let last = last_event_id(&call)?;
    if call.head.method == Method::HEAD {
        return Ok(response(ResponseBody::stream(stream::empty())));
    }
    let guard = app.feed.admit().ok_or_else(ApiError::too_many_readers)?;
    let epoch = feed::start(app).await?;
    let reader = Reader::new(app.clone(), epoch, last, guard);
    let events = stream::unfold(Some(reader), |reader| async {
        let mut reader = reader?;
        match reader.next().await {
            Ok(bytes) => Some((Ok(bytes), Some(reader).filter(|reader| !reader.is_over))),
            Err(error) => Some((Err(io::Error::other(error.message)), None)),
        }
    });
    Ok(response(ResponseBody::stream(events)))
}

fn response(body: ResponseBody) -> Response<ResponseBody> {
    let mut response = Response::new(body);
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Where a client wants to go on.
enum Last {
    /// It begins.
    None,
    /// Behind the last event that it has seen.
    Mark(Mark),
    /// Where that is cannot be said.
    Unknown,
}

/// The header wins, as a browser adds it to an address that has the parameter.
fn last_event_id(call: &Call<'_>) -> Result<Last, ApiError> {
    let parameter = query::last_event_id(call.query())?;
    let header = call.headers().get(LAST_EVENT_ID).map(|value| value.to_str().unwrap_or("?"));
    let id = header.or(parameter.as_deref()).filter(|id| !id.is_empty());
    Ok(id.map_or(Last::None, |id| id.parse().map_or(Last::Unknown, Last::Mark)))
}

/// One client, and how far it is.
struct Reader {
    app: Rc<App>,
    epoch: Epoch,
    state: State,
    /// From where it would go on if it saw nothing.
    mark: Option<Mark>,
    /// The place in the ring of the event that comes next.
    next: u64,
    is_over: bool,
    /// It counts as long as it is there.
    _guard: Guard,
}

enum State {
    /// Nothing is sent yet.
    Begins(Last),
    /// What it has missed comes from the store.
    Resumes(Position, VecDeque<Change>),
    /// It reads what the others read.
    Follows,
}

impl Reader {
    fn new(app: Rc<App>, epoch: Epoch, last: Last, guard: Guard) -> Self {
        // Whatever is looked up in the store from now on has the events before this one.
        let (mark, next) = (app.feed.mark(), app.feed.end());
        let state = State::Begins(last);
        Self { app, epoch, state, mark, next, is_over: false, _guard: guard }
    }

    /// The bytes that come next. Waits until there are some.
    async fn next(&mut self) -> Result<Bytes, ApiError> {
        loop {
            match std::mem::replace(&mut self.state, State::Follows) {
                State::Begins(last) => return Ok(self.begin(last)),
                State::Resumes(position, changes) => {
                    if let Some(bytes) = self.resume(position, changes).await? {
                        return Ok(bytes);
                    }
                }
                State::Follows => return Ok(self.follow().await),
            }
        }
    }

    fn begin(&mut self, last: Last) -> Bytes {
        match last {
            // An id without data: the client knows where to go on even if nothing happens.
            Last::None => format::start(self.mark),
            Last::Mark(mark) => {
                self.state = State::Resumes(mark.into(), VecDeque::new());
                format::start(None)
            }
            Last::Unknown => {
                let start = format::start(None);
                [start, format::reset(self.mark)].concat().into()
            }
        }
    }

    /// The next event that the client has missed, if there is another one.
    async fn resume(
        &mut self,
        mut position: Position,
        mut missed: VecDeque<Change>,
    ) -> Result<Option<Bytes>, ApiError> {
        if missed.is_empty() {
            // Of these one is made at a time.
            let _turn = self.app.feed.turn().await;
            match self.app.store.changes(&position, PORTION_BYTES).await? {
                Some(changes) => (missed, position) = (changes.changes.into(), changes.position),
                None => return Ok(Some(format::reset(self.app.feed.mark()))),
            }
        }
        let Some(change) = missed.pop_front() else { return Ok(None) };
        self.state = State::Resumes(position, missed);
        format::change(self.epoch, &change).map(Some)
    }

    async fn follow(&mut self) -> Bytes {
        let feed = &self.app.feed;
        loop {
            // Whatever comes from here on wakes it up.
            let arrival = feed.arrival();
            match feed.at(self.next) {
                Place::Event(event) => {
                    self.next += 1;
                    return event;
                }
                Place::Ahead => arrival.await,
                Place::Gone => {
                    feed.drops_reader();
                    self.is_over = true;
                    return format::reset(feed.mark());
                }
            }
        }
    }
}
