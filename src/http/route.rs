//! The one table of routes. Dispatch, `Allow`, and the route in logs and metrics come from it.

use hyper::Method;

/// What a request can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `GET /`
    ServerInfo,
    /// `GET /health`
    Health,
    /// `GET /livez`
    Live,
    /// `GET /readyz`
    Ready,
    /// `GET /metrics`
    Metrics,
    /// `GET /openapi.json`
    OpenApi,
    /// `GET /api/todos`
    ListTodos,
    /// `POST /api/todos`
    CreateTodo,
    /// `DELETE /api/todos`
    DeleteCompleted,
    /// `GET /api/todos/{id}`
    GetTodo,
    /// `PUT /api/todos/{id}`
    ReplaceTodo,
    /// `PATCH /api/todos/{id}`
    PatchTodo,
    /// `DELETE /api/todos/{id}`
    DeleteTodo,
}

/// A path and what can be done with it. `HEAD` goes with `GET`, `OPTIONS` with everything.
#[derive(Debug)]
pub struct Route {
    /// The path; a last segment `{id}` stands for any one segment.
    pub pattern: &'static str,
    /// The value of `Allow` (RFC 9110, section 10.2.1).
    pub allow: &'static str,
    /// What is done here, by method.
    pub operations: &'static [(Method, Operation)],
}

/// Every method that is of use anywhere.
pub const ALL_METHODS: &str = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT";

/// All routes.
pub static ROUTES: [Route; 8] = [
    Route {
        pattern: "/",
        allow: "GET, HEAD, OPTIONS",
        operations: &[(Method::GET, Operation::ServerInfo)],
    },
    Route {
        pattern: "/health",
        allow: "GET, HEAD, OPTIONS",
        operations: &[(Method::GET, Operation::Health)],
    },
    Route {
        pattern: "/livez",
        allow: "GET, HEAD, OPTIONS",
        operations: &[(Method::GET, Operation::Live)],
    },
    Route {
        pattern: "/readyz",
        allow: "GET, HEAD, OPTIONS",
        operations: &[(Method::GET, Operation::Ready)],
    },
    Route {
        pattern: "/metrics",
        allow: "GET, HEAD, OPTIONS",
        operations: &[(Method::GET, Operation::Metrics)],
    },
    Route {
        pattern: "/openapi.json",
        allow: "GET, HEAD, OPTIONS",
        operations: &[(Method::GET, Operation::OpenApi)],
    },
    Route {
        pattern: "/api/todos",
        allow: "DELETE, GET, HEAD, OPTIONS, POST",
        operations: &[
            (Method::GET, Operation::ListTodos),
            (Method::POST, Operation::CreateTodo),
            (Method::DELETE, Operation::DeleteCompleted),
        ],
    },
    Route {
        pattern: "/api/todos/{id}",
        allow: "DELETE, GET, HEAD, OPTIONS, PATCH, PUT",
        operations: &[
            (Method::GET, Operation::GetTodo),
            (Method::PUT, Operation::ReplaceTodo),
            (Method::PATCH, Operation::PatchTodo),
            (Method::DELETE, Operation::DeleteTodo),
        ],
    },
];

/// The route of a request path, and the segment that stands for `{id}`, or nothing. A slash at the path's end makes no
/// difference.
pub fn find(path: &str) -> Option<(&'static Route, &str)> {
    let shorter = path.strip_suffix('/').filter(|shorter| shorter.len() > 1);
    let path = shorter.unwrap_or(path);
    ROUTES.iter().find_map(|route| Some((route, route.matches(path)?)))
}

impl Route {
    /// Its place in [`ROUTES`].
    pub fn index(&self) -> usize {
        ROUTES.iter().position(|route| std::ptr::eq(route, self)).unwrap_or(ROUTES.len())
    }

    /// What `method` does here, if anything.
    pub fn operation(&self, method: &Method) -> Option<Operation> {
        let method = if method == Method::HEAD { &Method::GET } else { method };
        let found = self.operations.iter().find(|(known, _)| known == method);
        found.map(|&(_, operation)| operation)
    }

    fn matches<'a>(&self, path: &'a str) -> Option<&'a str> {
        match self.pattern.strip_suffix("{id}") {
            None => (path == self.pattern).then_some(""),
            Some(start) => {
                let id = path.strip_prefix(start)?;
                (!id.is_empty() && !id.contains('/')).then_some(id)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allow_names_what_operations_has() {
        let mut all = vec!["HEAD", "OPTIONS"];
        for route in &ROUTES {
            let mut methods: Vec<_> = route.operations.iter().map(|(m, _)| m.as_str()).collect();
            all.extend(&methods);
            methods.push("OPTIONS");
            if methods.contains(&"GET") {
                methods.push("HEAD");
            }
            methods.sort_unstable();
            assert_eq!(route.allow, methods.join(", "), "{}", route.pattern);
        }
        all.sort_unstable();
        all.dedup();
        assert_eq!(ALL_METHODS, all.join(", "));
    }

    #[test]
    fn one_slash_at_the_end_makes_no_difference() {
        for (path, found) in [
            ("/", Some(("/", ""))),
            ("/health", Some(("/health", ""))),
            ("/health/", Some(("/health", ""))),
            ("/api/todos/", Some(("/api/todos", ""))),
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
            let route = find(path).map(|(route, id)| (route.pattern, id));
            assert_eq!(route, found, "{path:?}");
        }
    }

    #[test]
    fn head_is_served_where_get_is() {
        let (todos, _) = find("/api/todos").unwrap();
        assert_eq!(todos.operation(&Method::HEAD), Some(Operation::ListTodos));
        assert_eq!(todos.operation(&Method::POST), Some(Operation::CreateTodo));
        assert_eq!(todos.operation(&Method::PATCH), None);
    }
}
