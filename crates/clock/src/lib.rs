//! Time as the API writes it: points in time (RFC 3339) and durations (as Go's `time.Duration` prints itself).
//!
//! Every response and every line of the log has some of these texts. They are put together from digits, as each piece
//! that goes through [`std::fmt`] is an indirect call, which costs WasmEdge more than the digits do.

use std::cell::Cell;
use std::fmt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Serialize, Serializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

const NANOSECONDS_PER_SECOND: u64 = 1_000_000_000;

/// A point in time, in UTC, to the nanosecond.
///
/// Its text is RFC 3339 with `Z` and up to nine fractional digits without trailing zeros. What a wrong
/// clock says before 1970 or after 2554 is the start of 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp {
    /// Since the start of 1970.
    nanoseconds: u64,
}

impl Timestamp {
    /// The present, by the system's clock.
    pub fn now() -> Self {
        Self::from(SystemTime::now())
    }

    /// The point that is so many nanoseconds after the start of 1970.
    pub const fn from_nanoseconds(nanoseconds: u64) -> Self {
        Self { nanoseconds }
    }

    /// Nanoseconds since the start of 1970.
    pub fn nanoseconds(self) -> u64 {
        self.nanoseconds
    }

    /// Appends its text to `buffer`.
    pub fn append_to(self, buffer: &mut Vec<u8>) {
        append_second(self.nanoseconds / NANOSECONDS_PER_SECOND, buffer);
        append_fraction(self.nanoseconds % NANOSECONDS_PER_SECOND, 9, buffer);
        buffer.push(b'Z');
    }

    /// Appends the same with exactly three fractional digits, so that all texts are as long as each other.
    pub fn append_milliseconds_to(self, buffer: &mut Vec<u8>) {
        append_second(self.nanoseconds / NANOSECONDS_PER_SECOND, buffer);
        let milliseconds = self.nanoseconds % NANOSECONDS_PER_SECOND / 1_000_000;
        let [.., hundreds, tens, ones] = digits(milliseconds);
        buffer.extend_from_slice(&[b'.', hundreds, tens, ones, b'Z']);
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let seconds = since_epoch.as_secs().checked_mul(NANOSECONDS_PER_SECOND);
        let sum =
            seconds.and_then(|seconds| seconds.checked_add(since_epoch.subsec_nanos().into()));
        Self::from_nanoseconds(sum.unwrap_or_default())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&text(|buffer| self.append_to(buffer)))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&text(|buffer| self.append_to(buffer)))
    }
}

/// Tells points in time of the system's clock from those of the monotonic clock, which a request looks at anyway: each
/// look is a call of the runtime.
///
/// What it tells is [`WallClock::MAX_AGE`] behind a system's clock that was set, and no more.
#[derive(Debug, Default)]
pub struct WallClock {
    /// One moment on both clocks.
    anchor: Cell<Option<(Instant, Timestamp)>>,
}

impl WallClock {
    /// How long one look at the system's clock is used.
    pub const MAX_AGE: Duration = Duration::from_millis(10);

    /// What the system's clock says at `instant`, which is the present or shortly before it.
    pub fn at(&self, instant: Instant) -> Timestamp {
        let anchor = self.anchor.get().filter(|(at, _)| {
            instant.checked_duration_since(*at).is_some_and(|age| age < Self::MAX_AGE)
        });
        let (at, time) = anchor.unwrap_or_else(|| (instant, Timestamp::now()));
        self.anchor.set(Some((at, time)));
        let passed = u64::try_from(instant.saturating_duration_since(at).as_nanos());
        Timestamp::from_nanoseconds(time.nanoseconds().saturating_add(passed.unwrap_or_default()))
    }
}

/// A duration in the text form of Go's `time.Duration`: `1.062737976s`, `2m3.5s`, `26h0m1.25s`, `85ms`, `0s`.
///
/// Below one second the unit is the largest of `ms`, `µs` and `ns` that leaves a whole number in front of the point.
#[derive(Clone, Copy, Debug)]
pub struct GoDuration(pub Duration);

impl GoDuration {
    /// Appends its text to `buffer`.
    pub fn append_to(self, buffer: &mut Vec<u8>) {
        let nanoseconds = u64::from(self.0.subsec_nanos());
        let seconds = self.0.as_secs();
        let (whole, fraction, digits, unit) = match (seconds, nanoseconds) {
            (0, 0) => (0, 0, 0, "s"),
            (0, 1..1_000) => (nanoseconds, 0, 0, "ns"),
            (0, 1_000..1_000_000) => (nanoseconds / 1_000, nanoseconds % 1_000, 3, "µs"),
            (0, _) => (nanoseconds / 1_000_000, nanoseconds % 1_000_000, 6, "ms"),
            _ => (seconds % 60, nanoseconds, 9, "s"),
        };
        if seconds >= 3_600 {
            append_number(seconds / 3_600, buffer);
            buffer.push(b'h');
        }
        if seconds >= 60 {
            append_number(seconds / 60 % 60, buffer);
            buffer.push(b'm');
        }
        append_number(whole, buffer);
        append_fraction(fraction, digits, buffer);
        buffer.extend_from_slice(unit.as_bytes());
    }
}

impl fmt::Display for GoDuration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&text(|buffer| self.append_to(buffer)))
    }
}

impl Serialize for GoDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&text(|buffer| self.append_to(buffer)))
    }
}

fn append_number(number: u64, buffer: &mut Vec<u8>) {
    buffer.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// What `append` appends. All texts here are UTF-8.
fn text(append: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut buffer = Vec::with_capacity(40);
    append(&mut buffer);
    String::from_utf8(buffer).unwrap_or_default()
}

/// How many digits a fraction has at the most.
const MAX_DIGITS: usize = 9;

/// The length of `2026-11-22T08:22:01`, which is fixed: such copies need no call of the runtime, as others do.
const SECOND_BYTES: usize = 19;

/// Appends `2026-11-22T08:22:01`. Most texts are of the same second as the one before.
fn append_second(second: u64, buffer: &mut Vec<u8>) {
    thread_local! {
        static LAST: Cell<Option<(u64, [u8; SECOND_BYTES])>> = const { Cell::new(None) };
    }
    let text = match LAST.get() {
        Some((last, text)) if last == second => text,
        _ => {
            let text = second_text(second);
            LAST.set(Some((second, text)));
            text
        }
    };
    buffer.extend_from_slice(&text);
}

fn second_text(second: u64) -> [u8; SECOND_BYTES] {
    let time = i64::try_from(second)
        .ok()
        .and_then(|second| OffsetDateTime::from_unix_timestamp(second).ok())
        .unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let mut text = Vec::with_capacity(SECOND_BYTES + 1);
    // Writing into a Vec does not fail, and all 64-bit nanoseconds are in years of four digits.
    let _ = time.format_into(&mut text, &Rfc3339);
    // Without the Z: the fraction comes before it.
    text.first_chunk().copied().unwrap_or([b'0'; SECOND_BYTES])
}

/// Appends a point and `fraction`, which counts units of `10^-length`, without trailing zeros; nothing for 0.
fn append_fraction(fraction: u64, length: usize, buffer: &mut Vec<u8>) {
    if fraction == 0 {
        return;
    }
    let scaled = (length..MAX_DIGITS).fold(fraction, |fraction, _| fraction * 10);
    let digits = digits(scaled);
    let zeros = digits.iter().rev().take_while(|digit| **digit == b'0').count();
    buffer.push(b'.');
    // All of them and then fewer: a copy of a fixed length again.
    buffer.extend_from_slice(&digits);
    buffer.truncate(buffer.len() - zeros);
}

/// The last nine digits of a number.
fn digits(mut number: u64) -> [u8; MAX_DIGITS] {
    let mut digits = [b'0'; MAX_DIGITS];
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timestamp(seconds: u64, nanoseconds: u32) -> String {
        Timestamp::from(UNIX_EPOCH + Duration::new(seconds, nanoseconds)).to_string()
    }

    #[test]
    fn timestamps_are_rfc_3339_without_trailing_zeros() {
        assert_eq!(timestamp(0, 0), "1970-01-01T00:00:00Z");
        assert_eq!(timestamp(1_795_335_721, 101_978_929), "2026-11-22T08:22:01.101978929Z");
        assert_eq!(timestamp(1_795_335_721, 500_000_000), "2026-11-22T08:22:01.5Z");
        assert_eq!(timestamp(1_709_164_800, 1), "2024-02-29T00:00:00.000000001Z");
        assert_eq!(
            Timestamp::from_nanoseconds(u64::MAX).to_string(),
            "2554-07-21T23:34:33.709551615Z"
        );
    }

    #[test]
    fn milliseconds_are_three_digits() {
        for (nanoseconds, expected) in [(0, "000"), (7_999_999, "007"), (120_000_000, "120")] {
            let time = Timestamp::from(UNIX_EPOCH + Duration::new(1_795_335_721, nanoseconds));
            let written = text(|buffer| time.append_milliseconds_to(buffer));
            assert_eq!(written, format!("2026-11-22T08:22:01.{expected}Z"));
        }
    }

    #[test]
    fn the_wall_clock_goes_on_between_looks_and_follows_the_system_after_them() {
        let clock = WallClock::default();
        let start = Instant::now();
        let first = clock.at(start);
        let later = clock.at(start + Duration::from_millis(9));
        assert_eq!(later.nanoseconds() - first.nanoseconds(), 9_000_000);
        // As if the system's clock had been an hour ahead at the first look.
        let ahead = Timestamp::from_nanoseconds(first.nanoseconds() + 3_600_000_000_000);
        clock.anchor.set(Some((start, ahead)));
        assert!(clock.at(start + Duration::from_millis(9)) > ahead);
        let now = clock.at(start + WallClock::MAX_AGE);
        assert!(first <= now && now < ahead, "{now}");
        assert!(clock.at(start) < ahead, "also when it is asked about an earlier moment");
    }

    #[test]
    fn a_time_before_1970_or_after_2554_is_the_epoch() {
        assert_eq!(timestamp(u64::from(u32::MAX) * 1_000, 0), "1970-01-01T00:00:00Z");
        let before = Timestamp::from(UNIX_EPOCH - Duration::from_secs(1));
        assert_eq!(before.to_string(), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn durations_read_like_those_of_go() {
        for (seconds, nanoseconds, text) in [
            (0, 0, "0s"),
            (0, 1, "1ns"),
            (0, 999, "999ns"),
            (0, 1_000, "1µs"),
            (0, 35_200, "35.2µs"),
            (0, 1_500_000, "1.5ms"),
            (0, 85_000_000, "85ms"),
            (0, 999_999_999, "999.999999ms"),
            (1, 0, "1s"),
            (1, 62_737_976, "1.062737976s"),
            (1, 49_658_142, "1.049658142s"),
            (60, 0, "1m0s"),
            (123, 500_000_000, "2m3.5s"),
            (3_600, 0, "1h0m0s"),
            (93_601, 250_000_000, "26h0m1.25s"),
        ] {
            assert_eq!(GoDuration(Duration::new(seconds, nanoseconds)).to_string(), text);
        }
    }
}
