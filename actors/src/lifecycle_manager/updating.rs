//! A new version takes the place of the old one, agent by agent; one that does not become well gives way to the last that was.

use std::time::Duration;

use actix::prelude::*;
use mf2c_domain::time::Timestamp;
use mf2c_lifecycle::AgentStatus;
use serde_json::{Map, Value};

use super::charge::{Charge, Part};
use super::conduct::plan_key;
use super::messages::{Trouble, WorkError};
use super::parcel::{Desired, Handed};
use super::{Kept, LifecycleManager};
use crate::resource_store::KeepState;

/// How a part of the new version is.
enum Progress {
    /// Well, and for long enough.
    Well,
    /// Not yet; it may be after so long.
    Coming(Duration),
    /// It has failed, and why.
    Failed(String),
}

impl LifecycleManager {
    /// Begins an update to the service as it is stored now.
    ///
    /// # Errors
    /// [`Trouble::Conflict`] while another one is under way.
    pub(super) fn begin_update(
        &mut self,
        name: &str,
        spec: Map<String, Value>,
        handed: Handed,
        ctx: &mut Context<Self>,
    ) -> Result<(), WorkError> {
        let now = self.world.clock.now();
        let Some(charge) = self.charges.get_mut(name) else { return Err(WorkError::not_found(name)) };
        if charge.plan.updating {
            return Err(WorkError::new(Trouble::Conflict, "an update is under way: wait until it has ended"));
        }
        let before = std::mem::replace(&mut charge.plan.spec, spec);
        charge.plan.before = Some(before);
        charge.handed_before = std::mem::replace(&mut charge.handed, handed);
        charge.plan.version += 1;
        charge.plan.trouble.clear();
        (charge.plan.updating, charge.plan.updated_at) = (true, Some(now.to_string()));
        charge.unsaved = true;
        // They are on disk before the plan that needs them.
        self.keep_handed(name, ctx);
        Ok(())
    }

    /// Keeps the credentials of both versions of an instance on disk.
    fn keep_handed(&self, name: &str, ctx: &mut Context<Self>) {
        let Some(charge) = self.charges.get(name) else { return };
        let (handed, before) = (charge.handed.clone(), charge.handed_before.clone());
        let kept = Kept { handed, before, admin: charge.admin };
        let value = (!kept.is_usual()).then(|| serde_json::to_vec(&kept).unwrap_or_default());
        let written = self.writer.send(KeepState { key: plan_key(name), value });
        let name = name.to_owned();
        ctx.spawn(written.into_actor(self).map(move |written, _, _| {
            if let Ok(Err(error)) = written {
                tracing::error!(instance = name, %error, "the credentials of an instance cannot be stored: they are lost at a restart");
            }
        }));
    }

    /// The next step of an update, if one is due.
    pub(super) fn go_on_with_update(&mut self, name: &str, ctx: &mut Context<Self>) {
        let Some(charge) = self.charges.get(name) else { return };
        if !charge.plan.updating || charge.plan.desired != Desired::Running || charge.saving {
            return;
        }
        let Some(rules) = charge.service().map(|service| service.update) else { return };
        let now = self.world.clock.now();
        let begun = charge.plan.updated_at.as_deref().and_then(Timestamp::parse).unwrap_or(now);
        let version = charge.plan.version;
        let (new, old): (Vec<Part>, Vec<Part>) =
            charge.plan.parts.iter().cloned().partition(|part| part.version == version);
        let mut coming = Vec::new();
        for part in &new {
            match self.progress(charge, part, begun, (rules.healthy_for, rules.within), now) {
                Progress::Well => {}
                Progress::Coming(pause) => coming.push(pause),
                Progress::Failed(why) => return self.take_back(name, &why, rules.revert, ctx),
            }
        }
        let room = (rules.parallel as usize).saturating_sub(coming.len());
        if let Some(pause) = coming.iter().min() {
            self.look_again(name, *pause, ctx);
        }
        let Some(charge) = self.charges.get_mut(name) else { return };
        if old.is_empty() {
            if coming.is_empty() {
                (charge.plan.updating, charge.plan.updated_at, charge.plan.before) = (false, None, None);
                charge.handed_before = Handed::default();
                charge.unsaved = true;
                self.keep_handed(name, ctx);
            }
            return;
        }
        for part in old.into_iter().take(room) {
            charge.place(part.index, &part.device, &part.node, &part.url);
            charge.plan.updated_at = Some(now.to_string());
        }
    }

    fn progress(
        &self,
        charge: &Charge,
        part: &Part,
        begun: Timestamp,
        (healthy_for, within): (Duration, Duration),
        now: Timestamp,
    ) -> Progress {
        let since = |at: Timestamp| Duration::from_nanos(u64::try_from(now.nanos() - at.nanos()).unwrap_or(0));
        let record = self.record(charge, part);
        let status = record.as_ref().map_or(AgentStatus::Created, super::run::Record::status);
        let detail = record.as_ref().map(|record| record.detail.clone()).unwrap_or_default();
        match status {
            AgentStatus::Started => {
                let started = record.and_then(|record| Timestamp::parse(record.started.as_deref()?)).unwrap_or(begun);
                let well = since(started);
                if well >= healthy_for { Progress::Well } else { Progress::Coming(healthy_for - well) }
            }
            // What ends by itself has done what it was for. What the owner holds back has not.
            AgentStatus::Stopped if record.as_ref().is_some_and(|it| it.exit_code == Some(0.0)) => Progress::Well,
            AgentStatus::Error | AgentStatus::Stopped => Progress::Failed(detail),
            _ if since(begun) >= within => Progress::Failed(if detail.is_empty() {
                format!("it was not well after {} s", within.as_secs())
            } else {
                detail
            }),
            _ => Progress::Coming((within - since(begun)).min(Duration::from_secs(1))),
        }
    }

    fn take_back(&mut self, name: &str, why: &str, revert: bool, ctx: &mut Context<Self>) {
        tracing::warn!(instance = name, why, revert, "an update has failed");
        let Some(charge) = self.charges.get_mut(name) else { return };
        let failed = charge.plan.version;
        charge.plan.trouble = format!("version {failed} failed: {why}");
        (charge.plan.updating, charge.plan.updated_at) = (false, None);
        charge.unsaved = true;
        let Some(before) = charge.plan.before.take().filter(|_| revert) else { return };
        charge.plan.spec = before;
        charge.handed = std::mem::take(&mut charge.handed_before);
        charge.plan.version += 1;
        let version = charge.plan.version;
        let parts = charge.plan.parts.clone();
        for part in parts {
            if part.version == failed {
                charge.place(part.index, &part.device, &part.node, &part.url);
            } else if let Some(part) = charge.plan.parts.iter_mut().find(|it| it.index == part.index) {
                // It runs that version already.
                part.version = version;
            }
        }
        self.keep_handed(name, ctx);
        self.look_again(name, Duration::from_millis(10), ctx);
    }
}
