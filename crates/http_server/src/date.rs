//! The `Date` of responses (RFC 9110, section 6.6.1).
//!
//! hyper has one of its own, which stands still for as long as the system's clock was set back by.

use std::cell::RefCell;
use std::time::{Duration, Instant, UNIX_EPOCH};

use clock::WallClock;
use httpdate::HttpDate;
use hyper::header::HeaderValue;

/// What `Date` says at present.
#[derive(Default)]
pub(crate) struct Date {
    clock: WallClock,
    /// A second since the start of 1970, and its text.
    last: RefCell<Option<(u64, HeaderValue)>>,
}

impl Date {
    /// The value at `instant`, which is the present or shortly before it. `None` for times that have no such text.
    pub(crate) fn at(&self, instant: Instant) -> Option<HeaderValue> {
        let second = self.clock.at(instant).nanoseconds() / 1_000_000_000;
        let mut last = self.last.borrow_mut();
        if last.as_ref().is_none_or(|(of, _)| *of != second) {
            let date = HttpDate::from(UNIX_EPOCH + Duration::from_secs(second));
            *last = Some((second, HeaderValue::from_str(&date.to_string()).ok()?));
        }
        last.as_ref().map(|(_, text)| text.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_present_is_told() {
        let text = Date::default().at(Instant::now()).unwrap();
        let told = httpdate::parse_http_date(text.to_str().unwrap()).unwrap();
        assert!(told.elapsed().unwrap() < Duration::from_secs(60));
    }
}
