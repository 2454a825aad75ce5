//! An instance that this agent conducts: where its parts are, and what has been told to whom. Pure.

use std::collections::BTreeSet;
use std::time::Duration;

use mf2c_domain::acl::Acl;
use mf2c_domain::id::ResourceId;
use mf2c_lifecycle::service::Service;
use mf2c_lifecycle::{AgentStatus, status};
use mf2c_placement::reschedule::{Placement, Placements};
use mf2c_store::record::NodeId;
use mf2c_workload::Handle;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::parcel::{Desired, Goal, Handed};
use super::run::Record;

/// A part of an instance: what it is, where it is, and what it was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Part {
    pub(super) index: u32,
    pub(super) generation: u64,
    /// The id of the device.
    pub(super) device: String,
    /// The name of the node of the agent there.
    pub(super) node: String,
    #[serde(default)]
    pub(super) url: String,
    #[serde(default)]
    pub(super) version: u64,
    /// How often it was asked to start anew.
    #[serde(default)]
    pub(super) restarts: u64,
    /// Whether the agent has taken it.
    #[serde(default)]
    pub(super) taken: bool,
}

/// What a `placement` document says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Plan {
    pub(super) instance: String,
    pub(super) service: String,
    pub(super) user: String,
    pub(super) term: u64,
    pub(super) desired: Desired,
    pub(super) last: u64,
    pub(super) version: u64,
    pub(super) spec: Map<String, Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) before: Option<Map<String, Value>>,
    #[serde(default)]
    pub(super) agreement: String,
    #[serde(default)]
    pub(super) trouble: String,
    #[serde(default)]
    pub(super) updating: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) updated_at: Option<String>,
    /// The only devices that may run it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) devices: Option<Vec<String>>,
    pub(super) parts: Vec<Part>,
    #[serde(default)]
    pub(super) leaving: Vec<Part>,
    /// Whether the instance's document has been here: when it is missing then, it was deleted.
    #[serde(default)]
    pub(super) seen: bool,
}

/// One instance.
pub(super) struct Charge {
    /// The id of the placement.
    pub(super) id: ResourceId,
    /// The name of the instance.
    pub(super) name: String,
    pub(super) plan: Plan,
    pub(super) acl: Acl,
    pub(super) handed: Handed,
    /// What the version before was given, while a new one comes.
    pub(super) handed_before: Handed,
    pub(super) admin: bool,
    /// Whether the plan is being written: nobody is told before it is.
    pub(super) saving: bool,
    /// Whether it has to be written.
    pub(super) unsaved: bool,
    /// Those who are being asked now.
    pub(super) asking: BTreeSet<(u32, u64)>,
    /// Nobody is asked before, after nobody could be reached.
    pub(super) not_before: Duration,
    pub(super) failures: u32,
    /// What its document was told last, where that is not known from the document.
    pub(super) writing: bool,
    /// Why more parts could not be placed.
    pub(super) shortage: String,
    /// Parts whose failure is known already.
    pub(super) failed: BTreeSet<(u32, u64)>,
}

impl Charge {
    pub(super) fn new(id: ResourceId, plan: Plan, acl: Acl, handed: Handed, admin: bool) -> Self {
        let name = plan.instance.strip_prefix("service-instance/").unwrap_or(&plan.instance).to_owned();
        Self {
            id,
            name,
            plan,
            acl,
            handed,
            handed_before: Handed::default(),
            admin,
            saving: false,
            unsaved: false,
            asking: BTreeSet::new(),
            not_before: Duration::ZERO,
            failures: 0,
            writing: false,
            shortage: String::new(),
            failed: BTreeSet::new(),
        }
    }

    /// What it shall do from now on. What is to be deleted does not come back.
    pub(super) fn wish(&mut self, wanted: Option<Desired>) {
        let Some(wanted) = wanted.filter(|wanted| *wanted != self.plan.desired) else { return };
        if self.plan.desired != Desired::Deleted {
            self.plan.desired = wanted;
            self.unsaved = true;
        }
    }

    /// The service in the version that is to run.
    pub(super) fn service(&self) -> Option<Service> {
        let body = serde_json::to_vec(&self.plan.spec).ok()?;
        Service::read(&self.plan.service, &body).ok()
    }

    /// The document of the service in a version.
    pub(super) fn spec_of(&self, version: u64) -> &Map<String, Value> {
        match &self.plan.before {
            Some(before) if version < self.plan.version => before,
            _ => &self.plan.spec,
        }
    }

    /// What a version is given of credentials.
    pub(super) const fn handed_of(&self, version: u64) -> &Handed {
        match &self.plan.before {
            Some(_) if version < self.plan.version => &self.handed_before,
            _ => &self.handed,
        }
    }

    pub(super) fn handle(&self, part: &Part) -> Handle {
        Handle { instance: self.name.clone(), index: part.index, generation: part.generation }
    }

    pub(super) fn goal(&self, part: &Part) -> Goal {
        Goal { desired: self.plan.desired, restarts: part.restarts }
    }

    pub(super) fn placements(&self) -> Placements {
        Placements::new(
            self.plan.last,
            self.plan.parts.iter().map(|part| Placement {
                index: part.index,
                generation: part.generation,
                agent: part.node.clone(),
            }),
        )
    }

    /// Puts a part somewhere; what was there of it leaves.
    pub(super) fn place(&mut self, index: u32, device: &str, node: &str, url: &str) {
        self.plan.last += 1;
        let version = self.plan.version;
        let part = Part {
            index,
            generation: self.plan.last,
            device: device.to_owned(),
            node: node.to_owned(),
            url: url.to_owned(),
            version,
            restarts: 0,
            taken: false,
        };
        self.take_away(index);
        self.plan.parts.push(part);
        self.plan.parts.sort_by_key(|part| part.index);
        self.unsaved = true;
    }

    /// Removes a part there where it is.
    pub(super) fn take_away(&mut self, index: u32) {
        let (gone, stay) = std::mem::take(&mut self.plan.parts).into_iter().partition(|part| part.index == index);
        self.plan.parts = stay;
        let gone: Vec<Part> = gone;
        self.plan.leaving.extend(gone);
        self.unsaved = true;
    }

    /// The attributes of its document.
    pub(super) fn document(&self) -> Map<String, Value> {
        serde_json::to_value(&self.plan).ok().and_then(|plan| plan.as_object().cloned()).unwrap_or_default()
    }

    /// Whether other agents take part.
    pub(super) fn is_spread(&self, own: &str) -> bool {
        self.plan.parts.iter().chain(&self.plan.leaving).any(|part| part.node != own)
    }
}

/// How a part is, as far as it is known.
pub(super) struct Look<'a> {
    pub(super) part: &'a Part,
    pub(super) record: Option<&'a Record>,
    /// Whether its agent is not to be reached.
    pub(super) is_lost: bool,
}

impl Look<'_> {
    pub(super) fn status(&self, desired: Desired) -> AgentStatus {
        match self.record {
            _ if self.is_lost => AgentStatus::Unknown,
            Some(record) => record.status(),
            None if desired == Desired::Deleted => AgentStatus::Terminated,
            None => AgentStatus::Created,
        }
    }
}

/// What the document of an instance shall say of its parts.
pub(super) fn fold(charge: &Charge, looks: &[Look<'_>], exec_type: &str) -> Map<String, Value> {
    let plan = &charge.plan;
    let mut statuses: Vec<AgentStatus> = looks.iter().map(|look| look.status(plan.desired)).collect();
    if plan.desired == Desired::Deleted {
        statuses.push(AgentStatus::Terminating);
    }
    let status = if plan.parts.is_empty() && plan.desired == Desired::Running {
        "error"
    } else {
        status::of_instance(&statuses)
    };
    let agents: Vec<Value> = looks.iter().map(|look| agent(look, plan.desired, exec_type)).collect();
    let mut told = json!({
        "status": status,
        "detail": detail(charge, looks),
        "agents": agents,
        "desired": plan.desired.as_str(),
        "version": plan.version,
    });
    if !plan.agreement.is_empty() {
        told["agreement"] = plan.agreement.clone().into();
    }
    if plan.updating || !plan.trouble.is_empty() {
        let done = plan.parts.iter().filter(|part| part.version == plan.version).count();
        let to = plan.version;
        told["update"] = json!({ "to": to, "done": done, "trouble": plan.trouble });
    }
    told.as_object().cloned().unwrap_or_default()
}

fn detail(charge: &Charge, looks: &[Look<'_>]) -> String {
    let mut said: Vec<String> = Vec::new();
    if !charge.shortage.is_empty() {
        said.push(charge.shortage.clone());
    }
    for look in looks {
        let text = match look.record {
            _ if look.is_lost => "its agent is not to be reached",
            Some(record) => record.detail.as_str(),
            None => "",
        };
        if !text.is_empty() && said.len() < 8 {
            said.push(format!("{}: {text}", if look.part.url.is_empty() { &look.part.device } else { &look.part.url }));
        }
    }
    said.join("; ")
}

fn agent(look: &Look<'_>, desired: Desired, exec_type: &str) -> Value {
    let part = look.part;
    let url = if part.url.is_empty() { "127.0.0.1" } else { &part.url };
    let mut agent = json!({
        "url": url,
        "ports": [],
        "container_id": "",
        "status": look.status(desired).name(),
        "device_id": part.device,
        "app_type": exec_type,
        "allow": true,
        "master_compss": part.index == 0,
        "index": part.index,
        "generation": part.generation,
        "version": part.version,
    });
    let Some(record) = look.record else { return agent };
    let ports: Vec<u16> = record.bindings.iter().map(|binding| binding.host).filter(|port| *port > 0).collect();
    agent["ports"] = json!(ports);
    agent["bindings"] = json!(record.bindings);
    agent["container_id"] = record.container_id.clone().into();
    agent["detail"] = record.detail.clone().into();
    agent["restarts"] = record.restarts.into();
    if let Some(health) = &record.health {
        agent["health"] = health.clone().into();
    }
    if let Some(code) = record.exit_code {
        agent["exit_code"] = json!(code);
    }
    if let Some(oom) = record.oom {
        agent["oom"] = oom.into();
    }
    agent
}

/// The 16 bytes of the name of a node.
pub(super) fn node_of(name: &str) -> Option<NodeId> {
    let digits: String = name.chars().filter(|sign| *sign != '-').collect();
    let mut bytes = [0; 16];
    if digits.len() != 32 || !digits.is_ascii() {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

/// The name of the placement of an instance: two agents never write the same one.
pub(super) fn plan_name(instance: &str, term: u64, node: &str) -> String {
    format!("{instance}-{term}-{}", node.get(..8).unwrap_or(node))
}

/// The name of a node, as it stands in ids.
pub(super) fn node_name(node: &NodeId) -> String {
    let digits: String = node.iter().map(|byte| format!("{byte:02x}")).collect();
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn charge(parts: usize) -> Charge {
        let plan = json!({
            "instance": "service-instance/i", "service": "service/s", "user": "u", "term": 0, "desired": "running", "last": 0,
            "version": 1, "spec": {"name": "s", "exec": "x", "exec_type": "docker"}, "parts": [],
        });
        let id = ResourceId::parse("placement/i-0").unwrap();
        let mut charge =
            Charge::new(id, serde_json::from_value(plan).unwrap(), Acl::of_admin(&[]), Handed::default(), false);
        for index in (0..).take(parts) {
            charge.place(index, &format!("device/{index}"), &format!("node-{index}"), "");
        }
        charge
    }

    fn record(status: &str, detail: &str) -> Record {
        let body = json!({
            "instance": "service-instance/i", "service": "service/s", "device_id": "device/0", "index": 0, "generation": 1,
            "desired": "running", "status": status, "detail": detail,
        });
        serde_json::from_value(body).unwrap()
    }

    #[test]
    fn nodes_are_read_as_they_are_written() {
        let node: NodeId = std::array::from_fn(|at| u8::try_from(at * 16 + 3).unwrap_or(7));
        assert_eq!(node_of(&node_name(&node)), Some(node));
        for none in
            ["", "x", "zz000000-0000-0000-0000-000000000000", "\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}"]
        {
            assert_eq!(node_of(none), None, "{none}");
        }
    }

    #[test]
    fn a_part_that_is_placed_anew_gets_a_generation_that_no_part_had_and_the_old_one_leaves() {
        let mut charge = charge(2);
        charge.place(0, "device/9", "node-9", "");
        let placed: Vec<_> = charge.plan.parts.iter().map(|part| (part.index, part.generation)).collect();
        assert_eq!(placed, [(0, 3), (1, 2)]);
        let leaving: Vec<_> = charge.plan.leaving.iter().map(|part| (part.index, part.generation)).collect();
        assert_eq!((leaving, charge.plan.last), (vec![(0, 1)], 3));
        assert!(charge.is_spread("node-1") && !super::tests::charge(1).is_spread("node-0"));
    }

    #[test]
    fn an_instance_is_what_its_parts_are_and_one_out_of_reach_is_not_known() {
        let charge = charge(2);
        let (well, ill) = (record("started", ""), record("error", "it broke"));
        let status = |records: [Option<&Record>; 2], lost: [bool; 2]| {
            let looks: Vec<Look<'_>> = charge
                .plan
                .parts
                .iter()
                .zip(records)
                .zip(lost)
                .map(|((part, record), is_lost)| Look { part, record, is_lost })
                .collect();
            let told = fold(&charge, &looks, "docker");
            let text = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
            (text("status"), text("detail"))
        };
        assert_eq!(status([None, None], [false; 2]).0, "created-not-initialized");
        assert_eq!(status([Some(&well), Some(&well)], [false; 2]), ("started".to_owned(), String::new()));
        let (told, why) = status([Some(&well), Some(&ill)], [false; 2]);
        assert_eq!((told.as_str(), why.as_str()), ("degraded", "device/1: it broke"));
        let (told, why) = status([Some(&well), Some(&well)], [false, true]);
        assert_eq!((told.as_str(), why.as_str()), ("degraded", "device/1: its agent is not to be reached"));
    }
}
