//! The body of an answer.

use std::any::Any;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::HeaderMap;
use hyper::body::{Bytes, HttpBody, SizeHint};

/// How much is handed to a connection at one time. A connection buffers about twice this, however large the answer is.
const PIECE: usize = 64 * 1024;

/// Bytes that are all there when the answer begins. They may be shared with other answers, and are not copied as a whole.
#[derive(Default)]
pub struct Payload {
    parts: VecDeque<Bytes>,
    /// Dropped when the last piece is handed to the connection, or the client is gone.
    _guard: Option<Box<dyn Any + Send>>,
}

impl Payload {
    /// No bytes.
    pub fn empty() -> Self {
        Self::default()
    }

    /// `parts`, one after the other.
    pub fn new(parts: impl IntoIterator<Item = Bytes>) -> Self {
        let parts = parts.into_iter().filter(|part| !part.is_empty()).collect();
        Self { parts, _guard: None }
    }

    /// The same, holding on to `guard` for as long as it holds bytes.
    pub fn guarded_by(self, guard: impl Any + Send) -> Self {
        let Self { parts, _guard: earlier } = self;
        Self { parts, _guard: Some(Box::new((earlier, guard))) }
    }

    /// The number of bytes.
    pub fn len(&self) -> usize {
        self.parts.iter().map(Bytes::len).sum()
    }

    /// There are no bytes.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }
}

impl<T: Into<Bytes>> From<T> for Payload {
    fn from(bytes: T) -> Self {
        Self::new([bytes.into()])
    }
}

impl HttpBody for Payload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_data(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        let Some(first) = self.parts.front_mut() else { return Poll::Ready(None) };
        let piece = if first.len() > PIECE { Some(first.split_to(PIECE)) } else { None };
        Poll::Ready(piece.or_else(|| self.parts.pop_front()).map(Ok))
    }

    fn poll_trailers(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Result<Option<HeaderMap>, Infallible>> {
        Poll::Ready(Ok(None))
    }

    fn is_end_stream(&self) -> bool {
        self.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(u64::try_from(self.len()).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(mut payload: Payload) -> Vec<Bytes> {
        let mut context = Context::from_waker(std::task::Waker::noop());
        std::iter::from_fn(|| match Pin::new(&mut payload).poll_data(&mut context) {
            Poll::Ready(piece) => piece.map(Result::unwrap),
            Poll::Pending => panic!("everything is there"),
        })
        .collect()
    }

    #[test]
    fn large_parts_come_in_pieces_and_in_order() {
        let long = Bytes::from(vec![7; 2 * PIECE + 1]);
        let payload =
            Payload::new([Bytes::from("a"), Bytes::new(), long.clone(), Bytes::from("z")]);
        assert_eq!(payload.size_hint().exact(), Some(2 * PIECE as u64 + 3));
        let pieces = pieces(payload);
        let lengths: Vec<_> = pieces.iter().map(Bytes::len).collect();
        assert_eq!(lengths, [1, PIECE, PIECE, 1, 1]);
        assert_eq!(pieces.concat(), [b"a".as_slice(), &long, b"z"].concat());
    }

    #[test]
    fn nothing_is_the_end() {
        assert!(Payload::empty().is_end_stream());
        assert!(Payload::from("").is_end_stream());
        assert!(pieces(Payload::empty()).is_empty());
    }
}
