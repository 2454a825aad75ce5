//! Holding reports against agreements, and what follows from time alone.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use actix::prelude::*;
use mf2c_domain::acl::Acl;
use mf2c_domain::id::ResourceId;
use mf2c_domain::time::Timestamp;
use mf2c_sla::{Finding, Report};
use mf2c_store::node_name;
use mf2c_store::record::NodeId;

use super::SlaAssessor;
use super::backlog::Why;
use super::documents::{Desk, episode_edit};

/// Agreements that are looked at by the clock at a time.
const TICKS: usize = 256;
/// The least time between two looks at one agreement, in nanoseconds.
const BREATH: i128 = 1_000_000_000;

impl SlaAssessor {
    /// Holds a report against the agreement of its instance, if that is for this agent to do.
    pub(super) fn report(&mut self, id: &ResourceId, body: &[u8], origin: NodeId, at: Timestamp, why: Option<&Why>) {
        let Some(report) = Report::read_in(id.as_str(), body, self.settings.unit) else { return };
        let Some(agreement) = self.index.agreement_of(&report.instance) else {
            if !matches!(why, Some(Why::Remember(_))) {
                self.is_early(&report.instance);
            }
            return;
        };
        let Some(entry) = self.index.agreements.get(&agreement) else { return };
        if !self.is_for_us(&entry.origin, &origin, &self.standing) {
            return;
        }
        let taken_over = match why {
            Some(Why::Remember(from)) if from.get(&agreement).is_none_or(|from| at.nanos() < *from) => return,
            Some(Why::Early(since)) if since.get(&*report.instance).is_none_or(|since| at.nanos() < *since) => return,
            Some(Why::TakeOver(before)) => !self.is_for_us(&entry.origin, &origin, before),
            _ => true,
        };
        let Some(entry) = self.index.agreements.get_mut(&agreement).filter(|_| taken_over) else { return };
        let (terms, book) = entry.book();
        book.report(terms, &report, self.world.clock.now(), &mut self.found);
        if matches!(why, Some(Why::Remember(_))) {
            self.found.clear();
        } else {
            self.counters.reports.fetch_add(1, Ordering::Relaxed);
            self.pages.matters = true;
            self.settle(&agreement);
            self.outdate(&agreement);
        }
        self.replan(&agreement, None);
    }

    /// Whether this agent, standing like this, assesses the reports of one agent against the agreements of another. Each report is
    /// for one agent to assess.
    pub(super) fn is_for_us(
        &self,
        agreement: &NodeId,
        report: &NodeId,
        standing: &mf2c_domain::area::standing::Standing,
    ) -> bool {
        if *agreement == self.node {
            return *report == self.node || standing.leads() || standing.area().is_none();
        }
        standing.leads() && report != agreement && !self.leads_another_area(agreement, standing.area())
    }

    /// Whether an agent leads an area that is not this one: then what is about its agreements is for itself to say.
    fn leads_another_area(&self, node: &NodeId, own: Option<&str>) -> bool {
        let Some(document) = self.store.get(&format!("fog-area/{}", node_name(node))) else { return false };
        let body = self.store.body(&document).ok().flatten();
        let name = body.and_then(|body| serde_json::from_slice::<serde_json::Value>(&body).ok());
        name.as_ref().and_then(|body| body.get("name")?.as_str()).is_some_and(|name| Some(name) != own)
    }

    /// Turns what was found about an agreement into what is to be written.
    pub(super) fn settle(&mut self, agreement: &Arc<str>) {
        if self.found.is_empty() {
            return;
        }
        let acl = self.store.get(agreement).map_or(const { Acl::of_admin(&[]) }, |document| document.acl.for_readers());
        let node = self.node;
        let desk = Desk { node: &node, acl };
        let count = |counter: &std::sync::atomic::AtomicU64| {
            counter.fetch_add(1, Ordering::Relaxed);
        };
        for finding in std::mem::take(&mut self.found) {
            let note = match finding {
                Finding::Violation(violation) => {
                    if self.is_told_elsewhere("sla-violation", violation.key) {
                        continue;
                    }
                    count(&self.counters.violations);
                    desk.violation(&violation)
                }
                Finding::Warning(warning) => {
                    if self.is_told_elsewhere("sla-warning", warning.key) {
                        continue;
                    }
                    count(&self.counters.warnings);
                    desk.warning(&warning)
                }
                Finding::Penalty(due) => {
                    if self.is_told_elsewhere("sla-penalty", due.key) {
                        continue;
                    }
                    let entry = self.index.agreements.get(agreement);
                    desk.penalty(&due, entry.map_or("", |entry| entry.agreement.client()))
                }
                Finding::EpisodeOpened(episode) => desk.episode(&episode),
                Finding::EpisodeChanged(episode) => {
                    self.episodes.changed(episode);
                    continue;
                }
                Finding::EpisodeEnded(episode) => {
                    self.episodes.ended(episode.key);
                    let Some(note) = episode_edit(&episode, &node) else { continue };
                    note
                }
                Finding::Burn(burn) => desk.burn(&burn),
                Finding::Expired => {
                    self.expired.insert(Arc::clone(agreement));
                    continue;
                }
                Finding::Undetermined { guarantee, reason } => {
                    tracing::debug!(%agreement, %guarantee, reason, "it cannot be told whether a promise is kept");
                    continue;
                }
            };
            self.notes.push(note);
        }
    }

    /// Plans when an agreement is looked at by the clock, not before that time.
    pub(super) fn replan(&mut self, agreement: &Arc<str>, not_before: Option<i128>) {
        let Some(entry) = self.index.agreements.get_mut(agreement) else { return };
        let due = entry.due().map(|due| not_before.map_or(due, |least| due.max(least)));
        if due == entry.planned {
            return;
        }
        if let Some(planned) = entry.planned {
            self.due.remove(&(planned, Arc::clone(agreement)));
        }
        entry.planned = due;
        if let Some(due) = due {
            self.due.insert((due, Arc::clone(agreement)));
        }
    }

    /// Looks at agreements whose time has come. Only who has read all reports knows what time alone shows.
    pub(super) fn let_time_pass(&mut self, ctx: &mut Context<Self>) {
        if !self.has_caught_up() {
            return;
        }
        let now = self.world.clock.now();
        for _ in 0..TICKS {
            let Some((due, agreement)) = self.due.pop_first() else { break };
            if due > now.nanos() {
                self.due.insert((due, agreement));
                break;
            }
            let Some(entry) = self.index.agreements.get_mut(&agreement) else { continue };
            entry.planned = None;
            let is_ours = entry.origin == self.node;
            let (terms, book) = entry.book();
            let looked = book.tick(terms, now, &mut self.found);
            // Another agent's agreement is looked at by that one; what time alone shows is for it to say.
            if !is_ours {
                self.found.clear();
            }
            // How long something was available is another thing each time.
            if looked || !self.found.is_empty() {
                self.outdate(&agreement);
            }
            self.settle(&agreement);
            self.replan(&agreement, Some(now.nanos() + BREATH));
        }
        if !self.notes.is_empty() {
            let mark = self.mark();
            self.close_page(mark, ctx);
        }
    }
}
