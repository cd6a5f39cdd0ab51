//! Which database, and how it is to be reached: what a connection URI says.

use std::fmt;
use std::time::Duration;

use crate::ssl::{self, Ssl};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

/// How long making a connection to one host may take, unless the URI says `connect_timeout`.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The schemes of a connection URI.
const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];

/// What the connection is known by in the database, unless the URI says `application_name`.
const APPLICATION_NAME: &str = "todo";

/// A database: `postgres://USER:PASSWORD@HOST:PORT,HOST:PORT/NAME?PARAMETER=VALUE`, as libpq has it (PostgreSQL's
/// documentation, section "Connection URIs").
///
/// It shows itself without the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    config: Config,
    hosts: Vec<(String, u16)>,
    ssl: Ssl,
}

impl Target {
    /// Whether `text` is meant to name a database of this kind.
    fn is_meant_by(text: &str) -> bool {
        SCHEMES.iter().any(|scheme| text.starts_with(scheme))
    }

    /// Reads a connection URI.
    ///
    /// # Errors
    /// [`InvalidUri`] says what is wrong, and shows nothing of the URI.
    pub fn parse(uri: &str) -> Result<Self, InvalidUri> {
        if !Self::is_meant_by(uri) {
            return Err(InvalidUri("it does not begin with postgres://".to_owned()));
        }
        let (uri, ssl) = Ssl::take(uri)?;
        let mut config: Config = uri.parse().map_err(|error: tokio_postgres::Error| {
            let source = std::error::Error::source(&error).map(ToString::to_string);
            InvalidUri(match source {
                // Its name may be a part of a password that is not encoded.
                Some(text) if text.starts_with("unknown option") => {
                    "it has a parameter that is not known here".to_owned()
                }
                Some(text) => text,
                None => error.to_string(),
            })
        })?;
        if config.get_user().is_none() {
            return Err(InvalidUri("it names no user".to_owned()));
        }
        config.ssl_mode(match ssl.mode {
            ssl::SslMode::Disable => SslMode::Disable,
            _ => SslMode::Require,
        });
        if config.get_application_name().is_none() {
            config.application_name(APPLICATION_NAME);
        }
        let hosts = hosts(&config)?;
        Ok(Self { config, hosts, ssl })
    }

    /// The same with this password.
    #[must_use]
    pub fn with_password(mut self, password: &str) -> Self {
        self.config.password(password);
        self
    }

    /// Whether it has a password.
    pub fn has_password(&self) -> bool {
        self.config.get_password().is_some()
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// Hosts with their ports, in the order in which they are tried.
    pub(crate) fn hosts(&self) -> &[(String, u16)] {
        &self.hosts
    }

    /// What is asked of TLS.
    #[cfg(feature = "tls")]
    pub(crate) fn ssl(&self) -> &Ssl {
        &self.ssl
    }

    pub(crate) fn connect_timeout(&self) -> Duration {
        self.config.get_connect_timeout().copied().unwrap_or(CONNECT_TIMEOUT)
    }

    /// Only a server that takes changes will do.
    pub(crate) fn must_be_writable(&self) -> bool {
        self.config.get_target_session_attrs() == TargetSessionAttrs::ReadWrite
    }
}

fn hosts(config: &Config) -> Result<Vec<(String, u16)>, InvalidUri> {
    let ports = config.get_ports();
    let names = config.get_hosts().iter().map(|host| match host {
        Host::Tcp(name) => name.clone(),
        // There are none where there is WebAssembly.
        #[cfg(unix)]
        Host::Unix(path) => path.display().to_string(),
    });
    let hosts: Vec<_> = names
        .enumerate()
        .map(|(index, name)| {
            let port = ports.get(index).or(if ports.len() == 1 { ports.first() } else { None });
            (name, port.copied().unwrap_or(5432))
        })
        .collect();
    match hosts.is_empty() || ports.len() > 1 && ports.len() != hosts.len() {
        true => Err(InvalidUri("it names no host, or not as many ports as hosts".to_owned())),
        false => Ok(hosts),
    }
}

/// Hosts, ports and the name of the database.
impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = self.config.get_user().unwrap_or_default();
        write!(formatter, "database {} at ", self.config.get_dbname().unwrap_or(user))?;
        for (index, (host, port)) in self.hosts.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            write!(formatter, "{comma}{host}:{port}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Target({self})")
    }
}

/// Why a text is no connection URI that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidUri(String);

impl InvalidUri {
    pub(crate) fn new(reason: &str) -> Self {
        Self(reason.to_owned())
    }
}

impl fmt::Display for InvalidUri {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for InvalidUri {}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(uri: &str) -> Result<String, String> {
        Target::parse(uri).map(|target| target.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_uri_names_hosts_ports_and_database() {
        for (uri, expected) in [
            ("postgres://u:p@db:5433/todos", "database todos at db:5433"),
            ("postgresql://u@db", "database u at db:5432"),
            (
                "postgres://u@a:1,b,c:3/d?target_session_attrs=read-write",
                "database d at a:1,b:5432,c:3",
            ),
            ("postgres://u@127.0.0.1/d?connect_timeout=3", "database d at 127.0.0.1:5432"),
        ] {
            assert_eq!(shown(uri), Ok(expected.to_owned()), "{uri}");
        }
    }

    #[test]
    fn a_password_is_shown_nowhere() {
        let target = Target::parse("postgres://u:geheim@db/todos").unwrap();
        let again = Target::parse("postgres://u@db/todos").unwrap();
        assert!((target.has_password(), again.has_password()) == (true, false));
        assert_eq!(again.with_password("geheim"), target);
        assert!(!format!("{target} {target:?}").contains("geheim"));
        for uri in [
            "postgres://u:geheim@db/todos?geheim=1",
            "postgres://u:geheim@",
            "postgres://u:geheim@db:x/d",
        ] {
            assert!(!shown(uri).unwrap_err().contains("geheim"), "{uri}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_told() {
        for (uri, reason) in [
            ("postgres://db/todos", "no user"),
            ("postgres:///todos?user=u", "no host"),
            ("http://db", "does not begin with postgres://"),
            #[cfg(not(feature = "tls"))]
            ("postgres://u@db/d?sslmode=require", "built without"),
            ("postgres://u@db/d?sslmode=prefer", "is not disable, require"),
            ("postgres://u@db/d?sslmode=verify-full", "needs sslrootcert"),
            ("postgres://u@db/d?sslmode=perhaps", "sslmode"),
            ("postgres://u@db/d?colour=red", "a parameter that is not known here"),
        ] {
            let error = shown(uri).unwrap_err();
            assert!(error.contains(reason), "{uri}: {error}");
        }
    }
}
