//! The one table of routes. Dispatch and `Allow` come from it.

use hyper::Method;

/// What a request can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `GET /`
    ServerInfo,
    /// `GET /health`
    Health,
    /// `GET /api/todos`
    ListTodos,
    /// `POST /api/todos`
    CreateTodo,
}

/// A path and what can be done with it. `HEAD` goes with `GET`, `OPTIONS` with everything.
#[derive(Debug)]
pub struct Route {
    /// The path.
    pub path: &'static str,
    /// The value of `Allow` (RFC 9110, section 10.2.1).
    pub allow: &'static str,
    operations: &'static [(Method, Operation)],
}

/// Every method that is of use anywhere.
pub const ALL_METHODS: &str = "GET, HEAD, OPTIONS, POST";

const ROUTES: [Route; 3] = [
    Route {
        path: "/",
        allow: "GET, HEAD, OPTIONS",
        operations: &[(Method::GET, Operation::ServerInfo)],
    },
    Route {
        path: "/health",
        allow: "GET, HEAD, OPTIONS",
        operations: &[(Method::GET, Operation::Health)],
    },
    Route {
        path: "/api/todos",
        allow: "GET, HEAD, OPTIONS, POST",
        operations: &[(Method::GET, Operation::ListTodos), (Method::POST, Operation::CreateTodo)],
    },
];

/// The route of a request path. A slash at its end makes no difference.
pub fn find(path: &str) -> Option<&'static Route> {
    let shorter = path.strip_suffix('/').filter(|shorter| shorter.len() > 1);
    let path = shorter.unwrap_or(path);
    ROUTES.iter().find(|route| route.path == path)
}

impl Route {
    /// What `method` does here, if anything.
    pub fn operation(&self, method: &Method) -> Option<Operation> {
        let method = if method == Method::HEAD { &Method::GET } else { method };
        let found = self.operations.iter().find(|(known, _)| known == method);
        found.map(|&(_, operation)| operation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allow_names_what_operations_has() {
        for route in &ROUTES {
            let mut methods: Vec<_> = route.operations.iter().map(|(m, _)| m.as_str()).collect();
            methods.push("OPTIONS");
            if methods.contains(&"GET") {
                methods.push("HEAD");
            }
            methods.sort_unstable();
            assert_eq!(route.allow, methods.join(", "), "{}", route.path);
        }
    }

    #[test]
    fn one_slash_at_the_end_makes_no_difference() {
        for (path, found) in [
            ("/", Some("/")),
            ("/health", Some("/health")),
            ("/health/", Some("/health")),
            ("/api/todos/", Some("/api/todos")),
            ("/api/todos//", None),
            ("//", None),
            ("", None),
            ("/api", None),
            ("/Health", None),
        ] {
            assert_eq!(find(path).map(|route| route.path), found, "{path:?}");
        }
    }

    #[test]
    fn head_is_served_where_get_is() {
        let todos = find("/api/todos").unwrap();
        assert_eq!(todos.operation(&Method::HEAD), Some(Operation::ListTodos));
        assert_eq!(todos.operation(&Method::POST), Some(Operation::CreateTodo));
        assert_eq!(todos.operation(&Method::PATCH), None);
    }
}
