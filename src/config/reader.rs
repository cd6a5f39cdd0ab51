//! Takes settings out of the environment, and gathers what is wrong with them.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net};
use todo_store::{ConnectionOptions, Location};

use super::Secret;
use super::settings::{Kind, Setting};

/// What a secret may have at least and at most, and how many different ones of that at least, in characters.
const MIN_SECRET: usize = 16;
const MAX_SECRET: usize = 512;
const MIN_DIFFERENT: usize = 5;

/// Takes one value after the other and gathers what is wrong with them.
pub(super) struct Reader<L, F> {
    lookup: L,
    read_file: F,
    problems: Vec<Problem>,
}

impl<L, F> Reader<L, F>
where
    L: Fn(&str) -> Option<String>,
    F: Fn(&str) -> io::Result<String>,
{
    pub(super) fn new(lookup: L, read_file: F) -> Self {
        Self { lookup, read_file, problems: Vec::new() }
    }

    pub(super) fn has_problem(&self, settings: [Setting; 2]) -> bool {
        let names = settings.map(|setting| setting.name);
        self.problems.iter().any(|problem| names.contains(&problem.name))
    }

    /// `config`, if nothing was wrong with the values that it was made of.
    pub(super) fn finish<C>(self, config: C) -> Result<C, ConfigError> {
        if self.problems.is_empty() { Ok(config) } else { Err(ConfigError(self.problems)) }
    }

    pub(super) fn ip_address(&mut self, setting: Setting) -> IpAddr {
        self.parse(setting, |text| text.parse().ok()).unwrap_or(IpAddr::from([0; 16]))
    }

    /// The store at a URL; the password of a database may be in a file.
    pub(super) fn database(
        &mut self,
        setting: Setting,
        password_file: Setting,
        options: ConnectionOptions,
    ) -> Option<Location> {
        let password = match self.given(password_file) {
            Some(path) => Some(self.file(password_file, path)?),
            None => None,
        };
        let url = self.given(setting)?;
        let is_secret = Location::is_secret(&url);
        if password.is_some() && !is_secret {
            let expected = "possible without a database in DATABASE_URL".to_owned();
            self.problem(password_file, self.given(password_file), expected);
        }
        match Location::from_url(&url, password.as_deref().filter(|_| is_secret), options) {
            Ok(location) => Some(location),
            Err(reason) => {
                let colon = if reason.is_empty() { "" } else { ": " };
                let expected = format!("{}{colon}{reason}", setting.kind.expected());
                self.problem(setting, (!is_secret).then_some(url), expected);
                None
            }
        }
    }

    /// What is in a file, without the end of its last line.
    fn file(&mut self, setting: Setting, path: String) -> Option<String> {
        match (self.read_file)(&path) {
            Ok(text) => Some(text.trim_end_matches(['\r', '\n']).to_owned()),
            Err(error) => {
                let expected = format!("{}: {error}", setting.kind.expected());
                self.problem(setting, Some(path), expected);
                None
            }
        }
    }

    pub(super) fn networks(&mut self, setting: Setting) -> Vec<IpNet> {
        self.parse(setting, |text| match text {
            "" => Some(Vec::new()),
            _ => text.split(',').map(|item| network(item.trim())).collect(),
        })
        .unwrap_or_default()
    }

    /// A secret that is given itself or, by the other setting, in a file, whose end of line does not count.
    pub(super) fn secret(&mut self, setting: Setting, file: Setting) -> Option<Secret> {
        let (named, value) = match (self.given(setting), self.given(file)) {
            (None, None) => return None,
            (Some(value), None) => (setting, value),
            (None, Some(path)) => (file, self.file(file, path)?),
            (Some(_), Some(path)) => {
                self.problem(file, Some(path), format!("possible together with {}", setting.name));
                return None;
            }
        };
        if is_secret(&value) {
            return Some(Secret(value));
        }
        self.problem(named, None, setting.kind.expected());
        None
    }

    /// The origins of a list, `None` for all of them.
    pub(super) fn origins(&mut self, setting: Setting) -> Option<Vec<String>> {
        let origin = |text: &str| is_origin(text).then(|| text.to_owned());
        self.parse(setting, |text| match text {
            "*" => Some(None),
            _ => text.split(',').map(|item| origin(item.trim())).collect::<Option<_>>().map(Some),
        })
        .flatten()
    }

    /// Whether a choice is `word`.
    pub(super) fn is(&mut self, setting: Setting, word: &str) -> bool {
        let Kind::Choice(words) = setting.kind else { return false };
        let chosen = |text: &str| words.contains(&text).then(|| text == word);
        self.parse(setting, chosen).unwrap_or_default()
    }

    pub(super) fn milliseconds(&mut self, setting: Setting) -> Duration {
        Duration::from_millis(self.number(setting))
    }

    pub(super) fn number<N: TryFrom<u64> + Default>(&mut self, setting: Setting) -> N {
        let Kind::Number { min, max, .. } = setting.kind else { return N::default() };
        self.parse(setting, |text| {
            // `u64::from_str` takes a sign; a setting does not.
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            let number = text.parse().ok().filter(|n: &u64| digits && (min..=max).contains(n))?;
            N::try_from(number).ok()
        })
        .unwrap_or_default()
    }

    fn parse<T>(&mut self, setting: Setting, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let given = self.given(setting);
        let value = given.as_deref().unwrap_or(setting.default);
        let parsed = parse(value);
        if parsed.is_none() {
            self.problem(setting, Some(value.to_owned()), setting.kind.expected());
        }
        parsed
    }

    fn given(&self, setting: Setting) -> Option<String> {
        // Compose files and shells hand on unset variables as empty ones.
        (self.lookup)(setting.name).filter(|value| !value.is_empty())
    }

    /// `value`, which is shown unless it is a secret, is not what is `expected`.
    pub(super) fn problem(&mut self, setting: Setting, value: Option<String>, expected: String) {
        self.problems.push(Problem { name: setting.name, value, expected });
    }
}

/// Whether `text` can be sent as a token (RFC 6750, section 2.1) and is hard to guess. The padding at its end does not
/// count.
fn is_secret(text: &str) -> bool {
    let body = text.trim_end_matches('=').as_bytes();
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(byte);
    let mut different = body.to_vec();
    different.sort_unstable();
    different.dedup();
    body.len() >= MIN_SECRET
        && text.len() <= MAX_SECRET
        && body.iter().all(is_part)
        && different.len() >= MIN_DIFFERENT
}

/// An address or a network. IPv4 written as IPv6 (RFC 4291, section 2.5.5.2) is IPv4: that is how clients are known.
fn network(text: &str) -> Option<IpNet> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_canonical().into());
    }
    let network: IpNet = text.parse().ok()?;
    let IpNet::V6(v6) = network else { return Some(network) };
    match (v6.addr().to_ipv4_mapped(), v6.prefix_len().checked_sub(96)) {
        (Some(v4), Some(prefix)) => Ipv4Net::new(v4, prefix).ok().map(IpNet::V4),
        // A network that has all of IPv4 in it would match no IPv4 client.
        _ if v6.contains(&std::net::Ipv4Addr::UNSPECIFIED.to_ipv6_mapped()) => None,
        _ => Some(network),
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
