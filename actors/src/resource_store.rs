//! `ResourceStore`: the one writer of this agent's documents.
//!
//! Writes queue in its mailbox and are committed together; a write is answered after its batch is on disk. Reads do not
//! come here: they take committed documents from [`mf2c_store::Store`].
//!
//! A commit waits for the disk, so this actor has an arbiter of its own in production. What arrives meanwhile fills the
//! mailbox, and the next batch is all of it: that is the group commit.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use mf2c_domain::caller::Caller;
use mf2c_domain::entropy::Entropy;
use mf2c_domain::id::ResourceId;
use mf2c_store::record::NodeId;
use mf2c_store::replica::{Applied, Inflow};
use mf2c_store::{Command, Delete, Done, Edit, IfMatch, NewDocument, StoreError, Work, Writer, Written};
use serde_json::{Map, Value};
use tokio::sync::oneshot;

use crate::supervisor::{GiveUp, end_the_process};

mod retention;

pub use retention::{Bound, Retention};

/// The most writes that share one sync.
const MAX_BATCH: usize = 1024;

/// The most bytes of documents that share one sync, but for the last write: a batch is held in memory several times.
const MAX_BATCH_BYTES: usize = 8 << 20;

/// Pause between two attempts to mend a writer that has failed.
const MEND_PAUSE: Duration = Duration::from_secs(1);

type Outcome = Result<Written, StoreError>;

/// Stores a new document. Answered when it is on disk.
#[derive(Debug, Message)]
#[rtype(result = "Outcome")]
pub struct AddResource(pub NewDocument);

/// Merges `changes` into a document and removes the attributes named in `removed`.
#[derive(Debug, Message)]
#[rtype(result = "Outcome")]
pub struct EditResource {
    /// Which document.
    pub id: ResourceId,
    /// Top-level attributes to set.
    pub changes: Map<String, Value>,
    /// Top-level attributes to remove.
    pub removed: Vec<String>,
    /// Refuses an edit that is based on another revision.
    pub if_match: Option<IfMatch>,
    /// Who asks.
    pub by: Caller,
}

/// Removes a document.
#[derive(Debug, Message)]
#[rtype(result = "Outcome")]
pub struct DeleteResource {
    /// Which document.
    pub id: ResourceId,
    /// Refuses the removal of another revision.
    pub if_match: Option<IfMatch>,
    /// Who asks.
    pub by: Caller,
}

/// Takes over changes of another agent: all of the flow or nothing. Answered when they are on disk.
#[derive(Debug, Message)]
#[rtype(result = "Result<Applied, StoreError>")]
pub struct ApplyInflow(pub Inflow);

/// Sets attributes of a replica that this agent observes itself, see [`Writer::observe`].
#[derive(Debug, Message)]
#[rtype(result = "Result<(), StoreError>")]
pub struct Observe {
    /// Which document.
    pub id: ResourceId,
    /// The attributes.
    pub seen: Map<String, Value>,
}

/// Removes this store's copy of another agent's document, see [`Writer::let_go`].
#[derive(Debug, Message)]
#[rtype(result = "Result<(), StoreError>")]
pub struct LetGo(pub ResourceId);

/// Removes all documents of another origin; the number of them.
#[derive(Debug, Message)]
#[rtype(result = "Result<usize, StoreError>")]
pub struct ForgetOrigin(pub NodeId);

/// Begins a new life of the store, see [`Writer::renew_incarnation_above`]; its incarnation is drawn from the entropy, above the
/// number.
#[derive(Message)]
#[rtype(result = "Result<u64, StoreError>")]
pub struct RenewIncarnation(pub Arc<dyn Entropy>, pub u64);

/// Keeps something small, see [`Writer::keep_state`]. Answered when it is on disk.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), StoreError>")]
pub struct KeepState {
    /// Under which name: `raft/harbour`.
    pub key: String,
    /// What; nothing removes it.
    pub value: Option<Vec<u8>>,
}

/// Keeps the cursors of those who follow the change log; none forgets one. Answered when they are on disk.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), StoreError>")]
pub struct KeepCursors(pub Vec<(String, Option<u64>)>);

/// Owns the writer; when it stops, everything is synced.
pub struct ResourceStore {
    writer: Writer,
    mailbox: usize,
    waiting: Vec<Work>,
    answers: Vec<oneshot::Sender<Done>>,
    /// About how many bytes wait.
    bytes: usize,
    /// Whether the next attempt to mend the writer is planned.
    mending: bool,
    give_up: GiveUp,
    /// What is kept up to a bound only.
    retention: Option<Retention>,
    /// When it is looked at again.
    tidying: Option<(Duration, SpawnHandle)>,
}

impl ResourceStore {
    /// An actor that commits through `writer`. When `mailbox` writes wait, their senders wait too.
    #[must_use]
    pub fn new(writer: Writer, mailbox: usize) -> Self {
        let (waiting, answers, give_up) = (Vec::new(), Vec::new(), end_the_process as GiveUp);
        let (mending, retention, tidying) = (false, None, None);
        Self { writer, mailbox, waiting, answers, bytes: 0, mending, give_up, retention, tidying }
    }

    /// The same, which gives up in another way than to end the process where it panics.
    #[must_use]
    pub fn giving_up(mut self, give_up: GiveUp) -> Self {
        self.give_up = give_up;
        self
    }

    /// Keeps no more of some types than `retention` says.
    #[must_use]
    pub fn keeping(mut self, retention: Retention) -> Self {
        self.retention = Some(retention);
        self
    }

    /// Puts work into the next batch, which is committed as soon as the mailbox is empty. None if the agent stops before.
    fn queue(&mut self, work: Work, ctx: &mut Context<Self>) -> impl Future<Output = Option<Done>> + use<> {
        let (answer, answered) = oneshot::channel();
        if self.waiting.is_empty() {
            // The context runs spawned futures only when it has taken every message.
            ctx.spawn(async {}.into_actor(self).map(|(), store, ctx| store.commit(ctx)));
        }
        self.bytes += work.size();
        self.waiting.push(work);
        self.answers.push(answer);
        if self.waiting.len() >= MAX_BATCH || self.bytes >= MAX_BATCH_BYTES {
            self.commit(ctx);
        }
        async move { answered.await.ok() }
    }

    fn submit(&mut self, command: Command, ctx: &mut Context<Self>) -> ResponseFuture<Outcome> {
        let done = self.queue(Work::Command(command), ctx);
        Box::pin(async move {
            match done.await {
                Some(Done::Written(answer)) => answer,
                _ => Err(StoreError::Stopping),
            }
        })
    }

    fn commit(&mut self, ctx: &mut Context<Self>) {
        self.bytes = 0;
        let done = self.writer.carry_out(std::mem::take(&mut self.waiting));
        let mut tidy = false;
        for (answer, done) in self.answers.drain(..).zip(done) {
            if let Some(retention) = &mut self.retention {
                retention.written(&done);
                tidy = true;
            }
            // A caller that has gone away does not undo its write.
            let _ = answer.send(done);
        }
        self.watch_failure(ctx);
        if tidy {
            self.tidy(ctx);
        }
    }

    /// Deletes what is beyond its bound, and plans when to look again.
    fn tidy(&mut self, ctx: &mut Context<Self>) {
        let Some(retention) = &mut self.retention else { return };
        let due = retention.due();
        for id in due {
            let delete = Delete { id: id.clone(), if_match: None, by: Caller::agent() };
            let deleted = self.queue(Work::Command(Command::Delete(delete)), ctx);
            ctx.spawn(deleted.into_actor(self).map(move |deleted, store, ctx| match deleted {
                Some(Done::Written(Ok(_))) => {}
                failed => {
                    let is_gone = matches!(failed, Some(Done::Written(Err(StoreError::NotFound { .. }))));
                    let Some(retention) = &mut store.retention else { return };
                    retention.not_deleted(id, is_gone);
                    let pause = retention.pause();
                    store.tidy_in(pause, ctx);
                }
            }));
        }
        if let Some(retention) = &self.retention {
            self.tidy_in(retention.pause(), ctx);
        }
    }

    fn tidy_in(&mut self, pause: Duration, ctx: &mut Context<Self>) {
        let Some(at) = self.retention.as_ref().map(|retention| retention.elapsed() + pause) else { return };
        if self.tidying.is_some_and(|(planned, _)| planned <= at) {
            return;
        }
        if let Some((_, planned)) = self.tidying.take() {
            ctx.cancel_future(planned);
        }
        let planned = ctx.run_later(pause, |store, ctx| {
            store.tidying = None;
            store.tidy(ctx);
        });
        self.tidying = Some((at, planned));
    }

    /// While the writer has failed it is tried again and again, also if nobody writes.
    fn watch_failure(&mut self, ctx: &mut Context<Self>) {
        if self.writer.has_failed() && !self.mending {
            self.mending = true;
            ctx.run_later(MEND_PAUSE, |store, ctx| {
                store.mending = false;
                store.writer.mend();
                store.watch_failure(ctx);
            });
        }
    }
}

impl Drop for ResourceStore {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // A writer that has lost its way must not go on, and nobody can replace the address that everybody holds:
            // the next start recovers.
            return (self.give_up)("store's writer");
        }
        if let Err(error) = self.writer.close() {
            tracing::error!(%error, "the store could not be synced at the end; the next start checks it");
        }
    }
}

impl Actor for ResourceStore {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(self.mailbox);
        self.tidy(ctx);
    }
}

impl Handler<AddResource> for ResourceStore {
    type Result = ResponseFuture<Outcome>;

    fn handle(&mut self, AddResource(new): AddResource, ctx: &mut Context<Self>) -> Self::Result {
        self.submit(Command::Add(Box::new(new)), ctx)
    }
}

impl Handler<EditResource> for ResourceStore {
    type Result = ResponseFuture<Outcome>;

    fn handle(&mut self, edit: EditResource, ctx: &mut Context<Self>) -> Self::Result {
        let EditResource { id, changes, removed, if_match, by } = edit;
        self.submit(Command::Edit(Box::new(Edit { id, changes, removed, if_match, by })), ctx)
    }
}

impl Handler<DeleteResource> for ResourceStore {
    type Result = ResponseFuture<Outcome>;

    fn handle(&mut self, delete: DeleteResource, ctx: &mut Context<Self>) -> Self::Result {
        let DeleteResource { id, if_match, by } = delete;
        self.submit(Command::Delete(Delete { id, if_match, by }), ctx)
    }
}

impl Handler<KeepCursors> for ResourceStore {
    type Result = Result<(), StoreError>;

    fn handle(&mut self, KeepCursors(cursors): KeepCursors, ctx: &mut Context<Self>) -> Self::Result {
        let kept = self.writer.keep_cursors(&cursors);
        self.watch_failure(ctx);
        kept
    }
}

impl Handler<ApplyInflow> for ResourceStore {
    type Result = ResponseFuture<Result<Applied, StoreError>>;

    fn handle(&mut self, ApplyInflow(flow): ApplyInflow, ctx: &mut Context<Self>) -> Self::Result {
        let done = self.queue(Work::Inflow(flow), ctx);
        Box::pin(async move {
            match done.await {
                Some(Done::Applied(answer)) => answer,
                _ => Err(StoreError::Stopping),
            }
        })
    }
}

impl Handler<Observe> for ResourceStore {
    type Result = ResponseFuture<Result<(), StoreError>>;

    fn handle(&mut self, Observe { id, seen }: Observe, ctx: &mut Context<Self>) -> Self::Result {
        let done = self.queue(Work::Observe { id, seen }, ctx);
        Box::pin(async move {
            match done.await {
                Some(Done::Observed(answer)) => answer,
                _ => Err(StoreError::Stopping),
            }
        })
    }
}

impl Handler<LetGo> for ResourceStore {
    type Result = Result<(), StoreError>;

    fn handle(&mut self, LetGo(id): LetGo, ctx: &mut Context<Self>) -> Self::Result {
        self.commit(ctx);
        let gone = self.writer.let_go(&id);
        self.watch_failure(ctx);
        gone
    }
}

impl Handler<ForgetOrigin> for ResourceStore {
    type Result = Result<usize, StoreError>;

    fn handle(&mut self, ForgetOrigin(origin): ForgetOrigin, ctx: &mut Context<Self>) -> Self::Result {
        // What was asked before is done before.
        self.commit(ctx);
        let forgotten = self.writer.forget(&origin);
        self.watch_failure(ctx);
        forgotten
    }
}

impl Handler<RenewIncarnation> for ResourceStore {
    type Result = Result<u64, StoreError>;

    fn handle(&mut self, RenewIncarnation(entropy, above): RenewIncarnation, ctx: &mut Context<Self>) -> Self::Result {
        self.commit(ctx);
        let renewed = self.writer.renew_incarnation_above(above, &*entropy);
        self.watch_failure(ctx);
        renewed
    }
}

impl Handler<KeepState> for ResourceStore {
    type Result = Result<(), StoreError>;

    fn handle(&mut self, KeepState { key, value }: KeepState, ctx: &mut Context<Self>) -> Self::Result {
        let kept = self.writer.keep_state(&key, value);
        self.watch_failure(ctx);
        kept
    }
}
