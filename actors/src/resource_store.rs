//! `ResourceStore`: the one writer of this agent's documents.
//!
//! Writes queue in its mailbox and are committed together; a write is answered after its batch is on disk. Reads do not
//! come here: they take committed documents from [`mf2c_store::Store`].

use actix::prelude::*;
use mf2c_domain::caller::Caller;
use mf2c_domain::id::ResourceId;
use mf2c_store::{Command, Delete, Edit, IfMatch, NewDocument, StoreError, WriteQueue, Written};
use serde_json::{Map, Value};

/// How many writes may wait in the mailbox before senders wait too.
const MAILBOX: usize = 1024;

/// Stores a new document. Answered when it is on disk.
#[derive(Debug, Message)]
#[rtype(result = "Result<Written, StoreError>")]
pub struct AddResource(pub NewDocument);

/// Merges `changes` into a document and removes the attributes named in `removed`.
#[derive(Debug, Message)]
#[rtype(result = "Result<Written, StoreError>")]
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
#[rtype(result = "Result<Written, StoreError>")]
pub struct DeleteResource {
    /// Which document.
    pub id: ResourceId,
    /// Refuses the removal of another revision.
    pub if_match: Option<IfMatch>,
    /// Who asks.
    pub by: Caller,
}

/// Owns the way to the writer; when it stops, the writer syncs and ends.
pub struct ResourceStore {
    queue: WriteQueue,
    _ends_the_process: EndsTheProcess,
}

/// Everybody holds the address of this actor: without it there is no agent, and the next start recovers.
struct EndsTheProcess;

impl Drop for EndsTheProcess {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("the way to the store's writer has failed; ending the process, the next start recovers");
            std::process::abort();
        }
    }
}

impl ResourceStore {
    /// An actor that writes through `queue`.
    #[must_use]
    pub fn new(queue: WriteQueue) -> Self {
        Self { queue, _ends_the_process: EndsTheProcess }
    }

    fn submit(&self, command: Command) -> ResponseFuture<Result<Written, StoreError>> {
        let queue = self.queue.clone();
        Box::pin(async move { queue.submit(command).await })
    }
}

impl Actor for ResourceStore {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX);
    }
}

impl Handler<AddResource> for ResourceStore {
    type Result = ResponseFuture<Result<Written, StoreError>>;

    fn handle(&mut self, AddResource(new): AddResource, _: &mut Context<Self>) -> Self::Result {
        self.submit(Command::Add(Box::new(new)))
    }
}

impl Handler<EditResource> for ResourceStore {
    type Result = ResponseFuture<Result<Written, StoreError>>;

    fn handle(&mut self, edit: EditResource, _: &mut Context<Self>) -> Self::Result {
        let EditResource { id, changes, removed, if_match, by } = edit;
        self.submit(Command::Edit(Box::new(Edit { id, changes, removed, if_match, by })))
    }
}

impl Handler<DeleteResource> for ResourceStore {
    type Result = ResponseFuture<Result<Written, StoreError>>;

    fn handle(&mut self, delete: DeleteResource, _: &mut Context<Self>) -> Self::Result {
        let DeleteResource { id, if_match, by } = delete;
        self.submit(Command::Delete(Delete { id, if_match, by }))
    }
}
