//! How many agents an instance should have, by the guarantees of its agreement. It is said in the instance, whose service stays
//! as it is in the catalogue.

use std::collections::{BTreeMap, HashMap};

use actix::prelude::*;
use mf2c_domain::id::ResourceId;
use mf2c_domain::time::Timestamp;
use mf2c_sla::expression::{Expression, Grammar, TimeUnit};
use mf2c_sla::qos::{Crew, Limit, governs, limit};
use mf2c_store::Store;
use serde::Deserialize;

use super::QosProvider;
use super::facts::Report;

/// Twice as many agreements are kept at hand at the most; those that were not asked for are read anew.
const MOST_RECENT: usize = 16_384;

/// The limits of agreements, as far as they were asked for: in two generations, of which the older one goes when the newer is full.
#[derive(Debug)]
pub(super) struct Agreements {
    unit: TimeUnit,
    recent: HashMap<String, (u64, Terms)>,
    older: HashMap<String, (u64, Terms)>,
}

/// What matters of an agreement.
#[derive(Debug, Default)]
struct Terms {
    is_started: bool,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
    /// Name, scope and limit of each guarantee that has one.
    limits: Vec<(String, Option<String>, Limit)>,
}

#[derive(Deserialize)]
struct Body {
    state: String,
    details: Details,
}

#[derive(Deserialize)]
struct Details {
    creation: Option<String>,
    expiration: Option<String>,
    #[serde(default)]
    guarantees: Vec<Guarantee>,
}

#[derive(Deserialize)]
struct Guarantee {
    name: String,
    scope: Option<String>,
    constraint: String,
}

impl Terms {
    fn read(body: &[u8], unit: TimeUnit) -> Option<Self> {
        let body: Body = serde_json::from_slice(body).ok()?;
        let time = |text: Option<String>| text.and_then(|text| Timestamp::parse(&text));
        let limited = |guarantee: Guarantee| {
            let constraint = Expression::constraint_in(&guarantee.constraint, Grammar::Extended, unit).ok()?;
            let mut limit = limit(&guarantee.name, &constraint)?;
            if unit == TimeUnit::Milliseconds {
                limit.seconds /= 1000.0;
            }
            Some((guarantee.name, guarantee.scope, limit))
        };
        Some(Self {
            is_started: body.state == "started",
            from: time(body.details.creation),
            until: time(body.details.expiration),
            limits: body.details.guarantees.into_iter().filter_map(limited).collect(),
        })
    }

    fn holds(&self, now: Timestamp) -> bool {
        self.is_started && self.from.is_none_or(|from| from <= now) && self.until.is_none_or(|until| now < until)
    }
}

impl Agreements {
    pub(super) fn new(unit: TimeUnit) -> Self {
        Self { unit, recent: HashMap::new(), older: HashMap::new() }
    }

    /// The tightest limit that an agreement sets to an operation now.
    fn limit(&mut self, store: &Store, agreement: &str, operation: &str, now: Timestamp) -> Option<Limit> {
        let document = store.get(agreement)?;
        if self.recent.get(agreement).is_none_or(|(revision, _)| *revision != document.revision) {
            let known = self.older.remove(agreement).filter(|(revision, _)| *revision == document.revision);
            let known = match known {
                Some(known) => known,
                None => {
                    let terms = Terms::read(&store.body(&document).ok()??, self.unit).unwrap_or_default();
                    (document.revision, terms)
                }
            };
            if self.recent.len() >= MOST_RECENT {
                self.older = std::mem::take(&mut self.recent);
            }
            self.recent.insert(agreement.to_owned(), known);
        }
        let (_, terms) = self.recent.get(agreement).filter(|(_, terms)| terms.holds(now))?;
        let governing = terms.limits.iter().filter(|(name, scope, _)| governs(name, scope.as_deref(), operation));
        governing.map(|(.., limit)| limit).min_by(|one, other| one.seconds.total_cmp(&other.seconds)).cloned()
    }
}

impl QosProvider {
    /// How many agents the instance of a report should have, if that is another number than it has.
    pub(super) fn enforce(&mut self, report: &Report) -> Option<usize> {
        let instance = self.index.get(&report.instance).filter(|_| self.settings.enforcement)?;
        let (now, agents) = (self.world.clock.now(), instance.agents.len());
        let limit = self.agreements.limit(&self.store, &instance.agreement, &report.operation, now)?;
        let said = instance.num_agents;
        let said = said.map(|said| usize::try_from(said).unwrap_or(usize::MAX));
        let steadiness = self.index.steadiness(&report.instance);
        let crew = Crew { has: agents, said };
        let wanted = steadiness.wanted(report.expected, &limit, crew, self.settings.shrink_after, now);
        if wanted == said.unwrap_or(agents) {
            return None;
        }
        tracing::debug!(
            instance = report.instance,
            operation = report.operation,
            expected = report.expected,
            limit = limit.seconds,
            guarantee = limit.guarantee,
            wanted,
            "an instance should have another number of agents"
        );
        Some(wanted)
    }

    /// Says it in the instances, as far as they are this agent's own: those of others are for them.
    pub(super) fn tell_instances(&mut self, wanted: BTreeMap<String, usize>, ctx: &mut Context<Self>) {
        for (id, agents) in wanted {
            let Ok(id) = ResourceId::parse(&id) else { continue };
            if self.store.get(id.as_str()).is_none_or(|document| document.origin().is_some()) {
                continue;
            }
            let Some(instance) = self.index.get_mut(id.as_str()) else { continue };
            instance.num_agents = Some(agents as u64);
            self.edit(id, "num_agents", agents.into(), ctx);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_agreement_sets_limits_while_it_is_started_and_valid() {
        let body = json!({
            "state": "started",
            "details": {
                "creation": "2020-01-01T00:00:00Z", "expiration": "2030-01-01T00:00:00Z",
                "guarantees": [
                    {"name": "main", "constraint": "execution_time < 800ms"},
                    {"name": "bad", "constraint": "execution_time <"},
                    {"name": "label", "scope": "es.*", "constraint": "[execution_time] < 5"},
                ],
            },
        });
        let terms = Terms::read(body.to_string().as_bytes(), TimeUnit::Seconds).unwrap();
        let seconds: Vec<f64> = terms.limits.iter().map(|(.., limit)| limit.seconds).collect();
        assert_eq!(seconds, [0.8, 5.0]);
        let at = |text: &str| terms.holds(Timestamp::parse(text).unwrap());
        assert!(at("2025-01-01T00:00:00Z") && !at("2019-01-01T00:00:00Z") && !at("2031-01-01T00:00:00Z"));
        let body = body.to_string().replace("started", "stopped");
        assert!(
            !Terms::read(body.as_bytes(), TimeUnit::Seconds).unwrap().holds(Timestamp::from_millis(1_700_000_000_000))
        );
    }

    #[test]
    fn limits_are_seconds_whatever_the_unit_of_constraints_is() {
        let body = json!({"state": "started", "details": {"guarantees": [{"name": "*", "constraint": "execution_time < 1000"}]}});
        let terms = Terms::read(body.to_string().as_bytes(), TimeUnit::Milliseconds).unwrap();
        assert!((terms.limits[0].2.seconds - 1.0).abs() < 1e-9);
    }
}
