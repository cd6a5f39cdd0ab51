//! Every setting of the server. All come from environment variables.
//!
//! [`SETTINGS`] is the one table: names, defaults and meanings are read from it, and the README's table is held to it
//! by a test.

use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

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

const HOST: Setting = Setting {
    name: "HOST",
    default: "::",
    values: "IP address",
    meaning: "Address to listen on; `::` is every IPv4 and IPv6 address of the machine.",
};
const PORT: Setting = Setting {
    name: "PORT",
    default: "8080",
    values: "0–65535",
    meaning: "TCP port to listen on; 0 takes a free one.",
};
const DATABASE_URL: Setting = Setting {
    name: "DATABASE_URL",
    default: "",
    values: "`memory:`, `redb:///FILE`",
    meaning: "Where todos are kept; unset it is `redb:///data/todos.redb` if the folder `/data` is there and can be written to, else `memory:`.",
};
const SEED_TODOS: Setting = Setting {
    name: "SEED_TODOS",
    default: "true",
    values: "`true`, `false`",
    meaning: "Whether a new store begins with the two sample todos.",
};
const ACCESS_LOG: Setting = Setting {
    name: "ACCESS_LOG",
    default: "on",
    values: "`on`, `off`",
    meaning: "Whether each request writes one line to standard output.",
};
const MAX_CONNECTIONS: Setting = Setting {
    name: "MAX_CONNECTIONS",
    default: "1024",
    values: "1–65536",
    meaning: "Connections open at one time; the next ones are answered 503.",
};
const MAX_HEAD_BYTES: Setting = Setting {
    name: "MAX_HEAD_BYTES",
    default: "16384",
    values: "8192–1048576 bytes",
    meaning: "Longest request line and headers together; more is answered 431, or 414 when the target alone is longer.",
};
const MAX_BODY_BYTES: Setting = Setting {
    name: "MAX_BODY_BYTES",
    default: "65536",
    values: "1–16777216 bytes",
    meaning: "Longest request body; more is answered 413.",
};
const MAX_STORE_BYTES: Setting = Setting {
    name: "MAX_STORE_BYTES",
    default: "67108864",
    values: "0–1073741824 bytes",
    meaning: "Titles and descriptions of all todos, each todo counting 100 bytes more; beyond, what makes them more is answered 507.",
};
const HEAD_TIMEOUT_MS: Setting = Setting {
    name: "HEAD_TIMEOUT_MS",
    default: "10000",
    values: "1–3600000 ms",
    meaning: "Time from a request's first byte to the end of its headers; then 408.",
};
const BODY_TIMEOUT_MS: Setting = Setting {
    name: "BODY_TIMEOUT_MS",
    default: "30000",
    values: "1–3600000 ms",
    meaning: "Time for a request's body; then 408.",
};
const IDLE_TIMEOUT_MS: Setting = Setting {
    name: "IDLE_TIMEOUT_MS",
    default: "60000",
    values: "1–3600000 ms",
    meaning: "Time a connection may stay open without a request; then it is closed.",
};
const WRITE_TIMEOUT_MS: Setting = Setting {
    name: "WRITE_TIMEOUT_MS",
    default: "30000",
    values: "1–3600000 ms",
    meaning: "Time a client may take no byte of its answer; then the connection is closed.",
};

/// Every setting, in the order of the README.
pub const SETTINGS: [Setting; 13] = [
    HOST,
    PORT,
    DATABASE_URL,
    SEED_TODOS,
    ACCESS_LOG,
    MAX_CONNECTIONS,
    MAX_HEAD_BYTES,
    MAX_BODY_BYTES,
    MAX_STORE_BYTES,
    HEAD_TIMEOUT_MS,
    BODY_TIMEOUT_MS,
    IDLE_TIMEOUT_MS,
    WRITE_TIMEOUT_MS,
];

/// Where todos are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// `memory:`
    Memory,
    /// `redb:///FILE`, an absolute path
    Redb(PathBuf),
}

/// The settings of one server, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `HOST`
    pub host: IpAddr,
    /// `PORT`
    pub port: u16,
    /// `DATABASE_URL`; `None` when it is left to what the machine has.
    pub database: Option<DatabaseUrl>,
    /// `SEED_TODOS`
    pub seed_todos: bool,
    /// `ACCESS_LOG`
    pub access_log: bool,
    /// `MAX_CONNECTIONS`
    pub max_connections: usize,
    /// `MAX_HEAD_BYTES`
    pub max_head_bytes: usize,
    /// `MAX_BODY_BYTES`
    pub max_body_bytes: usize,
    /// `MAX_STORE_BYTES`
    pub max_store_bytes: usize,
    /// `HEAD_TIMEOUT_MS`
    pub head_timeout: Duration,
    /// `BODY_TIMEOUT_MS`
    pub body_timeout: Duration,
    /// `IDLE_TIMEOUT_MS`
    pub idle_timeout: Duration,
    /// `WRITE_TIMEOUT_MS`
    pub write_timeout: Duration,
}

impl Config {
    /// Reads the settings from the process's environment.
    ///
    /// # Errors
    /// [`ConfigError`] lists every variable that is wrong, not only the first.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_lookup(|name| {
            std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
        })
    }

    /// Reads the settings through `lookup`, which answers a variable's name with its value.
    ///
    /// # Errors
    /// [`ConfigError`] lists every variable that is wrong, not only the first.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut reader = Reader { lookup, problems: Vec::new() };
        let config = Self {
            host: reader.ip_address(HOST),
            port: reader.number(PORT, 0..=65_535),
            database: reader.database_url(DATABASE_URL),
            seed_todos: reader.switch(SEED_TODOS, ["true", "false"]),
            access_log: reader.switch(ACCESS_LOG, ["on", "off"]),
            max_connections: reader.number(MAX_CONNECTIONS, 1..=65_536),
            max_head_bytes: reader.number(MAX_HEAD_BYTES, 8_192..=1_048_576),
            max_body_bytes: reader.number(MAX_BODY_BYTES, 1..=16_777_216),
            max_store_bytes: reader.number(MAX_STORE_BYTES, 0..=1_073_741_824),
            head_timeout: reader.milliseconds(HEAD_TIMEOUT_MS),
            body_timeout: reader.milliseconds(BODY_TIMEOUT_MS),
            idle_timeout: reader.milliseconds(IDLE_TIMEOUT_MS),
            write_timeout: reader.milliseconds(WRITE_TIMEOUT_MS),
        };
        if reader.problems.is_empty() { Ok(config) } else { Err(ConfigError(reader.problems)) }
    }
}

/// Takes one value after the other and gathers what is wrong with them.
struct Reader<L> {
    lookup: L,
    problems: Vec<Problem>,
}

impl<L: Fn(&str) -> Option<String>> Reader<L> {
    fn ip_address(&mut self, setting: Setting) -> IpAddr {
        self.parse(setting, "an IPv4 or IPv6 address such as 127.0.0.1 or ::", |text| {
            text.parse().ok()
        })
        .unwrap_or(IpAddr::from([0; 16]))
    }

    fn database_url(&mut self, setting: Setting) -> Option<DatabaseUrl> {
        self.parse(setting, "memory: or redb:///FILE such as redb:///data/todos.redb", |text| {
            let url = match text {
                "" => return Some(None),
                "memory:" => DatabaseUrl::Memory,
                _ => {
                    let path = text.strip_prefix("redb://")?;
                    let is_file = path.starts_with('/') && !path.ends_with('/');
                    DatabaseUrl::Redb(is_file.then(|| PathBuf::from(path))?)
                }
            };
            Some(Some(url))
        })
        .flatten()
    }

    fn switch(&mut self, setting: Setting, [yes, no]: [&str; 2]) -> bool {
        self.parse(setting, &format!("{yes} or {no}"), |text| match text {
            _ if text == yes => Some(true),
            _ if text == no => Some(false),
            _ => None,
        })
        .unwrap_or_default()
    }

    fn milliseconds(&mut self, setting: Setting) -> Duration {
        Duration::from_millis(self.number(setting, 1..=3_600_000))
    }

    fn number<N>(&mut self, setting: Setting, range: RangeInclusive<u64>) -> N
    where
        N: TryFrom<u64> + Default,
    {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        self.parse(setting, &expected, |text| {
            // `u64::from_str` takes a sign; a setting does not.
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            let number = text.parse().ok().filter(|number| digits && range.contains(number))?;
            N::try_from(number).ok()
        })
        .unwrap_or_default()
    }

    fn parse<T>(
        &mut self,
        setting: Setting,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        // Compose files and shells hand on unset variables as empty ones.
        let given = (self.lookup)(setting.name).filter(|value| !value.is_empty());
        let value = given.as_deref().unwrap_or(setting.default);
        let parsed = parse(value);
        if parsed.is_none() {
            self.problems.push(Problem {
                name: setting.name,
                value: value.to_owned(),
                expected: expected.to_owned(),
            });
        }
        parsed
    }
}

/// Every setting that cannot be used, one line each: the variable, its value, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(Vec<Problem>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Problem {
    name: &'static str,
    value: String,
    expected: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Problem { name, value, expected }) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(formatter, "{separator}{name}={value:?} is not {expected}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Config, String> {
        let lookup = |name: &str| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Config::from_lookup(lookup).map_err(|error| error.to_string())
    }

    #[test]
    fn every_default_in_the_table_is_a_value_that_it_takes() {
        let config = read(&[]).unwrap();
        assert_eq!((config.host, config.port), ("::".parse().unwrap(), 8080));
        assert!(config.access_log);
        assert_eq!(config.idle_timeout, Duration::from_secs(60));
    }

    #[test]
    fn an_empty_variable_means_the_default() {
        assert_eq!(read(&[("PORT", ""), ("HOST", "")]), read(&[]));
    }

    #[test]
    fn values_are_taken_up_to_the_ends_of_their_range() {
        assert_eq!(read(&[("PORT", "0")]).unwrap().port, 0);
        assert_eq!(read(&[("PORT", "65535")]).unwrap().port, 65_535);
        assert_eq!(read(&[("MAX_HEAD_BYTES", "8192")]).unwrap().max_head_bytes, 8_192);
        assert!(!read(&[("ACCESS_LOG", "off")]).unwrap().access_log);
        assert_eq!(read(&[("HOST", "127.0.0.1")]).unwrap().host, IpAddr::from([127, 0, 0, 1]));
    }

    #[test]
    fn a_database_is_named_by_a_url() {
        let database = |url| read(&[("DATABASE_URL", url)]).unwrap().database;
        assert_eq!(database(""), None);
        assert_eq!(database("memory:"), Some(DatabaseUrl::Memory));
        let file = DatabaseUrl::Redb(PathBuf::from("/data/a b.redb"));
        assert_eq!(database("redb:///data/a b.redb"), Some(file));
        for url in
            ["redb://data/x", "redb:///", "redb:/data/x", "/data/x", "memory", "postgres://x/y"]
        {
            let error = read(&[("DATABASE_URL", url)]).unwrap_err();
            assert!(error.contains("is not memory: or redb:///FILE"), "{error}");
        }
    }

    #[test]
    fn a_bad_value_is_told_with_its_name_and_what_would_be_right() {
        for value in ["65536", "-1", "+1", "80a", " 80", "8080.0", "99999999999999999999"] {
            let error = read(&[("PORT", value)]).unwrap_err();
            assert_eq!(error, format!("PORT={value:?} is not a whole number from 0 to 65535"));
        }
    }

    #[test]
    fn all_bad_values_are_told_at_once() {
        let error =
            read(&[("PORT", "x"), ("HOST", "localhost"), ("ACCESS_LOG", "yes")]).unwrap_err();
        let names: Vec<_> = error.lines().map(|line| line.split('=').next().unwrap()).collect();
        assert_eq!(names, ["HOST", "PORT", "ACCESS_LOG"]);
    }
}
