//! Experiments are realized and released: the intent is written down here, and [`super::realizer`] carries it out.

use mf2c_domain::entropy::uuid_v4;
use mf2c_domain::resource::types::service;
use mf2c_domain::testbed::Asker;
use mf2c_domain::testbed::experiment::Experiment;
use mf2c_domain::testbed::plan::Planned;
use mf2c_domain::testbed::realization::{Phase, Realization, Wish};
use mf2c_domain::testbed::state::State;
use mf2c_soap::{Request, Value};

use super::{found, given, invalid, realizations, realizer};
use crate::deter::call::Call;
use crate::deter::fault::Fault;
use crate::deter::resources;
use crate::deter::testbed::{Held, Members, edit, seen_by};

/// Writes down that an experiment shall run. Answered at once.
pub(super) async fn realize(call: &Call<'_>, request: &Request) -> Result<Value, Fault> {
    let uid = call.acting(given(request, "uid"))?;
    let held = match found(call, request).await {
        Err(fault) if fault.detail.starts_with("Invalid experiment ") => {
            return Err(Fault::request(fault.detail.replacen("Invalid experiment ", "No such experiment: ", 1)));
        }
        found => found?,
    };
    let api = call.exchange.api;
    let by = call.asker(&uid);
    let project = held.value.demand_realization(by, given(request, "cid"), &Members::new(api))?;
    let planned = planned(call, by, &held.value).await?;
    let notify = request.flag("sendNotifications").unwrap_or_default();
    let wish = Wish { key: uuid_v4(&*api.world.entropy), by: uid.clone(), project, notify };
    let rule = |experiment: &mut Experiment| {
        let leftovers = free(call, experiment)?;
        experiment.realization = Some(Realization::begin(wish.clone(), planned.clone(), leftovers, call.now()));
        Ok(())
    };
    let changed = edit(api, held.document.id.as_str(), rule, |value: &Experiment| seen_by(api, value)).await?;
    let (experiment, ()) = changed.ok_or_else(|| invalid(&held.value.experiment_id))?;
    call.door.realizer.look_at(held.document.id.as_str()).await;
    let realization = experiment.realization.as_ref().ok_or_else(|| invalid(&experiment.experiment_id))?;
    Ok(realizations::description(api, &experiment, realization, by))
}

/// Refuses an experiment that is realized or on its way; the services of the last time that are still there.
fn free(call: &Call<'_>, experiment: &Experiment) -> Result<Vec<String>, Fault> {
    let Some(last) = &experiment.realization else { return Ok(Vec::new()) };
    let (state, _) = last.state(&realizer::seen(call.exchange.api, last));
    if last.is_under_way() || state != State::Unrealized {
        let text = format!("Experiment {} is {} already", experiment.experiment_id, state.word());
        return Err(Fault::request(text));
    }
    Ok(if last.phase == Phase::Active { last.services() } else { Vec::new() })
}

/// What is to run, each with the devices that may run it.
async fn planned(
    call: &Call<'_>,
    by: Asker<'_>,
    experiment: &Experiment,
) -> Result<Vec<(Planned, Option<Vec<String>>)>, Fault> {
    let api = call.exchange.api;
    let choice = resources::Choice::read(api, by).await?;
    let mut all = Vec::new();
    for planned in experiment.plan()? {
        let checked = service::SPEC.prepare_add(planned.service.clone(), call.now(), &*api.world.entropy);
        checked.map_err(|error| Fault::request(format!("computer {}: {error}", planned.name)))?;
        let devices = choice.devices(planned.wanted_type.as_deref(), planned.wanted_computer.as_deref());
        all.push((planned, devices));
    }
    Ok(all)
}

/// Writes down that an experiment shall not run any more.
pub(super) async fn release(call: &Call<'_>, request: &Request) -> Result<Value, Fault> {
    let uid = call.acting(given(request, "uid"))?;
    let held = found(call, request).await?;
    let notify = request.flag("notify").unwrap_or_default();
    let _ = released(call, &uid, &held, notify).await?;
    Ok(true.into())
}

/// The same for an experiment that is known. Who may realize it may release it, and who has realized it.
pub(super) async fn released(
    call: &Call<'_>,
    uid: &str,
    held: &Held<Experiment>,
    notify: bool,
) -> Result<Experiment, Fault> {
    let api = call.exchange.api;
    let by = call.asker(uid);
    let rule = |experiment: &mut Experiment| {
        let is_his = experiment.realization.as_ref().is_some_and(|realization| realization.by == uid);
        if !is_his {
            let _ = experiment.demand_realization(by, None, &Members::new(api))?;
        }
        let id = experiment.experiment_id.clone();
        match &mut experiment.realization {
            Some(realization) if matches!(realization.phase, Phase::Launching | Phase::Active) => {
                realization.release(uid, notify, call.now());
                Ok(())
            }
            Some(realization) if realization.is_under_way() => Ok(()),
            _ => Err(Fault::request(format!("Experiment {id} is not realized"))),
        }
    };
    let changed = edit(api, held.document.id.as_str(), rule, |value: &Experiment| seen_by(api, value)).await?;
    let (experiment, ()) = changed.ok_or_else(|| invalid(&held.value.experiment_id))?;
    call.door.realizer.look_at(held.document.id.as_str()).await;
    Ok(experiment)
}
