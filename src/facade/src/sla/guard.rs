//! What agreements must hold at every door, CIMI's as well: constraints that compile, and states in their order.

use mf2c_actors::resource_store::EditResource;
use mf2c_domain::acl::Acl;
use mf2c_domain::resource::TypeSpec;
use mf2c_domain::time::Timestamp;
use mf2c_sla::{Refusal, Rules};
use mf2c_store::{Document, IfMatch, StoreError, Written};
use serde_json::{Map, Value};

use super::rights;
use crate::cimi::Exchange;
use crate::error::ApiError;

/// An assessment may change an agreement between the look at its state and the write; so often in a row it does not.
const ATTEMPTS: usize = 16;

/// Refuses a new agreement whose constraints cannot be assessed, and whatever is about an agreement in which the caller has no part.
///
/// # Errors
/// 400 with the place in the document, the place in the constraint, what was expected there and a hint; 403.
pub(crate) fn check_new(
    exchange: &Exchange<'_>,
    spec: &TypeSpec,
    attributes: &Map<String, Value>,
    acl: Option<&Acl>,
) -> Result<(), ApiError> {
    rights::check_new(exchange, spec, attributes, acl)?;
    if !Rules::concern(spec.name) {
        return Ok(());
    }
    exchange
        .api
        .settings
        .sla
        .rules()
        .check_new(spec.name, attributes)
        .map_err(|refusal| ApiError::bad_request(refusal.to_string()))
}

/// What is odd about a new agreement that is taken all the same: it has expired already.
pub(crate) fn warning(spec: &TypeSpec, attributes: &Map<String, Value>, now: Timestamp) -> Option<String> {
    let expiration = attributes.get("details").filter(|_| spec.name == "agreement")?.get("expiration")?.as_str()?;
    let past = Timestamp::parse(expiration).is_some_and(|expiration| expiration < now);
    past.then(|| {
        format!("the agreement expired at {expiration}: it is stored, and will be terminated without being assessed")
    })
}

/// Refuses an edit of a document as it is stored here that leaves it with a constraint that cannot be assessed, or brings back a
/// terminated agreement.
///
/// # Errors
/// 400 or 403 with the reason.
pub(crate) fn check_stored(
    exchange: &Exchange<'_>,
    document: &Document,
    changes: &Map<String, Value>,
    removed: &[String],
) -> Result<(), ApiError> {
    rights::check_edit(exchange, document, changes)?;
    if !Rules::concern_edit(&document.id, changes, removed) {
        return Ok(());
    }
    let Some(body) = exchange.api.store.body(document)? else { return Ok(()) };
    let body: Map<String, Value> = serde_json::from_slice(&body).unwrap_or_default();
    let rules = exchange.api.settings.sla.rules();
    rules.check_edit(&document.id, &body, changes, removed).map_err(|refusal| {
        let error = ApiError::bad_request(refusal.to_string());
        if matches!(refusal, Refusal::Problems(_)) { error.about(document.id.as_str()) } else { error }
    })
}

/// Edits a document. Between the look at an agreement's state and the write nobody else's write comes.
///
/// # Errors
/// What CIMI answers to the edit; 400 for an agreement that is terminated, and for constraints with faults.
pub(crate) async fn edit(exchange: &Exchange<'_>, edit: EditResource) -> Result<Written, ApiError> {
    let (api, store) = (exchange.api, &exchange.api.store);
    if !Rules::concern_edit(&edit.id, &edit.changes, &edit.removed) {
        return Ok(api.writer.send(edit).await.map_err(|_| StoreError::Stopping)??);
    }
    let EditResource { id, changes, removed, if_match, by } = edit;
    let mut last = StoreError::Stopping;
    for _ in 0..ATTEMPTS {
        let document = store.get(id.as_str()).ok_or_else(|| ApiError::not_found(id.as_str()))?;
        check_stored(exchange, &document, &changes, &removed)?;
        let seen = store.tag(&document);
        let asked = matches!(if_match, Some(IfMatch::OneOf(_)));
        let if_match = match if_match.clone() {
            Some(IfMatch::OneOf(tags)) => IfMatch::OneOf(tags),
            Some(IfMatch::Any) | None => IfMatch::OneOf(vec![seen.clone()]),
        };
        let attempt = EditResource {
            id: id.clone(),
            changes: changes.clone(),
            removed: removed.clone(),
            if_match: Some(if_match),
            by: by.clone(),
        };
        match api.writer.send(attempt).await.map_err(|_| StoreError::Stopping)? {
            Err(error @ StoreError::Stale { .. }) if !asked => last = error,
            other => return Ok(other?),
        }
    }
    Err(last.into())
}
