//! What a device must fulfil. Every filter that fails is told, not only the first.

use std::borrow::Cow;

use mf2c_domain::time::Timestamp;

use super::{Candidate, FRESH_PERIODS, Operator, Reason, ReasonCode, Request};
use crate::document::{Device, Service};
use crate::figure::{Figure, MOST_NAMES};
use crate::platform::{AgentType, Backends, os_fits};
use crate::policy::{Demand, PolicyReason, Question, Shares, may_consume, verdict};
use crate::units::Mebibytes;

const NANOS: i128 = 1_000_000_000;

/// What is placed on a device and does not run yet.
#[derive(Default)]
pub(super) struct Reserved {
    pub(super) shares: Shares,
    memory: Mebibytes,
    storage: Mebibytes,
    apps: u32,
}

impl Reserved {
    pub(super) fn on(candidate: &Candidate<'_>) -> Self {
        candidate.load.reserved.iter().fold(Self::default(), |sum, demand| Self {
            shares: sum.shares.plus(demand.shares_on(candidate.device)),
            memory: sum.memory.plus(demand.memory_on(candidate.device)),
            storage: sum.storage.plus(demand.storage_on(candidate.device)),
            apps: sum.apps.saturating_add(1),
        })
    }
}

/// The needs of one request.
pub(super) struct Filter<'a> {
    service: &'a Service,
    demand: Demand,
    wants_position: bool,
    consumer: Option<PolicyReason>,
    /// The greatest age of figures, in nanoseconds.
    oldest: i128,
    now: Timestamp,
}

impl<'a> Filter<'a> {
    pub(super) fn new(request: &Request<'a>, now: Timestamp) -> Self {
        let oldest = request.settings.report_period.saturating_mul(FRESH_PERIODS).as_nanos();
        Self {
            service: request.service,
            demand: Demand::of(request.service),
            wants_position: request.service.wants_position(),
            consumer: may_consume(request.requester_profile),
            oldest: i128::try_from(oldest).unwrap_or(i128::MAX),
            now,
        }
    }

    /// Adds all that is in the way of a candidate.
    pub(super) fn check(
        &self,
        candidate: &Candidate<'a>,
        reserved: &Reserved,
        failed: bool,
        reasons: &mut Vec<Reason<'a>>,
    ) {
        self.reach(candidate, reasons);
        self.kind(candidate.device, reasons);
        self.room(candidate, reserved, reasons);
        self.attached(candidate, reasons);
        self.backend(candidate, reasons);
        match candidate.operator {
            Operator::Open => {}
            Operator::Cordoned => reasons.push(closed(ReasonCode::Cordoned)),
            Operator::Draining => reasons.push(closed(ReasonCode::Draining)),
        }
        if failed {
            reasons.push(closed(ReasonCode::AlreadyFailed));
        }
        if candidate.blocked {
            reasons.push(closed(ReasonCode::QualityOfService));
        }
        self.policy(candidate, reserved, reasons);
    }

    fn reach(&self, candidate: &Candidate<'a>, reasons: &mut Vec<Reason<'a>>) {
        let connected = |status: &str| status.eq_ignore_ascii_case("connected");
        if let Some(dynamic) = candidate.dynamic.filter(|dynamic| !connected(&dynamic.status)) {
            let limit = Figure::Text(Cow::Borrowed("connected"));
            reasons.push(Reason::new(ReasonCode::Status, limit, Figure::text(Some(&dynamic.status))));
        }
        // Without figures it is of no use that the device was heard of. One whose clock is ahead is fresh.
        let heard = candidate.dynamic.and_then(|dynamic| candidate.heard.or(dynamic.updated));
        let age = heard.map(|heard| self.now.nanos().saturating_sub(heard.nanos()));
        if age.is_none_or(|age| age > self.oldest) {
            let seconds = |nanos: i128| Figure::Seconds(u64::try_from(nanos / NANOS).unwrap_or(u64::MAX));
            let actual = age.map_or(Figure::Unknown, |age| seconds(age.saturating_add(NANOS - 1)));
            reasons.push(Reason::new(ReasonCode::Freshness, seconds(self.oldest), actual));
        }
    }

    fn kind(&self, device: &'a Device, reasons: &mut Vec<Reason<'a>>) {
        if self.service.agent_type.is_none() || device.agent_type != self.service.agent_type {
            let word = |kind: Option<AgentType>| Figure::text(kind.map(AgentType::as_str));
            reasons.push(Reason::new(ReasonCode::AgentType, word(self.service.agent_type), word(device.agent_type)));
        }
        if let Some(need) = self.service.cpu_arch.as_ref().filter(|need| !need.fits(&device.arch)) {
            let (limit, actual) = (Figure::text(Some(need.as_str())), Figure::text(Some(&device.arch)));
            reasons.push(Reason::new(ReasonCode::CpuArch, limit, actual));
        }
        if let Some(need) = self.service.os.as_deref().filter(|need| !os_fits(need, &device.os)) {
            reasons.push(Reason::new(ReasonCode::Os, Figure::text(Some(need)), Figure::text(Some(&device.os))));
        }
    }

    fn room(&self, candidate: &Candidate<'a>, reserved: &Reserved, reasons: &mut Vec<Reason<'a>>) {
        let free = |free: Option<Mebibytes>, reserved: Mebibytes| free.map(|free| free.minus(reserved));
        let memory = free(candidate.dynamic.and_then(|dynamic| dynamic.memory_free), reserved.memory);
        let storage = free(candidate.dynamic.and_then(|dynamic| dynamic.storage_free), reserved.storage);
        for (code, wanted, free) in [
            (ReasonCode::MemoryMin, self.service.memory_min, memory),
            (ReasonCode::StorageMin, self.service.storage_min, storage),
            (ReasonCode::Disk, self.service.disk, storage),
        ] {
            if wanted > free.unwrap_or_default() {
                reasons.push(Reason::new(code, Figure::Amount(wanted), free.into()));
            }
        }
    }

    fn attached(&self, candidate: &Candidate<'a>, reasons: &mut Vec<Reason<'a>>) {
        let needs = self.service.req_resource.as_slice();
        let missing: usize = needs.iter().filter(|need| !has(candidate, need)).count();
        if missing > 0 {
            let wanted = Figure::Names(Cow::Borrowed(needs.get(..MOST_NAMES).unwrap_or(needs)));
            let lacks = || needs.iter().filter(|need| !has(candidate, need)).take(MOST_NAMES).cloned().collect();
            let missing = if missing == needs.len() { wanted.clone() } else { Figure::Names(Cow::Owned(lacks())) };
            reasons.push(Reason::new(ReasonCode::ReqResource, wanted, missing));
        }
    }

    fn backend(&self, candidate: &Candidate<'a>, reasons: &mut Vec<Reason<'a>>) {
        let offered = candidate.backends.or(candidate.device.backends);
        let needed = self.service.exec_type.backend();
        if !needed.is_some_and(|needed| offered.is_some_and(|offered| offered.has(needed))) {
            let needed = needed.map_or(self.service.exec_type.as_str(), |needed| needed.as_str());
            let offered = Figure::text(offered.map(Backends::as_str));
            reasons.push(Reason::new(ReasonCode::Backend, Figure::text(Some(needed)), offered));
        }
    }

    fn policy(&self, candidate: &Candidate<'a>, reserved: &Reserved, reasons: &mut Vec<Reason<'a>>) {
        let question = Question {
            profile: candidate.profile,
            sharing: candidate.sharing,
            dynamic: candidate.dynamic,
            must_have_said: self.service.agent_type == Some(AgentType::Normal),
            apps: candidate.load.apps.saturating_add(reserved.apps),
            used: candidate.load.used.plus(reserved.shares),
            requested: self.demand.shares_on(candidate.device),
            wants_position: self.wants_position,
        };
        reasons.extend(verdict(&question).reasons.into_iter().map(Reason::from));
        reasons.extend(self.consumer.clone().map(Reason::from));
    }
}

/// Whether a device has a resource, named in small letters.
pub(super) fn has(candidate: &Candidate<'_>, name: &str) -> bool {
    candidate.device.attached.has(name) || candidate.dynamic.is_some_and(|dynamic| dynamic.attached.has(name))
}

fn closed(code: ReasonCode) -> Reason<'static> {
    Reason::new(code, Figure::Flag(false), Figure::Flag(true))
}
