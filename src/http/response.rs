//! Responses as all handlers make them.

use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use serde::Serialize;

use super::error::ApiError;
use http_server::ResponseBody;

/// What an operation comes to.
pub type Answer = Result<Response<ResponseBody>, ApiError>;

/// Appends `value` as JSON.
pub fn push_json(buffer: &mut Vec<u8>, value: &impl Serialize) -> Result<(), ApiError> {
    serde_json::to_writer(buffer, value).map_err(|_| {
        let message = "the response cannot be written as JSON";
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    })
}

/// A response whose body is `value` as JSON.
pub fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    let mut body = Vec::with_capacity(128);
    push_json(&mut body, value)?;
    Ok(json_response(status, Bytes::from(body)))
}

/// A response whose `body` is JSON.
pub fn json_response(status: StatusCode, body: impl Into<ResponseBody>) -> Response<ResponseBody> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    set_json(response.headers_mut());
    response
}

/// 204.
pub fn no_content() -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// Declares a body to be JSON.
pub fn set_json(headers: &mut HeaderMap) {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
}

/// A failure as the client is told it.
pub fn failure(error: &ApiError) -> Response<ResponseBody> {
    let mut response = json_response(error.status, error.body());
    set_retry_after(error, response.headers_mut());
    response
}

/// Tells the client of a 503 or 429 when to try again (RFC 9110, section 10.2.3; RFC 6585, section 4).
pub fn set_retry_after(error: &ApiError, headers: &mut HeaderMap) {
    if matches!(error.status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
}
