//! One connection, from its first byte to its last.
//!
//! hyper parses requests and writes responses. Around it is one [`Connection`], which three parties share: hyper reads
//! and writes through [`Io`], the service's responses pass as [`TrackedBody`], and [`drive`] polls hyper and watches
//! the deadlines. They run in one task, one after the other, so nobody waits for anybody else.
//!
//! ```text
//!            first byte           head complete           response
//!   Idle ───────────────► Head ─────────────────► Service ─────────► Response ──┐
//!    ▲ idle_timeout        head_timeout            the service's own            │ write_timeout
//!    └──────────────────── all of it handed over ◄──────────────────────────────┘
//! ```

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::header::{CONNECTION, DATE, HeaderValue, TRANSFER_ENCODING};
use hyper::server::conn::Http;
use hyper::service::service_fn;
use hyper::{Body, Request, Response};
use tokio::io::ReadBuf;
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::chunks::{Chunks, behind_head};
use crate::close;
use crate::date::Date;
use crate::hyper_io::{Io, TrackedBody};
use crate::incoming;
use crate::outgoing::Outgoing;
use crate::response_body::Guard;
use crate::{Client, Limits, Refusal, ServerMetrics, Service};

/// What one connection may read of a body before the others have their turn. hyper takes malicious chunk framing apart
/// byte by byte, at up to 1 µs each.
const MAX_BODY_BYTES_PER_TURN: usize = 16 * 1024;

/// What a connection is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The first byte of a request.
    Idle,
    /// The rest of a request's head.
    Head,
    /// The service, which has deadlines of its own.
    Service,
    /// The response's body, and hyper, which encodes it.
    Response,
}

/// The state of one connection.
pub(crate) struct Connection {
    limits: Rc<Limits>,
    socket: RefCell<TcpStream>,
    outgoing: RefCell<Outgoing>,
    phase: Cell<Phase>,
    /// The time of this turn: one look at the clock serves all of it.
    now: Cell<Instant>,
    /// When the present phase has taken too long.
    phase_deadline: Cell<Option<Instant>>,
    /// hyper has taken the last byte of the response's body.
    body_is_taken: Cell<bool>,
    /// The response ends the connection, and the client may still be sending.
    leaves_unread: Cell<bool>,
    /// The request line is complete.
    has_request_line: Cell<bool>,
    /// How often something was read of the request's head, and whether `Content-Length` was in it.
    head_reads: Cell<usize>,
    has_content_length: Cell<bool>,
    /// The framing of the request's body, if it is chunked.
    chunks: Cell<Chunks>,
    /// Bytes of the request's body as they came: of this request, and in this turn.
    body_bytes: Cell<usize>,
    body_bytes_of_turn: Cell<usize>,
}

/// How a connection came to its end.
enum End {
    /// hyper is done with it, and everything is sent.
    Done(hyper::Result<()>),
    /// A deadline passed.
    TimedOut,
    /// The client is gone.
    Lost,
}

/// Serves one connection until it ends.
pub(crate) async fn serve<S: Service>(
    socket: TcpStream,
    client: Client,
    service: Rc<S>,
    limits: Rc<Limits>,
    metrics: &ServerMetrics,
    date: Rc<Date>,
) {
    let connection = Rc::new(Connection::new(socket, limits));
    let end = {
        let requests = service_fn(|request: Request<Body>| {
            let may_have_length = connection.request_begins();
            let is_chunked = request.headers().contains_key(TRANSFER_ENCODING);
            let response = service.clone().call(request, client);
            let (connection, date) = (connection.clone(), date.clone());
            async move {
                let mut response = response.await;
                if is_chunked && (may_have_length || connection.chunks.get().is_doubtful()) {
                    // Another reader may have seen another end of this request (RFC 9112, section 6.1).
                    let close = HeaderValue::from_static("close");
                    response.headers_mut().insert(CONNECTION, close);
                }
                if let Some(date) = date.at(connection.now.get().into_std()) {
                    response.headers_mut().insert(DATE, date);
                }
                connection.response_begins(&response);
                Ok::<_, Infallible>(response.map(|body| TrackedBody { body, connection }))
            }
        });
        let http = http(&connection.limits).serve_connection(Io(connection.clone()), requests);
        drive(pin!(http), &connection).await
    };
    // hyper is gone with the block above, and its reference with it.
    let Some(connection) = Rc::into_inner(connection) else { return };
    if matches!(end, End::Lost) || connection.outgoing.borrow().deadline().is_some() {
        return;
    }
    if connection.leaves_unread.get() {
        close::linger(connection.socket.into_inner()).await;
    } else if let Some(refusal) = connection.refusal(&end) {
        metrics.refuse(refusal);
        let response = service.refuse(refusal, client);
        close::refuse(connection.socket.into_inner(), response).await;
    }
}

fn http(limits: &Limits) -> Http<LocalExecutor> {
    let mut http = Http::new().with_executor(LocalExecutor);
    http.http1_only(true)
        // A client that has sent its request may close its half and still wants the response.
        .http1_half_close(true)
        // hyper hands bodies over as they are, and does not copy them.
        .http1_writev(true)
        .max_buf_size(limits.max_head_bytes);
    http
}

/// Lets hyper serve what is not `Send`. It starts no task of its own for HTTP/1.
#[derive(Clone)]
struct LocalExecutor;

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, future: F) {
        drop(tokio::task::spawn_local(future));
    }
}

/// Polls `http` and sends what it writes, until it ends or what it is waiting for takes too long.
async fn drive<F>(mut http: Pin<&mut F>, connection: &Connection) -> End
where
    F: Future<Output = hyper::Result<()>>,
{
    let mut alarm: Pin<&mut Option<Sleep>> = pin!(None);
    let mut result = None;
    poll_fn(|context| {
        connection.turn_begins();
        if result.is_none()
            && let Poll::Ready(ready) = http.as_mut().poll(context)
        {
            result = Some(ready);
        }
        match connection.poll_send(context) {
            Poll::Ready(Err(_)) => return Poll::Ready(End::Lost),
            Poll::Ready(Ok(())) => {
                if let Some(result) = result.take() {
                    return Poll::Ready(End::Done(result));
                }
            }
            Poll::Pending => {}
        }
        let Some(deadline) = connection.deadline() else { return Poll::Pending };
        // Deadlines move with every request, mostly to later. The alarm follows when it rings, not each time.
        if alarm.as_ref().as_pin_ref().is_none_or(|alarm| alarm.deadline() > deadline) {
            alarm.set(Some(sleep_until(deadline)));
        }
        while let Some(mut ringing) = alarm.as_mut().as_pin_mut() {
            if ringing.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            if ringing.deadline() >= deadline {
                return Poll::Ready(End::TimedOut);
            }
            ringing.reset(deadline);
        }
        Poll::Pending
    })
    .await
}

impl Connection {
    fn new(socket: TcpStream, limits: Rc<Limits>) -> Self {
        let now = Instant::now();
        Self {
            socket: RefCell::new(socket),
            outgoing: RefCell::new(Outgoing::new(limits.write_timeout)),
            phase: Cell::new(Phase::Idle),
            now: Cell::new(now),
            phase_deadline: Cell::new(Some(now + limits.idle_timeout)),
            body_is_taken: Cell::new(false),
            leaves_unread: Cell::new(false),
            has_request_line: Cell::new(false),
            head_reads: Cell::new(0),
            has_content_length: Cell::new(false),
            chunks: Cell::default(),
            body_bytes: Cell::new(0),
            body_bytes_of_turn: Cell::new(0),
            limits,
        }
    }

    fn turn_begins(&self) {
        self.now.set(Instant::now());
        self.body_bytes_of_turn.set(0);
    }

    fn enter(&self, phase: Phase, timeout: Duration) {
        self.phase.set(phase);
        self.phase_deadline.set(Some(self.now.get() + timeout));
    }

    fn deadline(&self) -> Option<Instant> {
        let deadlines = [self.phase_deadline.get(), self.outgoing.borrow().deadline()];
        deadlines.into_iter().flatten().min()
    }

    /// hyper has parsed a request's head, and the service is asked. Tells whether there may have been a `Content-Length`,
    /// which hyper does not show if it comes after `Transfer-Encoding`. A head that came in several reads, or together
    /// with the request before, was not looked at as a whole: it may have anything.
    fn request_begins(&self) -> bool {
        self.phase.set(Phase::Service);
        self.phase_deadline.set(None);
        self.body_bytes.set(0);
        self.body_is_taken.set(false);
        self.has_request_line.set(false);
        self.head_reads.replace(0) != 1 || self.has_content_length.replace(false)
    }

    /// The service has answered.
    fn response_begins<B>(&self, response: &Response<B>) {
        self.phase.set(Phase::Response);
        let is_last = response.headers().get(CONNECTION).is_some_and(|value| value == "close");
        self.leaves_unread.set(is_last);
    }

    /// hyper has the whole body of the response, or needs none of it.
    pub(crate) fn body_is_taken(&self, guard: Option<Guard>) {
        self.body_is_taken.set(true);
        self.outgoing.borrow_mut().hold(guard);
    }

    /// hyper has handed over all that it has to write.
    pub(crate) fn everything_is_taken(&self) {
        if self.phase.get() == Phase::Response && self.body_is_taken.get() {
            self.enter(Phase::Idle, self.limits.idle_timeout);
        }
    }

    /// Bytes came from the client.
    ///
    /// # Errors
    /// When they are more than any body within the limits needs.
    fn count_received(&self, bytes: &[u8]) -> io::Result<()> {
        if self.phase.get() == Phase::Idle && !bytes.is_empty() {
            self.enter(Phase::Head, self.limits.head_timeout);
        }
        if self.phase.get() == Phase::Head {
            const CONTENT_LENGTH: &[u8] = b"content-length";
            self.head_reads.set(self.head_reads.get() + 1);
            let is_length = |name: &[u8]| name.eq_ignore_ascii_case(CONTENT_LENGTH);
            if bytes.windows(CONTENT_LENGTH.len()).any(is_length) {
                self.has_content_length.set(true);
            }
            self.chunks.set(Chunks::default());
            self.feed_chunks(behind_head(bytes));
            // Empty lines before a request do not count (RFC 9112, section 2.2).
            if !self.has_request_line.get() && bytes.trim_ascii_start().contains(&b'\n') {
                self.has_request_line.set(true);
            }
            return Ok(());
        }
        self.feed_chunks(bytes);
        let count = self.body_bytes.get().saturating_add(bytes.len());
        self.body_bytes.set(count);
        self.body_bytes_of_turn.set(self.body_bytes_of_turn.get() + bytes.len());
        let fits = count <= self.limits.max_body_wire_bytes;
        if fits { Ok(()) } else { Err(io::ErrorKind::FileTooLarge.into()) }
    }

    fn feed_chunks(&self, bytes: &[u8]) {
        let mut chunks = self.chunks.get();
        chunks.feed(bytes);
        self.chunks.set(chunks);
    }

    /// Reads from the client into `buffer`.
    pub(crate) fn poll_receive(
        &self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.body_bytes_of_turn.get() >= MAX_BODY_BYTES_PER_TURN {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        ready!(incoming::poll_read(&self.socket.borrow(), context, buffer))?;
        Poll::Ready(self.count_received(buffer.filled().get(before..).unwrap_or_default()))
    }

    /// Takes bytes to be sent at the end of this turn, or sends as many as the client takes if they are too many for that.
    pub(crate) fn poll_take(
        &self,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // Without a request, all that hyper writes is its own response to a bad head, which has no body. The connection
        // ends after it, and the service's refusal goes out in its place.
        if matches!(self.phase.get(), Phase::Idle | Phase::Head) {
            return Poll::Ready(Ok(parts.iter().map(|part| part.len()).sum()));
        }
        let mut socket = self.socket.borrow_mut();
        let socket = Pin::new(&mut *socket);
        self.outgoing.borrow_mut().poll_take(context, socket, self.now.get(), parts)
    }

    /// Sends what is gathered.
    fn poll_send(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut outgoing = self.outgoing.borrow_mut();
        let mut socket = self.socket.borrow_mut();
        ready!(outgoing.poll_send(context, Pin::new(&mut *socket), self.now.get()))?;
        if self.phase.get() == Phase::Idle {
            outgoing.everything_is_sent();
        }
        Poll::Ready(Ok(()))
    }

    /// Whether the connection ended because of bytes that never became a request, and what is wrong with them.
    fn refusal(&self, end: &End) -> Option<Refusal> {
        let is_in_head = self.phase.get() == Phase::Head;
        match end {
            End::Done(Err(error)) if error.is_parse_too_large() => {
                Some(match self.has_request_line.get() {
                    true => Refusal::HeadTooLarge,
                    false => Refusal::TargetTooLong,
                })
            }
            End::Done(Err(error)) if error.is_parse() => Some(Refusal::Malformed),
            End::Done(Err(error)) if error.is_incomplete_message() => {
                is_in_head.then_some(Refusal::Malformed)
            }
            End::TimedOut => is_in_head.then_some(Refusal::HeadTimeout),
            End::Done(_) | End::Lost => None,
        }
    }
}
