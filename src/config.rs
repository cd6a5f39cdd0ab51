//! Every setting of the server. All come from environment variables.
//!
//! [`SETTINGS`] is the one table: names, defaults and meanings are read from it, and the README's table is held to it
//! by a test.

mod reader;
mod settings;

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use reader::Reader;
use settings::*;

pub use reader::ConfigError;
pub use settings::{SETTINGS, Setting};

/// Where todos are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// `memory:`
    Memory,
    /// `redb:///FILE`, an absolute path
    Redb(PathBuf),
}

/// A text that is not to be shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret")
    }
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
    /// `LOG_FORMAT` is `json`.
    pub json_log: bool,
    /// `TRUSTED_PROXIES`
    pub trusted_proxies: Vec<IpNet>,
    /// `API_TOKEN`; `None` when everybody may use the API.
    pub api_token: Option<Secret>,
    /// `METRICS_ACCESS` is `token`.
    pub metrics_need_token: bool,
    /// `CORS_ALLOW_ORIGINS`; `None` for all.
    pub cors_origins: Option<Vec<String>>,
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
        let mut reader = Reader::new(lookup);
        let config = Self {
            host: reader.ip_address(HOST),
            port: reader.number(PORT, 0..=65_535),
            database: reader.database_url(DATABASE_URL),
            seed_todos: reader.switch(SEED_TODOS, ["true", "false"]),
            access_log: reader.switch(ACCESS_LOG, ["on", "off"]),
            json_log: reader.switch(LOG_FORMAT, ["json", "text"]),
            trusted_proxies: reader.networks(TRUSTED_PROXIES),
            api_token: reader.token(API_TOKEN),
            metrics_need_token: reader.switch(METRICS_ACCESS, ["token", "open"]),
            cors_origins: reader.origins(CORS_ALLOW_ORIGINS),
            max_connections: reader.number(MAX_CONNECTIONS, 1..=65_536),
            max_head_bytes: reader.number(MAX_HEAD_BYTES, 8_192..=1_048_576),
            max_body_bytes: reader.number(MAX_BODY_BYTES, 1..=16_777_216),
            max_store_bytes: reader.number(MAX_STORE_BYTES, 0..=1_073_741_824),
            head_timeout: reader.milliseconds(HEAD_TIMEOUT_MS),
            body_timeout: reader.milliseconds(BODY_TIMEOUT_MS),
            idle_timeout: reader.milliseconds(IDLE_TIMEOUT_MS),
            write_timeout: reader.milliseconds(WRITE_TIMEOUT_MS),
        };
        // A token that cannot be used is a problem of its own.
        if config.metrics_need_token && config.api_token.is_none() && !reader.has_problem(API_TOKEN)
        {
            reader.reject(METRICS_ACCESS, "token", "possible without API_TOKEN");
        }
        reader.finish(config)
    }
}

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

    #[test]
    fn proxies_are_addresses_and_networks() {
        let proxies = |text| {
            let proxies = read(&[("TRUSTED_PROXIES", text)])?.trusted_proxies;
            Ok::<_, String>(proxies.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(proxies("").unwrap(), [] as [&str; 0]);
        let all = proxies("127.0.0.1, 10.0.0.0/8,2001:db8::/32 ,::1,::ffff:192.0.2.1").unwrap();
        let expected = ["127.0.0.1/32", "10.0.0.0/8", "2001:db8::/32", "::1/128", "192.0.2.1/32"];
        assert_eq!(all, expected);
        for text in ["10.0.0.0/33", "proxy", "10.0.0.0/8,", ",", "10.0.0.0/8 127.0.0.1", "10.0.0/8"]
        {
            let error = proxies(text).unwrap_err();
            assert!(
                error.starts_with(&format!("TRUSTED_PROXIES={text:?} is not a list of")),
                "{error}"
            );
        }
    }

    #[test]
    fn a_token_is_long_enough_and_can_be_sent() {
        let token = |text: &str| read(&[("API_TOKEN", text)]).map(|config| config.api_token);
        assert_eq!(token(""), Ok(None));
        for text in ["0123456789abcdef", "a-._~+/Z90123456==", &"x".repeat(512)] {
            assert_eq!(token(text), Ok(Some(Secret(text.into()))));
        }
        for text in [
            "secret",
            "0123456789abcde",
            &"x".repeat(513),
            "secret with blanks",
            "secret=in-the-middle",
            "secret\n0123456789",
        ] {
            let error = token(text).unwrap_err();
            assert!(error.starts_with("API_TOKEN is not 16 to 512 "), "{error}");
            assert!(!error.contains(text), "a secret is not told");
        }
        let config = read(&[("API_TOKEN", "0123456789abcdef")]).unwrap();
        assert!(!format!("{config:?}").contains("0123456789abcdef"), "a secret is not told");
    }

    #[test]
    fn metrics_can_be_put_under_the_token_if_there_is_one() {
        let error = read(&[("METRICS_ACCESS", "token")]).unwrap_err();
        assert_eq!(error, "METRICS_ACCESS=\"token\" is not possible without API_TOKEN");
        let both = [("METRICS_ACCESS", "token"), ("API_TOKEN", "0123456789abcdef")];
        assert!(read(&both).unwrap().metrics_need_token);
        let error = read(&[("METRICS_ACCESS", "token"), ("API_TOKEN", "short")]).unwrap_err();
        assert_eq!(error.lines().count(), 1, "{error}");
    }

    #[test]
    fn origins_are_written_as_browsers_write_them() {
        let origins =
            |text| read(&[("CORS_ALLOW_ORIGINS", text)]).map(|config| config.cors_origins);
        assert_eq!(origins(""), Ok(None));
        assert_eq!(origins("*"), Ok(None));
        let list = "https://example.com, http://localhost:3000,http://[::1]:8080";
        let expected = ["https://example.com", "http://localhost:3000", "http://[::1]:8080"];
        assert_eq!(origins(list), Ok(Some(expected.map(Into::into).to_vec())));
        for text in [
            "example.com",
            "https://example.com/",
            "https://Example.com",
            "https://",
            "null",
            "https://a,*",
            "https://example.com:443",
            "http://example.com:80",
            "https://a:0x50",
            "https://a:",
            "https://u@a",
            "https://a?b",
            "https://a,,https://b",
            "https://a b",
            "ftp://a",
            "https://예시.kr",
        ] {
            let error = origins(text).unwrap_err();
            assert!(error.contains("is not * or a list of origins"), "{error}");
        }
    }
}
