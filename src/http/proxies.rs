//! Who the client is behind proxies.

use std::net::{IpAddr, SocketAddr};

use hyper::header::{HeaderMap, HeaderName};
use ipnet::IpNet;

use http_server::Client;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The proxies whose word on their clients is taken.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Addresses and networks.
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// Where a request comes from that came over a connection from `peer`.
    ///
    /// Each proxy appends to `X-Forwarded-For` who its client was. So the last address is the word of the peer, the one
    /// before that of whom the last address names, and so on: they hold as long as those are trusted. What is no address
    /// ends the chain, and so nobody can make himself another client by sending the header.
    pub fn client(&self, peer: Client, headers: &HeaderMap) -> Client {
        let mut client = peer?;
        if !self.trust(client) {
            return peer;
        }
        let hops = headers.get_all(X_FORWARDED_FOR).iter().flat_map(|value| {
            // A value that is not text is a hop that is no address.
            value.to_str().unwrap_or("?").split(',')
        });
        for hop in hops.collect::<Vec<_>>().into_iter().rev() {
            let Some(address) = address(hop.trim()) else { break };
            client = address;
            if !self.trust(client) {
                break;
            }
        }
        Some(client)
    }

    /// Whether its word is taken.
    pub fn trust(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// An address as proxies write it: alone, in brackets, or with a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().ok().or_else(|| text.parse().ok().map(|both: SocketAddr| both.ip()));
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn client(peer: &str, values: &[&[u8]]) -> String {
        let networks = ["10.0.0.0/8", "127.0.0.1/32", "2001:db8::/32"];
        let proxies = TrustedProxies(networks.map(|text| text.parse().unwrap()).to_vec());
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(X_FORWARDED_FOR, HeaderValue::from_bytes(value).unwrap());
        }
        proxies.client(Some(peer.parse().unwrap()), &headers).unwrap().to_string()
    }

    #[test]
    fn the_word_of_a_stranger_is_not_taken() {
        assert_eq!(client("192.0.2.1", &[b"198.51.100.7"]), "192.0.2.1");
    }

    #[test]
    fn the_last_address_that_is_no_trusted_proxy_is_the_client() {
        for (values, expected) in [
            (&[][..], "127.0.0.1"),
            (&[&b"198.51.100.7"[..]], "198.51.100.7"),
            (&[b"198.51.100.7, 10.1.2.3"], "198.51.100.7"),
            (&[b"1.1.1.1, 198.51.100.7 ,\t10.1.2.3,2001:db8::5"], "198.51.100.7"),
            (&[b"1.1.1.1", b"198.51.100.7", b"10.1.2.3"], "198.51.100.7"),
            (&[b"10.9.9.9, 10.1.2.3"], "10.9.9.9"),
        ] {
            assert_eq!(client("127.0.0.1", values), expected);
        }
    }

    #[test]
    fn addresses_may_have_ports_brackets_and_the_form_of_the_other_family() {
        for (value, expected) in [
            ("198.51.100.7:4711", "198.51.100.7"),
            ("[2001:db9::7]:4711", "2001:db9::7"),
            ("[2001:db9::7]", "2001:db9::7"),
            ("2001:db9::7", "2001:db9::7"),
            ("::ffff:198.51.100.7", "198.51.100.7"),
            ("198.51.100.7, ::ffff:10.0.0.1", "198.51.100.7"),
        ] {
            assert_eq!(client("127.0.0.1", &[value.as_bytes()]), expected);
        }
    }

    #[test]
    fn garbage_ends_the_chain_at_the_last_good_address() {
        for (value, expected) in [
            (&b"unknown"[..], "127.0.0.1"),
            (b"", "127.0.0.1"),
            (b",,,", "127.0.0.1"),
            (b"198.51.100.7, , 10.1.2.3", "10.1.2.3"),
            (b"198.51.100.7, \xff, 10.1.2.3", "127.0.0.1"),
            (b"198.51.100.7, _hidden, 10.1.2.3", "10.1.2.3"),
            (b"999.0.0.1", "127.0.0.1"),
            (b"198.51.100.7/24", "127.0.0.1"),
            (b"[198.51.100.7", "127.0.0.1"),
        ] {
            assert_eq!(client("127.0.0.1", &[value]), expected, "{}", value.escape_ascii());
        }
        let long = ",".repeat(100_000);
        assert_eq!(client("127.0.0.1", &[long.as_bytes()]), "127.0.0.1");
    }

    #[test]
    fn an_unknown_peer_stays_unknown() {
        assert_eq!(TrustedProxies::default().client(None, &HeaderMap::new()), None);
    }
}
