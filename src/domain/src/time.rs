//! Instants on the UTC time line, the hybrid clock that orders changes, and the port through which time comes in.

use std::fmt;

use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, UtcDateTime, format_description::well_known::Rfc3339};

/// Where wall-clock time comes from: the machine's clock in production, a virtual one in the simulation.
pub trait Clock: Send + Sync {
    /// The present instant.
    fn now(&self) -> Timestamp;

    /// Time since some fixed start; it never goes backwards, whatever happens to the wall clock.
    fn elapsed(&self) -> std::time::Duration;
}

/// An instant, in nanoseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i128);

impl Timestamp {
    /// An instant from milliseconds since the epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis as i128 * 1_000_000)
    }

    /// An instant from nanoseconds since the epoch.
    #[must_use]
    pub const fn from_nanos(nanos: i128) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the epoch.
    #[must_use]
    pub const fn nanos(self) -> i128 {
        self.0
    }

    /// Whole milliseconds since the epoch; 0 for an instant before it.
    #[must_use]
    pub fn millis(self) -> u64 {
        u64::try_from(self.0 / 1_000_000).unwrap_or(0)
    }

    /// Reads a date and time as RFC 3339 writes it, with 0 to 9 fraction digits: `2018-01-16T17:09:45.01Z`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        // A cheap look first: most attribute values are no timestamps, and this is called for each of them.
        let bytes = text.as_bytes();
        if bytes.len() < 20 || bytes[4] != b'-' || bytes[10] != b'T' || !bytes[0].is_ascii_digit() {
            return None;
        }
        OffsetDateTime::parse(text, &Rfc3339).ok().map(|moment| Self(moment.unix_timestamp_nanos()))
    }

    /// Reads a timestamp, or one of the shorter dates of the filter language: `2012-01-02` and `2012-01`, at midnight UTC.
    #[must_use]
    pub fn parse_partial(text: &str) -> Option<Self> {
        match text.len() {
            7 => Self::parse(&format!("{text}-01T00:00:00Z")),
            10 => Self::parse(&format!("{text}T00:00:00Z")),
            _ => Self::parse(text),
        }
    }
}

/// As CIMI writes it: three fraction digits and `Z`, `2019-06-14T18:06:24.203Z`.
/// As [`fmt::Display`] writes it.
impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = UtcDateTime::from_unix_timestamp_nanos(self.0).unwrap_or(UtcDateTime::UNIX_EPOCH);
        let (year, month, day) = (moment.year(), u8::from(moment.month()), moment.day());
        let (hour, minute, second, milli) = (moment.hour(), moment.minute(), moment.second(), moment.millisecond());
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
    }
}

/// A hybrid logical time: 48 bits of milliseconds and a 16-bit counter, so that it sorts like time and never repeats.
///
/// The layout is the one of `spec/cluster.md` (g.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HybridTime(u64);

impl HybridTime {
    /// A hybrid time from its 64 bits.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The 64 bits: milliseconds in the upper 48, the counter in the lower 16.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// The wall-clock part.
    #[must_use]
    pub const fn wall(self) -> Timestamp {
        Timestamp::from_millis((self.0 >> 16) as i64)
    }

    /// The time of the next event after this one, at wall time `now`.
    ///
    /// It is always later than `self`: while the wall clock stands still or has jumped back, the counter goes on, and
    /// where the counter is full the millisecond does.
    #[must_use]
    pub fn next(self, now: Timestamp) -> Self {
        let wall = (now.millis() & 0xFFFF_FFFF_FFFF) << 16;
        Self(wall.max(self.0.saturating_add(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_timestamp_reads_zero_to_nine_fraction_digits_and_any_offset() {
        let whole = Timestamp::parse("2018-01-16T17:09:45Z").unwrap();
        assert_eq!(whole.to_string(), "2018-01-16T17:09:45.000Z");
        assert_eq!(Timestamp::parse("2018-01-16T18:09:45+01:00"), Some(whole));
        assert!(Timestamp::parse("2018-04-11T10:39:51.527008088Z").unwrap() > whole);
        assert_eq!(Timestamp::parse("2018-01-16 17:09:45"), None);
        assert_eq!(Timestamp::parse("2018-13-16T17:09:45Z"), None);
    }

    #[test]
    fn shorter_dates_stand_for_midnight() {
        assert_eq!(Timestamp::parse_partial("2012-01"), Timestamp::parse("2012-01-01T00:00:00Z"));
        assert_eq!(Timestamp::parse_partial("2012-01-02"), Timestamp::parse("2012-01-02T00:00:00.0Z"));
        assert_eq!(Timestamp::parse_partial("not-a-date"), None);
    }

    #[test]
    fn far_dates_keep_their_order() {
        assert!(Timestamp::parse("9999-12-31T23:59:59Z") > Timestamp::parse("2300-01-01T00:00:00Z"));
    }

    proptest! {
        #[test]
        fn hybrid_time_always_advances_however_the_clock_jumps(walls in proptest::collection::vec(0i64..4_000_000_000_000, 1..50)) {
            let mut last = HybridTime::default();
            for wall in walls {
                let next = last.next(Timestamp::from_millis(wall));
                prop_assert!(next > last);
                prop_assert!(next.wall() >= Timestamp::from_millis(wall));
                last = next;
            }
        }

        #[test]
        fn printing_and_reading_a_timestamp_gives_it_back(millis in 0i64..4_000_000_000_000) {
            let moment = Timestamp::from_millis(millis);
            prop_assert_eq!(Timestamp::parse(&moment.to_string()), Some(moment));
        }
    }
}
