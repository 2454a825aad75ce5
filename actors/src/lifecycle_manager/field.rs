//! All devices that might run a service, with what counts for each.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use mf2c_domain::time::Timestamp;
use mf2c_placement::Backends;
use mf2c_placement::document::{Device, Dynamic, Service, SharingModel, UserProfile};
use mf2c_placement::policy::{Demand, Shares};
use mf2c_placement::rank::{Candidate, Load, Operator, Ranking, Request, Settings, rank};
use mf2c_store::Document;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::LifecycleManager;
use super::messages::Scheduling;
use super::parcel::Desired;
use super::run::{Record, id_of};

/// A device, and whose it is.
pub(super) struct Found {
    /// Its id.
    pub(super) id: String,
    /// The name of the node of its agent.
    pub(super) node: String,
    /// The address of its agent.
    pub(super) url: String,
    device: Device,
    dynamic: Option<Dynamic>,
    sharing: Option<SharingModel>,
    profile: Option<UserProfile>,
    apps: u32,
    used: Shares,
    reserved: Vec<Demand>,
    same_service: u32,
    failures: Vec<Timestamp>,
    heard: Option<Timestamp>,
    backends: Option<Backends>,
    operator: Operator,
}

/// See the module.
pub(super) struct Field {
    pub(super) service: Service,
    pub(super) found: Vec<Found>,
    /// What the owners of all devices say, by device.
    profiles: BTreeMap<String, UserProfile>,
    /// The device of this agent.
    own: String,
    now: Timestamp,
}

#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    scheduling: Option<Scheduling>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Member {
    #[serde(default)]
    node: String,
    status: String,
    last_contact: Option<String>,
}

/// What runs, or shall, on one device.
#[derive(Default)]
struct Burden {
    /// Parts that run; those that are to are in `parts`.
    apps: u32,
    parts: Vec<(Demand, bool)>,
    same_service: u32,
}

impl LifecycleManager {
    /// All devices, for a service; none if the service makes no sense.
    pub(super) fn field(&self, service: &str, spec: &Map<String, Value>, only: Option<&[String]>) -> Option<Field> {
        let read = Service::read(service, &serde_json::to_vec(spec).ok()?)?;
        let (now, members) = (self.world.clock.now(), self.members());
        let mut burdens = self.burdens(service);
        let sharing = self.by_device("sharing-model", SharingModel::read, |it| &it.device);
        let profiles = self.by_device("user-profile", UserProfile::read, |it| &it.device);
        let found = self.store.all("device").into_iter().filter_map(|document| {
            let node = self.node_of_device(&document)?;
            let id = document.id.as_str();
            let body = self.store.body(&document).ok()??;
            let device = Device::read(id, &body)?;
            let said: Said = serde_json::from_slice(&body).unwrap_or(Said { scheduling: None });
            let dynamic = self.dynamic_of(&node);
            let url = self.address_of(&node, dynamic.as_ref());
            if only.is_some_and(|only| !only.iter().any(|word| names(word, id, &url))) {
                return None;
            }
            let burden = burdens.remove(id).unwrap_or_default();
            let running = burden.parts.iter().filter(|(_, runs)| *runs);
            let used = running.map(|(demand, _)| demand.shares_on(&device)).fold(Shares::default(), Shares::plus);
            let reserved = burden.parts.iter().filter(|(_, runs)| !runs).map(|(demand, _)| *demand).collect();
            let own = node == self.node_name;
            let heard = if own { Some(now) } else { members.get(&node).copied().flatten() };
            Some(Found {
                id: id.to_owned(),
                url,
                sharing: sharing.get(id).cloned(),
                profile: profiles.get(id).cloned(),
                apps: burden.apps,
                used,
                reserved,
                same_service: burden.same_service,
                failures: self.failures.of(service, id),
                heard,
                backends: own.then(|| self.offered()),
                operator: operator(said.scheduling),
                node,
                device,
                dynamic,
            })
        });
        let found = found.collect();
        Some(Field { service: read, found, profiles, own: format!("device/{}", self.node_name), now })
    }

    /// The node whose device this is; none for what somebody has only written down.
    pub(super) fn node_of_device(&self, document: &Document) -> Option<String> {
        let node = match document.origin() {
            None => self.node_name.clone(),
            Some(origin) => super::charge::node_name(&origin),
        };
        (document.id.name() == node).then_some(node)
    }

    /// When each other agent was heard of.
    fn members(&self) -> BTreeMap<String, Option<Timestamp>> {
        let now = self.world.clock.now();
        let members = self.store.all("area-member").into_iter().filter_map(|document| {
            let member: Member = serde_json::from_slice(&self.store.body(&document).ok()??).ok()?;
            let heard = match member.status.as_str() {
                "connected" => Some(now),
                _ => member.last_contact.as_deref().and_then(Timestamp::parse),
            };
            Some((member.node, heard))
        });
        let mut all: BTreeMap<String, Option<Timestamp>> = BTreeMap::new();
        for (node, heard) in members {
            let known = all.entry(node).or_default();
            *known = (*known).max(heard);
        }
        all
    }

    /// What is on each device, by its id.
    fn burdens(&self, service: &str) -> BTreeMap<String, Burden> {
        let mut burdens: BTreeMap<String, Burden> = BTreeMap::new();
        let mut add = |device: &str, of: &str, spec: &Map<String, Value>, runs: bool| {
            let burden = burdens.entry(device.to_owned()).or_default();
            burden.apps += u32::from(runs);
            burden.same_service += u32::from(of == service);
            let read = serde_json::to_vec(spec).ok().and_then(|body| Service::read(of, &body));
            // What makes no sense any more is counted, and weighs nothing.
            burden.parts.push((read.as_ref().map(Demand::of).unwrap_or_default(), runs));
        };
        for document in self.store.all("workload") {
            let body = self.store.body(&document).ok().flatten();
            let Some(record) = body.as_deref().and_then(Record::read) else { continue };
            if record.desired == Desired::Running && record.status().is_alive() {
                add(&record.device_id, &record.service, &record.spec, record.started.is_some());
            }
        }
        for charge in self.charges.values().filter(|charge| charge.plan.desired == Desired::Running) {
            for part in &charge.plan.parts {
                if self.store.get(&id_of(&charge.handle(part))).is_none() {
                    add(&part.device, &charge.plan.service, &charge.plan.spec, false);
                }
            }
        }
        burdens
    }

    /// Documents that are about a device; of several the newest.
    fn by_device<T>(
        &self,
        kind: &str,
        read: impl Fn(&str, &[u8]) -> Option<T>,
        device: impl Fn(&T) -> &str,
    ) -> BTreeMap<String, T> {
        let mut all = self.store.all(kind);
        all.sort_by_key(|document| document.time());
        let read = all.into_iter().filter_map(|document| {
            let found = read(document.id.as_str(), &self.store.body(&document).ok()??)?;
            let named = device(&found);
            let id = if named.contains('/') { named.to_owned() } else { format!("device/{named}") };
            Some((id, found))
        });
        read.collect()
    }

    fn dynamic_of(&self, node: &str) -> Option<Dynamic> {
        let document = self.store.get(&format!("device-dynamic/{node}"))?;
        Dynamic::read(&self.store.body(&document).ok()??)
    }

    /// The address of an agent, for people and for clients of what runs there.
    pub(super) fn address_of(&self, node: &str, dynamic: Option<&Dynamic>) -> String {
        #[derive(Deserialize)]
        struct Agent {
            #[serde(default)]
            device_ip: String,
        }
        let agent = self.store.get(&format!("agent/{node}")).and_then(|document| {
            let body = self.store.body(&document).ok()??;
            Some(serde_json::from_slice::<Agent>(&body).ok()?.device_ip)
        });
        let known = agent.filter(|address| !address.is_empty());
        let dynamic = || dynamic.and_then(|dynamic| dynamic.address).map(|address| address.to_string());
        known.or_else(dynamic).unwrap_or_default()
    }

    /// Whether a device is being emptied.
    pub(super) fn is_draining(&self, device: &str) -> bool {
        let body = self.store.get(device).and_then(|document| Some(self.store.body(&document).ok()??.into_owned()));
        let said = body.and_then(|body| serde_json::from_slice::<Said>(&body).ok());
        said.is_some_and(|said| said.scheduling == Some(Scheduling::Draining))
    }

    /// The profile and the sharing model of the own device, as documents.
    pub(super) fn own_policy(&self) -> (Option<Value>, Option<Value>) {
        let own = format!("device/{}", self.node_name);
        let newest = |kind: &str| {
            let mut all = self.store.all(kind);
            all.sort_by_key(|document| std::cmp::Reverse(document.time()));
            all.into_iter().find_map(|document| {
                let body: Value = serde_json::from_slice(&self.store.body(&document).ok()??).ok()?;
                let device = body.get("device_id")?.as_str()?;
                (device == own || device == self.node_name).then_some(body)
            })
        };
        (newest("user-profile"), newest("sharing-model"))
    }
}

/// Whether a word of a caller's names a device.
fn names(word: &str, id: &str, url: &str) -> bool {
    word == id || id.strip_prefix("device/") == Some(word) || (!url.is_empty() && word == url)
}

fn operator(scheduling: Option<Scheduling>) -> Operator {
    match scheduling {
        None | Some(Scheduling::Open) => Operator::Open,
        Some(Scheduling::Cordoned) => Operator::Cordoned,
        Some(Scheduling::Draining) => Operator::Draining,
    }
}

impl Field {
    /// Ranks all of them but those `without`, and has `then` look at what came out.
    pub(super) fn rank<T>(
        &self,
        without: &[&str],
        requester: Option<&str>,
        blocked: &[String],
        then: impl FnOnce(&Ranking<'_>, &[&Found]) -> T,
    ) -> T {
        let without: BTreeSet<&str> = without.iter().copied().collect();
        let found: Vec<&Found> = self.found.iter().filter(|found| !without.contains(found.id.as_str())).collect();
        let candidates: Vec<Candidate<'_>> = found.iter().map(|found| candidate(found, blocked)).collect();
        let requester = requester.unwrap_or(&self.own);
        let profile = self.profiles.get(requester);
        let request = Request {
            service: &self.service,
            requester: Some(requester),
            requester_profile: profile,
            failed: &[],
            settings: Settings::default(),
        };
        then(&rank(&request, &candidates, self.now), &found)
    }

    /// The answer of the original's recommender.
    pub(super) fn optimal(&self) -> Value {
        let candidates: Vec<Candidate<'_>> = self.found.iter().map(|found| candidate(found, &[])).collect();
        let request = Request {
            service: &self.service,
            requester: Some(&self.own),
            requester_profile: None,
            failed: &[],
            settings: Settings::default(),
        };
        let ranking = rank(&request, &candidates, self.now);
        serde_json::to_value(mf2c_placement::optimal::optimal(&ranking, &candidates)).unwrap_or_default()
    }
}

fn candidate<'f>(found: &'f Found, blocked: &[String]) -> Candidate<'f> {
    Candidate {
        dynamic: found.dynamic.as_ref(),
        sharing: found.sharing.as_ref(),
        profile: found.profile.as_ref(),
        load: Load { apps: found.apps, used: found.used, reserved: &found.reserved, same_service: found.same_service },
        failures: &found.failures,
        heard: found.heard,
        backends: found.backends,
        operator: found.operator,
        blocked: blocked.contains(&found.id),
        address: found.url.parse::<IpAddr>().ok(),
        ..Candidate::new(&found.device)
    }
}
