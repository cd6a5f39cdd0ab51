//! What a connection has to send.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::AsyncWrite;
use tokio::time::Instant;

use crate::response_body::Guard;

/// What is gathered for one send. All responses to a pipeline leave in one as long as they fit: in one send each, Nagle's
/// algorithm (RFC 896) would hold them back until the client acknowledges, which takes it 40 ms. What does not fit is sent
/// from where it is, without a copy.
const MAX_GATHERED: usize = 64 * 1024;

/// What a connection keeps of that memory while it is idle.
const KEPT_WHEN_IDLE: usize = 4 * 1024;

/// The longest response that a connection copies, and the most that it holds of its own while its client is slow.
pub const RESPONSE_BUFFER_BYTES: usize = MAX_GATHERED;

/// Encoded responses that are not sent yet.
pub(crate) struct Outgoing {
    /// The first `sent` bytes of it are sent.
    gathered: Vec<u8>,
    sent: usize,
    /// What responses hold on to until they are sent.
    guards: Vec<Guard>,
    timeout: Duration,
    deadline: Option<Instant>,
}

impl Outgoing {
    /// Nothing. Its client has to take something within `timeout`.
    pub(crate) fn new(timeout: Duration) -> Self {
        Self { gathered: Vec::new(), sent: 0, guards: Vec::new(), timeout, deadline: None }
    }

    /// When the client has taken no byte for too long. `None` while nothing is waiting to be sent.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Holds on to `guard` until everything is sent.
    pub(crate) fn hold(&mut self, guard: Option<Guard>) {
        self.guards.extend(guard);
    }

    /// Lets go of all guards.
    pub(crate) fn everything_is_sent(&mut self) {
        self.guards.clear();
    }

    /// Gathers `parts`, or sends as much of them as the client takes if they are too long for that.
    pub(crate) fn poll_take<S: AsyncWrite>(
        &mut self,
        context: &mut Context<'_>,
        mut socket: Pin<&mut S>,
        now: Instant,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length = parts.iter().map(|part| part.len()).sum();
        if self.gathered.len() + length > MAX_GATHERED {
            ready!(self.poll_send(context, socket.as_mut(), now))?;
        }
        if length > MAX_GATHERED {
            return self.note(now, socket.poll_write_vectored(context, parts));
        }
        self.gathered.reserve(length);
        parts.iter().for_each(|part| self.gathered.extend_from_slice(part));
        Poll::Ready(Ok(length))
    }

    /// Sends what is gathered.
    pub(crate) fn poll_send<S: AsyncWrite>(
        &mut self,
        context: &mut Context<'_>,
        mut socket: Pin<&mut S>,
        now: Instant,
    ) -> Poll<io::Result<()>> {
        while let Some(rest) = self.gathered.get(self.sent..).filter(|rest| !rest.is_empty()) {
            let result = socket.as_mut().poll_write(context, rest);
            self.sent += ready!(self.note(now, result))?;
        }
        self.sent = 0;
        self.gathered.clear();
        self.gathered.shrink_to(KEPT_WHEN_IDLE);
        Poll::Ready(Ok(()))
    }

    /// Sets and clears the deadline after a write.
    fn note<T>(&mut self, now: Instant, result: Poll<T>) -> Poll<T> {
        self.deadline = match result {
            Poll::Ready(_) => None,
            Poll::Pending => self.deadline.or(Some(now + self.timeout)),
        };
        result
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;

    /// A client that takes `room` bytes and then no more.
    struct Client {
        room: usize,
        writes: Vec<Vec<u8>>,
    }

    impl AsyncWrite for Client {
        fn poll_write(
            self: Pin<&mut Self>,
            context: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.poll_write_vectored(context, &[IoSlice::new(bytes)])
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            parts: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let mut bytes = parts.iter().map(|part| &**part).collect::<Vec<_>>().concat();
            bytes.truncate(self.room);
            self.room -= bytes.len();
            let count = bytes.len();
            if count == 0 {
                return Poll::Pending;
            }
            self.writes.push(bytes);
            Poll::Ready(Ok(count))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    struct Test {
        outgoing: Outgoing,
        client: Client,
        now: Instant,
    }

    impl Test {
        fn new(room: usize) -> Self {
            let outgoing = Outgoing::new(Duration::from_secs(5));
            Self { outgoing, client: Client { room, writes: Vec::new() }, now: Instant::now() }
        }

        fn take(&mut self, parts: &[&[u8]]) -> Poll<usize> {
            let parts: Vec<_> = parts.iter().map(|part| IoSlice::new(part)).collect();
            let mut context = Context::from_waker(std::task::Waker::noop());
            let client = Pin::new(&mut self.client);
            self.outgoing.poll_take(&mut context, client, self.now, &parts).map(Result::unwrap)
        }

        fn send(&mut self) -> Poll<()> {
            let mut context = Context::from_waker(std::task::Waker::noop());
            let client = Pin::new(&mut self.client);
            self.outgoing.poll_send(&mut context, client, self.now).map(Result::unwrap)
        }
    }

    #[test]
    fn short_responses_leave_in_one_send() {
        let mut test = Test::new(usize::MAX);
        assert_eq!(test.take(&[b"head", b"body"]), Poll::Ready(8));
        assert_eq!(test.take(&[b"next"]), Poll::Ready(4));
        assert!(test.client.writes.is_empty());
        assert!(test.send().is_ready());
        assert_eq!(test.client.writes, [b"headbodynext"]);
    }

    #[test]
    fn a_long_response_is_sent_from_where_it_is_behind_those_before() {
        let mut test = Test::new(usize::MAX);
        let long = vec![7; MAX_GATHERED];
        assert_eq!(test.take(&[b"before"]), Poll::Ready(6));
        assert_eq!(test.take(&[b"head", &long]), Poll::Ready(MAX_GATHERED + 4));
        assert_eq!(test.client.writes, [b"before".to_vec(), [b"head", &*long].concat()]);
        assert!(test.outgoing.gathered.capacity() < 100, "nothing of it is copied");
    }

    #[test]
    fn of_a_long_response_as_much_is_taken_as_the_client_takes() {
        let mut test = Test::new(10);
        let long = vec![7; MAX_GATHERED + 100];
        assert_eq!(test.take(&[&long]), Poll::Ready(10));
        assert_eq!(test.outgoing.deadline(), None);
        assert_eq!(test.take(&[&long[10..]]), Poll::Pending);
        let deadline = test.outgoing.deadline().unwrap();
        test.now += Duration::from_secs(1);
        assert_eq!(test.take(&[&long[10..]]), Poll::Pending);
        assert_eq!(test.outgoing.deadline(), Some(deadline), "it counts from the last byte taken");
        test.client.room = 1;
        assert_eq!(test.take(&[&long[10..]]), Poll::Ready(1));
        assert_eq!(test.outgoing.deadline(), None);
    }

    #[test]
    fn what_is_gathered_waits_for_a_slow_client() {
        let mut test = Test::new(3);
        assert_eq!(test.take(&[b"head", b"body"]), Poll::Ready(8));
        assert!(test.send().is_pending());
        assert_eq!(test.take(&[&vec![7; MAX_GATHERED]]), Poll::Pending, "and what is behind it");
        test.client.room = 100;
        assert!(test.send().is_ready());
        assert_eq!(test.client.writes.concat(), b"headbody");
        assert!(test.outgoing.gathered.capacity() <= KEPT_WHEN_IDLE);
    }

    #[test]
    fn guards_stay_until_everything_is_sent() {
        let mut test = Test::new(0);
        let guard = Rc::new(());
        test.outgoing.hold(Some(Box::new(guard.clone())));
        assert_eq!(test.take(&[b"body"]), Poll::Ready(4));
        assert!(test.send().is_pending());
        assert_eq!(Rc::strong_count(&guard), 2);
        test.outgoing.everything_is_sent();
        assert_eq!(Rc::strong_count(&guard), 1);
    }
}
