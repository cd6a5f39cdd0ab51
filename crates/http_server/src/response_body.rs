//! The body of a response.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use hyper::HeaderMap;
use hyper::body::{Bytes, HttpBody, SizeHint};

/// The bytes of a response: all there when it begins, or made while it is sent.
#[derive(Default)]
pub struct ResponseBody {
    content: Content,
    guard: Option<Guard>,
}

/// Something that is dropped when the response is sent, or the client is gone.
pub(crate) type Guard = Box<dyn Any>;

enum Content {
    Whole(VecDeque<Bytes>),
    Stream(Pin<Box<dyn Stream<Item = io::Result<Bytes>>>>),
}

impl Default for Content {
    fn default() -> Self {
        Self::Whole(VecDeque::new())
    }
}

impl ResponseBody {
    /// No bytes.
    pub fn empty() -> Self {
        Self::default()
    }

    /// `parts`, one after the other. They may be shared with other responses, and are not copied as a whole.
    ///
    /// What follows a part of more than 16 KiB is sent on its own, so nothing short should: Nagle's algorithm (RFC 896) would
    /// hold it back until the client acknowledges, which takes it 40 ms.
    pub fn new(parts: impl IntoIterator<Item = Bytes>) -> Self {
        let parts = parts.into_iter().filter(|part| !part.is_empty()).collect();
        Self { content: Content::Whole(parts), ..Self::default() }
    }

    /// What `stream` gives, until it ends. Its length is not known before, so it is sent in chunks (RFC 9112, section
    /// 7.1). The next item is asked for when the client has taken most of those before. An error ends the connection, so
    /// that the client knows that something is missing.
    pub fn stream(stream: impl Stream<Item = io::Result<Bytes>> + 'static) -> Self {
        Self { content: Content::Stream(Box::pin(stream)), ..Self::default() }
    }

    /// The same, holding on to `guard` until the last byte is sent or the client is gone: to a
    /// [`Reservation`](crate::Reservation) of the memory that it takes, for example.
    pub fn guarded_by(self, guard: impl Any) -> Self {
        Self { guard: Some(Box::new(guard)), ..self }
    }

    pub(crate) fn take_guard(&mut self) -> Option<Guard> {
        self.guard.take()
    }

    /// The number of bytes, if it is known.
    pub fn len(&self) -> Option<usize> {
        match &self.content {
            Content::Whole(parts) => Some(parts.iter().map(Bytes::len).sum()),
            Content::Stream(_) => None,
        }
    }

    /// There are certainly no bytes.
    pub fn is_empty(&self) -> bool {
        matches!(&self.content, Content::Whole(parts) if parts.is_empty())
    }
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ResponseBody({:?} bytes)", self.len())
    }
}

impl<T: Into<Bytes>> From<T> for ResponseBody {
    fn from(bytes: T) -> Self {
        Self::new([bytes.into()])
    }
}

impl HttpBody for ResponseBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_data(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Bytes>>> {
        match &mut self.content {
            Content::Whole(parts) => Poll::Ready(parts.pop_front().map(Ok)),
            Content::Stream(stream) => stream.as_mut().poll_next(context),
        }
    }

    fn poll_trailers(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<io::Result<Option<HeaderMap>>> {
        Poll::Ready(Ok(None))
    }

    fn is_end_stream(&self) -> bool {
        self.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        match self.len() {
            Some(length) => SizeHint::with_exact(u64::try_from(length).unwrap_or(u64::MAX)),
            None => SizeHint::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(mut body: ResponseBody) -> Vec<Bytes> {
        let mut context = Context::from_waker(std::task::Waker::noop());
        std::iter::from_fn(|| match Pin::new(&mut body).poll_data(&mut context) {
            Poll::Ready(piece) => piece.map(Result::unwrap),
            Poll::Pending => panic!("everything is there"),
        })
        .collect()
    }

    #[test]
    fn parts_come_in_order_and_are_not_copied() {
        let long = Bytes::from(vec![7; 200_000]);
        let parts = [Bytes::from("a"), Bytes::new(), long.clone(), Bytes::from("z")];
        let body = ResponseBody::new(parts);
        assert_eq!(body.size_hint().exact(), Some(200_002));
        let pieces = pieces(body);
        assert_eq!(pieces, [Bytes::from("a"), long.clone(), Bytes::from("z")]);
        assert_eq!(pieces[1].as_ptr(), long.as_ptr());
    }

    #[test]
    fn nothing_is_the_end() {
        assert!(ResponseBody::empty().is_end_stream());
        assert!(ResponseBody::from("").is_end_stream());
        assert!(pieces(ResponseBody::empty()).is_empty());
    }

    #[test]
    fn a_stream_is_pending_until_it_has_something() {
        struct Steps(Vec<Poll<Option<io::Result<Bytes>>>>);
        impl Stream for Steps {
            type Item = io::Result<Bytes>;
            fn poll_next(
                mut self: Pin<&mut Self>,
                _: &mut Context<'_>,
            ) -> Poll<Option<io::Result<Bytes>>> {
                self.0.remove(0)
            }
        }
        let steps = vec![Poll::Pending, Poll::Ready(Some(Ok(Bytes::from("a")))), Poll::Ready(None)];
        let mut body = ResponseBody::stream(Steps(steps));
        assert_eq!((body.len(), body.is_end_stream()), (None, false));
        assert_eq!(body.size_hint().exact(), None);
        let mut context = Context::from_waker(std::task::Waker::noop());
        let mut poll = || Pin::new(&mut body).poll_data(&mut context);
        assert!(poll().is_pending());
        assert!(matches!(poll(), Poll::Ready(Some(Ok(bytes))) if bytes == "a"));
        assert!(matches!(poll(), Poll::Ready(None)));
    }
}
