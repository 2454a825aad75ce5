//! Reports that come before the instance or the agreement that they are about, as the order of replication may have it: they are
//! assessed when that is known.
//!
//! Remembered are only the instances that such reports name, and no more of them than a bound; the reports are in the store. Beyond
//! the bound, and after a restart that finds there were any, every instance that is new is looked for among the reports.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use mf2c_domain::caller::Caller;
use mf2c_domain::filter;
use mf2c_domain::query::Query;
use mf2c_domain::resource::types::service_operation_report::SPEC;
use mf2c_store::Document;

use super::SlaAssessor;
use super::backlog::{Backlog, Why};

/// The most instances that are remembered.
const MOST: usize = 1 << 16;
/// So many instances are looked for one by one; more of them by reading all reports once.
const FEW: usize = 16;
/// The name of the cursor that tells that there were such reports.
pub(super) const EARLY: &str = "sla/early";

/// Instances without a known agreement that were reported about.
#[derive(Default)]
pub(super) struct Early {
    instances: HashSet<Box<str>>,
    /// Any instance may be one.
    any: bool,
}

impl Early {
    /// One that has forgotten which instances there were.
    pub(super) fn of_any() -> Self {
        Self { instances: HashSet::new(), any: true }
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.any && self.instances.is_empty()
    }

    /// There is a report about an instance.
    fn note(&mut self, instance: &str, most: usize) {
        if self.any || self.instances.contains(instance) {
            return;
        }
        if self.instances.len() == most {
            *self = Self::of_any();
        } else {
            self.instances.insert(instance.into());
        }
    }

    /// Whether there may be reports about an instance, which from now on is known.
    fn take(&mut self, instance: &str) -> bool {
        self.instances.remove(instance) || self.any
    }
}

impl SlaAssessor {
    /// A report is about an instance without a known agreement.
    pub(super) fn is_early(&mut self, instance: &str) {
        if self.counters.unattached.fetch_add(1, Ordering::Relaxed) == 0 {
            tracing::info!(
                instance,
                "a report is about an instance without a known agreement; such reports are counted"
            );
        }
        self.pages.matters |= self.early.is_empty();
        self.early.note(instance, MOST);
    }

    /// Has the reports read about instances whose agreements have just become known.
    pub(super) fn look_back(&mut self) {
        let attached = std::mem::take(&mut self.attached);
        let found = attached.into_iter().filter_map(|(instance, since)| {
            let agreement = self.index.agreement_of(&instance).filter(|_| self.early.take(&instance))?;
            Some((instance, since.max(self.known_since(&agreement))))
        });
        let found: Vec<(Arc<str>, i128)> = found.collect();
        let Some(least) = found.iter().map(|(_, since)| *since).min() else { return };
        let place = self.place;
        let is_early = |document: &Document| document.revision < place && document.time().wall().nanos() >= least;
        let about = |(instance, _): &(Arc<str>, i128)| self.reports_about(instance);
        let few: Option<Vec<_>> = if found.len() > FEW { None } else { found.iter().map(about).collect() };
        let reports = match few {
            None => self.reports(is_early),
            Some(few) => {
                let few = few.into_iter().flatten().filter(|document| is_early(document));
                few.map(|document| (document.revision, document)).collect()
            }
        };
        let why = Why::Early(found.into_iter().collect());
        self.backlogs.extend(Backlog::of(reports, why, Some(self.mark())));
    }

    /// From when on reports may be about an agreement: from its document's beginning, less the time that a report may be late.
    fn known_since(&self, agreement: &str) -> i128 {
        let made = self.index.agreements.get(agreement).and_then(|entry| entry.agreement.made());
        made.map_or(i128::MIN, |made| self.not_long_before(made))
    }

    /// The reports about an instance; none if it cannot be asked for them alone.
    fn reports_about(&self, instance: &str) -> Option<Vec<Arc<Document>>> {
        // Ids are letters, digits and a few signs.
        if instance.contains(['"', '\'', '\\']) {
            return None;
        }
        let filter = filter::parse(&format!("requesting_application_id/href=\"{instance}\"")).ok()?;
        let query = Query { filter: Some(filter), ..Query::everything() };
        let found = self.store.find(&SPEC, &query, &Caller::agent());
        found
            .inspect_err(|error| tracing::warn!(instance, %error, "its reports cannot be found; all are read"))
            .ok()
            .map(|found| found.documents)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_looked_for_once_and_beyond_the_bound_whichever_it_is() {
        let mut early = Early::default();
        early.note("one", 2);
        early.note("one", 2);
        assert!(early.take("one") && !early.take("one") && early.is_empty());
        early.note("one", 2);
        early.note("two", 2);
        assert!(!early.take("three"));
        early.note("three", 2);
        assert!(early.take("three") && early.take("three") && early.take("whichever") && !early.is_empty());
    }
}
