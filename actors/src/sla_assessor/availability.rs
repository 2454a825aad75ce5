//! When the containers of instances ran, for those agreements that promise availability.

use mf2c_domain::caller::Caller;
use mf2c_domain::filter;
use mf2c_domain::id::ResourceId;
use mf2c_domain::query::Query;
use mf2c_domain::resource::types::service_container_metric::SPEC;
use mf2c_domain::time::Timestamp;
use mf2c_sla::{ContainerMetric, Instance};

use super::SlaAssessor;

/// The most runs of one container that are looked at, the latest.
const MOST_RUNS: u64 = 1000;

impl SlaAssessor {
    /// Tells the book of an instance's agreement where it runs, if that matters.
    pub(super) fn watch(&mut self, instance: &str, at: Timestamp) {
        let Some(agreement) = self.index.agreement_of(instance) else { return };
        if !self.index.agreements.get(&agreement).is_some_and(|entry| entry.agreement.watches_availability()) {
            return;
        }
        let document = self.store.get(instance);
        let body = document.as_ref().and_then(|document| self.store.body(document).ok().flatten());
        let Some(described) = body.and_then(|body| Instance::read(instance, &body)) else { return };
        let mut runs = Vec::new();
        for container in described.containers() {
            self.containers.entry(container.into()).or_default().insert(instance.into());
            runs.extend(self.runs_of(container));
        }
        if let Some(entry) = self.index.agreements.get_mut(&agreement) {
            let (terms, book) = entry.book();
            book.run(terms, &described, &runs, at);
        }
        self.replan(&agreement, None);
    }

    /// An instance is gone.
    pub(super) fn unwatch(&mut self, instance: &str, at: Timestamp) {
        self.containers.retain(|_, instances| {
            instances.remove(instance);
            !instances.is_empty()
        });
        let Some(agreement) = self.index.agreement_of(instance) else { return };
        let Some(entry) = self.index.agreements.get_mut(&agreement) else { return };
        if entry.agreement.watches_availability() {
            let (terms, book) = entry.book();
            book.gone(terms, instance, at);
            self.replan(&agreement, None);
        }
    }

    /// A container was started or stopped.
    pub(super) fn container(&mut self, body: &[u8], id: &ResourceId, at: Timestamp) {
        if self.containers.is_empty() {
            return;
        }
        let Some(metric) = ContainerMetric::read(id.as_str(), body) else { return };
        let Some(instances) = self.containers.get(metric.container.as_str()).cloned() else { return };
        for instance in instances {
            self.watch(&instance, at);
        }
    }

    fn runs_of(&self, container: &str) -> Vec<ContainerMetric> {
        // Names of containers are letters, digits and a few signs; what is not would need quoting, and runs nowhere.
        if container.contains(['"', '\'', '\\']) {
            return Vec::new();
        }
        let query = Query {
            filter: filter::parse(&format!("container_id=\"{container}\"")).ok(),
            last: Some(MOST_RUNS),
            ..Query::everything()
        };
        let found = match self.store.find(&SPEC, &query, &Caller::agent()) {
            Ok(found) => found.documents,
            Err(error) => {
                tracing::warn!(%error, "when a container ran cannot be read");
                return Vec::new();
            }
        };
        let read = |document: &std::sync::Arc<mf2c_store::Document>| {
            let body = self.store.body(document).ok()??;
            ContainerMetric::read(document.id.as_str(), &body)
        };
        found.iter().filter_map(read).collect()
    }
}
