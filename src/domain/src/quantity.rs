//! Durations and sizes as people write them: `5s`, `500ms`, `1MiB`, `64 KiB`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::{Serialize, Serializer};
use thiserror::Error;

/// Time units in milliseconds, largest first.
const TIME_UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
/// Size units in bytes: those that `Display` uses, largest first, then the decimal ones, which are only read.
const SIZE_UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1000),
];
/// How much of a refused text a message repeats, in characters.
const QUOTED: usize = 40;

/// A duration in whole milliseconds, written as a whole number and a unit: `500ms`, `5s`, `2m`, `1h`, `7d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HumanDuration(u64);

/// A number of bytes, written as a whole number and a unit: `64KiB`, `1 MiB`, `10MB`; without a unit it is bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HumanSize(u64);

/// Why a text is no duration or size.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum QuantityError {
    /// There is nothing.
    #[error("is empty; write for example `{example}`")]
    Empty {
        /// A good value.
        example: &'static str,
    },
    /// It does not begin with digits.
    #[error("`{text}` does not begin with a whole number; write for example `{example}`")]
    NoNumber {
        /// What was written.
        text: String,
        /// A good value.
        example: &'static str,
    },
    /// It has a decimal point.
    #[error("`{text}` is not a whole number; use a smaller unit, for example `{example}`")]
    Fraction {
        /// What was written.
        text: String,
        /// A good value in a smaller unit.
        example: &'static str,
    },
    /// A bare number where the unit matters.
    #[error("`{text}` has no unit; expected {expected}, for example `{example}`")]
    NoUnit {
        /// What was written.
        text: String,
        /// The units.
        expected: String,
        /// A good value.
        example: &'static str,
    },
    /// The unit is none of ours.
    #[error("`{text}` has an unknown unit; expected {expected}, for example `{example}`")]
    UnknownUnit {
        /// What was written.
        text: String,
        /// The units.
        expected: String,
        /// A good value.
        example: &'static str,
    },
    /// It does not fit.
    #[error("`{text}` is too large; write at most `{most}`")]
    TooLarge {
        /// What was written.
        text: String,
        /// The largest value.
        most: &'static str,
    },
}

/// How one kind of quantity is written.
struct Notation {
    units: &'static [(&'static str, u64)],
    /// Whether a bare number counts the smallest unit.
    plain: bool,
    example: &'static str,
    smaller: &'static str,
    most: &'static str,
    /// What `most` is in the smallest unit.
    limit: u64,
}

const DURATION: Notation = Notation {
    units: &TIME_UNITS,
    plain: false,
    example: "5s",
    smaller: "1500ms",
    most: "36500d",
    limit: 36_500 * 86_400_000,
};
const SIZE: Notation = Notation {
    units: &SIZE_UNITS,
    plain: true,
    example: "1MiB",
    smaller: "1536KiB",
    most: "1048576TiB",
    limit: 1 << 60,
};

impl Notation {
    fn parse(&self, written: &str) -> Result<u64, QuantityError> {
        let written = written.trim();
        if written.is_empty() {
            return Err(QuantityError::Empty { example: self.example });
        }
        let text: String = written.chars().take(QUOTED).collect();
        let end = written.find(|c: char| !c.is_ascii_digit()).unwrap_or(written.len());
        let (digits, rest) = written.split_at(end);
        if digits.is_empty() {
            return Err(QuantityError::NoNumber { text, example: self.example });
        }
        if rest.starts_with(['.', ',']) {
            return Err(QuantityError::Fraction { text, example: self.smaller });
        }
        let factor = match rest.trim_start() {
            "" if self.plain => 1,
            "" => return Err(QuantityError::NoUnit { text, expected: self.units(), example: self.example }),
            unit => match self.units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)) {
                Some((_, factor)) => *factor,
                None => return Err(QuantityError::UnknownUnit { text, expected: self.units(), example: self.example }),
            },
        };
        let value = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
        value.filter(|value| *value <= self.limit).ok_or(QuantityError::TooLarge { text, most: self.most })
    }

    fn units(&self) -> String {
        let names: Vec<&str> = self.units.iter().map(|(name, _)| *name).collect();
        names.join(", ")
    }

    /// Writes with the largest unit that leaves a whole number.
    fn print(units: &[(&str, u64)], zero: &str, value: u64, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match units.iter().find(|(_, factor)| value != 0 && value.is_multiple_of(*factor)) {
            Some((name, factor)) => write!(to, "{}{name}", value / factor),
            None => to.write_str(zero),
        }
    }
}

impl HumanDuration {
    /// From milliseconds.
    #[must_use]
    pub const fn from_millis(milliseconds: u64) -> Self {
        Self(milliseconds)
    }

    /// From seconds.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// The duration.
    #[must_use]
    pub const fn get(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl HumanSize {
    /// From bytes.
    #[must_use]
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The number of bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// The number of bytes as a length in memory; the largest length where it does not fit.
    #[must_use]
    pub fn as_len(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl fmt::Display for HumanDuration {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        Notation::print(&TIME_UNITS, "0s", self.0, to)
    }
}

impl fmt::Display for HumanSize {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        Notation::print(&SIZE_UNITS[..5], "0B", self.0, to)
    }
}

impl FromStr for HumanDuration {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        DURATION.parse(text).map(Self)
    }
}

impl FromStr for HumanSize {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        SIZE.parse(text).map(Self)
    }
}

impl TryFrom<String> for HumanDuration {
    type Error = QuantityError;

    fn try_from(text: String) -> Result<Self, QuantityError> {
        text.parse()
    }
}

impl Serialize for HumanDuration {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl Serialize for HumanSize {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// Reads a quantity from text, and from a bare number as if it were text, so that both give the same messages.
struct Written<T>(std::marker::PhantomData<T>);

impl<T: FromStr<Err = QuantityError>> Visitor<'_> for Written<T> {
    type Value = T;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("a whole number with a unit, in quotes")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }
}

impl<'de> Deserialize<'de> for HumanDuration {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Written(std::marker::PhantomData))
    }
}

impl<'de> Deserialize<'de> for HumanSize {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Written(std::marker::PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_read_with_each_unit_and_written_with_the_largest_that_fits() {
        let cases = [
            ("500ms", 500, "500ms"),
            ("5s", 5000, "5s"),
            (" 90 s ", 90_000, "90s"),
            ("120s", 120_000, "2m"),
            ("2m", 120_000, "2m"),
            ("24h", 86_400_000, "1d"),
            ("0s", 0, "0s"),
            ("5S", 5000, "5s"),
        ];
        for (text, milliseconds, shown) in cases {
            let duration: HumanDuration = text.parse().unwrap();
            assert_eq!(duration.get(), Duration::from_millis(milliseconds), "{text}");
            assert_eq!(duration.to_string(), shown);
        }
    }

    #[test]
    fn sizes_are_read_with_binary_and_decimal_units_and_as_plain_bytes() {
        let cases = [
            ("1MiB", 1 << 20, "1MiB"),
            ("64 KiB", 65_536, "64KiB"),
            ("4096", 4096, "4KiB"),
            ("1000", 1000, "1000B"),
            ("10MB", 10_000_000, "10000000B"),
            ("1kb", 1000, "1000B"),
            ("2gib", 2 << 30, "2GiB"),
            ("0", 0, "0B"),
        ];
        for (text, bytes, shown) in cases {
            let size: HumanSize = text.parse().unwrap();
            assert_eq!((size.bytes(), size.to_string().as_str()), (bytes, shown), "{text}");
        }
    }

    #[test]
    fn each_refusal_says_what_is_wrong_and_what_to_write() {
        let units = "expected d, h, m, s, ms, for example `5s`";
        let durations = [
            ("", "is empty; write for example `5s`".to_owned()),
            ("soon", "`soon` does not begin with a whole number; write for example `5s`".into()),
            ("-5s", "`-5s` does not begin with a whole number; write for example `5s`".into()),
            ("1.5s", "`1.5s` is not a whole number; use a smaller unit, for example `1500ms`".into()),
            ("5", format!("`5` has no unit; {units}")),
            ("5 sec", format!("`5 sec` has an unknown unit; {units}")),
            ("36501d", "`36501d` is too large; write at most `36500d`".into()),
            ("99999999999999999999s", "`99999999999999999999s` is too large; write at most `36500d`".into()),
        ];
        for (text, message) in durations {
            assert_eq!(text.parse::<HumanDuration>().unwrap_err().to_string(), message);
        }
        let sizes = [
            (" ", "is empty; write for example `1MiB`"),
            ("MiB", "`MiB` does not begin with a whole number; write for example `1MiB`"),
            ("1,5MiB", "`1,5MiB` is not a whole number; use a smaller unit, for example `1536KiB`"),
            ("1M", "`1M` has an unknown unit; expected TiB, GiB, MiB, KiB, B, TB, GB, MB, kB, for example `1MiB`"),
            ("1048577TiB", "`1048577TiB` is too large; write at most `1048576TiB`"),
        ];
        for (text, message) in sizes {
            assert_eq!(text.parse::<HumanSize>().unwrap_err().to_string(), message);
        }
        let long = "x".repeat(999).parse::<HumanSize>().unwrap_err().to_string();
        assert!(long.starts_with(&format!("`{}` does", "x".repeat(40))), "{long}");
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back_as_itself(millis in 0..=DURATION.limit, bytes in 0..=SIZE.limit) {
            let (duration, size) = (HumanDuration(millis), HumanSize(bytes));
            prop_assert_eq!(duration.to_string().parse(), Ok(duration));
            prop_assert_eq!(size.to_string().parse(), Ok(size));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,60}") {
            let _ = text.parse::<HumanDuration>();
            let _ = text.parse::<HumanSize>();
        }
    }
}
