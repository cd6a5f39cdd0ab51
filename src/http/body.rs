//! Request bodies: read within bounds of size and time, parsed as JSON.

use std::time::Duration;

use hyper::StatusCode;
use hyper::body::{Body, HttpBody};
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use tokio::time::timeout;

use super::error::ApiError;
use http_server::{MemoryBudget, Reservation};

/// What reading a body may cost.
pub struct BodyLimits {
    /// The longest body.
    pub max_bytes: usize,
    /// From the end of the headers to the end of the body.
    pub timeout: Duration,
    /// The memory that all bodies, and others, share.
    pub budget: MemoryBudget,
}

/// The body of one request, not read yet, and the memory that it takes when it is.
pub struct RequestBody {
    body: Body,
    limits: BodyLimits,
    unread: bool,
    reservation: Option<Reservation>,
}

impl RequestBody {
    /// A body to be read within `limits`.
    pub fn new(body: Body, limits: BodyLimits) -> Self {
        let unread = !body.is_end_stream();
        Self { body, limits, unread, reservation: None }
    }

    /// The client has sent, or may still send, bytes that were not read.
    pub fn is_unread(&self) -> bool {
        self.unread
    }

    /// Reads the body as one value in JSON (RFC 8259), an object.
    ///
    /// # Errors
    /// 400 when it is no JSON object, not UTF-8, or cut off; 408 when it takes too long; 413 when it is too large;
    /// 503 when there is no memory for it.
    pub async fn json_object<T: DeserializeOwned>(&mut self) -> Result<T, ApiError> {
        let bytes = self.bytes().await?;
        parse_object(&bytes)
    }

    async fn bytes(&mut self) -> Result<Vec<u8>, ApiError> {
        // Known from Content-Length: answered without asking for the body (RFC 9110, section 10.1.1).
        let length = usize::try_from(self.body.size_hint().lower()).unwrap_or(usize::MAX);
        if length > self.limits.max_bytes {
            return Err(self.too_large());
        }
        self.reservation = Some(self.limits.budget.reserve(length).ok_or_else(ApiError::busy)?);
        match timeout(self.limits.timeout, self.collect(length)).await {
            Ok(result) => result,
            Err(_) => {
                Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, "the request's body took too long"))
            }
        }
    }

    async fn collect(&mut self, length: usize) -> Result<Vec<u8>, ApiError> {
        let mut bytes = Vec::with_capacity(length);
        while let Some(chunk) = self.body.data().await {
            let chunk = chunk.map_err(|_| {
                ApiError::bad_request("the body is cut off or its chunks are malformed")
            })?;
            let needed = bytes.len() + chunk.len();
            if needed > self.limits.max_bytes {
                return Err(self.too_large());
            }
            self.make_room(&mut bytes, needed)?;
            bytes.extend_from_slice(&chunk);
        }
        self.unread = false;
        Ok(bytes)
    }

    /// Reserves the memory that `bytes` take when they grow, and takes it.
    fn make_room(&mut self, bytes: &mut Vec<u8>, needed: usize) -> Result<(), ApiError> {
        if needed <= bytes.capacity() {
            return Ok(());
        }
        // Twice as much each time, as vectors grow.
        let capacity = needed.max(bytes.capacity() * 2).min(self.limits.max_bytes);
        let more = capacity - bytes.capacity();
        if !self.reservation.as_mut().is_some_and(|reservation| reservation.grow(more)) {
            return Err(ApiError::busy());
        }
        bytes.reserve_exact(capacity - bytes.len());
        Ok(())
    }

    fn too_large(&self) -> ApiError {
        let message = format!("the body has more than {} bytes", self.limits.max_bytes);
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    }
}

fn parse_object<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        ApiError::bad_request(format!("the body is not UTF-8 at byte {}", error.valid_up_to()))
    })?;
    if text.trim_ascii().is_empty() {
        return Err(ApiError::bad_request("the body is empty, a JSON object is expected"));
    }
    serde_json::from_str(text).map_err(|error| {
        ApiError::bad_request(match error.classify() {
            // JSON, but not of the kind that is wanted.
            Category::Data => "the body must be a JSON object".to_owned(),
            Category::Eof => format!("the JSON ends too early, at byte {}", bytes.len()),
            Category::Syntax | Category::Io => {
                format!("the JSON is invalid at byte {}", byte_position(text, &error))
            }
        })
    })
}

/// Where `error` is in `text`, in bytes from 0.
fn byte_position(text: &str, error: &serde_json::Error) -> usize {
    let lines_before = text.split_inclusive('\n').take(error.line().saturating_sub(1));
    let start: usize = lines_before.map(str::len).sum();
    start + error.column().saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value};

    use super::*;

    type Object = Map<String, Value>;

    fn error(bytes: &[u8]) -> String {
        parse_object::<Object>(bytes).unwrap_err().message.into_owned()
    }

    #[test]
    fn an_object_is_taken() {
        assert_eq!(parse_object::<Object>(br#" {"a":1} "#).unwrap().len(), 1);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_position() {
        assert_eq!(error(b""), "the body is empty, a JSON object is expected");
        assert_eq!(error(b" \n"), "the body is empty, a JSON object is expected");
        assert_eq!(error(br#"{"title":"x""#), "the JSON ends too early, at byte 12");
        assert_eq!(error(br#"{"title":}"#), "the JSON is invalid at byte 9");
        assert_eq!(error(b"{\n\"a\": nope}"), "the JSON is invalid at byte 8");
        assert_eq!(error(br#"{"a":1} x"#), "the JSON is invalid at byte 8");
        assert_eq!(error(b"{\"title\":\"\xff\"}"), "the body is not UTF-8 at byte 10");
        assert_eq!(error(b"[1]"), "the body must be a JSON object");
        assert_eq!(error(b"null"), "the body must be a JSON object");
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = format!("{{\"a\":{}", "[".repeat(10_000));
        assert!(error(deep.as_bytes()).starts_with("the JSON is invalid at byte "));
    }
}
