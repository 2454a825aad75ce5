//! When the containers of instances ran, for those agreements that promise availability.
//!
//! What is stored of a container is read once, when it is first asked for; from then on the log tells what becomes of it.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use mf2c_domain::caller::Caller;
use mf2c_domain::filter;
use mf2c_domain::id::ResourceId;
use mf2c_domain::path::Path;
use mf2c_domain::query::{OrderKey, Query};
use mf2c_domain::resource::types::service_container_metric::SPEC;
use mf2c_domain::time::Timestamp;
use mf2c_sla::{ContainerMetric, Instance};
use mf2c_store::{Document, StoreError};

use super::SlaAssessor;

/// The most runs of one container that are looked at, the latest.
const MOST_RUNS: usize = 1000;

/// Where the instances run that matter.
#[derive(Default)]
pub(super) struct Watch {
    /// Each with the agreement that has been told of it.
    instances: HashMap<Arc<str>, (Arc<str>, Instance)>,
    containers: HashMap<Box<str>, Container>,
}

/// One container.
#[derive(Default)]
struct Container {
    /// For whom it runs.
    instances: BTreeSet<Arc<str>>,
    /// When it did, in the order of the starts; none where that could not be read.
    runs: Option<Vec<ContainerMetric>>,
}

impl Container {
    /// Takes in a run, or its removal.
    fn take(&mut self, metric: ContainerMetric, is_there: bool) {
        let Some(runs) = &mut self.runs else { return };
        runs.retain(|run| run.id != metric.id);
        if is_there {
            let place = runs.partition_point(|run| run.start <= metric.start);
            runs.insert(place, metric);
            if runs.len() > MOST_RUNS {
                runs.remove(0);
            }
        }
    }
}

impl Watch {
    /// Forgets an instance.
    fn remove(&mut self, instance: &str) {
        let Some((_, described)) = self.instances.remove(instance) else { return };
        for container in containers(&described) {
            self.leave(container, instance);
        }
    }

    /// A container no longer runs for an instance.
    fn leave(&mut self, container: &str, instance: &str) {
        let Some(known) = self.containers.get_mut(container) else { return };
        known.instances.remove(instance);
        if known.instances.is_empty() {
            self.containers.remove(container);
        }
    }
}

/// The containers of an instance, those included whose running is not counted.
fn containers(instance: &Instance) -> impl Iterator<Item = &str> {
    let named = instance.agents.iter().map(|agent| agent.container.as_str());
    named.filter(|container| !container.is_empty() && *container != "-")
}

impl SlaAssessor {
    /// Tells the book of an instance's agreement where it runs, if that matters.
    pub(super) fn watch(&mut self, instance: &str, at: Timestamp) {
        let is_watching = |agreement: &Arc<str>| {
            self.index.agreements.get(agreement).is_some_and(|entry| entry.agreement.watches_availability())
        };
        let document = self.index.agreement_of(instance).filter(is_watching).zip(self.store.get(instance));
        let described = document.and_then(|(agreement, document)| {
            let body = self.store.body(&document).ok().flatten()?;
            Some((agreement, Instance::read(instance, &body)?))
        });
        let Some((agreement, described)) = described else {
            self.watched.remove(instance);
            return;
        };
        // Containers that stay are not read again.
        for container in containers(&described) {
            self.watched.containers.entry(container.into()).or_default().instances.insert(instance.into());
        }
        let before = self.watched.instances.insert(instance.into(), (agreement, described.clone()));
        let now: BTreeSet<&str> = containers(&described).collect();
        for gone in before.iter().flat_map(|(_, before)| containers(before)).filter(|gone| !now.contains(gone)) {
            self.watched.leave(gone, instance);
        }
        self.tell_runs(instance, at);
    }

    /// A container was started or stopped, or nobody says any longer that it was.
    pub(super) fn container(&mut self, body: &[u8], id: &ResourceId, at: Timestamp, is_there: bool) {
        if self.watched.containers.is_empty() {
            return;
        }
        let Some(metric) = ContainerMetric::read(id.as_str(), body) else { return };
        let Some(container) = self.watched.containers.get_mut(metric.container.as_str()) else { return };
        container.take(metric, is_there);
        for instance in container.instances.clone() {
            self.tell_runs(&instance, at);
        }
    }

    /// Tells the book of a watched instance when its containers ran.
    fn tell_runs(&mut self, instance: &str, at: Timestamp) {
        let Some((agreement, described)) = self.watched.instances.get(instance).cloned() else { return };
        let names: BTreeSet<&str> = containers(&described).collect();
        for name in &names {
            let is_read = self.watched.containers.get(*name).is_some_and(|container| container.runs.is_some());
            let runs = if is_read { None } else { self.runs_of(name) };
            if let (Some(runs), Some(container)) = (runs, self.watched.containers.get_mut(*name)) {
                container.runs = Some(runs);
            }
        }
        let known = names.iter().filter_map(|name| self.watched.containers.get(*name)?.runs.as_deref());
        let known: Vec<&[ContainerMetric]> = known.collect();
        let joined;
        let runs = match known.as_slice() {
            [] => &[],
            [one] => *one,
            several => {
                joined = several.concat();
                &joined
            }
        };
        if let Some(entry) = self.index.agreements.get_mut(&agreement) {
            let (terms, book) = entry.book();
            book.run(terms, &described, runs, at);
        }
        self.replan(&agreement, None);
    }

    /// What is stored of a container: the latest runs, in order. None if that cannot be read now.
    fn runs_of(&self, container: &str) -> Option<Vec<ContainerMetric>> {
        // Names of containers are letters, digits and a few signs; what is not would need quoting, and runs nowhere.
        if container.contains(['"', '\'', '\\']) {
            return Some(Vec::new());
        }
        let order = Path::parse("start_time").map(|path| OrderKey { path, descending: true });
        let query = Query {
            filter: filter::parse(&format!("container_id=\"{container}\"")).ok(),
            order: order.into_iter().collect(),
            last: Some(MOST_RUNS as u64),
            ..Query::everything()
        };
        let read = |document: &Arc<Document>| -> Result<Option<ContainerMetric>, StoreError> {
            let body = self.store.body(document)?;
            Ok(body.and_then(|body| ContainerMetric::read(document.id.as_str(), &body)))
        };
        let found = self.store.find(&SPEC, &query, &Caller::agent());
        let runs: Result<Vec<_>, _> =
            found.and_then(|found| found.documents.iter().filter_map(|document| read(document).transpose()).collect());
        let runs = runs.inspect_err(|error| {
            tracing::warn!(container, %error, "when a container ran cannot be read; it is tried again with its next run");
        });
        let mut runs = runs.ok()?;
        runs.sort_by_key(|run| run.start);
        Some(runs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(id: u32, start: i64) -> ContainerMetric {
        let start = Timestamp::from_millis(start);
        ContainerMetric { id: id.to_string(), device: String::new(), container: "c".to_owned(), start, stop: None }
    }

    #[test]
    fn of_many_runs_the_latest_are_remembered_each_once() {
        let mut container = Container { runs: Some(Vec::new()), ..Container::default() };
        for id in (0..1500).rev() {
            container.take(run(id, i64::from(id)), true);
            container.take(run(id, i64::from(id)), true);
        }
        container.take(run(1499, 0), false);
        let starts = |container: &Container| {
            let runs = container.runs.as_ref().unwrap();
            (runs.len(), runs.first().unwrap().start, runs.last().unwrap().start)
        };
        assert_eq!(starts(&container), (999, Timestamp::from_millis(500), Timestamp::from_millis(1498)));
        container.take(run(600, 5000), true);
        assert_eq!(starts(&container), (999, Timestamp::from_millis(500), Timestamp::from_millis(5000)));
    }
}
