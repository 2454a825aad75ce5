//! Carries out what realizations shall become: stores and launches services, and removes them again. What it has to do stands in
//! the documents of experiments, so that it goes on after a crash where it was; it does one step at a time, and every step may
//! be repeated.
//!
//! While nothing is under way it waits to be told of something. While something is, it looks again whenever the store has
//! changed, and at the latest after a pause.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Weak;
use std::time::Duration;

use mf2c_actors::lifecycle_manager::{Launch, Launched, Operate, Operation, Source, Trouble, WorkError};
use mf2c_domain::acl::{Acl, Principal};
use mf2c_domain::caller::Caller;
use mf2c_domain::id::ResourceId;
use mf2c_domain::people::account::Account;
use mf2c_domain::query::Query;
use mf2c_domain::resource;
use mf2c_domain::testbed::experiment::Experiment;
use mf2c_domain::testbed::image::Image;
use mf2c_domain::testbed::outline::Outline;
use mf2c_domain::testbed::realization::{Failure, INSUFFICIENT, Phase, Realization, Seen, Step};
use mf2c_domain::testbed::state::Container;
use mf2c_lifecycle::AgentStatus;
use mf2c_store::StoreError;
use serde::Deserialize;
use tokio::sync::{mpsc, watch};

use crate::cimi::Api;
use crate::deter::fault::Fault;
use crate::deter::notifications;
use crate::deter::testbed::{Held, add, discard, edit, picked, read, seen_by};
use crate::lm::Manager;

/// So many experiments may wait to be looked at; who names one more waits himself.
const WAITING: usize = 64;
/// Between two looks at least, however often the store changes.
const SHORTEST: Duration = Duration::from_millis(50);
/// Between two looks at most, as long as something is under way.
const LONGEST: Duration = Duration::from_secs(2);

/// So long after a start an agent may not know yet on which devices something can run.
const GATHERING: Duration = Duration::from_secs(30);

/// The most reasons that a failure tells, and the longest of them, in characters.
const REASONS: usize = 3;
const LONGEST_REASON: usize = 200;

/// The way to the [`Realizer`].
#[derive(Debug, Clone)]
pub(in crate::deter) struct Bell(mpsc::Sender<String>);

impl Bell {
    /// Has it look at the experiment with this id.
    pub(in crate::deter) async fn look_at(&self, id: &str) {
        // Where nobody listens, the agent is stopping: the next start finds it in the document.
        let _ = self.0.send(id.to_owned()).await;
    }
}

/// See the module.
pub struct Realizer {
    manager: Manager,
    rung: mpsc::Receiver<String>,
    /// What was under way when the agent was started, and when that was.
    found: (BTreeSet<String>, Duration),
}

/// What came of a step.
enum Done {
    /// Look again at once.
    Again,
    /// Look again when something has changed.
    Later,
    /// Nothing is left to do.
    Over,
}

impl Realizer {
    pub(in crate::deter) fn new(manager: Manager) -> (Bell, Self) {
        let (bell, rung) = mpsc::channel(WAITING);
        (Bell(bell), Self { manager, rung, found: (BTreeSet::new(), Duration::ZERO) })
    }

    /// Works until the door is gone.
    pub async fn run(mut self, api: Weak<Api>) {
        let Some((mut under_way, mut feed, now)) = begin(&api).await else { return };
        self.found = (under_way.clone(), now);
        loop {
            let Some(at_hand) = api.upgrade() else { return };
            let mut left = BTreeSet::new();
            for id in &under_way {
                if self.bring_on(&at_hand, id).await {
                    left.insert(id.clone());
                }
            }
            under_way = left;
            drop(at_hand);
            let more = if under_way.is_empty() {
                self.rung.recv().await
            } else {
                tokio::time::sleep(SHORTEST).await;
                tokio::select! {
                    more = self.rung.recv() => more,
                    changed = feed.changed() => changed.ok().map(|()| String::new()),
                    () = tokio::time::sleep(LONGEST) => Some(String::new()),
                }
            };
            let Some(more) = more else { return };
            under_way.extend(Some(more).filter(|id| !id.is_empty()));
            while let Ok(more) = self.rung.try_recv() {
                under_way.insert(more);
            }
        }
    }

    /// Does what can be done now; whether something is left.
    async fn bring_on(&self, api: &Api, id: &str) -> bool {
        let mut last = Step::Wait;
        loop {
            match self.step(api, id, &mut last).await {
                Ok(Done::Again) => {}
                Ok(Done::Later) => return true,
                Ok(Done::Over) => return false,
                Err(fault) => {
                    tracing::warn!(
                        id,
                        fault = fault.detail,
                        "an experiment cannot be brought on now; it is tried again"
                    );
                    return true;
                }
            }
        }
    }

    /// One step; none that was done just now and has not shown yet.
    async fn step(&self, api: &Api, id: &str, last: &mut Step) -> Result<Done, Fault> {
        let Some(held) = read::<Experiment>(api, id)? else { return Ok(Done::Over) };
        let Some(mut realization) = held.value.realization.clone() else { return Ok(Done::Over) };
        if !realization.is_under_way() {
            return Ok(Done::Over);
        }
        let mut launched = BTreeMap::new();
        for element in realization.elements.iter().filter(|element| element.instance.is_none()) {
            launched.extend(instance_of(api, &element.service)?.map(|id| (element.service.clone(), id)));
        }
        if realization.adopt(|service| launched.get(service).cloned()) {
            let elements = realization.elements.clone();
            record(api, id, &realization, move |it, _| it.elements.clone_from(&elements)).await?;
        }
        let step = realization.next(&seen(api, &realization));
        if step == *last {
            return Ok(Done::Later);
        }
        last.clone_from(&step);
        tracing::debug!(id, ?step, "an experiment is brought on");
        self.carry_out(api, id, &held.value, &realization, step).await
    }

    async fn carry_out(
        &self,
        api: &Api,
        id: &str,
        experiment: &Experiment,
        realization: &Realization,
        step: Step,
    ) -> Result<Done, Fault> {
        match step {
            Step::Store(index) => store_service(api, id, realization, index).await,
            Step::Launch(index) => self.launch(api, id, realization, index).await,
            Step::Delete(index) => self.delete(realization, index).await,
            Step::Drop(service) => {
                discard(api, &service).await?;
                record(api, id, realization, |it, _| it.leftovers.retain(|left| *left != service)).await
            }
            Step::Finish => finish(api, id, experiment, realization).await,
            Step::Fail(failure) => {
                let failure = Failure { text: with_reasons(api, realization, failure.text), ..failure };
                tracing::info!(id, why = failure.text, "an experiment cannot be realized");
                record(api, id, realization, |it, now| it.fail(failure.clone(), now)).await
            }
            Step::Wait => Ok(Done::Later),
            Step::Rest => Ok(Done::Over),
        }
    }

    async fn launch(&self, api: &Api, id: &str, realization: &Realization, index: usize) -> Result<Done, Fault> {
        let Some(element) = realization.elements.get(index) else { return Ok(Done::Later) };
        let launched = match (&element.devices, caller(api, &realization.by)) {
            (Some(devices), _) if devices.is_empty() => {
                Err(WorkError::new(Trouble::NoRoom, "no computer that may be used fits"))
            }
            (_, None) => Err(WorkError::new(Trouble::Forbidden, format!("{} may not sign in", realization.by))),
            (devices, Some(by)) => {
                let Some(manager) = (self.manager)() else { return Ok(Done::Later) };
                let service =
                    Source::Id(ResourceId::parse(&element.service).map_err(|it| Fault::internal(it.to_string()))?);
                let name = element.spec.get("name").and_then(|name| name.as_str()).map(str::to_owned);
                let (devices, key) = (devices.clone(), Some(realization.launch_key(index)));
                let for_another = false;
                let launch = Launch { service, by, for_another, template: None, agreement: None, devices, name, key };
                match manager.send(launch).await {
                    Ok(launched) => launched,
                    Err(_) => return Ok(Done::Later),
                }
            }
        };
        let (found, begun) = &self.found;
        let may_come = found.contains(id) && api.world.clock.elapsed() < *begun + GATHERING;
        match launched {
            Err(error) if error.trouble == Trouble::NoRoom && may_come => Ok(Done::Later),
            launched => launch_recorded(api, id, realization, index, launched).await,
        }
    }

    async fn delete(&self, realization: &Realization, index: usize) -> Result<Done, Fault> {
        let instance = realization.elements.get(index).and_then(|element| element.instance.as_deref());
        let Some(instance) = instance.and_then(|id| ResourceId::parse(id).ok()) else { return Ok(Done::Later) };
        let Some(manager) = (self.manager)() else { return Ok(Done::Later) };
        // Who may release the experiment was asked; what runs may be somebody else's.
        let operate = Operate { instance, operation: Operation::Delete, by: Caller::agent() };
        match manager.send(operate).await {
            Ok(Ok(_)) => Ok(Done::Again),
            Ok(Err(error)) if error.trouble == Trouble::NotFound => Ok(Done::Again),
            Ok(Err(error)) => {
                tracing::info!(%error, "an instance of an experiment cannot be deleted now; it is tried again");
                Ok(Done::Later)
            }
            Err(_) => Ok(Done::Later),
        }
    }
}

/// What is under way from before, and the way to hear of changes.
async fn begin(api: &Weak<Api>) -> Option<(BTreeSet<String>, watch::Receiver<u64>, Duration)> {
    let api = api.upgrade()?;
    let feed = api.store.subscribe();
    let is_under_way = |held: Held<Outline>| {
        let realization = held.value.experiment.realization.filter(Realization::is_under_way);
        realization.map(|_| held.document.id.as_str().to_owned())
    };
    let found = picked(&api, "experiment", is_under_way).await;
    let found = found.inspect_err(|error| tracing::error!(%error, "experiments cannot be read")).unwrap_or_default();
    Some((found.into_iter().collect(), feed, api.world.clock.elapsed()))
}

/// What the document of an instance says.
#[derive(Deserialize)]
struct Instance {
    #[serde(default)]
    status: String,
    #[serde(default)]
    desired: Option<String>,
    #[serde(default)]
    detail: Option<String>,
    #[serde(default)]
    agents: Vec<Part>,
}

/// What runs of it on one device.
#[derive(Deserialize)]
struct Part {
    #[serde(default)]
    detail: Option<String>,
}

fn instance(api: &Api, id: &Option<String>) -> Option<Instance> {
    let document = api.store.get(id.as_deref()?)?;
    serde_json::from_slice(&api.store.body(&document).ok()??).ok()
}

/// What is told of a failure, with what its instances say of themselves.
fn with_reasons(api: &Api, realization: &Realization, text: String) -> String {
    let failed = realization.elements.iter().filter_map(|element| {
        let instance = instance(api, &element.instance).filter(|instance| instance.status == "error")?;
        let parts = instance.agents.into_iter().filter_map(|part| part.detail);
        instance.detail.into_iter().chain(parts).find(|detail| !detail.is_empty())
    });
    let reasons: BTreeSet<String> = failed.map(|reason| reason.chars().take(LONGEST_REASON).collect()).collect();
    let reasons: Vec<String> = reasons.into_iter().take(REASONS).collect();
    if reasons.is_empty() { text } else { format!("{text}: {}", reasons.join("; ")) }
}

/// What is seen of the elements of a realization.
pub(super) fn seen(api: &Api, realization: &Realization) -> Vec<Seen> {
    let seen = |element: &mf2c_domain::testbed::realization::Element| {
        let service = api.store.get(&element.service).is_some();
        let Some(instance) = instance(api, &element.instance) else {
            return Seen { service, container: Container::None, failed: false };
        };
        let is_going = instance.desired.as_deref() == Some("deleted");
        let is_unknown = AgentStatus::read(&instance.status) == AgentStatus::Unknown;
        let container = match (realization.phase, Container::of(&instance.status)) {
            _ if is_going => Container::Pinned,
            // Whatever somebody does to it, it is deleted.
            (Phase::Releasing | Phase::Failing, Container::Pinned) => Container::Down,
            // As after a start of the agent, before what runs it has told of it.
            (Phase::Launching, _) if is_unknown => Container::Configured,
            (Phase::Active, _) if is_unknown => Container::Pinned,
            (_, container) => container,
        };
        Seen { service, container, failed: !is_going && instance.status == "error" }
    };
    realization.elements.iter().map(seen).collect()
}

/// The instance of a service of a realization: there is one at most.
fn instance_of(api: &Api, service: &str) -> Result<Option<String>, StoreError> {
    let Some(spec) = resource::find("service-instance") else { return Ok(None) };
    let pairs = [("$filter".to_owned(), format!("service='{service}'"))];
    let Ok(query) = Query::from_pairs(&pairs) else { return Ok(None) };
    let found = api.store.find(spec, &query, &Caller::agent())?;
    Ok(found.documents.first().map(|document| document.id.as_str().to_owned()))
}

/// A user with the rights that he has today; none where he may not sign in.
fn caller(api: &Api, uid: &str) -> Option<Caller> {
    let document = api.store.get(&format!("user/{uid}"))?;
    let account = Account::read(&api.store.body(&document).ok()??).filter(Account::may_sign_in)?;
    Some(Caller::new(uid, account.roles()))
}

/// Writes down what became of a step, unless somebody has wanted something else meanwhile.
async fn record(
    api: &Api,
    id: &str,
    before: &Realization,
    change: impl Fn(&mut Realization, mf2c_domain::time::Timestamp),
) -> Result<Done, Fault> {
    let now = api.world.clock.now();
    let rule = |experiment: &mut Experiment| {
        let current = experiment.realization.as_mut();
        if let Some(current) = current.filter(|it| it.key == before.key && it.phase == before.phase) {
            change(current, now);
        }
        Ok(())
    };
    edit(api, id, rule, |value: &Experiment| seen_by(api, value)).await?;
    Ok(Done::Again)
}

async fn store_service(api: &Api, id: &str, realization: &Realization, index: usize) -> Result<Done, Fault> {
    let Some(element) = realization.elements.get(index) else { return Ok(Done::Later) };
    let name = element.service.trim_start_matches("service/");
    let acl = Acl::new(Principal::user(&realization.by), Vec::new());
    match add(api, "service", name, &element.spec, acl).await {
        Ok(_) | Err(StoreError::Conflict { .. }) => Ok(Done::Again),
        Err(error @ (StoreError::Schema(_) | StoreError::TooLarge { .. })) => {
            let failure = Failure { code: 2, text: format!("{}: {error}", element.name) };
            record(api, id, realization, |it, now| it.fail(failure.clone(), now)).await
        }
        Err(error) => Err(error.into()),
    }
}

async fn launch_recorded(
    api: &Api,
    id: &str,
    realization: &Realization,
    index: usize,
    launched: Result<Launched, WorkError>,
) -> Result<Done, Fault> {
    let name = realization.elements.get(index).map(|element| element.name.clone()).unwrap_or_default();
    let (code, text) = match launched {
        Ok(launched) => {
            let instance = launched.id.as_str().to_owned();
            let change = |it: &mut Realization, now| {
                it.note(now, &format!("{name} is launched as {instance}"));
                if let Some(element) = it.elements.get_mut(index) {
                    element.instance = Some(instance.clone());
                }
            };
            return record(api, id, realization, change).await;
        }
        Err(error) => match error.trouble {
            Trouble::Unavailable => return Ok(Done::Later),
            Trouble::NoRoom => {
                let why = format!("{name}: {}", error.text);
                let failure = Failure { code: 2, text: INSUFFICIENT.to_owned() };
                let change = |it: &mut Realization, now| {
                    it.note(now, &why);
                    it.fail(failure.clone(), now);
                };
                return record(api, id, realization, change).await;
            }
            Trouble::Forbidden => (1, format!("{name}: {}", error.text)),
            Trouble::Invalid | Trouble::NotFound | Trouble::Unsupported => (2, format!("{name}: {}", error.text)),
            Trouble::Conflict | Trouble::Reused | Trouble::Failed => (3, format!("{name}: {}", error.text)),
        },
    };
    let failure = Failure { code, text };
    record(api, id, realization, |it, now| it.fail(failure.clone(), now)).await
}

/// The phase is over. Who wants to know it is told first; after a crash he is told the same again, which is one message.
async fn finish(api: &Api, id: &str, experiment: &Experiment, realization: &Realization) -> Result<Done, Fault> {
    if let Some(uid) = &realization.notify {
        let eid = &experiment.experiment_id;
        let text = match (realization.phase, &realization.fault) {
            (Phase::Launching, _) => format!("Experiment {eid} is realized"),
            (_, Some(failure)) => format!("Experiment {eid} could not be realized: {}", failure.text),
            (_, None) => format!("Experiment {eid} is released"),
        };
        notifications::tell_once(api, uid, &text, &format!("{}-{:?}", realization.key, realization.phase)).await?;
    }
    if realization.phase == Phase::Launching {
        keep_images(api, realization).await;
    }
    record(api, id, realization, |it, now| drop(it.finish(now))).await
}

/// Images come with the containers that run them.
async fn keep_images(api: &Api, realization: &Realization) {
    for element in &realization.elements {
        let text = |name: &str| element.spec.get(name).and_then(|text| text.as_str()).unwrap_or_default().to_owned();
        let (owner, image) = (realization.by.clone(), text("exec"));
        let name = Image::local_name(&owner, &image);
        let image = Image { image, owner, valid_in: vec![text("exec_type")], ..Image::default() };
        match add(api, "image", &name, &image, seen_by(api, &image)).await {
            Ok(_) | Err(StoreError::Conflict { .. }) => {}
            Err(error) => tracing::warn!(%error, "an image of an experiment is not written down"),
        }
    }
}
