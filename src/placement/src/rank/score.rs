//! How good a device is for a service: a sum of terms, in whole millionths.

use mf2c_domain::time::Timestamp;
use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

use super::filter::{Reserved, has};
use super::{Candidate, FAILURE_MEMORY, Request};
use crate::units::{Mebibytes, Percent};

/// A score of 1.
pub(super) const ONE: i64 = 1_000_000;

/// What a service leans on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Resource {
    /// Processor time.
    Cpu,
    /// Main memory.
    Memory,
    /// Disk space.
    Disk,
    /// Network bandwidth.
    Network,
}

impl Resource {
    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Disk => "disk",
            Self::Network => "network",
        }
    }
}

/// What a category of services leans on (`spec/lifecycle.md` A.5). 0 says nothing and counts as processor and memory,
/// and so does a number beyond 15.
#[must_use]
pub const fn resources(category: u8) -> &'static [Resource] {
    use Resource::{Cpu, Disk, Memory, Network};
    match category {
        1 => &[Cpu],
        2 => &[Memory],
        3 => &[Disk],
        4 => &[Network],
        6 => &[Cpu, Disk],
        7 => &[Cpu, Network],
        8 => &[Memory, Disk],
        9 => &[Memory, Network],
        10 => &[Disk, Network],
        11 => &[Cpu, Memory, Disk],
        12 => &[Cpu, Memory, Network],
        13 => &[Cpu, Disk, Network],
        14 => &[Memory, Disk, Network],
        15 => &[Cpu, Memory, Disk, Network],
        _ => &[Cpu, Memory],
    }
}

/// A part of a score. In JSON `{"name": "cpu", "value": 0.4}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Term {
    /// What it is for: `cpu`, `memory`, `disk`, `network`, `opt_resource`, `spread`, `failures`.
    pub name: &'static str,
    millionths: i64,
}

impl Term {
    /// What it adds to the score; below 0 for what it takes.
    #[must_use]
    pub fn value(&self) -> f64 {
        fraction(self.millionths)
    }

    pub(super) const fn millionths(&self) -> i64 {
        self.millionths
    }
}

impl Serialize for Term {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut term = serializer.serialize_struct("Term", 2)?;
        term.serialize_field("name", self.name)?;
        term.serialize_field("value", &self.value())?;
        term.end()
    }
}

/// Millionths as a number.
pub(super) fn fraction(millionths: i64) -> f64 {
    millionths as f64 / ONE as f64
}

/// The free share of a resource, by the device's figures, without what is reserved. None where it is not known.
pub(crate) fn free(candidate: &Candidate<'_>, resource: Resource) -> Option<Percent> {
    let dynamic = candidate.dynamic;
    let derived = |free: Option<Mebibytes>, all: Option<Mebibytes>| {
        let all = all.filter(|all| *all > Mebibytes::ZERO)?;
        Some(free?.share_of(all).min(Percent::FULL))
    };
    match resource {
        Resource::Cpu => dynamic?.cpu_free_share,
        Resource::Memory => {
            dynamic?.memory_free_share.or_else(|| derived(dynamic?.memory_free, candidate.device.memory))
        }
        Resource::Disk => {
            dynamic?.storage_free_share.or_else(|| derived(dynamic?.storage_free, candidate.device.storage))
        }
        Resource::Network => candidate.network_free,
    }
}

/// What a candidate's score is made of. Terms that are 0 are left out, but for those of resources.
pub(super) fn terms(
    request: &Request<'_>,
    leaning: &[Resource],
    candidate: &Candidate<'_>,
    reserved: &Reserved,
    now: Timestamp,
) -> Vec<Term> {
    let mut terms = Vec::with_capacity(leaning.len() + 3);
    let parts = i64::try_from(leaning.len()).unwrap_or(1).max(1);
    for resource in leaning {
        let taken = match resource {
            Resource::Cpu => reserved.shares.cpu,
            Resource::Memory => reserved.shares.memory,
            Resource::Disk => reserved.shares.storage,
            Resource::Network => reserved.shares.bandwidth,
        };
        let left = free(candidate, *resource).unwrap_or_default().minus(taken);
        terms.push(Term { name: resource.as_str(), millionths: i64::from(left.millionths()) / parts });
    }
    let mut add = |name, millionths: i64| {
        if millionths != 0 {
            terms.push(Term { name, millionths });
        }
    };
    let settings = &request.settings;
    let matched = request.service.opt_resource.iter().filter(|name| has(candidate, name)).count();
    add("opt_resource", times(settings.optional, u32::try_from(matched).unwrap_or(u32::MAX)));
    add("spread", -times(settings.spread, candidate.load.same_service));
    add("failures", -failures(settings.failure, candidate.failures, now));
    terms
}

fn times(each: Percent, count: u32) -> i64 {
    i64::from(each.millionths()).saturating_mul(i64::from(count))
}

/// What failures take. One that a clock puts into the future is new.
fn failures(each: Percent, failures: &[Timestamp], now: Timestamp) -> i64 {
    let memory = FAILURE_MEMORY.as_nanos().cast_signed();
    let one = |failure: &Timestamp| {
        let age = now.nanos().saturating_sub(failure.nanos()).clamp(0, memory);
        i64::try_from(i128::from(each.millionths()) * (memory - age) / memory).unwrap_or(0)
    };
    failures.iter().map(one).fold(0, i64::saturating_add)
}
