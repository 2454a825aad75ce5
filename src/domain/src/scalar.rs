//! The single values that filters compare, and how numbers compare with each other.

use std::{borrow::Cow, cmp::Ordering};

/// One value of an attribute, as it stands in a JSON document.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number within 64 bits.
    Int(i64),
    /// Any other number, also a whole one beyond 64 bits.
    Float(f64),
    /// A string.
    Text(Cow<'a, str>),
    /// An object, or an array within an array, where the path ends: it is there, but equals nothing.
    Composite,
}

impl Scalar<'_> {
    /// The same value, independent of the document it was read from.
    #[must_use]
    pub fn into_owned(self) -> Scalar<'static> {
        match self {
            Scalar::Null => Scalar::Null,
            Scalar::Bool(value) => Scalar::Bool(value),
            Scalar::Int(value) => Scalar::Int(value),
            Scalar::Float(value) => Scalar::Float(value),
            Scalar::Text(text) => Scalar::Text(Cow::Owned(text.into_owned())),
            Scalar::Composite => Scalar::Composite,
        }
    }

    /// The value as a number, where it is one.
    #[must_use]
    pub const fn number(&self) -> Option<Number> {
        match self {
            Scalar::Int(value) => Some(Number::Int(*value)),
            Scalar::Float(value) => Some(Number::Float(*value)),
            _ => None,
        }
    }

    /// Whether there is a value at all: anything but `null`.
    #[must_use]
    pub const fn is_present(&self) -> bool {
        !matches!(self, Scalar::Null)
    }
}

/// A number, exact as long as it is whole and within 64 bits.
#[derive(Debug, Clone, Copy)]
pub enum Number {
    /// A whole number.
    Int(i64),
    /// Any other.
    Float(f64),
}

impl Number {
    /// Reads a number as JSON writes it; a whole one beyond 64 bits becomes a [`Number::Float`].
    ///
    /// None for anything else, also for `inf`, `nan` and numbers too large for 64-bit floating point.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(whole) = text.parse() {
            return (!text.starts_with('+')).then_some(Self::Int(whole));
        }
        let plain = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E');
        let bounded = text.ends_with(|c: char| c.is_ascii_digit()) && !text.starts_with(['+', '.']);
        if !bounded || !text.bytes().all(plain) {
            return None;
        }
        text.parse().ok().filter(|value: &f64| value.is_finite()).map(Self::Float)
    }

    /// The number in floating point; whole numbers beyond 2⁵³ are rounded.
    #[must_use]
    pub const fn as_f64(self) -> f64 {
        match self {
            Self::Int(value) => value as f64,
            Self::Float(value) => value,
        }
    }

    /// Which is larger, without rounding either; none where one is not a number.
    #[must_use]
    pub fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => Some(a.cmp(&b)),
            (Self::Float(a), Self::Float(b)) => a.partial_cmp(&b),
            (Self::Int(a), Self::Float(b)) => compare_mixed(a, b),
            (Self::Float(a), Self::Int(b)) => compare_mixed(b, a).map(Ordering::reverse),
        }
    }
}

/// Compares by whole parts first: turning `whole` into floating point would lose digits beyond 2⁵³.
fn compare_mixed(whole: i64, float: f64) -> Option<Ordering> {
    /// 2⁶³, one more than the largest `i64`; exact in floating point.
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    if float.is_nan() {
        return None;
    }
    if float >= BEYOND {
        return Some(Ordering::Less);
    }
    if float < -BEYOND {
        return Some(Ordering::Greater);
    }
    let by_fraction = 0.0.partial_cmp(&float.fract())?;
    Some(whole.cmp(&(float.trunc() as i64)).then(by_fraction))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn whole_numbers_beyond_53_bits_are_not_rounded() {
        let (odd, float) = (Number::Int(9_007_199_254_740_993), Number::Float(9_007_199_254_740_992.0));
        assert_eq!(odd.compare(float), Some(Ordering::Greater));
        assert_eq!(float.compare(odd), Some(Ordering::Less));
        assert_eq!(Number::Int(i64::MAX).compare(Number::Float(9_223_372_036_854_775_808.0)), Some(Ordering::Less));
        assert_eq!(Number::Int(i64::MIN).compare(Number::Float(-9_223_372_036_854_775_808.0)), Some(Ordering::Equal));
        assert_eq!(Number::Int(-3).compare(Number::Float(-3.5)), Some(Ordering::Greater));
        assert_eq!(Number::Int(0).compare(Number::Float(-0.0)), Some(Ordering::Equal));
        assert_eq!(Number::Int(0).compare(Number::Float(f64::NAN)), None);
    }

    #[test]
    fn only_what_json_calls_a_number_is_read_as_one() {
        for good in ["0", "-3", "3.25", "1e3", "1E-3", "99999999999999999999"] {
            assert!(Number::parse(good).is_some(), "{good}");
        }
        for bad in ["", "-", "+3", "+3.5", "inf", "NaN", "1e999", "3.", ".5", "1_000", " 3", "0x10", "3kB", "e5", "1e"]
        {
            assert!(Number::parse(bad).is_none(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn mixed_comparison_agrees_with_whole_comparison(a in any::<i64>(), b in -(1i64 << 53)..=1i64 << 53) {
            prop_assert_eq!(Number::Int(a).compare(Number::Float(b as f64)), Some(a.cmp(&b)));
        }
    }
}
