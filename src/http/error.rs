//! Every failure as the client is told it: a status and one sentence, as JSON.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use hyper::StatusCode;
use hyper::body::Bytes;
use serde_json::json;

use http_server::Refusal;
use todo_model::{Invalid, TodoId};
use todo_store::{CreateError, StoreError};

/// Why a request is not answered as the client would like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// The response's status code: 4xx or 5xx.
    pub status: StatusCode,
    /// One sentence that names the field, parameter or position at fault.
    pub message: Cow<'static, str>,
}

impl ApiError {
    /// An error with this status and message.
    pub fn new(status: StatusCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, message: message.into() }
    }

    /// 400: the client has to change something.
    pub fn bad_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 404: `id` is no todo's.
    pub fn no_todo(id: impl fmt::Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("there is no todo {id}"))
    }

    /// 412: the todo is not in the state that the request asks for.
    pub fn condition_failed(id: TodoId) -> Self {
        let message = format!("todo {id} has another ETag than the request asks for");
        Self::new(StatusCode::PRECONDITION_FAILED, message)
    }

    /// 503: requests and responses in progress take all the memory that there is for them.
    pub fn busy() -> Self {
        let message = "too many long requests and responses are in progress, try again later";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, message)
    }

    /// 503: as many clients read events as may.
    pub fn too_many_readers() -> Self {
        let message = "too many clients read events, try again later";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, message)
    }

    /// 503: new connections may be refused soon.
    pub fn nearly_full() -> Self {
        let message = "nearly as many connections are open as may";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, message)
    }

    /// 429: the client sends more requests than it may.
    pub fn too_many_requests() -> Self {
        let message = "too many requests from this address, try again later";
        Self::new(StatusCode::TOO_MANY_REQUESTS, message)
    }

    /// 503: the store cannot serve.
    pub fn not_ready() -> Self {
        let message = "the store does not work at the moment";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, message)
    }

    /// The response's body: `{"error":"…"}`.
    pub fn body(&self) -> Bytes {
        json!({ "error": self.message }).to_string().into()
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl Error for ApiError {}

impl From<Invalid> for ApiError {
    fn from(invalid: Invalid) -> Self {
        Self::bad_request(invalid.reason())
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let status = match error {
            StoreError::Full | StoreError::NoSpace => StatusCode::INSUFFICIENT_STORAGE,
            StoreError::Unavailable => StatusCode::INTERNAL_SERVER_ERROR,
            StoreError::Unreachable | StoreError::Busy | StoreError::Undecided => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        };
        Self::new(status, error.to_string())
    }
}

impl From<CreateError> for ApiError {
    fn from(error: CreateError) -> Self {
        match error {
            CreateError::KeyReused => {
                let message =
                    "the idempotency-key was used before, for another title or description";
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, message)
            }
            CreateError::Store(error) => error.into(),
        }
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let (status, message) = match refusal {
            Refusal::Malformed => (StatusCode::BAD_REQUEST, "the request is not valid HTTP/1.1"),
            Refusal::HeadTimeout => {
                (StatusCode::REQUEST_TIMEOUT, "the request's headers took too long")
            }
            Refusal::TargetTooLong => (StatusCode::URI_TOO_LONG, "the request target is too long"),
            Refusal::HeadTooLarge => (
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "the request's headers are too large or too many",
            ),
            Refusal::TooManyConnections => {
                (StatusCode::SERVICE_UNAVAILABLE, "too many connections, try again later")
            }
            Refusal::TooManyOfClient => (
                StatusCode::TOO_MANY_REQUESTS,
                "too many connections from this address, try again later",
            ),
        };
        Self::new(status, message)
    }
}
