//! Writing documents of other agents as one's own: there where they belong.

use std::time::Duration;

use actix::prelude::*;
use mf2c_domain::caller::Caller;
use mf2c_domain::id::ResourceId;
use mf2c_fabric::wire::Code;
use mf2c_store::StoreError;
use mf2c_store::record::NodeId;
use serde_json::{Map, Value};

use super::LifecycleManager;
use super::conduct::PAUSES;
use super::runner::STORE_PAUSE;
use crate::replicator::Propose;
use crate::resource_store::{DeleteResource, EditResource};

/// Why something was not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unwritten {
    /// It is worth another try after so long.
    Later(Duration),
    /// The agent is stopping: nobody writes any more.
    Stopping,
}

impl LifecycleManager {
    /// Edits or deletes a document here, or there where it belongs.
    ///
    /// # Errors
    /// Whether it is worth another try.
    pub(super) fn write_anywhere(
        &self,
        id: ResourceId,
        origin: Option<NodeId>,
        changes: Option<Map<String, Value>>,
    ) -> ResponseFuture<Result<(), Unwritten>> {
        self.change_anywhere(id, origin, changes, vec![])
    }

    /// The same, which takes attributes out as well.
    pub(super) fn change_anywhere(
        &self,
        id: ResourceId,
        origin: Option<NodeId>,
        changes: Option<Map<String, Value>>,
        removed: Vec<String>,
    ) -> ResponseFuture<Result<(), Unwritten>> {
        let Some(origin) = origin else {
            let writer = self.writer.clone();
            return Box::pin(async move {
                let by = Caller::agent();
                let written = match changes {
                    Some(changes) => writer.send(EditResource { id, changes, removed, if_match: None, by }).await,
                    None => writer.send(DeleteResource { id, if_match: None, by }).await,
                };
                match written.unwrap_or(Err(StoreError::Stopping)) {
                    Ok(_) | Err(StoreError::NotFound { .. }) => Ok(()),
                    Err(StoreError::Stopping) => Err(Unwritten::Stopping),
                    Err(_) => Err(Unwritten::Later(STORE_PAUSE)),
                }
            });
        };
        let Some(elsewhere) = self.elsewhere.clone() else {
            return Box::pin(std::future::ready(Err(Unwritten::Later(PAUSES.1))));
        };
        let by = ("internal".to_owned(), true);
        let propose = Propose { id, origin, changes, removed, if_match: None, by, may_wait: false };
        Box::pin(async move {
            match elsewhere.send(propose).await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) if error.code == Code::NotFound => Ok(()),
                Ok(Err(_)) => Err(Unwritten::Later(PAUSES.1 / 6)),
                Err(_) => Err(Unwritten::Stopping),
            }
        })
    }
}
