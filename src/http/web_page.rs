//! The web page: `GET /` as browsers see it. `build.rs` joins it from the files in `web_page/`.

use hyper::Response;
use hyper::body::Bytes;
use hyper::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderMap,
    HeaderName, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};

use super::error::ApiError;
use super::etag::unless_matched;
use super::negotiate::{accepts_gzip, prefers_html};
use http_server::ResponseBody;

const PLAIN: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/page.html"));
const GZIP: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/page.html.gz"));

/// Two representations have two strong entity tags (RFC 9110, section 8.8.3.3).
const PLAIN_ETAG: &str = concat!("\"", env!("TODO_PAGE_HASH"), "\"");
const GZIP_ETAG: &str = concat!("\"", env!("TODO_PAGE_HASH"), "-gzip\"");

/// The page loads nothing, talks to its own server only, and runs no script and no style but its own, which are named by their
/// hashes (Content Security Policy Level 3). Scripts cannot turn text into markup (Trusted Types).
const POLICY: &str = concat!(
    "default-src 'none'; script-src '",
    env!("TODO_PAGE_SCRIPT_HASH"),
    "'; style-src '",
    env!("TODO_PAGE_STYLE_HASH"),
    "'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'",
);

const HEADERS: [(HeaderName, &str); 6] = [
    (CONTENT_TYPE, "text/html; charset=utf-8"),
    // Kept, but asked for again each time: a new server may have a new page.
    (CACHE_CONTROL, "no-cache"),
    (CONTENT_SECURITY_POLICY, POLICY),
    (REFERRER_POLICY, "no-referrer"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
];

/// The page, if the client would rather have it than JSON.
///
/// # Errors
/// 400 for a malformed condition, 412 for an `If-Match` that names another page.
pub fn response(headers: &HeaderMap) -> Result<Option<Response<ResponseBody>>, ApiError> {
    if !prefers_html(headers) {
        return Ok(None);
    }
    let is_gzip = accepts_gzip(headers);
    let (body, etag) = if is_gzip { (GZIP, GZIP_ETAG) } else { (PLAIN, PLAIN_ETAG) };
    let page = || Response::new(ResponseBody::from(Bytes::from_static(body)));
    let mut response = unless_matched(headers, etag, page)?;
    let response_headers = response.headers_mut();
    for (name, value) in HEADERS {
        response_headers.insert(name, HeaderValue::from_static(value));
    }
    response_headers.insert(ETAG, HeaderValue::from_static(etag));
    if is_gzip {
        response_headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(Some(response))
}
