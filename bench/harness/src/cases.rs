//! What is measured.

/// Where todos are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In memory.
    Memory,
    /// In a file.
    Disk,
    /// In a PostgreSQL database.
    Database,
}

/// One kind of load on servers in one state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    /// What `CASES` calls it.
    pub name: &'static str,
    /// What it is, in tables.
    pub title: &'static str,
    /// The table that it is in.
    pub table: &'static str,
    /// Where todos are kept.
    pub place: Place,
    /// Todos that are there before.
    pub todos: usize,
    /// What is asked for.
    pub path: &'static str,
    /// With POST, which leaves more todos behind.
    pub is_post: bool,
    /// Connections with requests.
    pub connections: usize,
    /// Further connections that were used once and are left open. `None` where the case is not about them.
    pub idle: Option<usize>,
    /// The peer can do it.
    pub has_peer: bool,
}

impl Case {
    /// Every measurement needs a server of its own, as it leaves another one behind than it found.
    pub fn needs_new_server(&self) -> bool {
        self.is_post || self.idle.is_some()
    }

    /// The status of the answers.
    pub fn status(&self) -> u16 {
        if self.is_post { 201 } else { 200 }
    }

    /// Whether this and `other` can be measured with the same servers.
    pub fn shares_servers_with(&self, other: &Self) -> bool {
        !self.needs_new_server()
            && !other.needs_new_server()
            && (self.place, self.todos) == (other.place, other.todos)
    }
}

/// The table of the usual requests, which is what the picture shows.
pub const REQUESTS: &str = "Requests";
const CONNECTIONS: &str = "Number of connections";
const IDLE: &str = "Idle connections beside 10 busy ones";

const HEALTH: Case = Case {
    name: "health-10",
    title: "GET /health, 10 connections",
    table: REQUESTS,
    place: Place::Memory,
    todos: 2,
    path: "/health",
    is_post: false,
    connections: 10,
    idle: None,
    has_peer: true,
};

const POST: Case = Case { path: "/api/todos", is_post: true, has_peer: false, ..HEALTH };

/// 1,000 todos in a database.
const DATABASE: Case = Case { place: Place::Database, todos: 1_000, has_peer: false, ..HEALTH };

/// 100,000 todos.
const MANY: Case = Case { todos: 100_000, has_peer: false, ..HEALTH };

const fn idle(name: &'static str, title: &'static str, count: usize) -> Case {
    Case { name, title, table: IDLE, idle: Some(count), ..HEALTH }
}

/// All cases; those next to each other share servers where they can.
pub const CASES: [Case; 24] = [
    HEALTH,
    Case { name: "root", title: "GET /, 10 connections", path: "/", ..HEALTH },
    Case { name: "list-2", title: "all of 2 todos, 10 connections", path: "/api/todos", ..HEALTH },
    Case {
        name: "health-1",
        title: "GET /health, 1 connection",
        table: CONNECTIONS,
        connections: 1,
        ..HEALTH
    },
    Case {
        name: "health-100",
        title: "GET /health, 100 connections",
        table: CONNECTIONS,
        connections: 100,
        ..HEALTH
    },
    Case {
        name: "health-1000",
        title: "GET /health, 1,000 connections",
        table: CONNECTIONS,
        connections: 1_000,
        ..HEALTH
    },
    Case {
        name: "list-1000",
        title: "all of 1,000 todos, 10 connections",
        path: "/api/todos",
        todos: 1_000,
        ..HEALTH
    },
    Case {
        name: "one",
        title: "one todo by id, 10 connections",
        path: "/api/todos/500",
        todos: 1_000,
        has_peer: false,
        ..HEALTH
    },
    Case {
        name: "page",
        title: "50 of 100,000 todos, 10 connections",
        path: "/api/todos?limit=50",
        ..MANY
    },
    Case {
        name: "page-title",
        title: "50 from the middle of 100,000 todos by title, 10 connections",
        path: "/api/todos?sort=title&limit=50&offset=50000",
        ..MANY
    },
    Case {
        name: "search",
        title: "30 todos with `q=5000` in 100,000, 10 connections",
        path: "/api/todos?q=5000&limit=50",
        ..MANY
    },
    Case { name: "post-memory", title: "POST in memory, 10 connections", has_peer: true, ..POST },
    Case {
        name: "post-redb-10",
        title: "POST on redb, 10 connections",
        place: Place::Disk,
        ..POST
    },
    Case {
        name: "post-redb-100",
        title: "POST on redb, 100 connections",
        place: Place::Disk,
        connections: 100,
        ..POST
    },
    Case {
        name: "postgres-one-10",
        title: "one todo by id on PostgreSQL, 10 connections",
        path: "/api/todos/500",
        ..DATABASE
    },
    Case {
        name: "postgres-one-100",
        title: "one todo by id on PostgreSQL, 100 connections",
        path: "/api/todos/500",
        connections: 100,
        ..DATABASE
    },
    Case {
        name: "postgres-page-10",
        title: "50 of 1,000 todos on PostgreSQL, 10 connections",
        path: "/api/todos?limit=50",
        ..DATABASE
    },
    Case {
        name: "postgres-page-100",
        title: "50 of 1,000 todos on PostgreSQL, 100 connections",
        path: "/api/todos?limit=50",
        connections: 100,
        ..DATABASE
    },
    Case {
        name: "post-postgres-10",
        title: "POST on PostgreSQL, 10 connections",
        place: Place::Database,
        ..POST
    },
    Case {
        name: "post-postgres-100",
        title: "POST on PostgreSQL, 100 connections",
        place: Place::Database,
        connections: 100,
        ..POST
    },
    idle("idle-0", "none", 0),
    idle("idle-1000", "1,000", 1_000),
    idle("idle-4000", "4,000", 4_000),
    idle("idle-10000", "10,000", 10_000),
];

/// What `CASES` calls the measurement of starts.
pub const START: &str = "start";

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_names() {
        let names: HashSet<_> = CASES.iter().map(|case| case.name).chain([START]).collect();
        assert_eq!(names.len(), CASES.len() + 1);
        let titles: HashSet<_> = CASES.iter().map(|case| case.title).collect();
        assert_eq!(titles.len(), CASES.len());
    }

    #[test]
    fn cases_that_change_nothing_share_servers() {
        let named = |name: &str| *CASES.iter().find(|case| case.name == name).unwrap();
        assert!(named("health-10").shares_servers_with(&named("root")));
        assert!(!named("health-10").shares_servers_with(&named("list-1000")));
        assert!(!named("post-redb-10").shares_servers_with(&named("post-redb-100")));
        assert!(!named("health-10").shares_servers_with(&named("idle-0")));
    }
}
