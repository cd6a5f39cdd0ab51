//! Every setting of the server. All come from environment variables.
//!
//! [`SETTINGS`] is the one table: values are parsed, `--help` is written and the documentation is compared with it.

mod api;
mod reader;
mod settings;

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use todo_store::{ConnectionOptions, Location};

use reader::Reader;
use settings::*;

pub use reader::ConfigError;
pub use settings::{Kind, SETTINGS, Setting};

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
    pub database: Option<Location>,
    /// `SEED_TODOS`
    pub seed_todos: bool,
    /// `ACCESS_LOG`
    pub access_log: bool,
    /// `LOG_FORMAT` is `json`.
    pub json_log: bool,
    /// `TRUSTED_PROXIES`
    pub trusted_proxies: Vec<IpNet>,
    /// `API_TOKEN` or `API_TOKEN_FILE`; `None` when everybody may use the API.
    pub api_token: Option<Secret>,
    /// `METRICS_ACCESS` is `token`.
    pub metrics_need_token: bool,
    /// `CORS_ALLOW_ORIGINS`; `None` for all.
    pub cors_origins: Option<Vec<String>>,
    /// `MAX_CONNECTIONS`
    pub max_connections: usize,
    /// `MAX_CONNECTIONS_PER_CLIENT`; `None` for any number.
    pub max_connections_per_client: Option<usize>,
    /// `MAX_REQUESTS_PER_SECOND`; 0 for any number.
    pub max_requests_per_second: u32,
    /// `MAX_EVENT_READERS`
    pub max_event_readers: usize,
    /// `MAX_HEAD_BYTES`
    pub max_head_bytes: usize,
    /// `MAX_BODY_BYTES`
    pub max_body_bytes: usize,
    /// `MAX_BUFFER_BYTES`
    pub max_buffer_bytes: usize,
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
    /// Reads the settings from the process's environment, and secrets from the files that it names.
    ///
    /// # Errors
    /// [`ConfigError`] lists every variable that is wrong, not only the first.
    pub fn from_env() -> Result<Self, ConfigError> {
        let lookup =
            |name: &str| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
        Self::from_lookup(lookup, |path| std::fs::read_to_string(path))
    }

    /// Reads the settings through `lookup`, which answers a variable's name with its value, and `read_file`.
    ///
    /// # Errors
    /// [`ConfigError`] lists every variable that is wrong, not only the first.
    pub fn from_lookup(
        lookup: impl Fn(&str) -> Option<String>,
        read_file: impl Fn(&str) -> io::Result<String>,
    ) -> Result<Self, ConfigError> {
        let mut reader = Reader::new(lookup, read_file);
        let connections = ConnectionOptions {
            connections: reader.number(DATABASE_CONNECTIONS),
            timeout: reader.milliseconds(DATABASE_TIMEOUT_MS),
        };
        let config = Self {
            host: reader.ip_address(HOST),
            port: reader.number(PORT),
            database: reader.database(DATABASE_URL, DATABASE_PASSWORD_FILE, connections),
            seed_todos: reader.is(SEED_TODOS, "true"),
            access_log: reader.is(ACCESS_LOG, "on"),
            json_log: reader.is(LOG_FORMAT, "json"),
            trusted_proxies: reader.networks(TRUSTED_PROXIES),
            api_token: reader.secret(API_TOKEN, API_TOKEN_FILE),
            metrics_need_token: reader.is(METRICS_ACCESS, "token"),
            cors_origins: reader.origins(CORS_ALLOW_ORIGINS),
            max_connections: reader.number(MAX_CONNECTIONS),
            max_connections_per_client: Some(reader.number(MAX_CONNECTIONS_PER_CLIENT))
                .filter(|max| *max > 0),
            max_requests_per_second: reader.number(MAX_REQUESTS_PER_SECOND),
            max_event_readers: reader.number(MAX_EVENT_READERS),
            max_head_bytes: reader.number(MAX_HEAD_BYTES),
            max_body_bytes: reader.number(MAX_BODY_BYTES),
            max_buffer_bytes: reader.number(MAX_BUFFER_BYTES),
            max_store_bytes: reader.number(MAX_STORE_BYTES),
            head_timeout: reader.milliseconds(HEAD_TIMEOUT_MS),
            body_timeout: reader.milliseconds(BODY_TIMEOUT_MS),
            idle_timeout: reader.milliseconds(IDLE_TIMEOUT_MS),
            write_timeout: reader.milliseconds(WRITE_TIMEOUT_MS),
        };
        // A token that cannot be used is a problem of its own.
        let has_problem = reader.has_problem([API_TOKEN, API_TOKEN_FILE]);
        if config.metrics_need_token && config.api_token.is_none() && !has_problem {
            let expected = "possible without API_TOKEN".to_owned();
            reader.problem(METRICS_ACCESS, Some("token".to_owned()), expected);
        }
        if config.max_body_bytes > config.max_buffer_bytes {
            let expected = "possible: it is less than MAX_BODY_BYTES".to_owned();
            reader.problem(MAX_BUFFER_BYTES, Some(config.max_buffer_bytes.to_string()), expected);
        }
        reader.finish(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The files that there are, with what they hold.
    const FILES: [(&str, &str); 3] =
        [("/token", "0123456789abcdef\n"), ("/weak", "aaaaaaaaaaaaaaaaaaaa"), ("/empty", "")];

    fn read_file(path: &str) -> io::Result<String> {
        let found = FILES.iter().find(|(name, _)| *name == path);
        found.map(|(_, text)| (*text).to_owned()).ok_or(io::ErrorKind::NotFound.into())
    }

    fn read(variables: &[(&str, &str)]) -> Result<Config, String> {
        let lookup = |name: &str| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Config::from_lookup(lookup, read_file).map_err(|error| error.to_string())
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
        assert_eq!(database("memory:"), Some(Location::Memory));
        let file = Location::Redb("/data/a b.redb".into());
        assert_eq!(database("redb:///data/a b.redb"), Some(file));
        for url in ["redb://data/x", "redb:///", "redb:/data/x", "/data/x", "memory", "mysql://x"] {
            let error = read(&[("DATABASE_URL", url)]).unwrap_err();
            assert!(
                error.starts_with(&format!("DATABASE_URL={url:?} is not memory:, ")),
                "{error}"
            );
        }
    }

    #[test]
    #[cfg(feature = "postgres")]
    fn a_databases_password_is_in_the_url_or_in_a_file_and_never_told() {
        let of =
            |variables: &[(&str, &str)]| read(variables).map(|config| config.database.unwrap());
        let inside = of(&[("DATABASE_URL", "postgres://u:0123456789abcdef@db/d")]).unwrap();
        let url = ("DATABASE_URL", "postgres://u@db/d");
        assert_eq!(of(&[url, ("DATABASE_PASSWORD_FILE", "/token")]), Ok(inside.clone()));
        assert_ne!(of(&[url]).unwrap(), inside);
        assert!(!format!("{inside:?} {inside}").contains("0123456789abcdef"));
        for variables in [
            &[("DATABASE_URL", "postgres://u:0123456789abcdef@db:x/d")][..],
            &[("DATABASE_URL", "postgres:u:0123456789abcdef@db/d")],
            &[
                ("DATABASE_URL", "postgres://u:0123456789abcdef@db/d"),
                ("DATABASE_PASSWORD_FILE", "/token"),
            ],
            &[("DATABASE_URL", "postgres://u:0123456789abcdef@db/d?x=1")],
        ] {
            let error = of(variables).unwrap_err();
            assert!(error.starts_with("DATABASE_URL is not memory:, "), "{error}");
            assert!(!error.contains("0123456789abcdef"), "{error}");
        }
        let error = of(&[("DATABASE_URL", "memory:"), ("DATABASE_PASSWORD_FILE", "/token")]);
        assert!(error.unwrap_err().contains("is not possible without a database"));
        let error = of(&[url, ("DATABASE_PASSWORD_FILE", "/none")]).unwrap_err();
        assert!(error.contains("is not a file that can be read"), "{error}");
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
        let mapped = proxies("::ffff:10.0.0.0/104,::ffff:0:0/96,::ffff:192.0.2.1/128").unwrap();
        assert_eq!(mapped, ["10.0.0.0/8", "0.0.0.0/0", "192.0.2.1/32"]);
        for text in [
            "::/0",
            "::ffff:0:0/95",
            "10.0.0.0/33",
            "proxy",
            "10.0.0.0/8,",
            ",",
            "10.0.0.0/8 127.0.0.1",
            "10.0.0/8",
        ] {
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
        for text in ["0123456789abcdef", "a-._~+/Z90123456==", &"0123456789abcdef".repeat(32)] {
            assert_eq!(token(text), Ok(Some(Secret(text.into()))));
        }
        for text in [
            "secret",
            "0123456789abcde",
            &"x".repeat(513),
            "secret with blanks",
            "secret=in-the-middle",
            "================",
            "0123456789abcde==",
            "aaaaaaaaaaaaaaaaaaaaaaaa",
            "abababababababababab",
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
    fn a_secret_can_be_in_a_file() {
        let config = read(&[("API_TOKEN_FILE", "/token")]).unwrap();
        assert_eq!(config.api_token, Some(Secret("0123456789abcdef".into())));
        let error = |variables: &[(&str, &str)]| read(variables).unwrap_err();
        assert_eq!(
            error(&[("API_TOKEN_FILE", "/none")]),
            "API_TOKEN_FILE=\"/none\" is not a file that can be read: entity not found"
        );
        for file in ["/weak", "/empty"] {
            let error = error(&[("API_TOKEN_FILE", file)]);
            assert!(error.starts_with("API_TOKEN_FILE is not 16 to 512 "), "{error}");
        }
        assert_eq!(
            error(&[("API_TOKEN_FILE", "/token"), ("API_TOKEN", "0123456789abcdef")]),
            "API_TOKEN_FILE=\"/token\" is not possible together with API_TOKEN"
        );
    }

    #[test]
    fn one_body_fits_into_the_memory_for_all() {
        let error = read(&[("MAX_BODY_BYTES", "2000000"), ("MAX_BUFFER_BYTES", "1048576")]);
        let expected =
            "MAX_BUFFER_BYTES=\"1048576\" is not possible: it is less than MAX_BODY_BYTES";
        assert_eq!(error.unwrap_err(), expected);
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
