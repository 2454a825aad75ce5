//! Shares and amounts that are numbers for certain: kept as whole ones, so that sums are exact and in any order the
//! same.

use std::fmt;

use serde::{Serialize, Serializer};

/// A share of a whole, in steps of a ten-thousandth of a percent. What is measured or lent lies between 0 and 100 %;
/// what is asked for, and sums, may be more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Percent(u32);

/// The whole, in the steps of [`Percent`]: millionths.
const WHOLE: u32 = 1_000_000;

impl Percent {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// All of it.
    pub const FULL: Self = Self(WHOLE);

    /// A share from a number of percent; one below 0 counts as 0, one above 100 as 100. None for NaN and infinities.
    #[must_use]
    pub fn new(percent: f64) -> Option<Self> {
        percent.is_finite().then(|| Self((percent.clamp(0.0, 100.0) * 10_000.0).round() as u32))
    }

    /// A share from a whole number of percent; more than 100 counts as 100.
    #[must_use]
    pub const fn whole(percent: u32) -> Self {
        Self(if percent > 100 { WHOLE } else { percent * 10_000 })
    }

    /// The share as a number of percent.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        f64::from(self.0) / 10_000.0
    }

    /// Millionths of the whole.
    #[must_use]
    pub const fn millionths(self) -> u32 {
        self.0
    }

    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// What is left of it, at least nothing.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// What is missing to the whole, at least nothing.
    #[must_use]
    pub const fn rest(self) -> Self {
        Self(WHOLE.saturating_sub(self.0))
    }
}

/// As `39.7%`.
impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.as_f64())
    }
}

/// As a number of percent.
impl Serialize for Percent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.as_f64())
    }
}

/// An amount of memory or disk space, in steps of a KiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Mebibytes(u64);

/// The largest amount, in KiB: 2⁵³, up to which floating point is exact.
const MOST: u64 = 1 << 53;

impl Mebibytes {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// An amount from a number of MiB, rounded down to a KiB; one below 0 counts as 0. None for NaN and infinities.
    #[must_use]
    pub fn new(mebibytes: f64) -> Option<Self> {
        mebibytes.is_finite().then(|| Self((mebibytes * 1024.0).clamp(0.0, MOST as f64) as u64))
    }

    /// The amount as a number of MiB.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        self.0 as f64 / 1024.0
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0).min(MOST))
    }

    /// What is left of it, at least nothing.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// Which share of `capacity` it is, rounded up; all of it where there is no capacity, and nothing where it is
    /// nothing. More than the capacity is more than all of it.
    #[must_use]
    pub fn share_of(self, capacity: Self) -> Percent {
        if self.0 == 0 {
            return Percent::ZERO;
        }
        let whole = u128::from(WHOLE);
        let share = (u128::from(self.0) * whole).checked_add(u128::from(capacity.0.saturating_sub(1)));
        let share = share.and_then(|share| share.checked_div(u128::from(capacity.0))).unwrap_or(whole);
        Percent(u32::try_from(share).unwrap_or(u32::MAX))
    }

    /// So large a share of this capacity, rounded up.
    #[must_use]
    pub fn part(self, share: Percent) -> Self {
        let part = (u128::from(self.0) * u128::from(share.0)).div_ceil(u128::from(WHOLE));
        Self(u64::try_from(part).unwrap_or(MOST))
    }
}

/// As `512 MiB`.
impl fmt::Display for Mebibytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rounded = (self.as_f64() * 10.0).floor() / 10.0;
        write!(f, "{rounded} MiB")
    }
}

/// As a number of MiB.
impl Serialize for Mebibytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.as_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn shares_stay_between_nothing_and_all_and_are_never_no_number() {
        for (given, is) in [(-5.0, 0.0), (0.0, 0.0), (39.7, 39.7), (100.0, 100.0), (250.0, 100.0)] {
            assert_eq!(Percent::new(given).map(Percent::as_f64), Some(is), "{given}");
        }
        for given in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!((Percent::new(given), Mebibytes::new(given)), (None, None), "{given}");
        }
        assert_eq!((Percent::whole(101), Percent::whole(60).plus(Percent::whole(60)).as_f64()), (Percent::FULL, 120.0));
        assert_eq!(Percent::whole(60).plus(Percent::whole(60)).rest(), Percent::ZERO);
        assert_eq!(Percent::whole(30).minus(Percent::whole(40)), Percent::ZERO);
        assert_eq!(
            (Percent::whole(40).rest().to_string(), Percent::new(39.71).unwrap().to_string()),
            ("60%".to_owned(), "39.71%".to_owned())
        );
    }

    #[test]
    fn a_share_of_a_capacity_that_nobody_knows_is_all_of_it() {
        let mib = |amount| Mebibytes::new(amount).unwrap();
        assert_eq!(mib(1.0).share_of(Mebibytes::ZERO), Percent::FULL);
        assert_eq!(mib(0.0).share_of(Mebibytes::ZERO), Percent::ZERO);
        assert_eq!(mib(512.0).share_of(mib(1024.0)), Percent::whole(50));
        assert_eq!(mib(4096.0).share_of(mib(1024.0)).as_f64(), 400.0);
        assert!(mib(1.0).share_of(mib(3.0)) > Percent::new(33.3333).unwrap());
        assert_eq!((mib(1e300).plus(mib(1.0)), mib(-1.0)), (mib(1e300), Mebibytes::ZERO));
        assert_eq!(
            (mib(99.9999).to_string(), mib(1024.0).part(Percent::whole(25))),
            ("99.9 MiB".to_owned(), mib(256.0))
        );
    }

    proptest! {
        #[test]
        fn more_is_never_a_smaller_share(a in 0.0..1e9f64, b in 0.0..1e9f64, capacity in 0.0..1e9f64) {
            let [less, more] = [a.min(b), a.max(b)].map(|it| Mebibytes::new(it).unwrap());
            let capacity = Mebibytes::new(capacity).unwrap();
            prop_assert!(less.share_of(capacity) <= more.share_of(capacity));
            prop_assert!(more.share_of(capacity).as_f64().is_finite());
        }
    }
}
