//! Proposed edits of agreements, carried out where the agreement is: by the same rules as a client's. The proposing agent has
//! looked at its copy, which may be old, or at none.

use std::sync::Arc;

use actix::prelude::*;
use mf2c_fabric::wire::{Code, WireError};
use mf2c_sla::Rules;
use mf2c_store::{IfMatch, Store, StoreError, Written};
use serde_json::{Map, Value};

use super::answer::refusal;
use crate::resource_store::{EditResource, ResourceStore};

/// An assessment may change an agreement between the look at it and the write; so often in a row it does not.
const ATTEMPTS: usize = 16;

/// Edits a document of this agent for another one.
///
/// # Errors
/// What the store refuses; [`Code::Invalid`] for constraints that cannot be assessed and for what is terminated.
pub(super) async fn edit(
    store: Arc<Store>,
    writer: Addr<ResourceStore>,
    rules: Rules,
    edit: EditResource,
) -> Result<Written, WireError> {
    let write = async |edit: EditResource| writer.send(edit).await.unwrap_or(Err(StoreError::Stopping));
    if !Rules::concern_edit(&edit.id, &edit.changes, &edit.removed) {
        return write(edit).await.map_err(|error| refusal(&error));
    }
    let EditResource { id, changes, removed, if_match, by } = edit;
    let mut last = WireError::new(Code::Busy, format!("{id} changes all the time: try again later"));
    for _ in 0..ATTEMPTS {
        let missing = || WireError::new(Code::NotFound, format!("{id} is not here"));
        let document = store.get(id.as_str()).ok_or_else(missing)?;
        let body = store.body(&document).map_err(|error| WireError::new(Code::Busy, error.to_string()))?;
        let body = body.ok_or_else(missing)?;
        let stored: Map<String, Value> = serde_json::from_slice(&body).unwrap_or_default();
        let checked = rules.check_edit(&id, &stored, &changes, &removed);
        checked.map_err(|why| WireError::new(Code::Invalid, why.to_string()))?;
        let asked = matches!(if_match, Some(IfMatch::OneOf(_)));
        let only = match if_match.clone() {
            Some(IfMatch::OneOf(tags)) => IfMatch::OneOf(tags),
            Some(IfMatch::Any) | None => IfMatch::OneOf(vec![store.tag(&document)]),
        };
        let (changes, removed, by) = (changes.clone(), removed.clone(), by.clone());
        match write(EditResource { id: id.clone(), changes, removed, if_match: Some(only), by }).await {
            Err(error @ StoreError::Stale { .. }) if !asked => last = refusal(&error),
            other => return other.map_err(|error| refusal(&error)),
        }
    }
    Err(last)
}
