//! Parts that come, go and move: agents that are lost, devices that are emptied, promises that ask for more agents.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use actix::prelude::*;
use mf2c_domain::time::Timestamp;
use mf2c_lifecycle::service::Reschedule;
use mf2c_placement::rank::FAILURE_MEMORY;
use mf2c_placement::reschedule::{Lost, OnLoss};
use mf2c_placement::select::{Rule, Wanted, select};
use serde::Deserialize;

use super::LifecycleManager;
use super::charge::{Charge, Part, Plan};
use super::parcel::Desired;

/// So many failures are remembered of each service and device.
const FAILURES: usize = 8;
/// Of so many services and devices.
const PAIRS: usize = 10_000;
/// After so long it is looked again for a place that was not found.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// What failed lately.
#[derive(Default)]
pub(super) struct Failures(BTreeMap<(String, String), VecDeque<Timestamp>>);

impl Failures {
    /// A service has failed on a device.
    pub(super) fn note(&mut self, service: &str, device: &str, now: Timestamp) {
        self.forget(now);
        if self.0.len() >= PAIRS {
            self.0.pop_first();
        }
        let times = self.0.entry((service.to_owned(), device.to_owned())).or_default();
        times.push_back(now);
        if times.len() > FAILURES {
            times.pop_front();
        }
    }

    /// When it did.
    pub(super) fn of(&self, service: &str, device: &str) -> Vec<Timestamp> {
        let found = self.0.get(&(service.to_owned(), device.to_owned()));
        found.map(|times| times.iter().copied().collect()).unwrap_or_default()
    }

    fn forget(&mut self, now: Timestamp) {
        let memory = FAILURE_MEMORY.as_nanos().cast_signed();
        self.0.retain(|_, times| times.back().is_some_and(|last| now.nanos() - last.nanos() < memory));
    }
}

/// What an `area-member` says, as far as it matters here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Member {
    #[serde(default)]
    node: String,
    status: String,
    last_contact: Option<String>,
    updated: Option<String>,
}

impl LifecycleManager {
    /// Since when an agent is not to be reached; none while it is.
    pub(super) fn lost_since(&self, node: &str) -> Option<Timestamp> {
        if node == self.node_name {
            return None;
        }
        let mut members = self.store.all("area-member").into_iter().filter_map(|document| {
            let body = self.store.body(&document).ok()??;
            serde_json::from_slice::<Member>(&body).ok().filter(|member| member.node == node)
        });
        let lost = members.next()?;
        // A device that has changed hands has several.
        if lost.status == "connected" || members.any(|other| other.status == "connected") {
            return None;
        }
        let since = lost.last_contact.as_deref().or(lost.updated.as_deref()).and_then(Timestamp::parse);
        Some(since.unwrap_or_else(|| self.world.clock.now()))
    }

    fn on_loss(charge: &Charge) -> OnLoss {
        match charge.service().map(|service| service.reschedule) {
            Some(Reschedule::After(grace)) => OnLoss::After(grace),
            _ => OnLoss::Never,
        }
    }

    /// Moves the parts whose agents are lost for long enough, and those on devices that are being emptied.
    pub(super) fn move_what_is_lost(&mut self, name: &str, ctx: &mut Context<Self>) {
        let Some(charge) = self.charges.get(name).filter(|charge| charge.plan.desired == Desired::Running) else {
            return;
        };
        let now = self.world.clock.now();
        let lost: Vec<(String, Timestamp)> = charge
            .plan
            .parts
            .iter()
            .filter_map(|part| Some((part.node.clone(), self.lost_since(&part.node)?)))
            .collect();
        let lost: Vec<Lost<'_>> = lost.iter().map(|(agent, since)| Lost { agent, since: *since }).collect();
        let (placements, on_loss) = (charge.placements(), Self::on_loss(charge));
        let mut moving: Vec<u32> = placements.due(&lost, on_loss, now).into_iter().map(|due| due.index).collect();
        let next = placements.next_due(&lost, on_loss).filter(|at| *at > now);
        let parts = charge.plan.parts.clone();
        moving.extend(parts.iter().filter(|part| self.is_draining(&part.device)).map(|part| part.index));
        moving.extend(parts.iter().filter(|part| self.is_evicted(name, part)).map(|part| part.index));
        moving.sort_unstable();
        moving.dedup();
        if !moving.is_empty() && !self.knows_blocked(name, ctx) {
            return;
        }
        let mut stuck = false;
        for index in moving {
            stuck |= !self.move_part(name, index);
        }
        let pause = next.map(|at| Duration::from_nanos(u64::try_from(at.nanos() - now.nanos()).unwrap_or(u64::MAX)));
        let pause = pause.into_iter().chain(stuck.then_some(LOOK_AGAIN)).min();
        if let Some(pause) = pause {
            self.look_again(name, pause, ctx);
        }
    }

    /// Whether the owner of the device has it put out.
    fn is_evicted(&self, name: &str, part: &Part) -> bool {
        let record = self.charges.get(name).and_then(|charge| self.record(charge, part));
        record.is_some_and(|record| record.evicted)
    }

    /// Looks at an instance again later; several looks at one time are one.
    pub(super) fn look_again(&mut self, name: &str, pause: Duration, ctx: &mut Context<Self>) {
        let at = self.world.clock.elapsed() + pause;
        if self.planned.get(name).is_some_and(|planned| *planned <= at) {
            return;
        }
        self.planned.insert(name.to_owned(), at);
        let name = name.to_owned();
        ctx.run_later(pause + Duration::from_millis(1), move |manager, ctx| {
            manager.planned.remove(&name);
            manager.reconcile(&name, ctx);
        });
    }

    /// Finds another device for a part. Whether there is one.
    pub(super) fn move_part(&mut self, name: &str, index: u32) -> bool {
        let Some(charge) = self.charges.get(name) else { return false };
        let Some(service) = charge.service() else { return false };
        if !self.may_begin() {
            return false;
        }
        let needs = !service.secrets.is_empty() || service.registry.is_some();
        if needs && charge.handed.is_empty() {
            // They are with the agent that led before, and nowhere else.
            let why = "its credentials are on the agent that launched it: launch it again".to_owned();
            if let Some(charge) = self.charges.get_mut(name) {
                charge.shortage = why;
            }
            return false;
        }
        let taken: Vec<String> = charge.plan.parts.iter().map(|part| part.device.clone()).collect();
        match self.another(charge, &taken) {
            Ok((device, node, url)) => {
                let Some(charge) = self.charges.get_mut(name) else { return false };
                charge.shortage.clear();
                charge.place(index, &device, &node, &url);
                true
            }
            Err(why) => {
                if let Some(charge) = self.charges.get_mut(name).filter(|charge| charge.shortage != why) {
                    tracing::warn!(instance = name, index, why, "there is no other place for a part");
                    charge.shortage = why;
                }
                false
            }
        }
    }

    /// The best device besides these, of those that its launch has named, if it has.
    fn another(&self, charge: &Charge, without: &[String]) -> Result<(String, String, String), String> {
        let Plan { service, spec, devices, .. } = &charge.plan;
        let field = self
            .field(service, spec, devices.as_deref())
            .ok_or_else(|| "the service makes no sense any more".to_owned())?;
        let without: Vec<&str> = without.iter().map(String::as_str).collect();
        field.rank(&without, None, self.blocks.of(service), |ranking, candidates| {
            let chosen = select(ranking, Wanted::exactly(1), Rule::ByRank).map_err(|shortage| shortage.to_string())?;
            let best = chosen.first().ok_or("no device")?;
            let found = candidates.get(best.index).ok_or("no device")?;
            Ok((found.id.clone(), found.node.clone(), found.url.clone()))
        })
    }

    /// As many agents as its agreement asks for, where that is said.
    pub(super) fn scale(&mut self, name: &str, ctx: &mut Context<Self>) {
        let Some(charge) = self.charges.get(name).filter(|charge| charge.plan.desired == Desired::Running) else {
            return;
        };
        let Some(wanted) = self.agents_wanted(&charge.plan.instance).filter(|_| self.may_begin()) else { return };
        let have = charge.plan.parts.len();
        let wanted = wanted.clamp(1, super::launch::MOST_AGENTS);
        if wanted == have {
            return;
        }
        if wanted < have {
            let last = charge.plan.parts.iter().map(|part| part.index).max();
            if let (Some(last), Some(charge)) = (last, self.charges.get_mut(name)) {
                charge.take_away(last);
            }
            return;
        }
        if !self.knows_blocked(name, ctx) {
            return;
        }
        let Some(charge) = self.charges.get(name) else { return };
        let taken: Vec<String> = charge.plan.parts.iter().map(|part| part.device.clone()).collect();
        let next = charge.plan.parts.iter().map(|part| part.index + 1).max().unwrap_or(0);
        let found = self.another(charge, &taken);
        let Some(charge) = self.charges.get_mut(name) else { return };
        match found {
            Ok((device, node, url)) => charge.place(next, &device, &node, &url),
            Err(why) => charge.shortage = why,
        }
    }

    fn agents_wanted(&self, instance: &str) -> Option<usize> {
        #[derive(Deserialize)]
        struct Said {
            num_agents: Option<usize>,
        }
        let document = self.store.get(instance)?;
        let body = self.store.body(&document).ok()??;
        serde_json::from_slice::<Said>(&body).ok()?.num_agents
    }
}
