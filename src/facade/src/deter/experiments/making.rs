//! Experiments are made, changed, given away and removed.

use mf2c_domain::testbed::access::{self, ExperimentRight};
use mf2c_domain::testbed::aspect::{self, LAYOUT};
use mf2c_domain::testbed::experiment::{Experiment, FIELDS, demand_scope};
use mf2c_domain::testbed::names::ExperimentId;
use mf2c_domain::testbed::realization::Phase;
use mf2c_soap::{Request, Value};
use mf2c_store::StoreError;

use super::stock::{Growth, Stock};
use super::{SCHEMA, changed, document_id, found, given, sent_aspects};
use crate::deter::call::Call;
use crate::deter::fault::Fault;
use crate::deter::testbed::{self, Members, discard, profile_of, seen_by};

/// The fields of the first generation, with the aspects that they are.
fn fields() -> impl Iterator<Item = (&'static str, &'static str)> {
    std::iter::once(("topology", LAYOUT)).chain(FIELDS.into_iter().map(|name| (name, name)))
}

const LISTS: [(&str, ExperimentRight); 3] = [
    ("readProjects", ExperimentRight::ReadExperiment),
    ("writeProjects", ExperimentRight::ModifyExperiment),
    ("realizeProjects", ExperimentRight::RealizeExperiment),
];

/// Takes over the fields and lists of the first generation that are there. A list of one empty name empties it, as an empty file
/// deletes a field.
fn take_over(call: &Call<'_>, experiment: &mut Experiment, request: &Request) -> Result<(), Fault> {
    for (field, kind) in fields() {
        if let Some(data) = request.bytes(field) {
            aspect::set_first(&mut experiment.aspects, kind, data.to_vec())?;
        }
    }
    let members = Members::new(call.exchange.api);
    for (name, right) in LISTS.into_iter().filter(|(name, _)| request.has(name)) {
        let projects: Vec<String> = request.texts(name).filter(|it| !it.is_empty()).map(str::to_owned).collect();
        if let Some(unknown) = projects.iter().find(|project| !members.exists(project)) {
            let shown: String = unknown.chars().take(80).collect();
            return Err(Fault::request(format!("Invalid project {shown}")));
        }
        access::set_projects(&mut experiment.access, right, &projects)?;
    }
    Ok(())
}

/// Makes an experiment: of a name by its user in the first generation; with an id, an owner, aspects, access lists and a profile in
/// the later ones.
pub(super) async fn create(call: &Call<'_>, request: &Request) -> Result<Value, Fault> {
    let user = call.user()?;
    let (id, owner, is_later) = match (given(request, "eid"), given(request, "name")) {
        (Some(eid), _) => {
            let id = ExperimentId::parse(eid)?;
            (id, given(request, "owner").unwrap_or(user).to_owned(), true)
        }
        (None, Some(name)) => {
            let owner = call.acting(given(request, "uid").or_else(|| given(request, "owner")))?;
            (ExperimentId::new(&owner, name)?, owner, false)
        }
        (None, None) => return Err(Fault::request("eid is required")),
    };
    let members = Members::new(call.exchange.api);
    let by = call.asker(user);
    let allowed = members.project(&id.scope, |project| demand_scope(by, &owner, &id, Some(project)));
    allowed.unwrap_or_else(|| demand_scope(by, &owner, &id, None))?;
    if !call.is_user(&owner) {
        return Err(Fault::request(format!("No such user {owner}")));
    }
    let mut experiment = Experiment::new(&id, &owner);
    if is_later {
        experiment.profile = profile_of(&SCHEMA, request, "profile")?;
    }
    let exists = || Fault::request("Experiment exists");
    if call.exchange.api.store.get(&document_id(&id)).is_some() {
        return Err(exists());
    }
    for sent in sent_aspects(request) {
        if let Some(reason) = aspect::add(&mut experiment.aspects, sent).reason {
            return Err(Fault::request(reason));
        }
    }
    let lists: Vec<&Request> = request.objects("accessLists").collect();
    let refused = super::aspects::take_over(call, &mut experiment, &lists).into_iter().find_map(|it| it.reason);
    if let Some(reason) = refused {
        return Err(Fault::request(reason));
    }
    take_over(call, &mut experiment, request)?;
    let stock = Stock::count(call, &owner, &experiment.experiment_id).await?;
    stock.admit(&experiment)?;
    let api = call.exchange.api;
    match testbed::add(api, "experiment", &id.local_name(), &experiment, seen_by(api, &experiment)).await {
        Ok(_) => Ok(true.into()),
        Err(StoreError::Conflict { .. }) => Err(exists()),
        Err(error) => Err(error.into()),
    }
}

/// What is omitted stays; what is empty is deleted.
pub(super) async fn modify(call: &Call<'_>, request: &Request) -> Result<Value, Fault> {
    let uid = call.acting(given(request, "uid"))?;
    let held = found(call, request).await?;
    let by = call.asker(&uid);
    let brings_data = fields().any(|(field, _)| request.bytes(field).is_some_and(|data| !data.is_empty()));
    let growth = Growth::of(call, &held, brings_data).await?;
    let touches_access = LISTS.iter().any(|(name, _)| request.has(name));
    let rule = |experiment: &mut Experiment| {
        if touches_access {
            let members = Members::new(call.exchange.api);
            experiment.demand(by, ExperimentRight::ModifyExperimentAccess, &members)?;
        }
        growth.within(experiment, |experiment| take_over(call, experiment, request))
    };
    changed(call, &uid, &held, ExperimentRight::ModifyExperiment, rule).await?;
    Ok(true.into())
}

/// The owner gives an experiment to somebody else. Its id stays.
pub(super) async fn set_owner(call: &Call<'_>, request: &Request) -> Result<Value, Fault> {
    let user = call.user()?.to_owned();
    let held = found(call, request).await?;
    let new = given(request, "uid").ok_or_else(|| Fault::request("owner is required"))?;
    // What somebody gives away goes on taking up his room: nobody fills another's, or makes room for more of his own. What
    // an administrator gives is the new owner's.
    let stock = match call.is_admin() {
        true => Some(Stock::count(call, new, &held.value.experiment_id).await?),
        false => None,
    };
    let rule = |experiment: &mut Experiment| {
        if !call.is_admin() && experiment.owner != user {
            return Err(Fault::access());
        }
        if !call.account(new).is_some_and(|account| account.may_sign_in()) {
            return Err(Fault::request(format!("No such user {new}")));
        }
        experiment.give_to(new, call.is_admin());
        stock.as_ref().map_or(Ok(()), |stock| stock.admit(experiment))
    };
    changed(call, &user, &held, ExperimentRight::ModifyExperiment, rule).await?;
    Ok(true.into())
}

/// Removes an experiment of which nothing runs; the owner may, and administrators.
pub(super) async fn remove(call: &Call<'_>, request: &Request) -> Result<Value, Fault> {
    let uid = call.acting(given(request, "uid"))?;
    let held = found(call, request).await?;
    let experiment = &held.value;
    if !call.is_admin() && experiment.owner != uid {
        return Err(Fault::access());
    }
    let api = call.exchange.api;
    if let Some(realization) = &experiment.realization {
        let seen = super::realizer::seen(api, realization);
        let (state, _) = realization.state(&seen);
        if realization.is_under_way() || state.word() != "Unrealized" {
            let text = format!("Experiment {} is realized: release it first", experiment.experiment_id);
            return Err(Fault::request(text));
        }
        if realization.phase == Phase::Active {
            for service in realization.services() {
                discard(api, &service).await?;
            }
        }
    }
    discard(api, held.document.id.as_str()).await?;
    Ok(true.into())
}
