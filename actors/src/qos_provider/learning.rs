//! What reports and violations teach.

use std::collections::{BTreeMap, HashSet, VecDeque};

use super::QosProvider;
use super::facts::{Report, Violation};
use super::model::Model;

/// So many violations may wait for their reports; beyond it the oldest are forgotten.
const MOST_EARLY: usize = 4096;

/// Reports that are known to have broken a promise before they are known themselves.
#[derive(Debug, Default)]
pub(super) struct Early {
    order: VecDeque<String>,
    reports: HashSet<String>,
}

impl Early {
    fn add(&mut self, report: String) {
        if self.reports.insert(report.clone()) {
            self.order.push_back(report);
        }
        if self.order.len() > MOST_EARLY
            && let Some(oldest) = self.order.pop_front()
        {
            self.reports.remove(&oldest);
        }
    }

    /// Whether the report was among them.
    fn holds(&self, report: &str) -> bool {
        self.reports.contains(report)
    }
}

impl QosProvider {
    /// The model of a service, from the change at this position on; none where there is no such service, or where the model
    /// knows of that change already.
    fn model(&mut self, service: &str, position: u64) -> Option<&mut Model> {
        if !self.models.contains_key(service) {
            // Whoever writes instances could fill the store with models of services that do not exist.
            let _ = self.store.get(service)?;
            self.models.insert(service.to_owned(), Model::default());
        }
        self.models.get_mut(service).filter(|model| position > model.position)
    }

    /// A run has ended.
    pub(super) fn learn(&mut self, report: &Report, position: u64) {
        let Some(instance) = self.index.get(&report.instance).filter(|_| report.seconds > 0.0).cloned() else { return };
        // Where nothing is promised, nothing is kept.
        if instance.agreement == "agreement/" {
            return;
        }
        let (window, now) = (self.settings.policy.window, self.world.clock.now());
        let is_early = self.early.holds(&report.id);
        let Some(model) = self.model(&instance.service, position) else { return };
        let ended = report.ended.min(now);
        let mut is_new = false;
        for device in instance.ran_on(&report.node) {
            is_new |= model.device(device).record(&report.id, report.seconds, ended, window);
        }
        if is_new {
            model.runs += 1;
            model.agreement = instance.agreement;
            model.dirty = true;
            if is_early {
                let _ = model.breach(&report.id);
            }
        }
    }

    /// A promise was broken.
    pub(super) fn blame(&mut self, violation: Violation, position: u64) {
        let instances: Vec<String> = match &violation.instance {
            Some(instance) => vec![instance.clone()],
            None => self.index.of_agreement(&violation.agreement).map(str::to_owned).collect(),
        };
        let mut devices: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for instance in instances.iter().filter_map(|id| self.index.get(id)) {
            let ran = instance.ran_on("").into_iter().map(str::to_owned);
            devices.entry(instance.service.clone()).or_default().extend(ran);
        }
        let mut is_known = false;
        for (service, mut devices) in devices {
            devices.sort_unstable();
            devices.dedup();
            let Some(model) = self.model(&service, position) else {
                is_known = true;
                continue;
            };
            is_known |= match &violation.report {
                Some(report) => model.breach(report).is_some(),
                None => {
                    self.blame_newest(&service, &devices, &violation);
                    true
                }
            };
        }
        if let Some(report) = violation.report.filter(|_| !is_known) {
            self.early.add(report);
        }
    }

    /// A violation that names no report, such as one that somebody has written by hand, is about the newest run.
    fn blame_newest(&mut self, service: &str, devices: &[String], violation: &Violation) {
        let window = self.settings.policy.window;
        let Some(model) = self.models.get_mut(service) else { return };
        let mut is_run = true;
        for device in devices {
            let history = model.device(device);
            if !history.breach_newest() {
                // There was a run, or nothing could have been broken.
                is_run = false;
                history.record(&violation.id, f64::NAN, violation.at, window);
                let _ = history.breach(&violation.id);
            }
        }
        if !devices.is_empty() {
            model.runs += u64::from(!is_run);
            model.failures += 1;
            model.dirty = true;
        }
    }
}
