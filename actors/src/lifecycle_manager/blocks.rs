//! Who is kept away from a service by how it has kept its promises: asked before a part is placed, and remembered for a moment.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use actix::prelude::*;

use super::LifecycleManager;
use crate::qos_provider::CheckDevices;

/// So long an answer counts for parts that move or are added.
const LATELY: Duration = Duration::from_secs(10);

/// What is known, by service.
#[derive(Default)]
pub(super) struct Blocks {
    known: BTreeMap<String, (Duration, Vec<String>)>,
    /// Who waits for an answer about a service.
    asked: BTreeMap<String, BTreeSet<String>>,
}

impl Blocks {
    /// The devices that are kept away from a service, as far as is known.
    pub(super) fn of(&self, service: &str) -> &[String] {
        self.known.get(service).map(|(_, devices)| devices.as_slice()).unwrap_or_default()
    }
}

impl LifecycleManager {
    /// Who is kept away from a service by what it has learned of them.
    pub(super) fn blocked(&self, service: &str, needed: usize) -> ResponseFuture<Vec<String>> {
        let provider = (self.quality)();
        let devices = self.store.all("device").iter().map(|document| document.id.as_str().to_owned()).collect();
        let service = service.to_owned();
        Box::pin(async move {
            let Some(provider) = provider else { return Vec::new() };
            provider.send(CheckDevices { service, devices, needed }).await.unwrap_or_default()
        })
    }

    /// Whether it is known who is kept away from the service of an instance. If not it is asked, and the instance is looked at again.
    pub(super) fn knows_blocked(&mut self, name: &str, ctx: &mut Context<Self>) -> bool {
        let Some(charge) = self.charges.get(name) else { return true };
        let (service, needed) = (charge.plan.service.clone(), charge.plan.parts.len().max(1));
        let now = self.world.clock.elapsed();
        if self.blocks.known.get(&service).is_some_and(|(at, _)| now.saturating_sub(*at) < LATELY) {
            return true;
        }
        if let Some(waiting) = self.blocks.asked.get_mut(&service) {
            waiting.insert(name.to_owned());
            return false;
        }
        self.blocks.asked.insert(service.clone(), BTreeSet::from([name.to_owned()]));
        let answer = self.blocked(&service, needed);
        ctx.spawn(answer.into_actor(self).map(move |devices, manager, ctx| {
            let now = manager.world.clock.elapsed();
            manager.blocks.known.retain(|_, (at, _)| now.saturating_sub(*at) < LATELY);
            manager.blocks.known.insert(service.clone(), (now, devices));
            for name in manager.blocks.asked.remove(&service).unwrap_or_default() {
                manager.reconcile(&name, ctx);
            }
        }));
        false
    }
}
