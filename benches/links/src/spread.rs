//! When agents renew that were admitted at the same moment: the rule that they follow, with real randomness.

use std::collections::BTreeMap;

use mf2c_domain::area::renewal::renew_at;
use mf2c_domain::time::Timestamp;
use mf2c_pki::area::LEAF_LIFE;

use crate::member::RealEntropy;
use crate::{Outcome, say};

pub(crate) fn run(count: usize) -> Outcome<()> {
    let from = Timestamp::from_millis(1_800_000_000_000);
    let until = Timestamp::from_nanos(from.nanos() + i128::try_from(LEAF_LIFE.as_nanos())?);
    let mut seconds: BTreeMap<u64, u64> = BTreeMap::new();
    for _ in 0..count {
        *seconds.entry(renew_at(from, until, &RealEntropy).millis() / 1000).or_default() += 1;
    }
    let fullest = seconds.values().max().copied().unwrap_or_default();
    let (first, last) = (seconds.keys().next().copied(), seconds.keys().next_back().copied());
    say("agents", count)?;
    say("fullest_second", fullest)?;
    say("minutes", (last.unwrap_or_default() - first.unwrap_or_default()) / 60)
}
