//! What other agents ask: parts to run, launches from below, and what is to be known of what runs.

use std::time::Duration;

use actix::prelude::*;
use futures_util::StreamExt as _;
use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::caller::Caller;
use mf2c_domain::resource::types::workload;
use mf2c_domain::time::Timestamp;
use mf2c_fabric::wire::{Answer, Code, WireError, Work};
use mf2c_lifecycle::Input;
use mf2c_store::StoreError;
use mf2c_workload::{Handle, LogOptions, Stream};
use serde::Deserialize;
use serde_json::{Value, json};

use super::charge::node_of;
use super::conduct::ANSWER;
use super::launch::{read_service, store_error};
use super::messages::{Line, Trouble, WorkError};
use super::parcel::{Assignment, Desired, ExecWish, LogsWish, Outcome, Page, Parcel, Reply, Taken};
use super::run::{Run, handed_key, name_of};
use super::specs::kind_of;
use super::{Kept, LifecycleManager};
use crate::replicator::{AskFar, Far};
use crate::resource_store::{AddResource, KeepState};

/// The most lines of a log, and bytes of them, that one answer holds.
const PAGE: (usize, usize) = (2000, 128 << 10);
/// The longest that an answer waits for a first line.
const LONGEST_WAIT: Duration = Duration::from_secs(8);

/// Another agent asks about services.
#[derive(Debug, Message)]
#[rtype(result = "Result<Answer, WireError>")]
pub struct AnswerWork {
    /// Who, by its certificate.
    pub peer: SpiffeId,
    /// What.
    pub work: Work,
}

type Answered = ResponseActFuture<LifecycleManager, Result<Answer, WireError>>;

fn refuse(code: Code, text: impl Into<String>) -> Answered {
    Box::pin(actix::fut::ready(Err(WireError::new(code, text))))
}

fn done(reply: Reply) -> ResponseActFuture<LifecycleManager, Reply> {
    Box::pin(actix::fut::ready(reply))
}

fn value<T: serde::Serialize>(value: T) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

impl LifecycleManager {
    /// Whether a peer stands above this agent.
    fn is_above(&self, peer: &SpiffeId) -> bool {
        let standing = &self.standing;
        let led = !standing.leads() && standing.is_led_by(peer);
        led || standing.leads() && standing.upper.as_ref().is_some_and(|upper| upper.id == *peer)
    }

    fn answer(&mut self, ask: AnswerWork, ctx: &mut Context<Self>) -> Answered {
        let AnswerWork { peer, work } = ask;
        let above = self.is_above(&peer);
        if above && !self.standing.leads() && work.term < self.standing.term {
            let text = format!("this is of term {}, the area is in term {}", work.term, self.standing.term);
            return refuse(Code::StaleTerm, text);
        }
        let parcel: Parcel = match serde_json::from_slice(&work.body.0) {
            Ok(parcel) => parcel,
            Err(error) => return refuse(Code::Invalid, format!("it makes no sense: {error}")),
        };
        let for_others = !work.to.0.is_empty() && node_of(&self.node_name).is_none_or(|own| own[..] != work.to.0[..]);
        if for_others {
            if !above && !self.may_look(&peer, &parcel) {
                return refuse(Code::Forbidden, "only who leads hands on what agents shall run");
            }
            let Ok(node) = work.to.0.as_slice().try_into() else {
                return refuse(Code::Invalid, "a store has a name of 16 bytes");
            };
            let Some(far) = self.far.clone() else { return refuse(Code::Busy, "this agent takes part in no area") };
            let ask = mf2c_fabric::wire::Ask::Work(Work { term: self.standing.term, ..work });
            let asked = far.send(AskFar { whom: Far::Below(node), ask, within: ANSWER });
            let stopping = || WireError::new(Code::Busy, "this agent is stopping");
            let answered = async move { asked.await.unwrap_or_else(|_| Err(stopping())) };
            return Box::pin(answered.into_actor(self));
        }
        let from_below = matches!(parcel, Parcel::Launch(_));
        if above == from_below {
            let text = if above {
                "what finds no place is asked for above, and not below"
            } else {
                "only who leads says what agents run"
            };
            return refuse(Code::Forbidden, text);
        }
        if from_below && !self.standing.leads() {
            return refuse(Code::NotLeader, "this agent leads nobody: launches are asked of who leads");
        }
        let reply = self.open(parcel, ctx);
        Box::pin(
            reply.map(|reply, _, _| Ok(Answer::Work { body: serde_json::to_vec(&reply).unwrap_or_default().into() })),
        )
    }

    /// Whether a peer below may ask this of another agent below: about an instance of its own.
    fn may_look(&self, peer: &SpiffeId, parcel: &Parcel) -> bool {
        #[derive(Deserialize)]
        struct Member {
            agent: String,
            #[serde(default)]
            node: String,
        }
        let handle = match parcel {
            Parcel::Logs(wish) => &wish.handle,
            Parcel::Exec(wish) => &wish.handle,
            Parcel::Usage(handle) => handle,
            Parcel::Assign(_) | Parcel::Desire(_) | Parcel::Launch(_) | Parcel::Tend(_) => return false,
        };
        let Some(document) = self.store.get(&format!("service-instance/{}", handle.instance)) else { return false };
        let Some(origin) = document.origin() else { return false };
        let node = super::charge::node_name(&origin);
        self.store.all("area-member").into_iter().any(|document| {
            let body = self.store.body(&document).ok().flatten();
            let member = body.and_then(|body| serde_json::from_slice::<Member>(&body).ok());
            member.is_some_and(|member| member.agent == peer.to_string() && member.node == node)
        })
    }

    /// Does what a parcel says, for whoever may.
    pub(super) fn open(&mut self, parcel: Parcel, ctx: &mut Context<Self>) -> ResponseActFuture<Self, Reply> {
        match parcel {
            Parcel::Assign(assignment) => self.take(*assignment, ctx),
            Parcel::Desire(wish) => {
                if let Some(run) = self.runs.get_mut(&wish.handle) {
                    run.for_good |= wish.for_good;
                    self.aim(&wish.handle, wish.goal, ctx);
                }
                let gone = !self.runs.contains_key(&wish.handle);
                done(Ok(value(Taken { gone })))
            }
            Parcel::Launch(request) => self.launch_for(*request),
            Parcel::Logs(wish) => self.page(wish),
            Parcel::Exec(wish) => self.exec_here(wish),
            Parcel::Usage(handle) => self.usage_here(handle),
            Parcel::Tend(wish) => self.tend_here(wish),
        }
    }

    /// Takes a part: it is on disk before anything is done about it.
    fn take(&mut self, assignment: Assignment, ctx: &mut Context<Self>) -> ResponseActFuture<Self, Reply> {
        let handle = assignment.handle.clone();
        if self.runs.contains_key(&handle) {
            self.aim(&handle, assignment.wish, ctx);
            return done(Ok(value(Taken { gone: false })));
        }
        if let Some(error) = self.in_the_way(&assignment) {
            return done(Err(error));
        }
        if assignment.wish.desired == Desired::Deleted {
            return done(Ok(value(Taken { gone: true })));
        }
        let kept = Kept { handed: assignment.handed.clone(), admin: assignment.admin, ..Kept::default() };
        let device = format!("device/{}", self.node_name);
        let document = Run::document(&assignment, &device);
        let name = Some(name_of(&handle));
        let new = match self.new_document(&workload::SPEC, name, document.clone(), assignment.acl.for_readers()) {
            Ok(new) => new,
            Err(error) => return done(Err(WorkError::new(Trouble::Invalid, error))),
        };
        let value_kept = (!kept.is_usual()).then(|| serde_json::to_vec(&kept).unwrap_or_default());
        let secret =
            value_kept.map(|value| self.writer.send(KeepState { key: handed_key(&handle), value: Some(value) }));
        let stored = self.writer.send(AddResource(new));
        let both = async move {
            if let Some(secret) = secret {
                secret.await.unwrap_or(Err(StoreError::Stopping))?;
            }
            stored.await.unwrap_or(Err(StoreError::Stopping)).map(drop)
        };
        Box::pin(both.into_actor(self).map(move |stored, manager, ctx| match stored {
            Ok(()) | Err(StoreError::Conflict { .. }) => {
                let acl = assignment.acl.for_readers();
                let run = Run::recall(&document, kept.handed, kept.admin);
                let Some(mut run) = run else {
                    return Err(WorkError::new(Trouble::Invalid, "the service makes no sense to this agent"));
                };
                run.acl = acl;
                // Two that come at once are one.
                if !manager.runs.contains_key(&handle) {
                    manager.runs.insert(handle.clone(), run);
                    // There can be nothing of it yet: no other placing has this generation.
                    manager.step(&handle, Input::Seen(mf2c_lifecycle::Seen::Missing), ctx);
                }
                Ok(value(Taken { gone: false }))
            }
            Err(error) => Err(store_error(&error)),
        }))
    }

    /// Why a part is not taken.
    fn in_the_way(&self, assignment: &Assignment) -> Option<WorkError> {
        let handle = &assignment.handle;
        let newer = self.runs.keys().find(|held| {
            held.instance == handle.instance && held.index == handle.index && held.generation > handle.generation
        });
        if let Some(newer) = newer {
            let text = format!("{handle} was placed before {newer}, which is here");
            return Some(WorkError::new(Trouble::Conflict, text));
        }
        let service = match read_service(&assignment.service, &assignment.spec) {
            Ok(service) => service,
            Err(error) => return Some(error),
        };
        let offered = kind_of(service.backend).is_some_and(|kind| self.backends.contains_key(&kind));
        if !offered {
            return Some(WorkError::new(Trouble::Unsupported, "this agent does not run services of this type"));
        }
        if assignment.conductor == self.node_name {
            // It was looked at a moment ago, by the same rules.
            return None;
        }
        self.owner_says_no(&assignment.service, &assignment.spec)
    }

    pub(super) fn exec_here(&self, wish: ExecWish) -> ResponseActFuture<Self, Reply> {
        let Some((backend, handle)) = self.backend_of(&wish.handle) else { return done(Err(not_here(&wish.handle))) };
        let limit = Duration::from_millis(wish.limit).min(Duration::from_secs(3600));
        let outcome = async move {
            let outcome = backend.exec(&handle, &wish.argv, limit).await;
            let outcome = outcome.map_err(|error| WorkError::new(Trouble::Failed, error.to_string()))?;
            Ok(value(Outcome { code: outcome.code, output: outcome.output, cut: outcome.is_cut }))
        };
        Box::pin(outcome.into_actor(self))
    }

    pub(super) fn usage_here(&self, of: Handle) -> ResponseActFuture<Self, Reply> {
        let Some((backend, handle)) = self.backend_of(&of) else { return done(Err(not_here(&of))) };
        let usage = async move {
            let used = backend.stats(&handle).await;
            let used = used.map_err(|error| WorkError::new(Trouble::Failed, error.to_string()))?;
            Ok(json!({
                "index": handle.index, "cpu_nanos": used.cpu_nanos, "memory_bytes": used.memory_bytes,
                "memory_limit": used.memory_limit, "received_bytes": used.received_bytes, "sent_bytes": used.sent_bytes,
                "read_bytes": used.read_bytes, "written_bytes": used.written_bytes, "processes": used.processes,
            }))
        };
        Box::pin(usage.into_actor(self))
    }

    /// One page of a log.
    fn page(&self, wish: LogsWish) -> ResponseActFuture<Self, Reply> {
        let Some((backend, handle)) = self.backend_of(&wish.handle) else { return done(Err(not_here(&wish.handle))) };
        let options = LogOptions {
            tail: wish.tail,
            since: wish.since.as_deref().and_then(Timestamp::parse),
            follow: wish.wait > 0,
        };
        let wait = Duration::from_millis(wish.wait).min(LONGEST_WAIT);
        let page = async move {
            let lines = backend.logs(&handle, options).await;
            let mut lines = lines.map_err(|error| WorkError::new(Trouble::Failed, error.to_string()))?;
            let (mut page, mut bytes, mut goes_on) = (Vec::new(), 0, false);
            loop {
                // After the first lines only what is there already is waited for.
                let patience = if page.is_empty() { wait } else { Duration::from_millis(20) };
                let next = if options.follow {
                    match tokio::time::timeout(patience, lines.next()).await {
                        Ok(next) => next,
                        Err(_) => {
                            goes_on = true;
                            break;
                        }
                    }
                } else {
                    lines.next().await
                };
                let Some(line) = next else { break };
                let line = line.map_err(|error| WorkError::new(Trouble::Failed, error.to_string()))?;
                bytes += line.text.len() + 64;
                page.push(line_of(handle.index, line));
                if page.len() >= PAGE.0 || bytes >= PAGE.1 {
                    goes_on = true;
                    break;
                }
            }
            Ok(value(Page { lines: page, goes_on }))
        };
        Box::pin(page.into_actor(self))
    }

    /// The backend of a workload of this agent.
    pub(super) fn backend_of(
        &self,
        handle: &Handle,
    ) -> Option<(std::sync::Arc<dyn mf2c_workload::ExecutionBackend>, Handle)> {
        let run = self.runs.get(handle)?;
        let backend = self.backends.get(&kind_of(run.service.backend)?)?;
        Some((std::sync::Arc::clone(backend), handle.clone()))
    }
}

pub(super) fn line_of(index: u32, line: mf2c_workload::LogLine) -> Line {
    let stream = match line.stream {
        Stream::Out => "stdout",
        Stream::Err => "stderr",
    };
    Line { index, part: line.part, stream: stream.to_owned(), time: line.time.to_string(), text: line.text }
}

fn not_here(handle: &Handle) -> WorkError {
    WorkError::new(Trouble::NotFound, format!("there is no {handle} on this agent"))
}

impl Handler<AnswerWork> for LifecycleManager {
    type Result = Answered;

    fn handle(&mut self, ask: AnswerWork, ctx: &mut Context<Self>) -> Self::Result {
        self.answer(ask, ctx)
    }
}

/// For who asks on behalf of a user.
pub(super) fn may_modify(document: &mf2c_store::Document, by: &Caller) -> Result<(), WorkError> {
    if !document.acl.can_view(by) {
        return Err(WorkError::not_found(document.id.as_str()));
    }
    if !document.acl.can_modify(by) {
        let text = format!("{}: only who may change it may do that", document.id);
        return Err(WorkError::new(Trouble::Forbidden, text));
    }
    Ok(())
}
