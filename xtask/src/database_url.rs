//! `DATABASE_URL`, as far as manifests have to agree with it.

use std::collections::BTreeSet;

use percent_encoding::percent_decode_str;

/// PostgreSQL's port, for hosts that name none.
const POSTGRES: &str = "5432";

/// The parts of a URL as libpq takes it ([connection URIs]): more than one host, settings in the query.
///
/// [connection URIs]: https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS
#[derive(Default)]
pub struct DatabaseUrl {
    scheme: String,
    /// Whether a password stands before the hosts.
    pub has_password: bool,
    /// The ports of the hosts, as they are written.
    pub ports: BTreeSet<String>,
    query: Vec<(String, String)>,
}

impl DatabaseUrl {
    /// Takes a URL apart. The server says what is wrong with one.
    pub fn parse(url: &str) -> Self {
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let authority = rest.split_once('/').map_or(rest, |(authority, _)| authority);
        let (user, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        let port = |host: &str| {
            // An IPv6 address has colons between brackets.
            let port = host.rsplit_once(':').map_or("", |(_, port)| port);
            if port.is_empty() || port.ends_with(']') { POSTGRES } else { port }.to_owned()
        };
        let settings = query.split('&').filter_map(|setting| setting.split_once('='));
        let settings = settings.filter(|(_, value)| !value.is_empty());
        Self {
            scheme: scheme.to_ascii_lowercase(),
            has_password: user.split_once(':').is_some_and(|(_, password)| !password.is_empty()),
            ports: hosts.split(',').filter(|host| !host.is_empty()).map(port).collect(),
            query: settings.map(|(name, value)| (decoded(name), decoded(value))).collect(),
        }
    }

    /// Whether todos are in a file.
    pub fn is_file(&self) -> bool {
        self.scheme == "redb"
    }

    /// Whether todos are in PostgreSQL.
    pub fn is_postgres(&self) -> bool {
        self.scheme.starts_with("postgres")
    }

    /// The values of a setting that are not empty.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.query.iter().filter(move |(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports(url: &str) -> Vec<String> {
        DatabaseUrl::parse(url).ports.into_iter().collect()
    }

    #[test]
    fn each_host_has_a_port() {
        assert_eq!(ports("postgres://todo@db/todo"), ["5432"]);
        assert_eq!(ports("postgres://todo@a:5433,b,c:5433/todo?x=y:1"), ["5432", "5433"]);
        assert_eq!(ports("postgres://[::1],[::2]:6432/todo"), ["5432", "6432"]);
        assert_eq!(ports("postgres://db:/todo"), ["5432"]);
        assert_eq!(ports("postgres://user@name:1@db:2?sslmode=disable"), ["2"]);
        assert_eq!(ports("redb:///data/todos.redb"), [""; 0]);
    }

    #[test]
    fn a_password_is_seen() {
        for (url, has) in [
            ("postgres://todo:secret@db/todo", true),
            ("postgres://todo:@db/todo", false),
            ("postgres://todo@db:5432/todo", false),
            ("postgres://db:5432/todo?a=b:c@d", false),
        ] {
            assert_eq!(DatabaseUrl::parse(url).has_password, has, "{url}");
        }
    }

    #[test]
    fn settings_are_decoded_and_empty_ones_left_out() {
        let url = DatabaseUrl::parse("postgres://db/todo?sslmode=&sslrootcert=%2Fa%20b&x");
        assert_eq!(url.values("sslmode").count(), 0);
        assert_eq!(url.values("sslrootcert").collect::<Vec<_>>(), ["/a b"]);
    }

    #[test]
    fn schemes_are_told_apart() {
        let kinds =
            |url| (DatabaseUrl::parse(url).is_file(), DatabaseUrl::parse(url).is_postgres());
        assert_eq!(kinds("redb:///data/todos.redb"), (true, false));
        assert_eq!(kinds("PostgreSQL://db/todo"), (false, true));
        assert_eq!(kinds("/data/todos.redb"), (false, false));
    }
}
