//! One connection, from its first byte to its last.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, SystemTime};

use hyper::body::Bytes;
use hyper::header::{CONNECTION, CONTENT_LENGTH, DATE, HeaderValue, TRANSFER_ENCODING};
use hyper::server::conn::Http;
use hyper::service::service_fn;
use hyper::{Body, Request, Response, Version};
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;
use tokio::task::yield_now;
use tokio::time::{Sleep, sleep_until, timeout};

use super::progress::{Phase, Progress};
use super::response_body::Payload;
use super::stream::{SharedTransport, Stream};
use super::{Activity, Client, Limits, Refusal, Service};

/// How long a connection stays open after an answer that leaves something unread. Closing at once would make the system
/// send a reset, which can take the answer away from the client before it is read (RFC 9112, section 9.6).
const LINGER: Duration = Duration::from_secs(2);

/// What is thrown away in that time at the most, and after how much of it the others have their turn.
const MAX_WASTE: usize = 4 * 1024 * 1024;
const WASTE_PER_TURN: usize = 64 * 1024;

/// How a connection came to its end.
enum End {
    /// hyper is done with it, and all is sent.
    Done(hyper::Result<()>),
    /// A deadline passed.
    Expired,
    /// The client is gone.
    Lost,
}

/// Serves one connection until it ends.
pub(super) async fn serve<S: Service>(
    socket: TcpStream,
    client: Client,
    service: Arc<S>,
    limits: &Limits,
    activity: &Activity,
) {
    let progress = Arc::new(Progress::new(limits));
    let transport = SharedTransport::new(socket);
    let end = {
        let requests = service_fn(|request: Request<Body>| {
            let is_chunked = request.headers().contains_key(TRANSFER_ENCODING);
            // With both, the connection must end after the answer (RFC 9112, section 6.1).
            let closes = progress.request_begins() && is_chunked;
            let answer = service.clone().call(request, client);
            let progress = progress.clone();
            async move {
                let mut answer = answer.await;
                if closes {
                    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                progress.answer_begins(is_last(&answer));
                Ok::<_, Infallible>(answer.map(|payload| payload.guarded_by(AnswerEnd(progress))))
            }
        });
        let stream = Stream { transport: transport.clone(), progress: progress.clone() };
        let connection = http(limits).serve_connection(stream, requests);
        drive(pin!(connection), &transport, &progress).await
    };
    // hyper is gone with the block above, and the stream with it.
    let Some(transport) = transport.into_inner() else { return };
    if matches!(end, End::Lost) || progress.is_write_blocked() {
        return;
    }
    if progress.is_unread() {
        linger(transport.into_socket()).await;
    } else if let Some(refusal) = refusal(&end, &progress) {
        activity.refuse(refusal);
        refuse(transport.into_socket(), service.refuse(refusal, client)).await;
    }
}

fn http(limits: &Limits) -> Http {
    let mut http = Http::new();
    http.http1_only(true)
        // A client that has sent its request may close its half and still wants the answer.
        .http1_half_close(true)
        // The stream gathers what is written, so there is nothing to win by handing it several pieces at once.
        .http1_writev(false)
        .max_buf_size(limits.max_head_bytes);
    http
}

/// Goes with an answer's payload, and is dropped when hyper has all of that or needs none of it.
struct AnswerEnd(Arc<Progress>);

impl Drop for AnswerEnd {
    fn drop(&mut self) {
        self.0.answer_ends();
    }
}

/// Polls `connection` and sends what it writes, until it ends or what it is waiting for takes too long.
async fn drive<C>(
    mut connection: Pin<&mut C>,
    transport: &SharedTransport,
    progress: &Progress,
) -> End
where
    C: Future<Output = hyper::Result<()>>,
{
    let mut alarm: Pin<&mut Option<Sleep>> = pin!(None);
    let mut result = None;
    poll_fn(|context| {
        progress.begin_turn();
        if result.is_none()
            && let Poll::Ready(ready) = connection.as_mut().poll(context)
        {
            result = Some(ready);
        }
        match transport.lock().poll_send(context, progress) {
            Poll::Ready(Err(_)) => return Poll::Ready(End::Lost),
            Poll::Ready(Ok(())) => {
                if let Some(result) = result.take() {
                    return Poll::Ready(End::Done(result));
                }
            }
            Poll::Pending => {}
        }
        let Some(deadline) = progress.deadline() else { return Poll::Pending };
        // Deadlines move with every request, mostly to later. The alarm follows when it rings, not each time.
        if alarm.as_ref().as_pin_ref().is_none_or(|alarm| alarm.deadline() > deadline) {
            alarm.set(Some(sleep_until(deadline)));
        }
        while let Some(mut ringing) = alarm.as_mut().as_pin_mut() {
            if ringing.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            if ringing.deadline() >= deadline {
                return Poll::Ready(End::Expired);
            }
            ringing.reset(deadline);
        }
        Poll::Pending
    })
    .await
}

/// Whether a connection ended because of bytes that never became a request.
fn refusal(end: &End, progress: &Progress) -> Option<Refusal> {
    match end {
        End::Done(Err(error)) if error.is_parse_too_large() => {
            Some(match progress.is_line_complete() {
                true => Refusal::HeadTooLarge,
                false => Refusal::TargetTooLong,
            })
        }
        End::Done(Err(error)) if error.is_parse() => Some(Refusal::Malformed),
        End::Done(Err(error)) if error.is_incomplete_message() => {
            (progress.phase() == Phase::Head).then_some(Refusal::Malformed)
        }
        End::Expired => (progress.phase() == Phase::Head).then_some(Refusal::HeadTimeout),
        End::Done(_) | End::Lost => None,
    }
}

fn is_last(answer: &Response<Payload>) -> bool {
    answer.headers().get(CONNECTION).is_some_and(|value| value == "close")
}

/// Sends `answer` on a connection without a request, and closes it.
pub(super) async fn refuse(socket: TcpStream, answer: Response<Bytes>) {
    let bytes = encode(&answer);
    if let Ok(Ok(())) = timeout(LINGER, send(&socket, &bytes)).await {
        linger(socket).await;
    }
}

/// `answer` as it goes over the wire (RFC 9112, section 4), for where hyper cannot be asked to do it.
fn encode(answer: &Response<Bytes>) -> Vec<u8> {
    let (status, body) = (answer.status(), answer.body());
    let reason = status.canonical_reason().unwrap_or_default();
    let mut head = format!(
        "{:?} {} {reason}\r\n{CONNECTION}: close\r\n{CONTENT_LENGTH}: {}\r\n{DATE}: {}\r\n",
        Version::HTTP_11,
        status.as_str(),
        body.len(),
        httpdate::HttpDate::from(SystemTime::now()),
    )
    .into_bytes();
    for (name, value) in answer.headers() {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            head.extend_from_slice(part);
        }
    }
    head.extend_from_slice(b"\r\n");
    head.extend_from_slice(body);
    head
}

async fn send(socket: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        socket.writable().await?;
        match socket.try_write(bytes) {
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Tells the client that nothing more comes, then reads and throws away what it still sends, for a moment.
async fn linger(mut socket: TcpStream) {
    let _ = timeout(LINGER, async {
        poll_fn(|context| Pin::new(&mut socket).poll_shutdown(context)).await?;
        let mut buffer = [0; 4096];
        let mut waste = 0;
        let mut turn = WASTE_PER_TURN;
        while waste < MAX_WASTE {
            socket.readable().await?;
            match socket.try_read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => waste += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            if waste >= turn {
                turn = waste + WASTE_PER_TURN;
                yield_now().await;
            }
        }
        Ok::<(), io::Error>(())
    })
    .await;
}
