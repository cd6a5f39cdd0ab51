//! The one table of settings. What they take is parsed, described in `--help` and documented from here.

/// One environment variable.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The variable's name.
    pub name: &'static str,
    /// What an unset or empty variable means.
    pub default: &'static str,
    /// The values it takes.
    pub kind: Kind,
    /// What it does, in one sentence.
    pub meaning: &'static str,
}

/// The values that a setting takes.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// An IPv4 or IPv6 address.
    Address,
    /// One of two words.
    Choice([&'static str; 2]),
    /// The URL of a store.
    Database,
    /// The path of a file.
    File,
    /// IP addresses and networks, separated by commas.
    Networks,
    /// A whole number.
    Number {
        /// The smallest.
        min: u64,
        /// The greatest.
        max: u64,
        /// What is counted, with a blank in front; nothing where the name says it.
        unit: &'static str,
    },
    /// Origins as browsers write them, separated by commas, or `*`.
    Origins,
    /// A token as `Authorization: Bearer` can carry it (RFC 6750, section 2.1).
    Token,
}

impl Kind {
    /// The values, in short, with code in backquotes.
    pub fn values(self) -> String {
        match self {
            Self::Address => "IP address".to_owned(),
            Self::Choice([one, other]) => format!("`{one}`, `{other}`"),
            Self::Database => "`memory:`, `redb:///FILE`, `postgres://USER@HOST/NAME`".to_owned(),
            Self::File => "path".to_owned(),
            Self::Networks => "list of IP addresses and networks".to_owned(),
            Self::Number { min, max, unit } => format!("{min}–{max}{unit}"),
            Self::Origins => "`*`, list of origins".to_owned(),
            Self::Token => "16–512 of `A-Z a-z 0-9 - . _ ~ + /`".to_owned(),
        }
    }

    /// What a value has to be, to stand behind "is not".
    pub(super) fn expected(self) -> String {
        match self {
            Self::Address => "an IPv4 or IPv6 address such as 127.0.0.1 or ::".to_owned(),
            Self::Choice([one, other]) => format!("{one} or {other}"),
            Self::Database => {
                "memory:, redb:///FILE or postgres://USER:PASSWORD@HOST:PORT/NAME".to_owned()
            }
            Self::File => "a file that can be read".to_owned(),
            Self::Networks => {
                "a list of addresses and networks such as 127.0.0.1,10.0.0.0/8".to_owned()
            }
            Self::Number { min, max, .. } => format!("a whole number from {min} to {max}"),
            Self::Origins => "* or a list of origins such as https://example.com,http://localhost:3000, without default ports".to_owned(),
            Self::Token => {
                "16 to 512 letters, digits and characters of -._~+/, at least 5 of them different"
                    .to_owned()
            }
        }
    }
}

pub(super) const HOST: Setting = Setting {
    name: "HOST",
    default: "::",
    kind: Kind::Address,
    meaning: "Address to listen on; `::` is every IPv4 and IPv6 address of the machine.",
};
pub(super) const PORT: Setting = Setting {
    name: "PORT",
    default: "8080",
    kind: Kind::Number { min: 0, max: 65_535, unit: "" },
    meaning: "TCP port to listen on; 0 takes a free one.",
};
pub(super) const DATABASE_URL: Setting = Setting {
    name: "DATABASE_URL",
    default: "",
    kind: Kind::Database,
    meaning: "Where todos are kept; unset it is `redb:///data/todos.redb` if there is a folder `/data`, else `memory:`.",
};
pub(super) const DATABASE_PASSWORD_FILE: Setting = Setting {
    name: "DATABASE_PASSWORD_FILE",
    default: "",
    kind: Kind::File,
    meaning: "File with the database's password, if it is not in `DATABASE_URL`, which everybody can read who sees the list of processes.",
};
pub(super) const DATABASE_CONNECTIONS: Setting = Setting {
    name: "DATABASE_CONNECTIONS",
    default: "4",
    kind: Kind::Number { min: 1, max: 64, unit: "" },
    meaning: "Connections to a database that are kept open; requests share them.",
};
pub(super) const DATABASE_TIMEOUT_MS: Setting = Setting {
    name: "DATABASE_TIMEOUT_MS",
    default: "5000",
    kind: Kind::Number { min: 100, max: 600_000, unit: " ms" },
    meaning: "Time one operation may wait for a database; then 503.",
};
pub(super) const SEED_TODOS: Setting = Setting {
    name: "SEED_TODOS",
    default: "true",
    kind: Kind::Choice(["true", "false"]),
    meaning: "Whether a new store begins with the two sample todos.",
};
pub(super) const ACCESS_LOG: Setting = Setting {
    name: "ACCESS_LOG",
    default: "on",
    kind: Kind::Choice(["on", "off"]),
    meaning: "Whether each request writes one line to standard output.",
};
pub(super) const LOG_FORMAT: Setting = Setting {
    name: "LOG_FORMAT",
    default: "text",
    kind: Kind::Choice(["text", "json"]),
    meaning: "Whether log lines are text, or JSON objects with the request's route and the response's length as well.",
};
pub(super) const TRUSTED_PROXIES: Setting = Setting {
    name: "TRUSTED_PROXIES",
    default: "",
    kind: Kind::Networks,
    meaning: "Proxies whose `X-Forwarded-For` tells the client's address, such as `127.0.0.1,10.0.0.0/8`; unset nobody's does.",
};
pub(super) const API_TOKEN: Setting = Setting {
    name: "API_TOKEN",
    default: "",
    kind: Kind::Token,
    meaning: "If set, everything but `/`, `/health`, `/livez`, `/readyz`, `/openapi.json` and, unless `METRICS_ACCESS` says otherwise, `/metrics` needs `Authorization: Bearer` with this token; without it the response is 401.",
};
pub(super) const API_TOKEN_FILE: Setting = Setting {
    name: "API_TOKEN_FILE",
    default: "",
    kind: Kind::File,
    meaning: "File with the token, in place of `API_TOKEN`, which everybody can read who sees the list of processes.",
};
pub(super) const METRICS_ACCESS: Setting = Setting {
    name: "METRICS_ACCESS",
    default: "open",
    kind: Kind::Choice(["open", "token"]),
    meaning: "Whether `/metrics` needs the token, too.",
};
pub(super) const CORS_ALLOW_ORIGINS: Setting = Setting {
    name: "CORS_ALLOW_ORIGINS",
    default: "*",
    kind: Kind::Origins,
    meaning: "Web pages that may use the API, such as `https://example.com,http://localhost:3000`; `*` is every page.",
};
pub(super) const MAX_CONNECTIONS: Setting = Setting {
    name: "MAX_CONNECTIONS",
    default: "1024",
    kind: Kind::Number { min: 1, max: 65_536, unit: "" },
    meaning: "Connections open at one time; the next ones are answered 503, or closed where many come at once.",
};
pub(super) const MAX_CONNECTIONS_PER_CLIENT: Setting = Setting {
    name: "MAX_CONNECTIONS_PER_CLIENT",
    default: "0",
    kind: Kind::Number { min: 0, max: 65_536, unit: "" },
    meaning: "Connections of one client (an IPv4 address or an IPv6 /64) at one time, trusted proxies aside; the next ones are answered 429, 0 is any number.",
};
pub(super) const MAX_REQUESTS_PER_SECOND: Setting = Setting {
    name: "MAX_REQUESTS_PER_SECOND",
    default: "0",
    kind: Kind::Number { min: 0, max: 1_000_000, unit: "" },
    meaning: "Requests of one client in a second, `/livez` and `/readyz` aside; the next ones are answered 429, 0 is any number.",
};
pub(super) const MAX_EVENT_READERS: Setting = Setting {
    name: "MAX_EVENT_READERS",
    default: "128",
    kind: Kind::Number { min: 0, max: 65_536, unit: "" },
    meaning: "Clients that read `/api/todos/events` at one time; the next ones are answered 503.",
};
pub(super) const MAX_HEAD_BYTES: Setting = Setting {
    name: "MAX_HEAD_BYTES",
    default: "16384",
    kind: Kind::Number { min: 8_192, max: 1_048_576, unit: " bytes" },
    meaning: "Longest request line and headers together; more is answered 431, or 414 when the target alone is longer.",
};
pub(super) const MAX_BODY_BYTES: Setting = Setting {
    name: "MAX_BODY_BYTES",
    default: "65536",
    kind: Kind::Number { min: 1, max: 16_777_216, unit: " bytes" },
    meaning: "Longest request body; more is answered 413.",
};
pub(super) const MAX_BUFFER_BYTES: Setting = Setting {
    name: "MAX_BUFFER_BYTES",
    default: "16777216",
    kind: Kind::Number { min: 1_048_576, max: 1_073_741_824, unit: " bytes" },
    meaning: "Memory for request bodies and long responses, all together; beyond, a request is answered 503.",
};
pub(super) const MAX_STORE_BYTES: Setting = Setting {
    name: "MAX_STORE_BYTES",
    default: "67108864",
    kind: Kind::Number { min: 0, max: 1_073_741_824, unit: " bytes" },
    meaning: "Titles and descriptions of all todos, each todo counting 100 bytes more; beyond, what makes them more is answered 507.",
};
pub(super) const HEAD_TIMEOUT_MS: Setting = Setting {
    name: "HEAD_TIMEOUT_MS",
    default: "10000",
    kind: Kind::Number { min: 1, max: 3_600_000, unit: " ms" },
    meaning: "Time from a request's first byte to the end of its headers; then 408.",
};
pub(super) const BODY_TIMEOUT_MS: Setting = Setting {
    name: "BODY_TIMEOUT_MS",
    default: "30000",
    kind: Kind::Number { min: 1, max: 3_600_000, unit: " ms" },
    meaning: "Time for a request's body; then 408.",
};
pub(super) const IDLE_TIMEOUT_MS: Setting = Setting {
    name: "IDLE_TIMEOUT_MS",
    default: "60000",
    kind: Kind::Number { min: 1, max: 3_600_000, unit: " ms" },
    meaning: "Time a connection may stay open without a request; then it is closed.",
};
pub(super) const WRITE_TIMEOUT_MS: Setting = Setting {
    name: "WRITE_TIMEOUT_MS",
    default: "30000",
    kind: Kind::Number { min: 1, max: 3_600_000, unit: " ms" },
    meaning: "Time a client may take no byte of its response; then the connection is closed.",
};

/// Every setting, in the order of the documentation.
pub const SETTINGS: [Setting; 26] = [
    HOST,
    PORT,
    DATABASE_URL,
    DATABASE_PASSWORD_FILE,
    DATABASE_CONNECTIONS,
    DATABASE_TIMEOUT_MS,
    SEED_TODOS,
    ACCESS_LOG,
    LOG_FORMAT,
    TRUSTED_PROXIES,
    API_TOKEN,
    API_TOKEN_FILE,
    METRICS_ACCESS,
    CORS_ALLOW_ORIGINS,
    MAX_CONNECTIONS,
    MAX_CONNECTIONS_PER_CLIENT,
    MAX_REQUESTS_PER_SECOND,
    MAX_EVENT_READERS,
    MAX_HEAD_BYTES,
    MAX_BODY_BYTES,
    MAX_BUFFER_BYTES,
    MAX_STORE_BYTES,
    HEAD_TIMEOUT_MS,
    BODY_TIMEOUT_MS,
    IDLE_TIMEOUT_MS,
    WRITE_TIMEOUT_MS,
];
