//! `Experiments`: what shall run together, who may do what with it, and what becomes of it.

mod aspects;
mod making;
mod realizations;
mod realizer;
mod realizing;
mod stock;
mod view;

use mf2c_domain::people::profile::Attribute;
use mf2c_domain::testbed::access::ExperimentRight;
use mf2c_domain::testbed::aspect;
use mf2c_domain::testbed::experiment::Experiment;
use mf2c_domain::testbed::names::ExperimentId;
use mf2c_domain::testbed::outline::Outline;
use mf2c_soap::{Field, Gives, Kind, ObjectType, Operation, Request, Service, Value};

use super::SLASHED;
use super::call::Call;
use super::fault::Fault;
use super::testbed::{Held, Members, change_profile, edit, outcomes, picked, profile_value, read, seen_by};
use super::types::{ATTRIBUTE, CHANGE_ATTRIBUTE, CHANGE_RESULT, PROFILE};
pub(super) use realizer::Bell;
pub use realizer::Realizer;

static ASPECT: ObjectType = ObjectType {
    name: "ExperimentAspect",
    fields: &[
        Field::bytes("data"),
        Field::text("dataReference"),
        Field::text("name"),
        Field::text("subType"),
        Field::text("type"),
    ],
};

static ACCESS_MEMBER: ObjectType =
    ObjectType { name: "AccessMember", fields: &[Field::text("circleId"), Field::text("permissions").many()] };

/// What experiments say of themselves.
static SCHEMA: [Attribute; 1] = [Attribute::required("description", 100, "Description of the experiment")];

const UID: Field = Field::text("uid").or(&["userid"]);
const EID: Field = Field::text("eid").or(&["experimentId"]);
const OWNER: Field = Field::text("owner");
const NAME: Field = Field::text("name");
const ASPECTS: Field = Field::object("aspects", &ASPECT).many();

const READ: Field = Field::text("readProjects").many();
const WRITE: Field = Field::text("writeProjects").many();
const REALIZE: Field = Field::text("realizeProjects").many();

pub(super) static SERVICE: Service = Service {
    name: "Experiments",
    target_namespace: SLASHED,
    operations: &[
        Operation::reading("viewExperiments", &view::TAKES, Gives::objects(&view::EXPERIMENT_DESCRIPTION)),
        Operation::new(
            "createExperiment",
            &[
                EID,
                OWNER,
                ASPECTS,
                Field::object("accessLists", &ACCESS_MEMBER).or(&["acl"]).many(),
                Field::object("profile", &ATTRIBUTE).many(),
                UID,
                NAME,
                Field::bytes("topology"),
                Field::bytes("actions"),
                Field::bytes("constraints"),
                Field::bytes("dataCollection"),
                READ,
                WRITE,
                REALIZE,
            ],
            Gives::done(),
        ),
        Operation::new(
            "modifyExperiment",
            &[
                UID,
                OWNER,
                NAME,
                Field::bytes("topology"),
                Field::bytes("actions"),
                Field::bytes("constraints"),
                Field::bytes("dataCollection"),
                READ,
                WRITE,
                REALIZE,
                EID,
            ],
            Gives::done(),
        ),
        Operation::new("removeExperiment", &[EID, UID, OWNER, NAME], Gives::done()),
        Operation::new(
            "realizeExperiment",
            &[
                UID,
                EID,
                Field::text("cid").or(&["circleId"]),
                Field::object("acl", &ACCESS_MEMBER).or(&["accessLists"]).many(),
                Field::flag("sendNotifications").or(&["notify"]),
                OWNER,
                NAME,
            ],
            Gives::object(&realizations::REALIZATION_DESCRIPTION),
        ),
        Operation::new(
            "releaseExperiment",
            &[UID, OWNER, NAME, Field::flag("notify").or(&["sendNotifications"]), EID],
            Gives::done(),
        ),
        Operation::new("addExperimentAspects", &[EID, ASPECTS], Gives::objects(&CHANGE_RESULT)),
        Operation::new("changeExperimentAspects", &[EID, ASPECTS], Gives::objects(&CHANGE_RESULT)),
        Operation::new("removeExperimentAspects", &[EID, ASPECTS], Gives::objects(&CHANGE_RESULT)),
        Operation::new(
            "changeExperimentACL",
            &[EID, Field::object("acl", &ACCESS_MEMBER).or(&["accessLists"]).many()],
            Gives::objects(&CHANGE_RESULT),
        ),
        Operation::new("setOwner", &[EID, UID], Gives::done()),
        Operation::reading("getProfileDescription", &[], Gives::object(&PROFILE)),
        Operation::reading("getExperimentProfile", &[EID], Gives::object(&PROFILE)),
        Operation::new(
            "changeExperimentProfile",
            &[EID, Field::object("changes", &CHANGE_ATTRIBUTE).many()],
            Gives::objects(&CHANGE_RESULT),
        ),
        Operation::reading("getValidPermissions", &[], Gives::many(Kind::Text)),
    ],
};

/// What is known of realizations stands in the documents of experiments; go-spi asks for it at a service of its own.
pub(super) static REALIZATIONS: Service = Service {
    name: "Realizations",
    target_namespace: SLASHED,
    operations: &[
        Operation::reading(
            "viewRealizations",
            &[UID, Field::text("regex").or(&["nameRE"]), Field::int("offset"), Field::int("count")],
            Gives::objects(&realizations::REALIZATION_DESCRIPTION),
        ),
        Operation::new("releaseRealization", &[NAME], Gives::object(&realizations::REALIZATION_DESCRIPTION)),
        Operation::new("removeRealization", &[NAME], Gives::done()),
    ],
};

pub(super) async fn answer(call: &Call<'_>, operation: &str, request: &Request) -> Result<Value, Fault> {
    match operation {
        "viewExperiments" => view::view(call, request).await,
        "createExperiment" => making::create(call, request).await,
        "modifyExperiment" => making::modify(call, request).await,
        "removeExperiment" => making::remove(call, request).await,
        "realizeExperiment" => realizing::realize(call, request).await,
        "releaseExperiment" => realizing::release(call, request).await,
        "addExperimentAspects" | "changeExperimentAspects" | "removeExperimentAspects" => {
            aspects::change(call, request, operation).await
        }
        "changeExperimentACL" => aspects::change_access(call, request).await,
        "setOwner" => making::set_owner(call, request).await,
        "getProfileDescription" => Ok(profile_value(&SCHEMA, None)),
        "getExperimentProfile" => profile(call, request),
        "changeExperimentProfile" => changed_profile(call, request).await,
        "getValidPermissions" => Ok(Value::list(ExperimentRight::all().map(ExperimentRight::name))),
        other => Err(Fault::unanswered(other)),
    }
}

/// Answers for [`REALIZATIONS`].
pub(super) async fn answer_realizations(call: &Call<'_>, operation: &str, request: &Request) -> Result<Value, Fault> {
    match operation {
        "viewRealizations" => realizations::view(call, request).await,
        "releaseRealization" => realizations::release(call, request).await,
        "removeRealization" => realizations::remove(call, request).await,
        other => Err(Fault::unanswered(other)),
    }
}

fn given<'r>(request: &'r Request, name: &str) -> Option<&'r str> {
    request.text(name).filter(|text| !text.is_empty())
}

fn invalid(name: &str) -> Fault {
    let shown: String = name.chars().take(80).collect();
    Fault::request(format!("Invalid experiment {shown}"))
}

fn document_id(id: &ExperimentId) -> String {
    format!("experiment/{}", id.local_name())
}

fn at(call: &Call<'_>, id: &ExperimentId) -> Result<Option<Held<Experiment>>, Fault> {
    let held: Option<Held<Experiment>> = read(call.exchange.api, &document_id(id))?;
    Ok(held.filter(|held| held.value.experiment_id == id.to_string()))
}

/// The experiment that a request names: `eid`, or an owner and a name. One that has another scope than its owner is found by
/// both too, where its owner has no other of this name.
async fn found(call: &Call<'_>, request: &Request) -> Result<Held<Experiment>, Fault> {
    if let Some(eid) = given(request, "eid") {
        let id = ExperimentId::parse(eid).map_err(|_| invalid(eid))?;
        return at(call, &id)?.ok_or_else(|| invalid(eid));
    }
    let name = given(request, "name").ok_or_else(|| Fault::request("eid is required"))?;
    if name.contains(':') {
        let id = ExperimentId::parse(name).map_err(|_| invalid(name))?;
        return at(call, &id)?.ok_or_else(|| invalid(name));
    }
    let owner = match given(request, "owner").or_else(|| given(request, "uid")) {
        Some(owner) => owner,
        None => call.user()?,
    };
    let id = ExperimentId::new(owner, name)?;
    if let Some(held) = at(call, &id)? {
        return Ok(held);
    }
    let meant = (owner.to_owned(), name.to_owned());
    let is_meant = move |held: Held<Outline>| {
        let Outline { experiment, .. } = held.value;
        let id = experiment.id().filter(|id| experiment.owner == meant.0 && id.name == meant.1)?;
        Some(id)
    };
    match picked(call.exchange.api, "experiment", is_meant).await?.as_slice() {
        [other] => at(call, other)?.ok_or_else(|| invalid(&id.to_string())),
        _ => Err(invalid(&id.to_string())),
    }
}

/// Changes an experiment by a rule that may refuse it, for somebody who holds a right.
async fn changed<R>(
    call: &Call<'_>,
    uid: &str,
    held: &Held<Experiment>,
    right: ExperimentRight,
    rule: impl Fn(&mut Experiment) -> Result<R, Fault>,
) -> Result<(Experiment, R), Fault> {
    let api = call.exchange.api;
    let by = call.asker(uid);
    let demanded = |experiment: &mut Experiment| {
        experiment.demand(by, right, &Members::new(api))?;
        rule(experiment)
    };
    let changed = edit(api, held.document.id.as_str(), demanded, |value: &Experiment| seen_by(api, value)).await?;
    changed.ok_or_else(|| invalid(&held.value.experiment_id))
}

fn profile_demanded(call: &Call<'_>, held: &Held<Experiment>) -> Result<(), Fault> {
    let by = call.asker(call.user()?);
    held.value.demand(by, ExperimentRight::ReadExperiment, &Members::new(call.exchange.api))?;
    Ok(())
}

fn profile(call: &Call<'_>, request: &Request) -> Result<Value, Fault> {
    let _ = call.user()?;
    let eid = given(request, "eid").ok_or_else(|| Fault::request("eid is required"))?;
    let id = ExperimentId::parse(eid).map_err(|_| invalid(eid))?;
    let held = at(call, &id)?.ok_or_else(|| invalid(eid))?;
    profile_demanded(call, &held)?;
    Ok(profile_value(&SCHEMA, Some((&held.value.experiment_id, &held.value.profile))))
}

async fn changed_profile(call: &Call<'_>, request: &Request) -> Result<Value, Fault> {
    let user = call.user()?.to_owned();
    let held = found(call, request).await?;
    let rule = |experiment: &mut Experiment| change_profile(&SCHEMA, &mut experiment.profile, request);
    let (_, results) = changed(call, &user, &held, ExperimentRight::ModifyExperiment, rule).await?;
    Ok(outcomes(results))
}

/// The aspects that a client sends.
fn sent_aspects(request: &Request) -> Vec<aspect::Sent> {
    let sent = |one: &Request| aspect::Sent {
        name: given(one, "name").map(str::to_owned),
        kind: given(one, "type").map(str::to_owned),
        sub_type: given(one, "subType").map(str::to_owned),
        data: one.bytes("data").map(<[u8]>::to_vec),
        data_reference: given(one, "dataReference").map(str::to_owned),
    };
    request.objects("aspects").map(sent).collect()
}
