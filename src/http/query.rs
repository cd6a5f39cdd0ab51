//! Query parameters of lists, and the links between their pages (RFC 8288).

use std::borrow::Cow;
use std::fmt::Write as _;

use hyper::header::HeaderValue;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::error::ApiError;
use todo_store::{Order, Query};

/// The longest page, and the longest answer to a query that names no limit.
pub const MAX_LIMIT: usize = 1_000;

/// What a client asks of a list.
#[derive(Debug, PartialEq, Eq)]
pub struct ListParameters {
    /// The query; its limit is always set.
    pub query: Query,
    /// The value of `sort`, if there is one.
    sort: Option<String>,
    /// A page was asked for.
    is_paged: bool,
}

impl ListParameters {
    /// Reads the parameters of a list. `None` if there are none that mean anything.
    ///
    /// # Errors
    /// 400 names the parameter that is wrong.
    pub fn parse(query: Option<&str>) -> Result<Option<Self>, ApiError> {
        let [completed, text, sort, limit, offset] =
            parameters(query, ["completed", "q", "sort", "limit", "offset"])?;
        if [&completed, &text, &sort, &limit, &offset].iter().all(|value| value.is_none()) {
            return Ok(None);
        }
        let (order, descending) = match &sort {
            Some(sort) => parse_sort(sort)?,
            None => (Order::Id, false),
        };
        let is_paged = limit.is_some() || offset.is_some();
        let limit = match limit {
            Some(limit) => number("limit", &limit, 1, MAX_LIMIT)?,
            None => MAX_LIMIT,
        };
        let query = Query {
            completed: completed.map(|value| boolean("completed", &value)).transpose()?,
            text: text.map(Cow::into_owned),
            order,
            descending,
            offset: offset.map_or(Ok(0), |value| number("offset", &value, 0, usize::MAX))?,
            limit: Some(limit),
        };
        Ok(Some(Self { query, sort: sort.map(Cow::into_owned), is_paged }))
    }

    /// The value of `Link` for a page that shows `shown` todos out of `total`, if there is anything to link to.
    pub fn links(&self, total: usize, shown: usize) -> Option<HeaderValue> {
        let offset = self.query.offset;
        let limit = self.query.limit.unwrap_or(MAX_LIMIT);
        // Also where the page is shorter than was asked for.
        let next = offset.saturating_add(shown);
        let mut links = Vec::new();
        if shown > 0 && next < total {
            links.push(format!("<{}>; rel=\"next\"", self.target(next, limit)));
        }
        if offset > 0 && self.is_paged {
            // Behind the end, the page before is the last one; it ends where this one begins, so it may be a short one.
            let end = offset.min(total);
            let previous = end.saturating_sub(limit);
            let limit = (end - previous).max(1);
            links.push(format!("<{}>; rel=\"prev\"", self.target(previous, limit)));
        }
        if links.is_empty() {
            return None;
        }
        HeaderValue::try_from(links.join(", ")).ok()
    }

    fn target(&self, offset: usize, limit: usize) -> String {
        let mut target = String::from("/api/todos?");
        // Writing into a String does not fail.
        if let Some(completed) = self.query.completed {
            let _ = write!(target, "completed={completed}&");
        }
        if let Some(text) = &self.query.text {
            let _ = write!(target, "q={}&", utf8_percent_encode(text, NON_ALPHANUMERIC));
        }
        if let Some(sort) = &self.sort {
            let _ = write!(target, "sort={sort}&");
        }
        let _ = write!(target, "limit={limit}&offset={offset}");
        target
    }
}

/// Checks that a client which deletes says what: only `completed=true` will do.
///
/// # Errors
/// 400 says so.
pub fn require_completed(query: Option<&str>) -> Result<(), ApiError> {
    let [completed] = parameters(query, ["completed"])?;
    match completed.as_deref() {
        Some("true") => Ok(()),
        _ => Err(ApiError::bad_request(
            "completed must be true: only completed todos are deleted together",
        )),
    }
}

/// Where a client wants to go on that cannot send the header `Last-Event-ID`.
///
/// # Errors
/// 400 when it is there twice or is not UTF-8.
pub fn last_event_id(query: Option<&str>) -> Result<Option<Cow<'_, str>>, ApiError> {
    let [id] = parameters(query, ["last_event_id"])?;
    Ok(id)
}

/// The values of the parameters with these names. Others are ignored.
fn parameters<'a, const N: usize>(
    query: Option<&'a str>,
    names: [&str; N],
) -> Result<[Option<Cow<'a, str>>; N], ApiError> {
    let mut values = [const { None }; N];
    let pairs = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    for pair in pairs {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let Some(name) = decode(name) else { continue };
        let Some(index) = names.iter().position(|known| *known == name) else { continue };
        let value =
            decode(value).ok_or_else(|| ApiError::bad_request(format!("{name} is not UTF-8")))?;
        if let Some(slot) = values.get_mut(index)
            && slot.replace(value).is_some()
        {
            return Err(ApiError::bad_request(format!("{name} is there twice")));
        }
    }
    Ok(values)
}

/// A text of a query as forms encode it: percent-encoded, with `+` for a space.
fn decode(text: &str) -> Option<Cow<'_, str>> {
    if text.contains('+') {
        let text = text.replace('+', " ");
        return Some(percent_decode_str(&text).decode_utf8().ok()?.into_owned().into());
    }
    percent_decode_str(text).decode_utf8().ok()
}

fn boolean(name: &str, value: &str) -> Result<bool, ApiError> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(ApiError::bad_request(format!("{name} must be true or false"))),
    }
}

fn number(name: &str, value: &str, min: usize, max: usize) -> Result<usize, ApiError> {
    let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    // What is too long for a number is over the maximum.
    let number = value.parse().unwrap_or(usize::MAX);
    if is_number && (min..=max).contains(&number) {
        return Ok(number);
    }
    let range =
        if max == usize::MAX { format!("from {min}") } else { format!("from {min} to {max}") };
    Err(ApiError::bad_request(format!("{name} must be a whole number {range}")))
}

fn parse_sort(value: &str) -> Result<(Order, bool), ApiError> {
    let (name, descending) = match value.strip_prefix('-') {
        Some(name) => (name, true),
        None => (value, false),
    };
    let order = match name {
        // Todos are created in the order of their ids.
        "id" | "created_at" => Order::Id,
        "title" => Order::Title,
        _ => {
            let message = "sort must be id, created_at or title, with - in front for descending";
            return Err(ApiError::bad_request(message));
        }
    };
    Ok((order, descending))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str) -> ListParameters {
        ListParameters::parse(Some(query)).unwrap().unwrap()
    }

    fn error(query: &str) -> String {
        ListParameters::parse(Some(query)).unwrap_err().message.into_owned()
    }

    #[test]
    fn what_means_nothing_is_ignored() {
        for query in [None, Some(""), Some("&&"), Some("x=1&_=2"), Some("Completed=true")] {
            assert_eq!(ListParameters::parse(query).unwrap(), None, "{query:?}");
        }
    }

    #[test]
    fn every_parameter_is_read() {
        let parameters = parse("completed=false&q=%EC%9E%A5+a%2B&sort=-title&limit=10&offset=20");
        let query = Query {
            completed: Some(false),
            text: Some("장 a+".into()),
            order: Order::Title,
            descending: true,
            offset: 20,
            limit: Some(10),
        };
        assert_eq!(parameters.query, query);
        assert_eq!(parse("sort=created_at").query.order, Order::Id);
        assert_eq!(parse("completed=true").query.limit, Some(MAX_LIMIT));
    }

    #[test]
    fn a_bad_value_is_told_with_the_name_of_its_parameter() {
        for (query, message) in [
            ("completed=1", "completed must be true or false"),
            ("completed", "completed must be true or false"),
            ("limit=0", "limit must be a whole number from 1 to 1000"),
            ("limit=1001", "limit must be a whole number from 1 to 1000"),
            ("limit=-1", "limit must be a whole number from 1 to 1000"),
            ("limit=99999999999999999999", "limit must be a whole number from 1 to 1000"),
            ("limit=", "limit must be a whole number from 1 to 1000"),
            ("offset=x", "offset must be a whole number from 0"),
            ("sort=name", "sort must be id, created_at or title, with - in front for descending"),
            ("q=%ff", "q is not UTF-8"),
            ("limit=1&limit=2", "limit is there twice"),
        ] {
            assert_eq!(error(query), message, "{query}");
        }
    }

    #[test]
    fn pages_are_linked_to_their_neighbours() {
        let links = |query: &str, total: usize| {
            let parameters = parse(query);
            let Query { offset, limit, .. } = parameters.query;
            let shown = total.saturating_sub(offset).min(limit.unwrap());
            parameters.links(total, shown).map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(links("limit=10", 10), None);
        assert_eq!(links("limit=10", 11).unwrap(), "</api/todos?limit=10&offset=10>; rel=\"next\"");
        assert_eq!(
            links("q=a%26b&completed=true&sort=-id&offset=15&limit=10", 30).unwrap(),
            "</api/todos?completed=true&q=a%26b&sort=-id&limit=10&offset=25>; rel=\"next\", \
             </api/todos?completed=true&q=a%26b&sort=-id&limit=10&offset=5>; rel=\"prev\""
        );
        assert_eq!(
            links("limit=10&offset=99", 25).unwrap(),
            "</api/todos?limit=10&offset=15>; rel=\"prev\""
        );
        assert_eq!(
            links("limit=10&offset=5", 9).unwrap(),
            "</api/todos?limit=5&offset=0>; rel=\"prev\""
        );
        assert_eq!(
            links("completed=true", 1_001).unwrap(),
            "</api/todos?completed=true&limit=1000&offset=1000>; rel=\"next\""
        );
    }

    #[test]
    fn a_page_that_was_cut_short_leads_on_behind_what_it_shows() {
        let links = parse("limit=10&offset=5").links(30, 3).unwrap();
        assert!(
            links.to_str().unwrap().starts_with("</api/todos?limit=10&offset=8>; rel=\"next\"")
        );
        let links = parse("completed=true").links(30, 3).unwrap();
        assert!(
            links.to_str().unwrap().starts_with("</api/todos?completed=true&limit=1000&offset=3>")
        );
    }

    #[test]
    fn deleting_many_takes_a_filter() {
        assert!(require_completed(Some("completed=true")).is_ok());
        for query in [None, Some(""), Some("completed=false"), Some("completed=yes")] {
            assert!(require_completed(query).is_err(), "{query:?}");
        }
    }
}
