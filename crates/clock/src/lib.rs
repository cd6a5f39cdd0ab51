//! Time as the API writes it: points in time (RFC 3339) and durations (as Go's `time.Duration` prints itself).

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Serialize, Serializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A point in time, in UTC, to the nanosecond.
///
/// Its text is RFC 3339 with `Z` and up to nine fractional digits without trailing zeros. What a wrong
/// clock says before 1970 or after 2554 is the start of 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(OffsetDateTime);

impl Timestamp {
    /// The present, by the system's clock.
    pub fn now() -> Self {
        Self::from(SystemTime::now())
    }
}

impl Timestamp {
    /// The point that is so many nanoseconds after the start of 1970.
    pub fn from_nanoseconds(nanoseconds: u64) -> Self {
        let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(nanoseconds));
        Self(time.unwrap_or(OffsetDateTime::UNIX_EPOCH))
    }

    /// Nanoseconds since the start of 1970.
    pub fn nanoseconds(self) -> u64 {
        u64::try_from(self.0.unix_timestamp_nanos()).unwrap_or_default()
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::from_nanoseconds(u64::try_from(since_epoch.as_nanos()).unwrap_or_default())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.format(&Rfc3339).map_err(|_| fmt::Error)?;
        formatter.write_str(&text)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A duration in the text form of Go's `time.Duration`: `1.062737976s`, `2m3.5s`, `26h0m1.25s`, `85ms`, `0s`.
///
/// Below one second the unit is the largest of `ms`, `µs` and `ns` that leaves a whole number in front of the point.
#[derive(Clone, Copy, Debug)]
pub struct GoDuration(pub Duration);

impl fmt::Display for GoDuration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanoseconds = self.0.subsec_nanos();
        let seconds = self.0.as_secs();
        if seconds == 0 {
            return match nanoseconds {
                0 => formatter.write_str("0s"),
                1..1_000 => write!(formatter, "{nanoseconds}ns"),
                1_000..1_000_000 => {
                    decimal(formatter, u64::from(nanoseconds / 1_000), nanoseconds % 1_000, 3, "µs")
                }
                _ => {
                    let whole = u64::from(nanoseconds / 1_000_000);
                    decimal(formatter, whole, nanoseconds % 1_000_000, 6, "ms")
                }
            };
        }
        let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
        if hours > 0 {
            write!(formatter, "{hours}h")?;
        }
        if seconds >= 60 {
            write!(formatter, "{minutes}m")?;
        }
        decimal(formatter, seconds % 60, nanoseconds, 9, "s")
    }
}

/// Writes `whole.fraction`, the fraction being counted in units of `10^-digits`, without trailing zeros.
fn decimal(
    formatter: &mut fmt::Formatter<'_>,
    whole: u64,
    mut fraction: u32,
    mut digits: usize,
    unit: &str,
) -> fmt::Result {
    write!(formatter, "{whole}")?;
    if fraction > 0 {
        while fraction.is_multiple_of(10) {
            fraction /= 10;
            digits -= 1;
        }
        write!(formatter, ".{fraction:0digits$}")?;
    }
    formatter.write_str(unit)
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
