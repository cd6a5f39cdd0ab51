//! Takes settings out of the environment, and gathers what is wrong with them.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::settings::Setting;
use super::{DatabaseUrl, Secret};

/// Takes one value after the other and gathers what is wrong with them.
pub(super) struct Reader<L> {
    lookup: L,
    problems: Vec<Problem>,
}

impl<L: Fn(&str) -> Option<String>> Reader<L> {
    pub(super) fn new(lookup: L) -> Self {
        Self { lookup, problems: Vec::new() }
    }

    pub(super) fn has_problem(&self, setting: Setting) -> bool {
        self.problems.iter().any(|problem| problem.name == setting.name)
    }

    /// `config`, if nothing was wrong with the values that it was made of.
    pub(super) fn finish<C>(self, config: C) -> Result<C, ConfigError> {
        if self.problems.is_empty() { Ok(config) } else { Err(ConfigError(self.problems)) }
    }

    pub(super) fn ip_address(&mut self, setting: Setting) -> IpAddr {
        self.parse(setting, "an IPv4 or IPv6 address such as 127.0.0.1 or ::", |text| {
            text.parse().ok()
        })
        .unwrap_or(IpAddr::from([0; 16]))
    }

    pub(super) fn database_url(&mut self, setting: Setting) -> Option<DatabaseUrl> {
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

    pub(super) fn networks(&mut self, setting: Setting) -> Vec<IpNet> {
        let expected = "a list of addresses and networks such as 127.0.0.1,10.0.0.0/8";
        let network = |text: &str| {
            let address = text.parse().map(|address: IpAddr| IpNet::from(address.to_canonical()));
            address.ok().or_else(|| text.parse().ok())
        };
        self.parse(setting, expected, |text| match text {
            "" => Some(Vec::new()),
            _ => text.split(',').map(|item| network(item.trim())).collect(),
        })
        .unwrap_or_default()
    }

    /// A token as `Authorization: Bearer` can carry it (RFC 6750, section 2.1).
    pub(super) fn token(&mut self, setting: Setting) -> Option<Secret> {
        let value = self.given(setting)?;
        let body = value.trim_end_matches('=');
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
        if (16..=512).contains(&value.len()) && !body.is_empty() && body.bytes().all(is_part) {
            return Some(Secret(value));
        }
        let expected = "16 to 512 letters, digits and characters of -._~+/";
        self.problems.push(Problem { name: setting.name, value: None, expected: expected.into() });
        None
    }

    /// The origins of a list, `None` for all of them.
    pub(super) fn origins(&mut self, setting: Setting) -> Option<Vec<String>> {
        let expected = "* or a list of origins such as https://example.com,http://localhost:3000, without default ports";
        let origin = |text: &str| is_origin(text).then(|| text.to_owned());
        self.parse(setting, expected, |text| match text {
            "*" => Some(None),
            _ => text.split(',').map(|item| origin(item.trim())).collect::<Option<_>>().map(Some),
        })
        .flatten()
    }

    pub(super) fn switch(&mut self, setting: Setting, [yes, no]: [&str; 2]) -> bool {
        self.parse(setting, &format!("{yes} or {no}"), |text| match text {
            _ if text == yes => Some(true),
            _ if text == no => Some(false),
            _ => None,
        })
        .unwrap_or_default()
    }

    pub(super) fn milliseconds(&mut self, setting: Setting) -> Duration {
        Duration::from_millis(self.number(setting, 1..=3_600_000))
    }

    pub(super) fn number<N>(&mut self, setting: Setting, range: RangeInclusive<u64>) -> N
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
        let given = self.given(setting);
        let value = given.as_deref().unwrap_or(setting.default);
        let parsed = parse(value);
        if parsed.is_none() {
            self.reject(setting, value, expected);
        }
        parsed
    }

    fn given(&self, setting: Setting) -> Option<String> {
        // Compose files and shells hand on unset variables as empty ones.
        (self.lookup)(setting.name).filter(|value| !value.is_empty())
    }

    /// `value` is not what is `expected`.
    pub(super) fn reject(&mut self, setting: Setting, value: &str, expected: &str) {
        let (value, expected) = (Some(value.to_owned()), expected.to_owned());
        self.problems.push(Problem { name: setting.name, value, expected });
    }
}

/// Whether browsers write an origin like this (RFC 6454, section 6.2): scheme, host in lower case, and a port only if it is
/// not the scheme's own.
fn is_origin(text: &str) -> bool {
    let Some((scheme, host)) = text.split_once("://") else { return false };
    let default_port = match scheme {
        "http" => "80",
        "https" => "443",
        _ => return false,
    };
    let (host, port) = match host.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (host, None),
    };
    let is_number = |port: &str| port.parse::<u16>().is_ok_and(|number| number.to_string() == port);
    let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let is_host = match address {
        Some(address) => address.parse::<Ipv6Addr>().is_ok_and(|ip| ip.to_string() == address),
        None => host.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._".contains(&byte)
        }),
    };
    !host.is_empty() && is_host && port.is_none_or(|port| port != default_port && is_number(port))
}

/// Every setting that cannot be used, one line each: the variable, its value, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(Vec<Problem>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Problem {
    name: &'static str,
    /// Not there where it is a secret.
    value: Option<String>,
    expected: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Problem { name, value, expected }) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(formatter, "{separator}{name}")?;
            if let Some(value) = value {
                write!(formatter, "={value:?}")?;
            }
            write!(formatter, " is not {expected}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}
