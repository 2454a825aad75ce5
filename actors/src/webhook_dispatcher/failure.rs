//! The dead-letter list: deliveries that were given up, at most [`MAX_FAILURES`] for each webhook.

use std::sync::Arc;

use actix::Addr;
use mf2c_domain::acl::Acl;
use mf2c_domain::caller::Caller;
use mf2c_domain::id::ResourceId;
use mf2c_domain::resource::Draft;
use mf2c_domain::resource::types::webhook_failure::{MAX_FAILURES, SPEC};
use mf2c_domain::time::Timestamp;
use mf2c_store::{NewDocument, Store, StoreError};
use serde_json::{Map, Value, json};

use super::scan::{Letter, Origin, failure_of, failures};
use crate::ports::World;
use crate::resource_store::{AddResource, DeleteResource, EditResource, ResourceStore};

/// So many failures go by between two looks at how many there are; each look leaves room for as many.
pub(super) const ROOM: usize = 50;

/// A letter that is given up.
pub(super) struct GivenUp<'l> {
    pub(super) webhook: &'l str,
    pub(super) letter: &'l Letter,
    pub(super) reason: &'l str,
    pub(super) attempts: u32,
    pub(super) first: Timestamp,
}

/// The document of a letter that is given up. Its name follows from the letter, so that it is there once, however often
/// the agent is killed in between.
pub(super) fn document(given_up: &GivenUp<'_>, acl: Acl, world: &World) -> Option<NewDocument> {
    let GivenUp { webhook, letter, reason, attempts, first } = given_up;
    let payload: Value = serde_json::from_slice(&letter.body).ok()?;
    let now = world.clock.now();
    let body = json!({
        "webhook": {"href": format!("webhook/{webhook}")},
        "eventId": letter.event,
        "position": letter.position,
        "reason": reason,
        "attempts": attempts,
        "firstAttempt": first.to_string(),
        "lastAttempt": now.to_string(),
        "payload": payload,
    });
    let body = body.as_object().cloned().unwrap_or_default();
    let kind = if matches!(letter.origin, Origin::Gap) { "r" } else { "" };
    let name = format!("{webhook}-{kind}{:x}", letter.position);
    let made = SPEC.prepare_add(body, now, &*world.entropy).map_err(|error| error.to_string()).and_then(|draft| {
        let draft = Draft { name: Some(name), acl: Some(acl), ..draft };
        NewDocument::new(&SPEC, draft, &Caller::agent(), &*world.entropy).map_err(|error| error.to_string())
    });
    made.inspect_err(|error| tracing::error!(error, "a delivery that was given up cannot be described")).ok()
}

/// Stores it. If `look`, the oldest ones are removed where there are too many.
pub(super) async fn keep(
    new: NewDocument,
    webhook: String,
    look: bool,
    store: Arc<Store>,
    writer: Addr<ResourceStore>,
) -> Result<(), StoreError> {
    match writer.send(AddResource(new)).await.map_err(|_| StoreError::Stopping)? {
        Ok(_) | Err(StoreError::Conflict { .. }) => {}
        Err(error) => return Err(error),
    }
    if look {
        let all = of_webhook(store, webhook).await;
        let above = all.len().saturating_sub(MAX_FAILURES - ROOM);
        delete(all.into_iter().take(above).collect(), &writer).await;
    }
    Ok(())
}

/// Removes all failures of a webhook that is gone.
pub(super) async fn forget(webhook: String, store: Arc<Store>, writer: Addr<ResourceStore>) {
    delete(of_webhook(store, webhook).await, &writer).await;
}

/// The failures of webhooks that are not there any more.
pub(super) fn orphans(store: &Store, is_there: impl Fn(&str) -> bool) -> Vec<ResourceId> {
    let all = store.all(SPEC.name);
    let lost = all.iter().filter(|failure| !failure.id.name().rsplit_once('-').is_some_and(|(name, _)| is_there(name)));
    lost.map(|failure| failure.id.clone()).collect()
}

pub(super) async fn delete(ids: Vec<ResourceId>, writer: &Addr<ResourceStore>) {
    for id in ids {
        // Who was quicker has done the same.
        let _ = writer.send(DeleteResource { id, if_match: None, by: Caller::agent() }).await;
    }
}

async fn of_webhook(store: Arc<Store>, webhook: String) -> Vec<ResourceId> {
    let look = move || {
        let found = failures(&store, &format!("webhook/href='webhook/{webhook}'"));
        found.iter().map(|failure| failure.id.clone()).filter(|id| failure_of(&webhook, id)).collect()
    };
    tokio::task::spawn_blocking(look).await.unwrap_or_default()
}

/// What becomes of a failure that was tried again: it is gone, or it has another reason.
pub(super) async fn tried_again(
    id: ResourceId,
    outcome: Result<(), String>,
    attempts: u64,
    now: Timestamp,
    writer: Addr<ResourceStore>,
) {
    let Err(reason) = outcome else { return delete(vec![id], &writer).await };
    let changes =
        json!({"state": "FAILED", "reason": reason, "attempts": attempts + 1, "lastAttempt": now.to_string()});
    let changes: Map<String, Value> = changes.as_object().cloned().unwrap_or_default();
    let edit = EditResource { id, changes, removed: Vec::new(), if_match: None, by: Caller::agent() };
    let _ = writer.send(edit).await;
}
