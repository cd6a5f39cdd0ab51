//! Who may use the API: everybody, or whoever has the token (RFC 6750).

use super::route::Access;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use subtle::ConstantTimeEq as _;

/// What it takes to get in.
#[derive(Clone, Default)]
pub struct Authorization {
    token: Option<String>,
    covers_metrics: bool,
}

/// The request must not be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// It has no credentials that would be looked at.
    NoToken,
    /// It has a token, and that is wrong.
    WrongToken,
}

impl Authorization {
    /// With a `token`, everything but what is open needs it. So do the metrics if they are covered.
    pub fn new(token: Option<String>, covers_metrics: bool) -> Self {
        Self { token, covers_metrics }
    }

    /// Lets a request in, or not.
    ///
    /// # Errors
    /// [`Denied`] says what the client is to be told.
    pub(super) fn check(&self, access: Access, headers: &HeaderMap) -> Result<(), Denied> {
        let Some(token) = &self.token else { return Ok(()) };
        let is_open = match access {
            Access::Open => true,
            Access::Metrics => !self.covers_metrics,
            Access::Token => false,
        };
        if is_open {
            return Ok(());
        }
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return Err(Denied::NoToken);
        };
        let given = bearer(value.as_bytes()).ok_or(Denied::NoToken)?;
        // How long this takes tells the token's length at the most.
        if bool::from(given.ct_eq(token.as_bytes())) { Ok(()) } else { Err(Denied::WrongToken) }
    }
}

/// The token of `Authorization: Bearer TOKEN`. The scheme's case does not matter (RFC 9110, section 11.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(6)?;
    let is_bearer = scheme.eq_ignore_ascii_case(b"Bearer") && token.starts_with(b" ");
    is_bearer.then(|| token.trim_ascii())
}

impl Denied {
    /// The value of `WWW-Authenticate` (RFC 6750, section 3).
    pub fn challenge(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::NoToken => "Bearer realm=\"todo\"",
            Self::WrongToken => "Bearer realm=\"todo\", error=\"invalid_token\"",
        })
    }

    /// One sentence for the client.
    pub fn message(self) -> &'static str {
        match self {
            Self::NoToken => "this needs the header Authorization: Bearer TOKEN",
            Self::WrongToken => "the token is not the right one",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef";

    fn check(
        authorization: &Authorization,
        access: Access,
        values: &[&[u8]],
    ) -> Result<(), Denied> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        }
        authorization.check(access, &headers)
    }

    #[test]
    fn without_a_token_everybody_gets_in() {
        assert_eq!(check(&Authorization::new(None, false), Access::Token, &[]), Ok(()));
    }

    #[test]
    fn what_is_not_open_takes_the_token() {
        for (access, always, with_metrics) in [
            (Access::Token, true, true),
            (Access::Metrics, false, true),
            (Access::Open, false, false),
        ] {
            for (covers_metrics, denied) in [(false, always), (true, with_metrics)] {
                let authorization = Authorization::new(Some(TOKEN.into()), covers_metrics);
                assert_eq!(check(&authorization, access, &[]).is_err(), denied, "{access:?}");
                let right: &[&[u8]] = &[b"Bearer 0123456789abcdef"];
                assert_eq!(check(&authorization, access, right), Ok(()), "{access:?}");
            }
        }
    }

    #[test]
    fn only_the_very_token_opens() {
        let authorization = Authorization::new(Some(TOKEN.into()), false);
        let check = |values: &[&[u8]]| check(&authorization, Access::Token, values);
        for value in [
            &b"Bearer 0123456789abcdef"[..],
            b"bearer  0123456789abcdef",
            b"BEARER 0123456789abcdef ",
        ] {
            assert_eq!(check(&[value]), Ok(()));
        }
        for value in [
            &b"Bearer 0123456789abcdeF"[..],
            b"Bearer 0123456789abcde",
            b"Bearer 0123456789abcdef0",
            b"Bearer 0123456789abcdef,0123456789abcdef",
            b"Bearer ",
            b"Bearer \xff",
        ] {
            assert_eq!(check(&[value]), Err(Denied::WrongToken), "{}", value.escape_ascii());
        }
        for value in [
            &b""[..],
            b"Bearer",
            b"Bearer0123456789abcdef",
            b"Basic 0123456789abcdef",
            b"0123456789abcdef",
        ] {
            assert_eq!(check(&[value]), Err(Denied::NoToken), "{}", value.escape_ascii());
        }
        let right = b"Bearer 0123456789abcdef";
        assert_eq!(check(&[right, right]), Err(Denied::NoToken), "one of two is nobody's word");
    }
}
