//! Computers and classes of computers. Devices of the area that nobody has described are computers too, of the type `device`, for
//! whoever may see them.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::web;
use mf2c_domain::acl::PrincipalKind;
use mf2c_domain::id::ResourceId;
use mf2c_domain::testbed::Asker;
use mf2c_domain::testbed::access::{Circles as _, ExperimentRight};
use mf2c_domain::testbed::computer::{Computer, Deed};
use mf2c_domain::testbed::experiment::Experiment;
use mf2c_domain::testbed::outline::Outline;
use mf2c_domain::testbed::pattern::Pattern;
use mf2c_domain::testbed::state::Container;
use mf2c_soap::{Field, ObjectType, Request, Value};
use mf2c_store::{Document, Store, StoreError};
use serde::Deserialize;

use super::{description_in, given, list_values, lists_in};
use crate::cimi::Api;
use crate::deter::call::Call;
use crate::deter::fault::Fault;
use crate::deter::testbed::{Held, Members, add, all, discard, edit, picked, read, refresh_class, seen_by};
use crate::deter::types::shown;

/// The type of computers that are devices and nothing else.
pub(super) const DEVICE: &str = "device";
/// The most computers and classes.
const MOST: usize = 10_000;

pub(super) static DESCRIPTION: ObjectType = ObjectType {
    name: "ComputerDescription",
    fields: &[
        Field::flag("allocated"),
        Field::text("allocatedExperiment"),
        Field::text("allocatedProject"),
        Field::text("description"),
        Field::text("name"),
        Field::text("owner"),
        Field::text("projectDelete").many(),
        Field::text("projectModify").many(),
        Field::text("projectRead").many(),
        Field::text("projectUse").many(),
        Field::text("type"),
        // The device of the area that it is.
        Field::text("device"),
    ],
};

fn document_id(name: Option<&str>, kind: &str) -> String {
    format!("computer/{}", Computer::local_name(name, kind))
}

/// What runs where, as far as it matters here.
struct Running {
    /// The instances that run on each device.
    on: BTreeMap<String, Vec<String>>,
    /// The experiments of instances, with the projects under which they run.
    of: BTreeMap<String, (Arc<Experiment>, Option<String>)>,
}

#[derive(Deserialize)]
struct Instance {
    #[serde(default)]
    agents: Vec<Agent>,
}

#[derive(Deserialize)]
struct Agent {
    #[serde(default)]
    device_id: String,
    #[serde(default)]
    status: String,
}

/// The instances that run on each device.
fn on_devices(store: &Store) -> Result<BTreeMap<String, Vec<String>>, StoreError> {
    let mut on: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for document in store.all("service-instance") {
        let body = store.body(&document)?;
        let Some(instance) = body.and_then(|body| serde_json::from_slice::<Instance>(&body).ok()) else { continue };
        for agent in instance.agents.into_iter().filter(|agent| Container::of(&agent.status) == Container::Up) {
            on.entry(agent.device_id).or_default().push(document.id.as_str().to_owned());
        }
    }
    Ok(on)
}

/// An experiment of which something runs, the project under which it does, and the instances.
fn instances(held: Held<Outline>) -> Option<(Experiment, Option<String>, Vec<String>)> {
    let mut experiment = held.value.experiment;
    let realization = experiment.realization.take()?;
    experiment.aspects = Vec::new();
    let instances: Vec<String> = realization.elements.into_iter().filter_map(|element| element.instance).collect();
    (!instances.is_empty()).then_some((experiment, realization.project, instances))
}

impl Running {
    async fn read(api: &Api) -> Result<Self, StoreError> {
        let store = Arc::clone(&api.store);
        let on = web::block(move || on_devices(&store)).await.map_err(|_| StoreError::Stopping)??;
        let mut running = Self { on, of: BTreeMap::new() };
        for (experiment, project, instances) in picked(api, "experiment", instances).await? {
            let experiment = Arc::new(experiment);
            for instance in instances {
                let _ = running.of.insert(instance, (Arc::clone(&experiment), project.clone()));
            }
        }
        Ok(running)
    }

    /// What is told of a device: whether something runs there, and for which experiment, where the viewer may know it.
    fn tell(&self, device: Option<&str>, by: Asker<'_>, members: &Members<'_>, into: &mut Vec<(&'static str, Value)>) {
        let instances = device.and_then(|device| self.on.get(device)).map(Vec::as_slice).unwrap_or_default();
        into.push(("allocated", (!instances.is_empty()).into()));
        let may_read =
            |experiment: &Experiment| experiment.demand(by, ExperimentRight::ReadExperiment, members).is_ok();
        let found = instances.iter().filter_map(|id| self.of.get(id)).find(|(experiment, _)| may_read(experiment));
        let Some((experiment, project)) = found else { return };
        into.push(("allocatedExperiment", experiment.experiment_id.as_str().into()));
        let visible = project.as_deref().filter(|project| by.admin || members.is_member(project, by.uid));
        into.extend(visible.map(|project| ("allocatedProject", project.into())));
    }
}

/// What is asked for.
struct Wanted<'r> {
    owner: Option<&'r str>,
    pattern: Option<Pattern>,
    kind: Option<&'r str>,
}

impl Wanted<'_> {
    fn has(&self, computer: &Computer) -> bool {
        let named = |pattern: &Pattern| computer.name.as_deref().is_some_and(|name| pattern.matches(name));
        self.owner.is_none_or(|owner| computer.owner == owner)
            && self.kind.is_none_or(|kind| computer.kind == kind)
            && self.pattern.as_ref().is_none_or(named)
    }
}

pub(super) async fn view(call: &Call<'_>, request: &Request) -> Result<Value, Fault> {
    let uid = call.acting(given(request, "uid"))?;
    let by = call.asker(&uid);
    let wanted = Wanted {
        owner: given(request, "owner"),
        pattern: given(request, "nameRE").map(Pattern::anywhere).transpose()?,
        kind: given(request, "type"),
    };
    let api = call.exchange.api;
    let (members, running) = (Members::new(api), Running::read(api).await?);
    let held: Vec<Computer> = all::<Computer>(api, "computer").await?.into_iter().map(|held| held.value).collect();
    let class_of = |computer: &Computer| {
        let is_class = |other: &&Computer| other.name.is_none() && other.kind == computer.kind;
        held.iter().find(is_class).filter(|_| computer.name.is_some())
    };
    let mut found = Vec::new();
    for computer in held.iter().filter(|computer| wanted.has(computer)) {
        let class = class_of(computer);
        if computer.grants(by, Deed::Read, class, &members) {
            let mut members_of = description(computer, class);
            if computer.name.is_some() {
                running.tell(computer.device.as_deref(), by, &members, &mut members_of);
            }
            found.push(Value::Object(&DESCRIPTION, members_of));
        }
    }
    let described = |device: &Document| held.iter().any(|it| it.device.as_deref() == Some(device.id.as_str()));
    for device in api.store.all(DEVICE) {
        let computer = as_computer(&device);
        if device.acl.can_view(&call.exchange.caller) && !described(&device) && wanted.has(&computer) {
            let mut members_of = description(&computer, None);
            running.tell(computer.device.as_deref(), by, &members, &mut members_of);
            found.push(Value::Object(&DESCRIPTION, members_of));
        }
    }
    Ok(Value::List(found))
}

/// A device that nobody has described.
fn as_computer(device: &Arc<Document>) -> Computer {
    let owner = &device.acl.owner;
    let owner = if owner.kind == PrincipalKind::User { owner.principal.to_string() } else { String::new() };
    Computer {
        name: Some(device.id.name().to_owned()),
        kind: DEVICE.to_owned(),
        owner,
        device: Some(device.id.as_str().to_owned()),
        ..Computer::default()
    }
}

fn description(computer: &Computer, class: Option<&Computer>) -> Vec<(&'static str, Value)> {
    let mut out = vec![
        ("description", computer.description(class).into()),
        ("owner", computer.owner.as_str().into()),
        ("type", computer.kind.as_str().into()),
    ];
    out.extend(computer.name.as_deref().map(|name| ("name", name.into())));
    out.extend(computer.device.as_deref().map(|device| ("device", device.into())));
    list_values(&computer.projects.or(class.map(|class| &class.projects)), &mut out);
    out
}

/// The device that a request names: by its id, by the name in its id, or as the computer's own name.
fn device_in(call: &Call<'_>, request: &Request, name: Option<&str>) -> Result<Option<String>, Fault> {
    let store = &call.exchange.api.store;
    let known = |text: &str| {
        let id = text.strip_prefix("device/").unwrap_or(text);
        let id = ResourceId::new(DEVICE, id).ok()?;
        store.get(id.as_str()).map(|found| found.id.as_str().to_owned())
    };
    match given(request, "device") {
        Some(device) => match known(device) {
            Some(id) => Ok(Some(id)),
            None => Err(Fault::request("Invalid device: expected the id of one of the area's")),
        },
        None => Ok(name.and_then(known)),
    }
}

/// Administrators add computers, and classes, which have no name.
pub(super) async fn create(call: &Call<'_>, request: &Request) -> Result<Value, Fault> {
    let _ = call.administrator()?;
    let owner = call.acting(given(request, "uid"))?;
    if !call.is_user(&owner) {
        return Err(Fault::request(format!("No such user {}", shown(&owner))));
    }
    let (name, kind) = (given(request, "name"), given(request, "type"));
    let computer = Computer {
        name: name.map(str::to_owned),
        kind: kind.ok_or_else(|| Fault::request("type is required"))?.to_owned(),
        owner,
        description: description_in(request)?.map(str::to_owned),
        device: name.and_then(|name| device_in(call, request, Some(name)).transpose()).transpose()?,
        projects: lists_in(call, request)?,
    };
    computer.check()?;
    let api = call.exchange.api;
    if api.store.count("computer") >= MOST {
        return Err(Fault::request(format!("there are {MOST} computers, which is the most")));
    }
    let local = Computer::local_name(name, &computer.kind);
    match add(api, "computer", &local, &computer, seen_by(api, &computer)).await {
        Ok(_) => {
            class_changed(api, &computer).await?;
            Ok(true.into())
        }
        Err(StoreError::Conflict { .. }) => {
            let what = name.map_or_else(|| format!("class {}", computer.kind), |name| format!("computer {name}"));
            Err(Fault::request(format!("There is a {what} already")))
        }
        Err(error) => Err(error.into()),
    }
}

/// The computer or class that a request names.
fn found(call: &Call<'_>, request: &Request) -> Result<(Held<Computer>, Option<Computer>), Fault> {
    let (name, kind) = (given(request, "name"), given(request, "type"));
    if name.is_none() && kind.is_none() {
        return Err(Fault::request("One of name and type is required"));
    }
    let api = call.exchange.api;
    let held: Option<Held<Computer>> = read(api, &document_id(name, kind.unwrap_or_default()))?;
    let is_meant = |held: &Held<Computer>| {
        held.value.name.as_deref() == name && (name.is_some() || Some(held.value.kind.as_str()) == kind)
    };
    let held = held.filter(is_meant).ok_or_else(|| Fault::request("No such computer"))?;
    let class: Option<Held<Computer>> = match &held.value.name {
        Some(_) => read(api, &document_id(None, &held.value.kind))?,
        None => None,
    };
    Ok((held, class.map(|class| class.value)))
}

/// Changes what is given. A computer that is named may get another type.
pub(super) async fn modify(call: &Call<'_>, request: &Request) -> Result<Value, Fault> {
    let uid = call.acting(given(request, "uid"))?;
    let (held, class) = found(call, request)?;
    let api = call.exchange.api;
    let lists = lists_in(call, request)?;
    let description = description_in(request)?;
    let device = match given(request, "device") {
        Some(_) => device_in(call, request, None)?,
        None => None,
    };
    let rule = |computer: &mut Computer| {
        if !computer.grants(call.asker(&uid), Deed::Modify, class.as_ref(), &Members::new(api)) {
            return Err(Fault::access());
        }
        if let (Some(kind), Some(_)) = (given(request, "type"), &computer.name) {
            kind.clone_into(&mut computer.kind);
        }
        if let Some(description) = description {
            computer.description = Some(description.to_owned());
        }
        if device.is_some() && computer.name.is_some() {
            // Which device it is decides where experiments run.
            if !call.is_admin() {
                return Err(Fault::access());
            }
            computer.device.clone_from(&device);
        }
        computer.projects.take_over(lists.clone());
        Ok(computer.check()?)
    };
    edit(api, held.document.id.as_str(), rule, |value: &Computer| seen_by(api, value)).await?;
    class_changed(api, &held.value).await?;
    Ok(true.into())
}

/// What is said of a class is said of its computers.
async fn class_changed(api: &Api, computer: &Computer) -> Result<(), Fault> {
    if computer.name.is_none() { refresh_class(api, &computer.kind).await } else { Ok(()) }
}

pub(super) async fn remove(call: &Call<'_>, request: &Request) -> Result<Value, Fault> {
    let uid = call.acting(given(request, "uid"))?;
    let (held, class) = found(call, request)?;
    if !held.value.grants(call.asker(&uid), Deed::Delete, class.as_ref(), &Members::new(call.exchange.api)) {
        return Err(Fault::access());
    }
    discard(call.exchange.api, held.document.id.as_str()).await?;
    class_changed(call.exchange.api, &held.value).await?;
    Ok(true.into())
}
