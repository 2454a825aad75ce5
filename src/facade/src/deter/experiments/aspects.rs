//! Aspects of experiments come, change and go; so does what circles may do with them.

use mf2c_domain::testbed::access::{self, Circle, CircleKind, ExperimentRight};
use mf2c_domain::testbed::experiment::Experiment;
use mf2c_domain::testbed::{Outcome, aspect};
use mf2c_soap::{Request, Value};

use super::stock::Growth;
use super::{changed, found, sent_aspects};
use crate::deter::call::Call;
use crate::deter::fault::Fault;
use crate::deter::testbed::{Members, outcomes};

pub(super) async fn change(call: &Call<'_>, request: &Request, operation: &str) -> Result<Value, Fault> {
    let user = call.user()?.to_owned();
    let held = found(call, request).await?;
    let sent = sent_aspects(request);
    if sent.is_empty() {
        return Err(Fault::request("Null or empty aspect list"));
    }
    let brings_data = sent.iter().any(|sent| sent.data.is_some()) && operation != "removeExperimentAspects";
    let growth = Growth::of(call, &held, brings_data).await?;
    let rule = |experiment: &mut Experiment| {
        growth.within(experiment, |Experiment { aspects, .. }| {
            let results = sent.iter().cloned().map(|sent| match operation {
                "addExperimentAspects" => aspect::add(aspects, sent),
                "changeExperimentAspects" => aspect::change(aspects, sent),
                _ => aspect::remove(aspects, &sent),
            });
            Ok(results.collect::<Vec<_>>())
        })
    };
    let (_, results) = changed(call, &user, &held, ExperimentRight::ModifyExperiment, rule).await?;
    Ok(outcomes(results))
}

/// Whose circle an id names. Where a user came to bear the name of a project it is nobody's: rights would go to others than
/// those who were meant.
fn kind_of(call: &Call<'_>, members: &Members<'_>, circle: &str) -> Option<CircleKind> {
    let Circle(of) = Circle::read(circle)?;
    match (members.exists(of), call.is_user(of)) {
        (true, false) => Some(CircleKind::Project),
        (false, true) => Some(CircleKind::User),
        _ => None,
    }
}

/// Takes over what a client says of circles; an entry without permissions goes.
pub(super) fn take_over(call: &Call<'_>, experiment: &mut Experiment, lists: &[&Request]) -> Vec<Outcome> {
    let members = Members::new(call.exchange.api);
    let mut results = Vec::new();
    for entry in lists {
        let circle = entry.text("circleId").unwrap_or_default();
        let shown: String = circle.chars().take(80).collect();
        let Some(kind) = kind_of(call, &members, circle) else {
            results.push(Outcome::failed(shown.clone(), format!("Invalid circle {shown}")));
            continue;
        };
        let set = ExperimentRight::named(entry.texts("permissions"))
            .and_then(|rights| access::set(&mut experiment.access, circle, kind, rights));
        results.push(match set {
            Ok(()) => Outcome::done(circle),
            Err(refusal) => Outcome::failed(circle, refusal.to_string()),
        });
    }
    results
}

pub(super) async fn change_access(call: &Call<'_>, request: &Request) -> Result<Value, Fault> {
    let user = call.user()?.to_owned();
    let held = found(call, request).await?;
    let lists: Vec<&Request> = request.objects("acl").collect();
    let rule = |experiment: &mut Experiment| Ok(take_over(call, experiment, &lists));
    let (_, results) = changed(call, &user, &held, ExperimentRight::ModifyExperimentAccess, rule).await?;
    Ok(outcomes(results))
}
