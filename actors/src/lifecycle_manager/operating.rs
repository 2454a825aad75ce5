//! What users do with instances that are there: start, stop, restart, update, delete; logs, programs beside them, figures.

use std::collections::BTreeMap;
use std::time::Duration;

use actix::prelude::*;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use mf2c_domain::caller::Caller;
use mf2c_domain::id::ResourceId;
use mf2c_domain::time::Timestamp;
use mf2c_store::Document;
use mf2c_workload::{ExecOutcome, Handle, LogOptions};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::charge::node_of;
use super::conduct::{ANSWER, read};
use super::launch::store_error;
use super::messages::{
    Exec, Line, Lines, Operate, Operation, PartIndex, ReadLogs, Schedule, Source, Trouble, Usage, WorkError,
};
use super::opening::{line_of, may_modify};
use super::parcel::{Desired, ExecWish, LogsWish, Outcome, Page, Parcel, Reply};
use super::writing::Unwritten;
use super::{LifecycleManager, NextPage};
use crate::replicator::Far;
use crate::resource_store::DeleteResource;

/// How long one question for more lines waits.
const FOLLOW: Duration = Duration::from_secs(5);

type Answered<T> = ResponseActFuture<LifecycleManager, Result<T, WorkError>>;

fn ready<T: 'static>(result: Result<T, WorkError>) -> Answered<T> {
    Box::pin(actix::fut::ready(result))
}

/// What the document of an instance says of where it runs.
#[derive(Deserialize)]
pub(super) struct Instance {
    #[serde(default)]
    desired: Option<Desired>,
    #[serde(default)]
    conductor: String,
    service: String,
    #[serde(default)]
    agents: Vec<Agent>,
}

/// The document of an instance, read and as it is.
type Whole = (std::sync::Arc<Document>, Instance, Map<String, Value>);

#[derive(Deserialize, Clone)]
struct Agent {
    #[serde(default)]
    index: Option<u32>,
    #[serde(default)]
    generation: u64,
    #[serde(default)]
    device_id: String,
    #[serde(default)]
    url: String,
    #[serde(default)]
    ports: Vec<u16>,
    #[serde(default)]
    status: String,
}

impl LifecycleManager {
    fn instance(&self, id: &ResourceId) -> Result<Whole, WorkError> {
        let found = self.store.get(id.as_str()).filter(|document| document.id.kind() == "service-instance");
        let document = found.ok_or_else(|| WorkError::not_found(id.as_str()))?;
        let body = self.store.body(&document).ok().flatten().ok_or_else(|| WorkError::not_found(id.as_str()))?;
        let whole: Map<String, Value> = serde_json::from_slice(&body).unwrap_or_default();
        let instance = serde_json::from_slice(&body)
            .map_err(|error| WorkError::new(Trouble::Failed, format!("{id} makes no sense: {error}")))?;
        Ok((document, instance, whole))
    }

    pub(super) fn operate(&mut self, operate: Operate, ctx: &mut Context<Self>) -> Answered<Map<String, Value>> {
        let Operate { instance: id, operation, by } = operate;
        let (document, instance, mut whole) = match self.instance(&id) {
            Ok(found) => found,
            Err(error) => return ready(Err(error)),
        };
        if let Err(error) = may_modify(&document, &by) {
            return ready(Err(error));
        }
        if instance.desired.is_none() {
            return self.operate_nobodys(&document, operation, whole);
        }
        let (desired, shown) = match operation {
            Operation::Start => (Desired::Running, "starting"),
            Operation::Stop => (Desired::Stopped, "stopping"),
            Operation::Delete => (Desired::Deleted, "terminating"),
            Operation::Restart => return self.restart(&id, &instance, whole, ctx),
            Operation::Update => return self.update(&id, &instance, &by, whole, ctx),
        };
        if instance.desired == Some(Desired::Deleted) && desired != Desired::Deleted {
            return ready(Err(WorkError::new(Trouble::Conflict, format!("{id} is being deleted"))));
        }
        if instance.desired == Some(desired) && desired != Desired::Deleted {
            self.wish(id.name(), desired, ctx);
            return ready(Ok(whole));
        }
        let changes = json!({ "desired": desired.as_str() }).as_object().cloned();
        let written = self.write_anywhere(document.id.clone(), document.origin(), changes);
        Box::pin(written.into_actor(self).map(move |written, manager, ctx| {
            written.map_err(|unwritten| not_written(unwritten, "the agent that the instance belongs to"))?;
            manager.wish(id.name(), desired, ctx);
            whole.insert("desired".to_owned(), desired.as_str().into());
            whole.insert("status".to_owned(), shown.into());
            Ok(whole)
        }))
    }

    /// An instance that no agent looks after can only be deleted.
    fn operate_nobodys(
        &self,
        document: &Document,
        operation: Operation,
        whole: Map<String, Value>,
    ) -> Answered<Map<String, Value>> {
        if operation != Operation::Delete {
            let text = format!("{}: no agent looks after it, as it was not made by a launch", document.id);
            return ready(Err(WorkError::new(Trouble::Conflict, text)));
        }
        let gone = self.writer.send(DeleteResource { id: document.id.clone(), if_match: None, by: Caller::agent() });
        Box::pin(gone.into_actor(self).map(move |gone, _, _| match gone {
            Ok(Ok(_)) => Ok(whole),
            Ok(Err(error)) => Err(store_error(&error)),
            Err(_) => Err(WorkError::stopping()),
        }))
    }

    /// What an instance of this agent's shall do from now on.
    pub(super) fn wish(&mut self, name: &str, desired: Desired, ctx: &mut Context<Self>) {
        let Some(charge) = self.charges.get_mut(name) else { return };
        if charge.plan.desired != desired && charge.plan.desired != Desired::Deleted {
            charge.plan.desired = desired;
            charge.unsaved = true;
        }
        charge.not_before = Duration::ZERO;
        self.reconcile(name, ctx);
    }

    fn elsewhere_error(&self, id: &ResourceId, instance: &Instance) -> WorkError {
        let text = format!(
            "{id} is looked after by the agent of device/{}: ask there, or at the agent that leads the area",
            instance.conductor
        );
        WorkError::new(Trouble::Conflict, text)
    }

    fn restart(
        &mut self,
        id: &ResourceId,
        instance: &Instance,
        mut whole: Map<String, Value>,
        ctx: &mut Context<Self>,
    ) -> Answered<Map<String, Value>> {
        let Some(charge) = self.charges.get_mut(id.name()) else {
            return ready(Err(self.elsewhere_error(id, instance)));
        };
        if charge.plan.desired == Desired::Deleted {
            return ready(Err(WorkError::new(Trouble::Conflict, format!("{id} is being deleted"))));
        }
        for part in &mut charge.plan.parts {
            part.restarts += 1;
        }
        let was = charge.plan.desired;
        charge.plan.desired = Desired::Running;
        charge.unsaved = true;
        self.reconcile(id.name(), ctx);
        whole.insert("status".to_owned(), "starting".into());
        if was == Desired::Running {
            return ready(Ok(whole));
        }
        let by = Caller::agent();
        self.operate(Operate { instance: id.clone(), operation: Operation::Start, by }, ctx)
    }

    fn update(
        &mut self,
        id: &ResourceId,
        instance: &Instance,
        by: &Caller,
        whole: Map<String, Value>,
        _: &mut Context<Self>,
    ) -> Answered<Map<String, Value>> {
        if !self.charges.contains_key(id.name()) {
            return ready(Err(self.elsewhere_error(id, instance)));
        }
        let service = match ResourceId::parse(&instance.service) {
            Ok(service) => service,
            Err(error) => return ready(Err(WorkError::new(Trouble::Invalid, error.to_string()))),
        };
        let (prepared, id) = (self.prepare(Source::Id(service), by), id.clone());
        Box::pin(prepared.map(move |prepared, manager, ctx| {
            let prepared = prepared?;
            manager.begin_update(id.name(), prepared.spec, prepared.handed, ctx)?;
            manager.reconcile(id.name(), ctx);
            Ok(whole)
        }))
    }

    /// The parts of an instance, with the nodes that run them.
    fn parts(
        &self,
        id: &ResourceId,
        index: PartIndex,
        by: &Caller,
        modify: bool,
    ) -> Result<Vec<(Handle, String)>, WorkError> {
        let (document, instance, _) = self.instance(id)?;
        if !document.acl.can_view(by) {
            return Err(WorkError::not_found(id.as_str()));
        }
        if modify {
            may_modify(&document, by)?;
        }
        let parts: Vec<(Handle, String)> = instance
            .agents
            .iter()
            .filter_map(|agent| {
                let found = agent.index.filter(|found| index.is_none_or(|wanted| wanted == *found))?;
                let node = agent.device_id.strip_prefix("device/").unwrap_or(&agent.device_id).to_owned();
                let handle = Handle { instance: id.name().to_owned(), index: found, generation: agent.generation };
                Some((handle, node))
            })
            .collect();
        match index {
            _ if !parts.is_empty() => Ok(parts),
            Some(index) => Err(WorkError::new(Trouble::NotFound, format!("{id} has no part {index}"))),
            None => Err(WorkError::new(Trouble::Conflict, format!("{id} runs nowhere yet"))),
        }
    }

    /// Asks who runs a part, by way of who leads where that is another agent of the area.
    fn ask_runner(
        &mut self,
        node: &str,
        parcel: Parcel,
        within: Duration,
        ctx: &mut Context<Self>,
    ) -> ResponseActFuture<Self, Reply> {
        let led = !self.standing.leads() && self.standing.area().is_some();
        match node_of(node) {
            Some(to) if led && node != self.node_name => self.ask_far(Far::Above, to.to_vec(), &parcel, within),
            _ => self.ask_node(node, parcel, within, ctx),
        }
    }

    pub(super) fn exec(&mut self, exec: Exec, ctx: &mut Context<Self>) -> Answered<ExecOutcome> {
        let Exec { instance, index, argv, limit, by } = exec;
        if argv.is_empty() {
            return ready(Err(WorkError::new(Trouble::Invalid, "no program: expected it and its arguments")));
        }
        let parts = match self.parts(&instance, index, &by, true) {
            Ok(parts) => parts,
            Err(error) => return ready(Err(error)),
        };
        let Some((handle, node)) = parts.into_iter().next() else {
            return ready(Err(WorkError::not_found(instance.as_str())));
        };
        let wish = ExecWish { handle, argv, limit: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX) };
        let asked = self.ask_runner(&node, Parcel::Exec(wish), limit + ANSWER, ctx);
        Box::pin(asked.map(|reply, _, _| {
            let Outcome { code, output, cut } = read(reply?)?;
            Ok(ExecOutcome { code, output, is_cut: cut })
        }))
    }

    pub(super) fn usage(&mut self, usage: Usage, ctx: &mut Context<Self>) -> Answered<Value> {
        let parts = match self.parts(&usage.instance, None, &usage.by, false) {
            Ok(parts) => parts,
            Err(error) => return ready(Err(error)),
        };
        let asked: Vec<_> = parts
            .into_iter()
            .map(|(handle, node)| self.ask_runner(&node, Parcel::Usage(handle), ANSWER, ctx))
            .collect();
        // One after the other: an instance has few parts, and each answers at once or not for long.
        let first: Answered<Vec<Value>> = ready(Ok(Vec::new()));
        let all = asked.into_iter().fold(first, |before, next| {
            Box::pin(before.then(move |list, _, _| {
                next.map(move |reply, _, _| {
                    let mut list = list?;
                    list.push(reply.unwrap_or_else(|error| json!({ "error": error.text })));
                    Ok(list)
                })
            }))
        });
        Box::pin(all.map(|list, _, _| list.map(Value::from)))
    }

    pub(super) fn logs(&mut self, ask: ReadLogs, ctx: &mut Context<Self>) -> Answered<Lines> {
        let parts = match self.parts(&ask.instance, ask.index, &ask.by, false) {
            Ok(parts) => parts,
            Err(error) => return ready(Err(error)),
        };
        let mut streams: Vec<BoxStream<'static, Result<Line, WorkError>>> = Vec::new();
        let mut opening = Vec::new();
        for (handle, node) in parts {
            if node != self.node_name {
                streams.push(paged(ctx.address(), handle, node, ask.options));
                continue;
            }
            match self.backend_of(&handle) {
                Some((backend, handle)) => {
                    let options = ask.options;
                    opening.push(async move {
                        let index = handle.index;
                        let lines = backend.logs(&handle, options).await;
                        lines.map(|lines| {
                            lines
                                .map(move |line| {
                                    line.map(|line| line_of(index, line))
                                        .map_err(|error| WorkError::new(Trouble::Failed, error.to_string()))
                                })
                                .boxed()
                        })
                    });
                }
                None => return ready(Err(WorkError::new(Trouble::NotFound, format!("there is no {handle} here yet")))),
            }
        }
        let opened = async move {
            for lines in futures_util::future::join_all(opening).await {
                streams.push(lines.map_err(|error| WorkError::new(Trouble::Failed, error.to_string()))?);
            }
            // Each part's lines stay in their order; several parts are told together as they come.
            Ok(Lines(stream::select_all(streams).boxed()))
        };
        Box::pin(opened.into_actor(self))
    }

    pub(super) fn next_page(&mut self, ask: NextPage, ctx: &mut Context<Self>) -> ResponseActFuture<Self, Reply> {
        let NextPage { node, wish } = ask;
        let within = Duration::from_millis(wish.wait) + ANSWER;
        self.ask_runner(&node, Parcel::Logs(wish), within, ctx)
    }

    pub(super) fn schedule(&mut self, schedule: Schedule) -> Answered<Map<String, Value>> {
        let Schedule { device, to, by } = schedule;
        let found = self.store.get(device.as_str()).filter(|document| document.id.kind() == "device");
        let document = match found.ok_or_else(|| WorkError::not_found(device.as_str())).and_then(|found| {
            may_modify(&found, &by)?;
            Ok(found)
        }) {
            Ok(document) => document,
            Err(error) => return ready(Err(error)),
        };
        if self.node_of_device(&document).is_none() {
            let text = format!("{device} is no device of an agent: nothing is placed on it");
            return ready(Err(WorkError::new(Trouble::Conflict, text)));
        }
        let changes = json!({ "scheduling": to }).as_object().cloned();
        let written = self.write_anywhere(document.id.clone(), document.origin(), changes);
        Box::pin(written.into_actor(self).map(move |written, manager, ctx| {
            written.map_err(|unwritten| not_written(unwritten, "the agent of the device"))?;
            let names: Vec<String> = manager.charges.keys().cloned().collect();
            for name in names {
                manager.reconcile(&name, ctx);
            }
            let body = manager
                .store
                .get(device.as_str())
                .and_then(|document| serde_json::from_slice(&manager.store.body(&document).ok()??).ok());
            body.ok_or_else(|| WorkError::not_found(device.as_str()))
        }))
    }

    /// The agents of an instance that run it now: address and first port.
    pub(super) fn workers(&self, id: &ResourceId, by: &Caller) -> Result<Vec<(String, u16, String)>, WorkError> {
        let (document, instance, _) = self.instance(id)?;
        may_modify(&document, by)?;
        let running = instance.agents.iter().filter(|agent| agent.status == "started");
        Ok(running
            .filter_map(|agent| Some((agent.url.clone(), *agent.ports.first()?, agent.device_id.clone())))
            .collect())
    }
}

/// What a client is told whose wish could not be written down.
fn not_written(unwritten: Unwritten, who: &str) -> WorkError {
    match unwritten {
        Unwritten::Later(_) => WorkError::new(Trouble::Unavailable, format!("{who} is away: try again later")),
        Unwritten::Stopping => WorkError::stopping(),
    }
}

/// The lines of a part of another agent, page by page.
fn paged(
    manager: Addr<LifecycleManager>,
    handle: Handle,
    node: String,
    options: LogOptions,
) -> BoxStream<'static, Result<Line, WorkError>> {
    let wait = if options.follow { u64::try_from(FOLLOW.as_millis()).unwrap_or_default() } else { 0 };
    let since = options.since.map(|since| since.to_string());
    let first = LogsWish { handle, tail: options.tail, since, wait };
    let pages = stream::unfold(Some((first, BTreeMap::<String, usize>::new())), move |state| {
        let (manager, node) = (manager.clone(), node.clone());
        async move {
            let (wish, told) = state?;
            let again = wish.clone();
            let reply = manager.send(NextPage { node, wish }).await.unwrap_or_else(|_| Err(WorkError::stopping()));
            match reply.and_then(read::<Page>) {
                Err(error) => Some((vec![Err(error)], None)),
                Ok(page) => Some(turn(page, again, told)),
            }
        }
    });
    pages.flat_map(stream::iter).boxed()
}

type Following = Option<(LogsWish, BTreeMap<String, usize>)>;

/// The lines of a page that were not told, and the question for the next. Lines of the very last moment may come twice: they are
/// told apart by how many of one text there were.
fn turn(page: Page, wish: LogsWish, told: BTreeMap<String, usize>) -> (Vec<Result<Line, WorkError>>, Following) {
    let mut told = told;
    let lines: Vec<Line> = page
        .lines
        .into_iter()
        .filter(|line| match told.get_mut(&key(line)) {
            Some(times) if *times > 0 => {
                *times -= 1;
                false
            }
            _ => true,
        })
        .collect();
    if !page.goes_on {
        return (lines.into_iter().map(Ok).collect(), None);
    }
    let last = lines.last().map(|line| line.time.clone());
    let (since, again) = match last {
        None => (wish.since.clone(), BTreeMap::new()),
        Some(last) => {
            let mut again = BTreeMap::new();
            for line in lines.iter().filter(|line| line.time == last) {
                *again.entry(key(line)).or_default() += 1;
            }
            (Some(last), again)
        }
    };
    let next = LogsWish { since: since.filter(|since| Timestamp::parse(since).is_some()), tail: None, ..wish };
    let next = if next.since.is_none() && again.is_empty() { LogsWish { tail: Some(0), ..next } } else { next };
    (lines.into_iter().map(Ok).collect(), Some((next, again)))
}

fn key(line: &Line) -> String {
    format!("{}\u{0}{}\u{0}{}", line.time, line.stream, line.text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(time: &str, text: &str) -> Line {
        Line { index: 0, part: None, stream: "stdout".to_owned(), time: time.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn lines_of_the_last_moment_of_a_page_are_not_told_twice() {
        let handle = Handle { instance: "i".to_owned(), index: 0, generation: 1 };
        let wish = LogsWish { handle, tail: Some(10), since: None, wait: 5 };
        let (one, two) = ("2026-01-01T00:00:01Z", "2026-01-01T00:00:02Z");
        let page = Page { lines: vec![line(one, "a"), line(two, "b"), line(two, "b")], goes_on: true };
        let (lines, next) = turn(page, wish, BTreeMap::new());
        let (wish, told) = next.unwrap();
        assert_eq!((lines.len(), wish.since.as_deref(), wish.tail), (3, Some(two), None));
        let page = Page { lines: vec![line(two, "b"), line(two, "b"), line(two, "b"), line(two, "c")], goes_on: false };
        let (lines, next) = turn(page, wish, told);
        let texts: Vec<String> = lines.into_iter().map(|line| line.unwrap().text).collect();
        assert_eq!((texts, next.is_none()), (vec!["b".to_owned(), "c".to_owned()], true));
    }
}
