//! Which devices can run a service, the best first, and why each of the others cannot (`spec/lifecycle.md` C.5).

mod filter;
mod reason;
mod score;

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use mf2c_domain::time::Timestamp;

pub use reason::{Reason, ReasonCode};
pub(crate) use score::free;
pub use score::{Resource, Term, resources};

use crate::document::{Device, Dynamic, Service, SharingModel, UserProfile};
use crate::platform::Backends;
use crate::policy::{Demand, Shares};
use crate::units::Percent;

/// So many report periods may pass until a device's figures are too old.
pub const FRESH_PERIODS: u32 = 3;
/// So long a failure counts against a device, less from second to second.
pub const FAILURE_MEMORY: Duration = Duration::from_secs(3600);

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The service.
    pub service: &'a Service,
    /// The device where the request was made; none where that is none of the area.
    pub requester: Option<&'a str>,
    /// That device's profile.
    pub requester_profile: Option<&'a UserProfile>,
    /// Devices that were tried in this request, and failed.
    pub failed: &'a [&'a str],
    /// What may differ from one installation to another.
    pub settings: Settings,
}

/// What may differ from one installation to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// The longest pause between two reports of a device that is well.
    pub report_period: Duration,
    /// What each optional resource that is there adds to a score.
    pub optional: Percent,
    /// What each instance of the same service that is there takes from a score.
    pub spread: Percent,
    /// What each failure takes from a score when it is new; after half of [`FAILURE_MEMORY`] it is half of that.
    pub failure: Percent,
}

/// 30 s, as devices report, 5 % for each optional resource, 10 % for each instance of the service and 20 % for a new
/// failure.
impl Default for Settings {
    fn default() -> Self {
        Self {
            report_period: Duration::from_secs(30),
            optional: Percent::whole(5),
            spread: Percent::whole(10),
            failure: Percent::whole(20),
        }
    }
}

/// What the operator of a device has said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Operator {
    /// It is open to services.
    #[default]
    Open,
    /// Nothing new is to be placed on it.
    Cordoned,
    /// It is being emptied.
    Draining,
}

/// What runs on a device for others, and what will.
#[derive(Debug, Clone, Copy, Default)]
pub struct Load<'a> {
    /// How many applications run: counted, never kept.
    pub apps: u32,
    /// What they take.
    pub used: Shares,
    /// What is placed there and does not run yet: the device's figures do not show it.
    pub reserved: &'a [Demand],
    /// How many instances of the service that is asked for run or are placed there.
    pub same_service: u32,
}

/// A device that might run the service, and all that counts for it. Their ids are distinct; where they are not, each
/// is ranked, and one of them can be chosen.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// The device.
    pub device: &'a Device,
    /// How it is doing; none where that is not known.
    pub dynamic: Option<&'a Dynamic>,
    /// How much its owner lends.
    pub sharing: Option<&'a SharingModel>,
    /// Whether its owner lends it at all.
    pub profile: Option<&'a UserProfile>,
    /// What runs there.
    pub load: Load<'a>,
    /// When it failed to run this service, or lost it.
    pub failures: &'a [Timestamp],
    /// When it was last heard of, by the clock of who asks; none for the time at which its figures were stored.
    pub heard: Option<Timestamp>,
    /// What it can run, where that is known better than from its document.
    pub backends: Option<Backends>,
    /// What its operator said.
    pub operator: Operator,
    /// Whether quality of service keeps it away from this service.
    pub blocked: bool,
    /// The free share of its network, where somebody measured it.
    pub network_free: Option<Percent>,
    /// Its name for people.
    pub name: Option<&'a str>,
    /// Its address, where it is known better than from its document.
    pub address: Option<IpAddr>,
}

impl<'a> Candidate<'a> {
    /// A device of which nothing else is known.
    #[must_use]
    pub fn new(device: &'a Device) -> Self {
        Self {
            device,
            dynamic: None,
            sharing: None,
            profile: None,
            load: Load::default(),
            failures: &[],
            heard: None,
            backends: None,
            operator: Operator::Open,
            blocked: false,
            network_free: None,
            name: None,
            address: None,
        }
    }
}

/// A device that can run the service.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranked<'a> {
    /// Its id.
    pub device: &'a str,
    /// Where it stood among the candidates.
    pub index: usize,
    /// Whether the request was made there.
    pub local: bool,
    /// What its score is made of.
    pub terms: Vec<Term>,
    sum: i64,
}

impl Ranked<'_> {
    /// The score, from 0 to 1: the sum of the terms, brought there. Where two sums are beyond 1, or below 0, they
    /// still count.
    #[must_use]
    pub fn score(&self) -> f64 {
        score::fraction(self.sum.clamp(0, score::ONE))
    }
}

/// A device that cannot.
#[derive(Debug, Clone, PartialEq)]
pub struct Rejected<'a> {
    /// Its id.
    pub device: &'a str,
    /// Where it stood among the candidates.
    pub index: usize,
    /// All that is in the way; at least one.
    pub reasons: Vec<Reason<'a>>,
}

/// Every candidate, once.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Ranking<'a> {
    /// Those that can run the service, the best first.
    pub ranked: Vec<Ranked<'a>>,
    /// Those that cannot, by id.
    pub rejected: Vec<Rejected<'a>>,
}

/// Ranks devices for a service. What comes out does not depend on the order of the candidates.
#[must_use]
pub fn rank<'a>(request: &Request<'a>, candidates: &[Candidate<'a>], now: Timestamp) -> Ranking<'a> {
    let filter = filter::Filter::new(request, now);
    let failed: BTreeSet<&str> = request.failed.iter().copied().collect();
    let leaning = resources(request.service.category);
    let mut ranking = Ranking { ranked: Vec::with_capacity(candidates.len()), rejected: Vec::new() };
    // One list for all, so that each device takes no more memory than its reasons need.
    let mut reasons = Vec::new();
    for (index, candidate) in candidates.iter().enumerate() {
        let device = &*candidate.device.id;
        let reserved = filter::Reserved::on(candidate);
        filter.check(candidate, &reserved, failed.contains(device), &mut reasons);
        if reasons.is_empty() {
            let terms = score::terms(request, leaning, candidate, &reserved, now);
            let sum = terms.iter().map(Term::millionths).fold(0, i64::saturating_add);
            ranking.ranked.push(Ranked { device, index, local: request.requester == Some(device), terms, sum });
        } else {
            let mut exact = Vec::with_capacity(reasons.len());
            exact.append(&mut reasons);
            ranking.rejected.push(Rejected { device, index, reasons: exact });
        }
    }
    ranking.ranked.sort_unstable_by(|a, b| {
        let key = |it: &Ranked<'a>| (Reverse(it.sum), !it.local, it.device);
        key(a).cmp(&key(b)).then_with(|| a.terms.cmp(&b.terms))
    });
    // Only twins, which should not be, are told apart by what is said of them.
    let said = |it: &Rejected<'_>| it.reasons.iter().map(ToString::to_string).collect::<Vec<_>>();
    ranking.rejected.sort_unstable_by(|a, b| a.device.cmp(b.device).then_with(|| said(a).cmp(&said(b))));
    ranking
}

#[cfg(test)]
mod tests;
