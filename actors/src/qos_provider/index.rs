//! Which instances there are, and which of them are held against which agreement.

use std::collections::{BTreeSet, HashMap};

use mf2c_sla::qos::Steadiness;

use super::facts::Instance;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Index {
    instances: HashMap<String, Instance>,
    by_agreement: HashMap<String, BTreeSet<String>>,
    /// Of those instances about which there were reports.
    steadiness: HashMap<String, Steadiness>,
}

impl Index {
    /// Takes in what an instance is now; none where it is gone.
    pub(super) fn set(&mut self, id: String, instance: Option<Instance>) {
        if let Some(old) = self.instances.remove(&id)
            && let Some(others) = self.by_agreement.get_mut(&old.agreement)
        {
            others.remove(&id);
            if others.is_empty() {
                self.by_agreement.remove(&old.agreement);
            }
        }
        if instance.is_none() {
            self.steadiness.remove(&id);
        }
        if let Some(instance) = instance {
            self.by_agreement.entry(instance.agreement.clone()).or_default().insert(id.clone());
            self.instances.insert(id, instance);
        }
    }

    pub(super) fn get(&self, id: &str) -> Option<&Instance> {
        self.instances.get(id)
    }

    /// How the operations of an instance that there is have kept their limits so far.
    pub(super) fn steadiness(&mut self, id: &str) -> &mut Steadiness {
        self.steadiness.entry(id.to_owned()).or_default()
    }

    pub(super) fn get_mut(&mut self, id: &str) -> Option<&mut Instance> {
        self.instances.get_mut(id)
    }

    /// The instances that an agreement is about.
    pub(super) fn of_agreement(&self, agreement: &str) -> impl Iterator<Item = &str> {
        self.by_agreement.get(agreement).into_iter().flatten().map(String::as_str)
    }
}
