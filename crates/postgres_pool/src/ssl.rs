//! What a connection URI says of TLS.

use std::path::PathBuf;

use percent_encoding::percent_decode_str;

use crate::InvalidUri;

/// Parameters `sslmode` and `sslrootcert` (PostgreSQL's documentation, section "SSL Support").
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ssl {
    pub(crate) mode: SslMode,
    /// Certificates in PEM of those who may vouch for the server.
    pub(crate) root: Option<PathBuf>,
}

/// How far the server has to prove who it is. libpq's `allow` and `prefer`, which do without TLS where the server, or
/// somebody in between, says so, are not among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum SslMode {
    /// No TLS.
    #[default]
    Disable,
    /// TLS, with whomever.
    Require,
    /// With a server that has a certificate by one of the roots.
    VerifyCa,
    /// With a server that has one for the host's name.
    VerifyFull,
}

impl Ssl {
    /// Takes the parameters out of a URI, as tokio-postgres does not know all of them.
    pub(crate) fn take(uri: &str) -> Result<(String, Self), InvalidUri> {
        let mut ssl = Self::default();
        let Some((base, query)) = uri.split_once('?') else { return Ok((uri.to_owned(), ssl)) };
        let mut rest = Vec::new();
        for pair in query.split('&') {
            match pair.split_once('=') {
                Some(("sslmode", mode)) => ssl.mode = parse_mode(mode)?,
                Some(("sslrootcert", path)) => {
                    let path = percent_decode_str(path).decode_utf8();
                    let path = path.map_err(|_| InvalidUri::new("sslrootcert is not UTF-8"))?;
                    ssl.root = Some(path.as_ref().into());
                }
                _ => rest.push(pair),
            }
        }
        if matches!(ssl.mode, SslMode::VerifyCa | SslMode::VerifyFull) && ssl.root.is_none() {
            return Err(InvalidUri::new("sslmode needs sslrootcert, a file with certificates"));
        }
        if ssl.mode != SslMode::Disable && cfg!(not(feature = "tls")) {
            let message =
                "sslmode asks for TLS, and this program was built without: see docs/database.md";
            return Err(InvalidUri::new(message));
        }
        let question = if rest.is_empty() { "" } else { "?" };
        Ok((format!("{base}{question}{}", rest.join("&")), ssl))
    }
}

fn parse_mode(text: &str) -> Result<SslMode, InvalidUri> {
    match text {
        "disable" => Ok(SslMode::Disable),
        "require" => Ok(SslMode::Require),
        "verify-ca" => Ok(SslMode::VerifyCa),
        "verify-full" => Ok(SslMode::VerifyFull),
        _ => Err(InvalidUri::new("sslmode is not disable, require, verify-ca or verify-full")),
    }
}
