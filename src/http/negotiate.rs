//! What clients like best among what there is (RFC 9110, section 12).

use std::cmp::Reverse;

use hyper::header::{ACCEPT, ACCEPT_ENCODING, HeaderMap, HeaderName};

/// What the choices below depend on, as the value of `Vary`.
pub const VARY: &str = "Accept, Accept-Encoding";

/// The weight of what a client wants most, in thousandths.
const MAX_WEIGHT: u16 = 1_000;

/// One member of `Accept` or `Accept-Encoding`.
struct Preference<'a> {
    /// A media range or a content coding.
    value: &'a str,
    weight: u16,
}

/// Whether the client would rather have HTML than JSON.
///
/// Of two types with the same weight it would rather have the one that it names more exactly, then the one that it names
/// first. A client that says nothing, or accepts anything, gets JSON.
pub fn prefers_html(headers: &HeaderMap) -> bool {
    let rank = |of_type: &str, full: &str| {
        let ranges = preferences(headers, ACCEPT).enumerate();
        let matching = ranges.filter_map(|(position, range)| {
            let precision = match range.value {
                "*/*" => 0,
                value if value.eq_ignore_ascii_case(of_type) => 1,
                value if value.eq_ignore_ascii_case(full) => 2,
                _ => return None,
            };
            Some((precision, Reverse(position), range.weight))
        });
        // The most exact range tells the weight (section 12.5.1).
        let best = matching.max_by_key(|&(precision, position, _)| (precision, position));
        best.map(|(precision, position, weight)| (weight, precision, position))
    };
    let html = rank("text/*", "text/html").filter(|&(weight, ..)| weight > 0);
    html > rank("application/*", "application/json")
}

/// Whether the client takes gzip, and likes it no less than bytes as they are.
pub fn accepts_gzip(headers: &HeaderMap) -> bool {
    let weight = |names: &[&str]| {
        let is_one = |coding: &Preference<'_>| {
            names.iter().any(|name| coding.value.eq_ignore_ascii_case(name))
        };
        preferences(headers, ACCEPT_ENCODING).find(is_one).map(|coding| coding.weight)
    };
    // Section 8.4.1.3: x-gzip is the same.
    let gzip = weight(&["gzip", "x-gzip"]).or_else(|| weight(&["*"])).unwrap_or(0);
    gzip > 0 && gzip >= weight(&["identity"]).unwrap_or(0)
}

/// The members of a list with weights. Malformed ones are left out.
fn preferences(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = Preference<'_>> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).filter_map(|member| {
        let mut parts = member.split(';').map(|part| part.trim_matches([' ', '\t']));
        let value = parts.next().filter(|value| !value.is_empty())?;
        let weight = parts.find_map(|part| {
            let (name, weight) = part.split_once('=')?;
            name.trim().eq_ignore_ascii_case("q").then_some((name, weight))
        });
        let weight = match weight {
            None => MAX_WEIGHT,
            // There are no blanks around the equals sign (section 12.4.2).
            Some(("q" | "Q", weight)) => parse_weight(weight)?,
            Some(_) => return None,
        };
        Some(Preference { value, weight })
    })
}

/// A weight in thousandths: `0`, `1`, or a fraction with up to three digits (section 12.4.2).
fn parse_weight(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let thousandths: u16 = format!("{fraction:0<3}").parse().ok()?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(MAX_WEIGHT),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn headers(name: HeaderName, values: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(&name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn browsers_get_html_and_others_json() {
        for (accept, html) in [
            (&[][..], false),
            (&[""], false),
            (&["*/*"], false),
            (&["image/png"], false),
            (&["application/json"], false),
            (&["application/json, text/plain, */*"], false),
            (&["application/json, text/html"], false),
            (&["text/html;q=0, */*"], false),
            (&["text/html;q=0"], false),
            (&["text/html;q=0.8, application/json;q=0.9"], false),
            (&["text/html;q=0.8, */*"], false),
            (&["text/html;q=2"], false),
            (&["text/html;q = 1"], false),
            (&["text/html; q =1"], false),
            (&["text/html;q= 1"], false),
            (&["text/html"], true),
            (&["TEXT/HTML; charset=utf-8 ; Q=0.001"], true),
            (&["text/*"], true),
            (&["text/html, */*"], true),
            (&["*/*, text/html"], true),
            (&["text/html, application/json"], true),
            (&["application/json;q=0.8", "text/html;q=0.9"], true),
            (&["application/json;q=0, */*"], true),
            (&["text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"], true),
        ] {
            assert_eq!(prefers_html(&headers(ACCEPT, accept)), html, "{accept:?}");
        }
    }

    #[test]
    fn gzip_is_for_those_who_take_it() {
        for (accept, gzip) in [
            (&[][..], false),
            (&[""], false),
            (&["br, zstd"], false),
            (&["gzip;q=0"], false),
            (&["gzip;q=0.000, *"], false),
            (&["*;q=0"], false),
            (&["gzip;q=0.5, identity"], false),
            (&["gzip;q=0.5, identity;q=0.6"], false),
            (&["gzip;q=0.0001"], false),
            (&["gzip;q=1.1"], false),
            (&["gzip"], true),
            (&["X-GZIP"], true),
            (&["*"], true),
            (&["gzip, deflate, br, zstd"], true),
            (&["deflate", "br;q=1.0, gzip;q=0.3"], true),
            (&["gzip;q=0.5, identity;q=0.5"], true),
            (&["identity;q=0, gzip;q=0.001"], true),
        ] {
            assert_eq!(accepts_gzip(&headers(ACCEPT_ENCODING, accept)), gzip, "{accept:?}");
        }
    }
}
