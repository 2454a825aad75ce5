//! Experiments as clients see them, in the words of all generations.

use mf2c_domain::testbed::Asker;
use mf2c_domain::testbed::access::{self, ExperimentRight};
use mf2c_domain::testbed::aspect::{self, Aspect, LAYOUT, Question};
use mf2c_domain::testbed::components::{Component, Components, check_format};
use mf2c_domain::testbed::experiment::Experiment;
use mf2c_domain::testbed::outline::Outline;
use mf2c_domain::testbed::pattern::Pattern;
use mf2c_domain::testbed::realization::Realization;
use mf2c_domain::testbed::state::State;
use mf2c_soap::{Field, ObjectType, Request, Value};

use super::{ACCESS_MEMBER, ASPECT, given, realizer};
use crate::cimi::Api;
use crate::deter::MOST_ANSWER;
use crate::deter::call::Call;
use crate::deter::fault::{Code, Fault};
use crate::deter::testbed::{Held, Members, fetch, picked_by};

static CONTAINER: ObjectType =
    ObjectType { name: "Container", fields: &[Field::text("name"), Field::text("state"), Field::text("type")] };

static RESOURCE: ObjectType =
    ObjectType { name: "ExperimentResource", fields: &[Field::text("name"), Field::text("type")] };

static FAULT_INFO: ObjectType = ObjectType {
    name: "FaultInfo",
    fields: &[Field::text("detailString"), Field::int("errorCode"), Field::text("errorString")],
};

pub(super) static EXPERIMENT_DESCRIPTION: ObjectType = ObjectType {
    name: "ExperimentDescription",
    fields: &[
        Field::object("ACL", &ACCESS_MEMBER).many(),
        Field::object("aspects", &ASPECT).many(),
        Field::text("experimentId"),
        Field::text("owner"),
        Field::text("perms").many(),
        // As the first versions of the original have it.
        Field::text("name"),
        Field::text("project"),
        Field::bytes("topology"),
        Field::bytes("actions"),
        Field::bytes("constraints"),
        Field::bytes("dataCollection"),
        Field::object("containers", &CONTAINER).many(),
        Field::object("resources", &RESOURCE).many(),
        Field::text("state"),
        Field::text("stateDetail"),
        Field::bytes("log"),
        Field::object("faultInfo", &FAULT_INFO),
        Field::text("readProjects").many(),
        Field::text("writeProjects").many(),
        Field::text("realizeProjects").many(),
    ],
};

pub(super) static TAKES: [Field; 19] = [
    Field::text("uid").or(&["userid"]),
    Field::text("lib"),
    Field::text("regex").or(&["experimentRE", "nameRE"]),
    Field::object("queryAspects", &ASPECT).many(),
    Field::flag("listOnly"),
    Field::int("offset"),
    Field::int("count"),
    Field::text("owner"),
    Field::int("components"),
    Field::int("topologyFormat"),
    Field::text("topologyFilter"),
    Field::int("actionFormat"),
    Field::text("actionFilter"),
    Field::int("constraintFormat"),
    Field::text("constraintFilter"),
    Field::int("dataCollectionFormat"),
    Field::text("dataCollectionFilter"),
    Field::text("resourceFilter"),
    Field::text("containerFilter"),
];

/// The most questions about aspects.
const MOST_QUESTIONS: usize = 64;

/// Which experiments are asked for.
#[derive(Clone)]
struct Which {
    pattern: Option<Pattern>,
    owner: Option<String>,
}

/// What of experiments is asked for.
struct Wanted {
    which: Which,
    components: Components,
    questions: Vec<Question>,
    list_only: bool,
}

impl Wanted {
    fn read(request: &Request) -> Result<Self, Fault> {
        if given(request, "lib").is_some() {
            return Err(Fault::unimplemented("there are no libraries here: leave `lib` out"));
        }
        check_format(request.int("topologyFormat").map(i64::from))?;
        let text = |one: &Request, name: &str| given(one, name).map(str::to_owned);
        let question = |one: &Request| Question {
            name: text(one, "name"),
            kind: text(one, "type"),
            sub_type: text(one, "subType"),
        };
        let questions: Vec<Question> = request.objects("queryAspects").map(question).collect();
        if questions.len() > MOST_QUESTIONS {
            return Err(Fault::request(format!("at most {MOST_QUESTIONS} queryAspects are accepted")));
        }
        questions.iter().try_for_each(Question::check)?;
        Ok(Self {
            which: Which {
                pattern: given(request, "regex").map(Pattern::anywhere).transpose()?,
                owner: given(request, "owner").map(str::to_owned),
            },
            components: Components::of(request.int("components").map(i64::from))?,
            questions,
            list_only: request.flag("listOnly").unwrap_or_default(),
        })
    }
}

impl Which {
    fn has(&self, experiment: &Experiment) -> bool {
        let name = experiment.id().map(|id| id.name).unwrap_or_default();
        let matches = |pattern: &Pattern| pattern.matches(&experiment.experiment_id) || pattern.matches(&name);
        self.owner.as_ref().is_none_or(|owner| experiment.owner == *owner) && self.pattern.as_ref().is_none_or(matches)
    }
}

/// The part of a list that is asked for; places are counted from 1.
///
/// # Errors
/// A place without a count.
pub(super) fn page<T>(all: Vec<T>, request: &Request) -> Result<Vec<T>, Fault> {
    let wrong = |what: &str| Fault::request(format!("{what}: expected a whole number of at least 1"));
    let at_least_one = |name: &str| match request.int(name) {
        None => Ok(None),
        Some(number) => usize::try_from(number).ok().filter(|number| *number > 0).map(Some).ok_or_else(|| wrong(name)),
    };
    let (offset, count) = (at_least_one("offset")?, at_least_one("count")?);
    match (offset, count) {
        (Some(_), None) => Err(Fault::request("Offset without count")),
        (offset, Some(count)) => Ok(all.into_iter().skip(offset.unwrap_or(1) - 1).take(count).collect()),
        (None, None) => Ok(all),
    }
}

/// For whom a list is: nobody means an administrator, who sees all.
pub(super) fn viewer<'r>(call: &'r Call<'_>, request: &'r Request) -> Result<Option<&'r str>, Fault> {
    let (user, uid) = (call.user()?, given(request, "uid"));
    if call.is_admin() || uid == Some(user) { Ok(uid) } else { Err(Fault::access()) }
}

pub(super) async fn view(call: &Call<'_>, request: &Request) -> Result<Value, Fault> {
    let uid = viewer(call, request)?;
    let wanted = Wanted::read(request)?;
    let api = call.exchange.api;
    let members = Members::new(api);
    // Who looks for somebody else sees what he sees.
    let by = Asker { uid: uid.unwrap_or_default(), admin: uid.is_none() };
    let readable = |experiment: &Experiment| experiment.demand(by, ExperimentRight::ReadExperiment, &members).is_ok();
    let (which, asker) = (wanted.which.clone(), (by.uid.to_owned(), by.admin));
    let is_wanted = move |held: Held<Outline>, members: &Members<'_>| {
        let (experiment, by) = (held.value.experiment, Asker { uid: &asker.0, admin: asker.1 });
        let may = which.has(&experiment) && experiment.demand(by, ExperimentRight::ReadExperiment, members).is_ok();
        may.then(|| (experiment.experiment_id, held.document.id.clone()))
    };
    let mut found = picked_by(api, "experiment", is_wanted).await?;
    found.sort();
    let (mut shown, mut weight) = (Vec::new(), 0);
    for (_, id) in page(found, request)? {
        // One that went meanwhile, or that he may not read any more.
        let Some(Held { value, .. }) = fetch::<Experiment>(api, &id).await?.filter(|it| readable(&it.value)) else {
            continue;
        };
        let value = description(api, &value, &wanted, by, &members);
        weight += value.weight();
        if weight > MOST_ANSWER {
            return Err(too_much(shown.len()));
        }
        shown.push(value);
    }
    Ok(Value::List(shown))
}

/// What is told of an answer that would be too large, of which so many experiments have room.
fn too_much(fitting: usize) -> Fault {
    Fault::request(format!(
        "the answer would take more than {} MiB, which has room for the first {fitting} experiments: ask for fewer with regex or \
         with offset and count, or for less with listOnly, queryAspects or components",
        MOST_ANSWER >> 20
    ))
}

fn aspect_value(aspect: &Aspect, list_only: bool) -> Value {
    let mut members = vec![
        ("dataReference", aspect.data_reference.clone().into()),
        ("name", aspect.name.as_str().into()),
        ("subType", aspect.sub_type.clone().into()),
        ("type", aspect.kind.as_str().into()),
    ];
    if !list_only {
        members.push(("data", aspect.bytes().map_or(Value::Nil, Value::Bytes)));
    }
    Value::Object(&ASPECT, members)
}

fn description(api: &Api, experiment: &Experiment, wanted: &Wanted, by: Asker<'_>, members: &Members<'_>) -> Value {
    let rights = experiment.rights_of(by, members).into_iter().map(ExperimentRight::name);
    let is_wanted = |aspect: &&Aspect| {
        wanted.components.has_aspect(&aspect.kind) && aspect::is_asked_for(&wanted.questions, aspect)
    };
    let aspects = aspect::with_derived(&experiment.aspects);
    let aspects = aspects.iter().filter(is_wanted);
    let mut out = vec![
        ("aspects", Value::List(aspects.map(|aspect| aspect_value(aspect, wanted.list_only)).collect())),
        ("experimentId", experiment.experiment_id.as_str().into()),
        ("name", experiment.id().map(|id| id.name).into()),
        ("owner", experiment.owner.as_str().into()),
        ("perms", Value::list(rights)),
    ];
    permissions(experiment, wanted, &mut out);
    files(experiment, wanted, &mut out);
    states(api, experiment, wanted, &mut out);
    Value::Object(&EXPERIMENT_DESCRIPTION, out)
}

type Parts = Vec<(&'static str, Value)>;

fn permissions(experiment: &Experiment, wanted: &Wanted, out: &mut Parts) {
    if !wanted.components.has(Component::Permissions) {
        return;
    }
    let entry = |entry: &access::Access| {
        let permissions = entry.permissions.iter().map(|right| right.name());
        let members = vec![("circleId", entry.circle_id.as_str().into()), ("permissions", Value::list(permissions))];
        Value::Object(&ACCESS_MEMBER, members)
    };
    out.push(("ACL", Value::List(experiment.access.iter().map(entry).collect())));
    let lists = [
        ("readProjects", ExperimentRight::ReadExperiment),
        ("writeProjects", ExperimentRight::ModifyExperiment),
        ("realizeProjects", ExperimentRight::RealizeExperiment),
    ];
    for (name, right) in lists {
        out.push((name, Value::list(access::projects(&experiment.access, right))));
    }
}

fn files(experiment: &Experiment, wanted: &Wanted, out: &mut Parts) {
    let fields = [
        ("topology", LAYOUT, Component::Topology),
        ("actions", "actions", Component::Actions),
        ("constraints", "constraints", Component::Constraints),
        ("dataCollection", "dataCollection", Component::DataCollection),
    ];
    for (name, kind, component) in fields {
        let file = aspect::first(&experiment.aspects, kind).and_then(Aspect::bytes);
        if let Some(file) = file.filter(|_| wanted.components.has(component) && !wanted.list_only) {
            out.push((name, Value::Bytes(file)));
        }
    }
}

fn states(api: &Api, experiment: &Experiment, wanted: &Wanted, out: &mut Parts) {
    if wanted.components.has(Component::Resources) {
        let resource =
            |(name, kind): (String, &str)| Value::Object(&RESOURCE, vec![("name", name.into()), ("type", kind.into())]);
        out.push(("resources", Value::List(experiment.resources().into_iter().map(resource).collect())));
    }
    let Some(realization) = &experiment.realization else {
        out.push(("state", State::Unrealized.word().into()));
        out.push(("stateDetail", "never realized".into()));
        return;
    };
    let seen = realizer::seen(api, realization);
    let (state, detail) = realization.state(&seen);
    out.push(("state", state.word().into()));
    out.push(("stateDetail", detail.into()));
    if state != State::Unrealized {
        out.push(("project", realization.project.clone().into()));
    }
    if wanted.components.has(Component::Containers) && state != State::Unrealized {
        let containers = realization.elements.iter().zip(&seen).map(|(element, seen)| {
            let kind = element.spec.get("exec_type").and_then(|kind| kind.as_str()).unwrap_or_default();
            let members = vec![
                ("name", element.name.as_str().into()),
                ("state", seen.container.word().into()),
                ("type", kind.into()),
            ];
            Value::Object(&CONTAINER, members)
        });
        out.push(("containers", Value::List(containers.collect())));
    }
    if wanted.components.has(Component::Log) {
        out.push(("log", Value::Bytes(log(realization))));
        if let Some(failure) = &realization.fault {
            out.push(("faultInfo", fault_info(failure.code, &failure.text)));
        }
    }
}

fn log(realization: &Realization) -> Vec<u8> {
    let mut text = realization.log.join("\n");
    text.push('\n');
    text.into_bytes()
}

fn fault_info(code: u32, text: &str) -> Value {
    let kind = match code {
        1 => Code::Access,
        2 => Code::Request,
        _ => Code::Internal,
    };
    let members = vec![
        ("detailString", text.into()),
        ("errorCode", kind.number().into()),
        ("errorString", kind.message().into()),
    ];
    Value::Object(&FAULT_INFO, members)
}
