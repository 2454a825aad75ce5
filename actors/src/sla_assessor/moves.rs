//! Instances that leave one agreement for another: because they are edited, because an agreement or a service gets another name, or
//! because an agreement is stopped, started, or gone.

use std::sync::Arc;

use mf2c_domain::time::Timestamp;

use super::SlaAssessor;

/// An instance, and the agreement that it was held against.
pub(super) type Held = (Arc<str>, Option<Arc<str>>);

impl SlaAssessor {
    /// How these instances are held now, to be told to [`SlaAssessor::moved`] when that may have changed.
    pub(super) fn held(&self, instances: Vec<Arc<str>>) -> Vec<Held> {
        let held = instances.into_iter().map(|instance| {
            let agreement = self.index.agreement_of(&instance);
            (instance, agreement)
        });
        held.collect()
    }

    /// Tells the agreements that instances have left, and those that they are held against now.
    pub(super) fn moved(&mut self, before: Vec<Held>, at: Timestamp) {
        for (instance, former) in before {
            let now = self.index.agreement_of(&instance);
            if let Some(former) = former.filter(|former| now.as_ref() != Some(former)) {
                self.leaves(&instance, &former, at);
            }
            self.watch(&instance, at);
        }
    }

    /// What an instance has broken of an agreement is over.
    pub(super) fn leaves(&mut self, instance: &str, agreement: &Arc<str>, at: Timestamp) {
        let Some(entry) = self.index.agreements.get_mut(agreement) else { return };
        let Some(book) = &mut entry.book else { return };
        book.gone(&entry.agreement, instance, at, &mut self.found);
        self.settle(agreement);
        self.outdate(agreement);
        self.replan(agreement, None);
    }

    /// What goes on about an agreement that is gone is over.
    pub(super) fn close(&mut self, agreement: &str, at: Timestamp) {
        let Some(entry) = self.index.agreements.get_mut(agreement) else { return };
        let Some(book) = &mut entry.book else { return };
        book.close(&entry.agreement, at, &mut self.found);
        let agreement = Arc::clone(entry.agreement.id());
        self.settle(&agreement);
    }
}
