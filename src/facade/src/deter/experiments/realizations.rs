//! Realizations by themselves, as the third generation of the API has them: what runs of which experiment, by which name.

use std::collections::BTreeMap;

use mf2c_domain::testbed::Asker;
use mf2c_domain::testbed::access::{Circle, ExperimentRight};
use mf2c_domain::testbed::experiment::Experiment;
use mf2c_domain::testbed::outline::Outline;
use mf2c_domain::testbed::pattern::Pattern;
use mf2c_domain::testbed::realization::{Phase, Realization};
use mf2c_soap::{Field, ObjectType, Request, Value};
use serde_json::Map;

use super::view::{page, viewer};
use super::{ACCESS_MEMBER, given, realizer, realizing};
use crate::cimi::Api;
use crate::deter::call::Call;
use crate::deter::fault::Fault;
use crate::deter::testbed::{Held, Members, edit, fetch, picked, picked_by, seen_by};

static CONTAINMENT: ObjectType =
    ObjectType { name: "RealizationContainment", fields: &[Field::text("inner"), Field::text("outer")] };

static MAPPING: ObjectType =
    ObjectType { name: "RealizationMap", fields: &[Field::text("resource"), Field::text("topologyName")] };

pub(super) static REALIZATION_DESCRIPTION: ObjectType = ObjectType {
    name: "RealizationDescription",
    fields: &[
        Field::object("ACL", &ACCESS_MEMBER).many(),
        Field::text("circle"),
        Field::object("containment", &CONTAINMENT).many(),
        Field::text("experiment"),
        Field::object("mapping", &MAPPING).many(),
        Field::text("name"),
        Field::text("perms").many(),
        Field::text("status"),
    ],
};

const RIGHTS: [&str; 4] = ["READ_REALIZATION", "MODIFY_REALIZATION", "MODIFY_REALIZATION_ACCESS", "REMOVE_REALIZATION"];

/// What a realization is called.
fn name(experiment: &Experiment, realization: &Realization) -> String {
    let short = realization.key.split('-').next().unwrap_or_default();
    format!("{}-{short}", experiment.experiment_id)
}

fn may_end(experiment: &Experiment, realization: &Realization, by: Asker<'_>) -> bool {
    by.admin || [experiment.owner.as_str(), realization.by.as_str()].contains(&by.uid)
}

pub(super) fn description(api: &Api, experiment: &Experiment, realization: &Realization, by: Asker<'_>) -> Value {
    let seen = realizer::seen(api, realization);
    let circle = Circle::id(realization.project.as_deref().unwrap_or(&realization.by));
    let mapped = realization.elements.iter().filter_map(|element| Some((element, element.instance.as_ref()?)));
    let mapping = mapped.map(|(element, instance)| {
        let members = vec![("resource", instance.as_str().into()), ("topologyName", element.name.as_str().into())];
        Value::Object(&MAPPING, members)
    });
    let perms = if may_end(experiment, realization, by) { &RIGHTS[..] } else { &RIGHTS[..1] };
    let members = vec![
        ("circle", circle.into()),
        ("experiment", experiment.experiment_id.as_str().into()),
        ("mapping", Value::List(mapping.collect())),
        ("name", name(experiment, realization).into()),
        ("perms", Value::list(perms.iter().copied())),
        ("status", realization.status(&seen).into()),
    ];
    Value::Object(&REALIZATION_DESCRIPTION, members)
}

pub(super) async fn view(call: &Call<'_>, request: &Request) -> Result<Value, Fault> {
    let uid = viewer(call, request)?;
    let by = Asker { uid: uid.unwrap_or_default(), admin: uid.is_none() };
    let pattern = given(request, "regex").map(Pattern::anywhere).transpose()?;
    let api = call.exchange.api;
    let mut found = Vec::new();
    let asker = (by.uid.to_owned(), by.admin);
    let seen = move |held: Held<Outline>, members: &Members<'_>| {
        realized(held, Asker { uid: &asker.0, admin: asker.1 }, members)
    };
    for mut experiment in picked_by(api, "experiment", seen).await? {
        let Some(realization) = experiment.realization.take() else { continue };
        let name = name(&experiment, &realization);
        if pattern.as_ref().is_none_or(|pattern| pattern.matches(&name)) {
            found.push((name, experiment, realization));
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    let found = page(found, request)?;
    Ok(Value::List(found.iter().map(|(_, experiment, it)| description(api, experiment, it, by)).collect()))
}

/// An experiment of which something runs or shall, for who may know it, with no more of it than is told.
fn realized(held: Held<Outline>, by: Asker<'_>, members: &Members<'_>) -> Option<Experiment> {
    let mut experiment = held.value.experiment;
    let is_his = may_end(&experiment, experiment.realization.as_ref()?, by);
    if !is_his && experiment.demand(by, ExperimentRight::ReadExperiment, members).is_err() {
        return None;
    }
    (experiment.aspects, experiment.profile) = (Vec::new(), BTreeMap::new());
    let realization = experiment.realization.as_mut().filter(|it| it.phase != Phase::Ended)?;
    realization.log = Vec::new();
    realization.elements.iter_mut().for_each(|element| element.spec = Map::new());
    Some(experiment)
}

/// The experiment whose realization has this name.
async fn found(call: &Call<'_>, request: &Request) -> Result<Held<Experiment>, Fault> {
    let _ = call.user()?;
    let wanted = given(request, "name").ok_or_else(|| Fault::request("name is required"))?;
    let meant = wanted.to_owned();
    let is_meant = move |held: Held<Outline>| {
        let experiment = held.value.experiment;
        let realization = experiment.realization.as_ref()?;
        (name(&experiment, realization) == meant).then(|| held.document.id.clone())
    };
    let found = match picked(call.exchange.api, "experiment", is_meant).await?.first() {
        Some(id) => fetch(call.exchange.api, id).await?,
        None => None,
    };
    let shown: String = wanted.chars().take(120).collect();
    found.ok_or_else(|| Fault::request(format!("No such realization: {shown}")))
}

pub(super) async fn release(call: &Call<'_>, request: &Request) -> Result<Value, Fault> {
    let held = found(call, request).await?;
    let user = call.user()?;
    let experiment = realizing::released(call, user, &held, false).await?;
    let realization = experiment.realization.as_ref().ok_or_else(|| Fault::internal("the realization is gone"))?;
    Ok(description(call.exchange.api, &experiment, realization, call.asker(user)))
}

/// Forgets a realization of which nothing is left.
pub(super) async fn remove(call: &Call<'_>, request: &Request) -> Result<Value, Fault> {
    let held = found(call, request).await?;
    let (api, by) = (call.exchange.api, call.asker(call.user()?));
    let rule = |experiment: &mut Experiment| {
        let Some(realization) = experiment.realization.take() else { return Ok(()) };
        if !may_end(experiment, &realization, by) {
            return Err(Fault::access());
        }
        if realization.phase != Phase::Ended || realization.is_under_way() {
            let text = format!("Realization {} is not empty: release it first", name(experiment, &realization));
            return Err(Fault::request(text));
        }
        Ok(())
    };
    edit(api, held.document.id.as_str(), rule, |value: &Experiment| seen_by(api, value)).await?;
    Ok(true.into())
}
