//! The one table of routes. Dispatch, access, `Allow`, 405, and the route in logs and metrics come from it.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use hyper::Method;
use todo_model::TodoUpdate;

use super::handlers::{self, Call};
use super::response::Answer;
use super::{App, events, lists, openapi};

/// What can be done, and where.
pub struct Route {
    /// `HEAD` goes with `GET`, `OPTIONS` with everything.
    pub method: Method,
    /// The path; a last segment `{id}` stands for any one segment. Rows with the same pattern stand together.
    pub pattern: &'static str,
    /// Who may do it.
    pub access: Access,
    /// What does it.
    pub handler: Handler,
}

/// Who may do something. What no row of the table speaks of takes the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everybody.
    Open,
    /// Whoever has the token, if there is one.
    Token,
    /// The same, if the settings say so.
    Metrics,
}

/// A function that answers a request.
pub enum Handler {
    /// One that has nothing to wait for.
    Now(fn(&App, &Call<'_>) -> Answer),
    /// One that may have.
    Later(for<'a> fn(&'a Rc<App>, Call<'a>) -> Pending<'a>),
}

/// An answer to come.
pub type Pending<'a> = Pin<Box<dyn Future<Output = Answer> + 'a>>;

use Access::{Metrics, Open, Token};
use Handler::{Later, Now};

/// All routes.
pub static ROUTES: [Route; 14] = [
    route(Method::GET, ROOT, Open, Now(handlers::root)),
    route(Method::GET, "/health", Open, Now(handlers::health)),
    route(Method::GET, "/livez", Open, Now(handlers::live)),
    route(Method::GET, "/readyz", Open, Later(|app, _| Box::pin(handlers::ready(app)))),
    route(Method::GET, "/metrics", Metrics, Later(|app, _| Box::pin(handlers::metrics(app)))),
    route(Method::GET, "/openapi.json", Open, Now(openapi::document)),
    route(Method::GET, TODOS, Token, Later(|app, call| Box::pin(lists::list(app, call)))),
    route(Method::POST, TODOS, Token, Later(|app, call| Box::pin(handlers::create(app, call)))),
    route(
        Method::DELETE,
        TODOS,
        Token,
        Later(|app, call| Box::pin(handlers::delete_completed(app, call))),
    ),
    // In front of the pattern that it fits as well.
    route(Method::GET, EVENTS, Token, Later(|app, call| Box::pin(events::events(app, call)))),
    route(Method::GET, TODO, Token, Later(|app, call| Box::pin(handlers::get(app, call)))),
    route(
        Method::PUT,
        TODO,
        Token,
        Later(|app, call| {
            Box::pin(handlers::update(app, call, TodoUpdate::replacement_from_fields))
        }),
    ),
    route(
        Method::PATCH,
        TODO,
        Token,
        Later(|app, call| Box::pin(handlers::update(app, call, TodoUpdate::patch_from_fields))),
    ),
    route(Method::DELETE, TODO, Token, Later(|app, call| Box::pin(handlers::delete(app, call)))),
];

/// What looks whether the process is well. It is never refused for asking often.
pub const PROBES: [&str; 2] = ["/livez", "/readyz"];
/// Where what is served depends on what the client accepts.
pub const ROOT: &str = "/";
const TODOS: &str = "/api/todos";
const EVENTS: &str = "/api/todos/events";
const TODO: &str = "/api/todos/{id}";

const fn route(method: Method, pattern: &'static str, access: Access, handler: Handler) -> Route {
    Route { method, pattern, access, handler }
}

/// The routes of one path.
#[derive(Clone, Copy)]
pub struct Found<'a> {
    /// Its rows in the table: at least one.
    routes: &'static [Route],
    /// The pattern.
    pub pattern: &'static str,
    /// The place of the pattern among all [`patterns`].
    pub index: usize,
    /// The segment that stands for `{id}`, or nothing.
    pub id: &'a str,
}

/// The routes of a request path. A slash at the path's end makes no difference.
pub fn find(path: &str) -> Option<Found<'_>> {
    let shorter = path.strip_suffix('/').filter(|shorter| shorter.len() > 1);
    let path = shorter.unwrap_or(path);
    by_pattern().enumerate().find_map(|(index, routes)| {
        let pattern = routes.first()?.pattern;
        Some(Found { routes, pattern, index, id: matches(pattern, path)? })
    })
}

/// Every pattern once, in the order of the table.
pub fn patterns() -> impl Iterator<Item = &'static str> {
    by_pattern().filter_map(|routes| Some(routes.first()?.pattern))
}

fn by_pattern() -> impl Iterator<Item = &'static [Route]> {
    ROUTES.chunk_by(|left, right| left.pattern == right.pattern)
}

fn matches<'a>(pattern: &str, path: &'a str) -> Option<&'a str> {
    match pattern.strip_suffix("{id}") {
        None => (path == pattern).then_some(""),
        Some(start) => {
            let id = path.strip_prefix(start)?;
            (!id.is_empty() && !id.contains('/')).then_some(id)
        }
    }
}

impl Found<'_> {
    /// The route that `method` has here, if any.
    pub fn route(&self, method: &Method) -> Option<&'static Route> {
        let method = if method == Method::HEAD { &Method::GET } else { method };
        self.routes.iter().find(|route| route.method == *method)
    }

    /// Who may ask for anything here that is not in the table, such as another method.
    pub fn access(&self) -> Access {
        let access = self.routes.iter().map(|route| route.access);
        access.reduce(|all, one| if all == one { all } else { Token }).unwrap_or(Token)
    }

    /// The value of `Allow` (RFC 9110, section 10.2.1).
    pub fn allow(&self) -> String {
        allow(self.routes)
    }
}

/// Every method that is of use anywhere, as the value of `Allow`.
pub fn all_methods() -> String {
    allow(&ROUTES)
}

fn allow(routes: &[Route]) -> String {
    let mut methods: Vec<_> = routes.iter().map(|route| route.method.as_str()).collect();
    if methods.contains(&"GET") {
        methods.push("HEAD");
    }
    methods.push("OPTIONS");
    methods.sort_unstable();
    methods.dedup();
    methods.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_one_path_stand_together() {
        let mut seen: Vec<_> = patterns().collect();
        let count = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), count);
    }

    #[test]
    fn allow_names_what_the_rows_have() {
        let allow = |path: &str| find(path).unwrap().allow();
        assert_eq!(allow("/health"), "GET, HEAD, OPTIONS");
        assert_eq!(allow("/api/todos"), "DELETE, GET, HEAD, OPTIONS, POST");
        assert_eq!(allow("/api/todos/events"), "GET, HEAD, OPTIONS");
        assert_eq!(allow("/api/todos/7"), "DELETE, GET, HEAD, OPTIONS, PATCH, PUT");
        assert_eq!(all_methods(), "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT");
    }

    #[test]
    fn everything_below_api_takes_the_token() {
        for route in &ROUTES {
            assert_eq!(
                route.access == Token,
                route.pattern.starts_with("/api"),
                "{}",
                route.pattern
            );
        }
        assert_eq!(find("/api/todos").unwrap().access(), Token);
        assert_eq!(find("/health").unwrap().access(), Open);
    }

    #[test]
    fn one_slash_at_the_end_makes_no_difference() {
        for (path, expected) in [
            ("/", Some(("/", ""))),
            ("/health", Some(("/health", ""))),
            ("/health/", Some(("/health", ""))),
            ("/api/todos/", Some(("/api/todos", ""))),
            ("/api/todos/events", Some(("/api/todos/events", ""))),
            ("/api/todos/events/", Some(("/api/todos/events", ""))),
            ("/api/todos/7", Some(("/api/todos/{id}", "7"))),
            ("/api/todos/7/", Some(("/api/todos/{id}", "7"))),
            ("/api/todos/x", Some(("/api/todos/{id}", "x"))),
            ("/api/todos/7/8", None),
            ("/api/todos//", None),
            ("//", None),
            ("", None),
            ("/api", None),
            ("/Health", None),
        ] {
            assert_eq!(find(path).map(|found| (found.pattern, found.id)), expected, "{path:?}");
        }
    }

    #[test]
    fn head_is_served_where_get_is() {
        let todos = find("/api/todos").unwrap();
        let method = |method| todos.route(&method).map(|route| route.method.as_str());
        assert_eq!(method(Method::HEAD), Some("GET"));
        assert_eq!(method(Method::POST), Some("POST"));
        assert_eq!(method(Method::PATCH), None);
    }
}
