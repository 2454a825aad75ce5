//! Answers who may run an instance.

use mf2c_domain::id::ResourceId;
use mf2c_sla::qos::{Candidate, decide};

use super::facts::{Instance, Service};
use super::model::Model;
use super::{AgentAnswer, QosAnswer, QosError, QosProvider};

impl QosProvider {
    pub(super) fn check(&mut self, id: &ResourceId) -> Result<QosAnswer, QosError> {
        let body = self.body(id.as_str())?.ok_or(QosError::NoInstance)?;
        let instance = Instance::read(&body).filter(|_| id.kind() == "service-instance").ok_or(QosError::NoInstance)?;
        let body = self.body(&instance.service)?.ok_or(QosError::NoService)?;
        let service = Service::read(&body).ok_or(QosError::NoService)?;
        if !self.loaded {
            return Err(QosError::Starting);
        }
        let policy = &self.settings.policy;
        // Without a warm-up a check of what is not known yet leaves nothing to remember.
        let known = policy.warmup == 0 && !self.models.contains_key(&instance.service);
        let mut nothing = Model::default();
        let model = if known { &mut nothing } else { self.models.entry(instance.service.clone()).or_default() };
        model.checks += 1;
        model.dirty |= policy.warmup >= model.checks;
        let candidates: Vec<Candidate<'_>> = instance
            .agents
            .iter()
            .map(|agent| Candidate {
                device: &agent.device,
                history: model.history(&agent.device),
                allowed: agent.allow,
            })
            .collect();
        let needed = usize::try_from(service.num_agents).unwrap_or(usize::MAX);
        let now = self.world.clock.now();
        let decisions = decide(&instance.service, &candidates, needed, policy, model.checks, now);
        let agents: Vec<AgentAnswer> = instance
            .agents
            .iter()
            .zip(decisions)
            .map(|(agent, decision)| {
                let because = decision.sentence(policy);
                AgentAnswer { device: agent.device.clone(), decision, because }
            })
            .collect();
        let blocked = agents.iter().filter(|agent| !agent.decision.allow).map(|agent| agent.device.clone());
        let blocked: Vec<String> = blocked.collect();
        if blocked != model.blocked {
            model.blocked_before = std::mem::replace(&mut model.blocked, blocked);
            model.dirty = true;
        }
        if model.agreement.is_empty() {
            model.agreement = instance.agreement;
        }
        Ok(QosAnswer { service: instance.service, agents })
    }

    /// Which devices are kept away from a service. It is no check that counts: nothing is remembered of it.
    pub(super) fn kept_away(&self, service: &str, devices: &[String], needed: usize) -> Vec<String> {
        let Some(model) = self.models.get(service).filter(|_| self.loaded) else { return Vec::new() };
        let candidates: Vec<Candidate<'_>> =
            devices.iter().map(|device| Candidate { device, history: model.history(device), allowed: true }).collect();
        let (policy, now) = (&self.settings.policy, self.world.clock.now());
        let decisions = decide(service, &candidates, needed, policy, model.checks, now);
        let away = devices.iter().zip(decisions).filter(|(_, decision)| !decision.allow);
        away.map(|(device, _)| device.clone()).collect()
    }

    fn body(&self, id: &str) -> Result<Option<Vec<u8>>, QosError> {
        let Some(document) = self.store.get(id) else { return Ok(None) };
        Ok(self.store.body(&document)?.map(std::borrow::Cow::into_owned))
    }
}
