//! Cross-origin resource sharing (the Fetch standard, "HTTP extensions").

use hyper::Method;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    HeaderMap, HeaderValue, ORIGIN, VARY,
};

/// What pages of every origin may send: what the tutorial's program allows, conditions, and keys.
const SIMPLE_HEADERS: &str =
    "Origin,Content-Length,Content-Type,If-Match,If-None-Match,Idempotency-Key";

/// What pages may send where the operator has said who they are.
const ALL_HEADERS: &str = "Origin,Content-Length,Content-Type,If-Match,If-None-Match,Idempotency-Key,Authorization,X-Request-Id";

/// What pages may read of a response, beside what every page may.
const EXPOSED_HEADERS: &str = "ETag,Link,Location,Retry-After,X-Request-Id";

/// Which pages may use the API, and how.
#[derive(Clone, Debug)]
pub struct Cors {
    /// `None`: those of every origin.
    origins: Option<Vec<String>>,
    allow_headers: &'static str,
}

/// Whether the request asks what a later one may do (the Fetch standard, "CORS-preflight request").
pub fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS
        && headers.contains_key(ORIGIN)
        && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

impl Cors {
    /// Lets in the pages of these origins, or of every origin. Where `is_restricted` by a token or by their origin, they may
    /// send further headers, of which `Authorization` is one.
    pub fn new(origins: Option<Vec<String>>, is_restricted: bool) -> Self {
        let is_simple = origins.is_none() && !is_restricted;
        Self { origins, allow_headers: if is_simple { SIMPLE_HEADERS } else { ALL_HEADERS } }
    }

    /// Lets the page that asked see the answer, if it comes from where it may.
    pub fn allow_origin(&self, request: &HeaderMap, answer: &mut HeaderMap) {
        if self.origins.is_some() {
            // Also without `Origin`: a cache must not hand this answer to a page (the Fetch standard, "CORS protocol and
            // HTTP caches").
            vary_by_origin(answer);
        }
        if let Some(allowed) = self.allowed(request) {
            answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
            // A preflight is for the browser alone.
            if !answer.contains_key(ACCESS_CONTROL_ALLOW_METHODS) {
                let exposed = HeaderValue::from_static(EXPOSED_HEADERS);
                answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
            }
        }
    }

    /// Tells what later requests may do, and that this holds for 12 hours.
    pub fn allow_preflight(&self, request: &HeaderMap, answer: &mut HeaderMap) {
        if self.allowed(request).is_none() {
            return;
        }
        answer.insert(
            ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static("GET,POST,PUT,PATCH,DELETE,HEAD,OPTIONS"),
        );
        answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(self.allow_headers));
        answer.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("43200"));
    }

    /// The value of `Access-Control-Allow-Origin`.
    fn allowed(&self, request: &HeaderMap) -> Option<HeaderValue> {
        let origin = request.get(ORIGIN)?;
        match &self.origins {
            None => Some(HeaderValue::from_static("*")),
            Some(origins) => origins.iter().any(|known| origin == known).then(|| origin.clone()),
        }
    }
}

fn vary_by_origin(answer: &mut HeaderMap) {
    let others = answer.get(VARY).and_then(|others| others.to_str().ok());
    let all = others.and_then(|others| HeaderValue::try_from(format!("{others}, Origin")).ok());
    answer.insert(VARY, all.unwrap_or(HeaderValue::from_static("Origin")));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(origin: Option<&'static str>) -> HeaderMap {
        origin.map(|origin| (ORIGIN, HeaderValue::from_static(origin))).into_iter().collect()
    }

    /// The values of Allow-Origin, Vary and Allow-Headers for a preflight.
    fn preflight(cors: &Cors, origin: Option<&'static str>) -> [String; 3] {
        let (request, mut answer) = (headers(origin), HeaderMap::new());
        cors.allow_preflight(&request, &mut answer);
        cors.allow_origin(&request, &mut answer);
        [ACCESS_CONTROL_ALLOW_ORIGIN, VARY, ACCESS_CONTROL_ALLOW_HEADERS]
            .map(|name| answer.get(name).map_or("", |value| value.to_str().unwrap()).to_owned())
    }

    #[test]
    fn pages_of_every_origin_get_what_the_document_says() {
        let cors = Cors::new(None, false);
        assert_eq!(preflight(&cors, Some("https://a.test")), ["*", "", SIMPLE_HEADERS]);
        assert_eq!(preflight(&cors, Some("null")), ["*", "", SIMPLE_HEADERS]);
        assert_eq!(preflight(&cors, None), ["", "", ""]);
    }

    #[test]
    fn where_a_token_is_needed_pages_may_send_it() {
        let cors = Cors::new(None, true);
        assert_eq!(preflight(&cors, Some("https://a.test")), ["*", "", ALL_HEADERS]);
    }

    #[test]
    fn only_listed_origins_are_let_in() {
        let cors =
            Cors::new(Some(vec!["https://a.test".into(), "http://b.test:8080".into()]), true);
        for origin in ["https://a.test", "http://b.test:8080"] {
            assert_eq!(preflight(&cors, Some(origin)), [origin, "Origin", ALL_HEADERS]);
        }
        for origin in [
            "http://a.test",
            "https://a.test:444",
            "https://a.test.evil",
            "https://x.a.test",
            "null",
            "*",
        ] {
            assert_eq!(preflight(&cors, Some(origin)), ["", "Origin", ""]);
        }
        assert_eq!(preflight(&cors, None), ["", "Origin", ""]);
    }

    #[test]
    fn pages_may_read_what_they_need_for_the_next_request() {
        let mut answer = HeaderMap::new();
        Cors::new(None, false).allow_origin(&headers(Some("https://a.test")), &mut answer);
        assert_eq!(answer[ACCESS_CONTROL_EXPOSE_HEADERS], EXPOSED_HEADERS);
        let mut answer = HeaderMap::new();
        Cors::new(None, false).allow_origin(&headers(None), &mut answer);
        assert!(!answer.contains_key(ACCESS_CONTROL_EXPOSE_HEADERS));
    }

    #[test]
    fn a_preflight_names_the_method_of_the_request_to_come() {
        let mut request = headers(Some("https://a.test"));
        assert!(!is_preflight(&Method::OPTIONS, &request));
        request.insert(ACCESS_CONTROL_REQUEST_METHOD, HeaderValue::from_static("PUT"));
        assert!(is_preflight(&Method::OPTIONS, &request));
        assert!(!is_preflight(&Method::GET, &request));
    }

    #[test]
    fn what_else_an_answer_varies_by_is_kept() {
        let mut answer = HeaderMap::new();
        answer.insert(VARY, HeaderValue::from_static("Accept"));
        Cors::new(Some(Vec::new()), true).allow_origin(&HeaderMap::new(), &mut answer);
        assert_eq!(answer[VARY], "Accept, Origin");
    }
}
