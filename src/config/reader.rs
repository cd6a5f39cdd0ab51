//! Takes settings out of the environment, and gathers what is wrong with them.

use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::DatabaseUrl;
use super::settings::Setting;

/// Takes one value after the other and gathers what is wrong with them.
pub(super) struct Reader<L> {
    lookup: L,
    problems: Vec<Problem>,
}

impl<L: Fn(&str) -> Option<String>> Reader<L> {
    pub(super) fn new(lookup: L) -> Self {
        Self { lookup, problems: Vec::new() }
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
