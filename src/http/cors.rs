//! Cross-origin resource sharing (the Fetch standard, "HTTP extensions"): every origin may do everything.

use hyper::Method;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, HeaderMap, HeaderValue, ORIGIN,
};

/// Whether the request asks what a later one may do.
pub fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS && is_cross_origin(headers)
}

/// Whether the request comes from a page, which has an origin.
pub fn is_cross_origin(headers: &HeaderMap) -> bool {
    headers.contains_key(ORIGIN)
}

/// Lets the page that asked see the answer.
pub fn allow_origin(answer: &mut HeaderMap) {
    answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
}

/// Tells what later requests may do, and that this holds for 12 hours.
pub fn allow_preflight(answer: &mut HeaderMap) {
    answer.insert(
        ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET,POST,PUT,PATCH,DELETE,HEAD,OPTIONS"),
    );
    answer.insert(
        ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("Origin,Content-Length,Content-Type"),
    );
    answer.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("43200"));
}
