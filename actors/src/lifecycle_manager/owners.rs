//! What the owner of this device lets run: asked before a part is taken, and looked at again whenever something changes.

use actix::prelude::*;
use mf2c_domain::time::Timestamp;
use mf2c_placement::document::{Service, SharingModel, UserProfile};
use mf2c_placement::policy::{Demand, Question, Response, Running, Shares, Verdict, respond, verdict, violations};
use mf2c_workload::Handle;
use serde_json::{Map, Value, json};

use super::LifecycleManager;
use super::messages::{Trouble, WorkError};
use super::parcel::Desired;

/// What the owner has said, and what runs.
struct Owner {
    profile: Option<UserProfile>,
    sharing: Option<SharingModel>,
    dynamic: Option<mf2c_placement::document::Dynamic>,
    apps: u32,
    used: Shares,
    position: bool,
}

impl Owner {
    fn question(&self) -> Question<'_> {
        Question {
            profile: self.profile.as_ref(),
            sharing: self.sharing.as_ref(),
            dynamic: self.dynamic.as_ref(),
            must_have_said: true,
            apps: self.apps,
            used: self.used,
            requested: Shares::default(),
            wants_position: self.position,
        }
    }
}

impl LifecycleManager {
    fn owner(&self) -> Owner {
        let id = format!("device/{}", self.node_name);
        let body = |document: Option<Value>| document.and_then(|document| serde_json::to_vec(&document).ok());
        let (profile, sharing) = self.own_policy();
        let device = self
            .store
            .get(&id)
            .and_then(|document| mf2c_placement::document::Device::read(&id, &self.store.body(&document).ok()??));
        let dynamic = self
            .store
            .get(&format!("device-dynamic/{}", self.node_name))
            .and_then(|document| mf2c_placement::document::Dynamic::read(&self.store.body(&document).ok()??));
        let running: Vec<Service> = self
            .runs
            .values()
            .filter(|run| {
                run.goal.desired == Desired::Running && run.held_back.is_none() && run.supervisor.status().is_alive()
            })
            .filter_map(|run| self.spec_document(&run.handle))
            .collect();
        let shares = |service: &Service| device.as_ref().map(|device| Demand::of(service).shares_on(device));
        Owner {
            profile: body(profile).and_then(|body| UserProfile::read("user-profile/own", &body)),
            sharing: body(sharing).and_then(|body| SharingModel::read("sharing-model/own", &body)),
            dynamic,
            apps: u32::try_from(running.len()).unwrap_or(u32::MAX),
            used: running.iter().filter_map(shares).fold(Shares::default(), Shares::plus),
            position: running.iter().any(Service::wants_position),
        }
    }

    fn spec_document(&self, handle: &Handle) -> Option<Service> {
        let document = self.store.get(&super::run::id_of(handle))?;
        let record = super::run::Record::read(&self.store.body(&document).ok()??)?;
        Service::read(&record.service, &serde_json::to_vec(&record.spec).ok()?)
    }

    /// Whether the owner lets one more run, and why not.
    pub(super) fn owner_says_no(&self, service: &str, spec: &Map<String, Value>) -> Option<WorkError> {
        let read = Service::read(service, &serde_json::to_vec(spec).ok()?)?;
        let owner = self.owner();
        let id = format!("device/{}", self.node_name);
        let device = self
            .store
            .get(&id)
            .and_then(|document| mf2c_placement::document::Device::read(&id, &self.store.body(&document).ok()??));
        let requested = device.map(|device| Demand::of(&read).shares_on(&device)).unwrap_or_default();
        let question = Question {
            requested,
            wants_position: read.wants_position(),
            must_have_said: read.agent_type == Some(mf2c_placement::AgentType::Normal),
            ..owner.question()
        };
        let Verdict { allowed, reasons } = verdict(&question);
        let said: Vec<String> = reasons.iter().map(ToString::to_string).collect();
        (!allowed).then(|| WorkError::new(Trouble::NoRoom, said.join("; ")))
    }

    /// For the original's `/um/check`.
    pub(super) fn check_policy(&self) -> Value {
        let owner = self.owner();
        let verdict = verdict(&owner.question());
        let (profile, sharing) = self.own_policy();
        let reasons: Vec<Value> = verdict
            .reasons
            .iter()
            .map(|reason| {
                let mut told = serde_json::to_value(reason).unwrap_or_default();
                told["sentence"] = reason.to_string().into();
                told
            })
            .collect();
        json!({
            "allowed": verdict.allowed,
            "reasons": reasons,
            "apps_running": owner.apps,
            "sharing_model": sharing,
            "user_profile": profile,
        })
    }

    /// Looks whether what runs keeps within the owner's limits, and does about it what is configured.
    pub(super) fn mind_the_owner(&mut self, ctx: &mut Context<Self>) {
        if self.runs.is_empty() {
            return;
        }
        let owner = self.owner();
        let broken = violations(&owner.question());
        let why: Vec<String> = broken.iter().map(ToString::to_string).collect();
        let why = why.join("; ");
        if broken.is_empty() {
            return self.let_go_on(ctx);
        }
        let running: Vec<(String, Handle, Option<Timestamp>, bool)> = self
            .runs
            .values()
            .filter(|run| run.goal.desired == Desired::Running && run.held_back.is_none())
            .map(|run| {
                let position = self.spec_document(&run.handle).is_some_and(|service| service.wants_position());
                (run.handle.instance.clone(), run.handle.clone(), run.started, position)
            })
            .collect();
        let told: Vec<Running<'_>> = running
            .iter()
            .map(|(instance, handle, started, uses_position)| Running {
                instance,
                index: handle.index,
                started: *started,
                uses_position: *uses_position,
            })
            .collect();
        let met = match respond(self.settings.on_violation, &broken, &told) {
            Response::Nothing => return,
            Response::Warn => {
                if self.warned != why {
                    tracing::warn!(why, "what runs here is more than the owner of the device lends");
                    self.warned = why;
                }
                return;
            }
            Response::Stop(running) => (running, false),
            Response::Move(running) => (running, true),
        };
        let handle = running
            .iter()
            .map(|(_, handle, ..)| handle)
            .find(|handle| handle.instance == met.0.instance && handle.index == met.0.index);
        let Some(handle) = handle.cloned() else { return };
        self.hold_back(&handle, &why, met.1, ctx);
        // Whether that was enough, the next look tells.
        self.mind_the_owner(ctx);
    }

    fn hold_back(&mut self, handle: &Handle, why: &str, moves: bool, ctx: &mut Context<Self>) {
        let now = self.world.clock.now();
        let Some(run) = self.runs.get_mut(handle) else { return };
        tracing::warn!(workload = %handle, why, moves, "stopped for the sake of the owner of the device");
        run.held_back = Some(format!("held back: {why}"));
        run.evicted = moves;
        run.happened(now, if moves { "evicted" } else { "held-back" }, why);
        self.step(handle, mf2c_lifecycle::Input::Desire(mf2c_lifecycle::Desired::Stopped), ctx);
    }

    /// What was held back may run again.
    fn let_go_on(&mut self, ctx: &mut Context<Self>) {
        self.warned.clear();
        let next = self.runs.values().find(|run| run.held_back.is_some()).map(|run| run.handle.clone());
        let Some(handle) = next else { return };
        let Some(record) = self.spec_document(&handle) else { return };
        // Only if it fits again: else it would be stopped at once.
        let id = record.id.to_string();
        let spec = self
            .store
            .get(&super::run::id_of(&handle))
            .and_then(|document| Some(super::run::Record::read(&self.store.body(&document).ok()??)?.spec));
        if spec.is_none_or(|spec| self.owner_says_no(&id, &spec).is_some()) {
            return;
        }
        let now = self.world.clock.now();
        let Some(run) = self.runs.get_mut(&handle) else { return };
        (run.held_back, run.evicted) = (None, false);
        run.happened(now, "let-go", "it is within what the owner lends again");
        if run.goal.desired == Desired::Running {
            self.step(&handle, mf2c_lifecycle::Input::Desire(mf2c_lifecycle::Desired::Running), ctx);
        }
    }
}
