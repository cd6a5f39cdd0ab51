//! The table of settings.

/// One environment variable.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The variable's name.
    pub name: &'static str,
    /// What an unset or empty variable means.
    pub default: &'static str,
    /// The values it takes, with their unit.
    pub values: &'static str,
    /// What it does, in one sentence.
    pub meaning: &'static str,
}

pub(super) const HOST: Setting = Setting {
    name: "HOST",
    default: "::",
    values: "IP address",
    meaning: "Address to listen on; `::` is every IPv4 and IPv6 address of the machine.",
};
pub(super) const PORT: Setting = Setting {
    name: "PORT",
    default: "8080",
    values: "0–65535",
    meaning: "TCP port to listen on; 0 takes a free one.",
};
pub(super) const DATABASE_URL: Setting = Setting {
    name: "DATABASE_URL",
    default: "",
    values: "`memory:`, `redb:///FILE`",
    meaning: "Where todos are kept; unset it is `redb:///data/todos.redb` if the folder `/data` is there and can be written to, else `memory:`.",
};
pub(super) const SEED_TODOS: Setting = Setting {
    name: "SEED_TODOS",
    default: "true",
    values: "`true`, `false`",
    meaning: "Whether a new store begins with the two sample todos.",
};
pub(super) const ACCESS_LOG: Setting = Setting {
    name: "ACCESS_LOG",
    default: "on",
    values: "`on`, `off`",
    meaning: "Whether each request writes one line to standard output.",
};
pub(super) const LOG_FORMAT: Setting = Setting {
    name: "LOG_FORMAT",
    default: "text",
    values: "`text`, `json`",
    meaning: "Whether log lines are text, or JSON objects with the request's route and the answer's length as well.",
};
pub(super) const TRUSTED_PROXIES: Setting = Setting {
    name: "TRUSTED_PROXIES",
    default: "",
    values: "list of IP addresses and networks",
    meaning: "Proxies whose `X-Forwarded-For` tells the client's address, such as `127.0.0.1,10.0.0.0/8`; unset nobody's does.",
};
pub(super) const API_TOKEN: Setting = Setting {
    name: "API_TOKEN",
    default: "",
    values: "16–512 of `A-Z a-z 0-9 - . _ ~ + /`",
    meaning: "If set, `/api` and all below it needs `Authorization: Bearer` with this token; without it the answer is 401.",
};
pub(super) const METRICS_ACCESS: Setting = Setting {
    name: "METRICS_ACCESS",
    default: "open",
    values: "`open`, `token`",
    meaning: "Whether `/metrics` needs the token, too.",
};
pub(super) const CORS_ALLOW_ORIGINS: Setting = Setting {
    name: "CORS_ALLOW_ORIGINS",
    default: "*",
    values: "`*`, list of origins",
    meaning: "Web pages that may use the API, such as `https://example.com,http://localhost:3000`; `*` is every page.",
};
pub(super) const MAX_CONNECTIONS: Setting = Setting {
    name: "MAX_CONNECTIONS",
    default: "1024",
    values: "1–65536",
    meaning: "Connections open at one time; the next ones are answered 503.",
};
pub(super) const MAX_HEAD_BYTES: Setting = Setting {
    name: "MAX_HEAD_BYTES",
    default: "16384",
    values: "8192–1048576 bytes",
    meaning: "Longest request line and headers together; more is answered 431, or 414 when the target alone is longer.",
};
pub(super) const MAX_BODY_BYTES: Setting = Setting {
    name: "MAX_BODY_BYTES",
    default: "65536",
    values: "1–16777216 bytes",
    meaning: "Longest request body; more is answered 413.",
};
pub(super) const MAX_STORE_BYTES: Setting = Setting {
    name: "MAX_STORE_BYTES",
    default: "67108864",
    values: "0–1073741824 bytes",
    meaning: "Titles and descriptions of all todos, each todo counting 100 bytes more; beyond, what makes them more is answered 507.",
};
pub(super) const HEAD_TIMEOUT_MS: Setting = Setting {
    name: "HEAD_TIMEOUT_MS",
    default: "10000",
    values: "1–3600000 ms",
    meaning: "Time from a request's first byte to the end of its headers; then 408.",
};
pub(super) const BODY_TIMEOUT_MS: Setting = Setting {
    name: "BODY_TIMEOUT_MS",
    default: "30000",
    values: "1–3600000 ms",
    meaning: "Time for a request's body; then 408.",
};
pub(super) const IDLE_TIMEOUT_MS: Setting = Setting {
    name: "IDLE_TIMEOUT_MS",
    default: "60000",
    values: "1–3600000 ms",
    meaning: "Time a connection may stay open without a request; then it is closed.",
};
pub(super) const WRITE_TIMEOUT_MS: Setting = Setting {
    name: "WRITE_TIMEOUT_MS",
    default: "30000",
    values: "1–3600000 ms",
    meaning: "Time a client may take no byte of its answer; then the connection is closed.",
};

/// Every setting, in the order of the README.
pub const SETTINGS: [Setting; 18] = [
    HOST,
    PORT,
    DATABASE_URL,
    SEED_TODOS,
    ACCESS_LOG,
    LOG_FORMAT,
    TRUSTED_PROXIES,
    API_TOKEN,
    METRICS_ACCESS,
    CORS_ALLOW_ORIGINS,
    MAX_CONNECTIONS,
    MAX_HEAD_BYTES,
    MAX_BODY_BYTES,
    MAX_STORE_BYTES,
    HEAD_TIMEOUT_MS,
    BODY_TIMEOUT_MS,
    IDLE_TIMEOUT_MS,
    WRITE_TIMEOUT_MS,
];
