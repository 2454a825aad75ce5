//! Somebody is always left who administers the agent: the last active administrator is neither deleted nor demoted.

use actix_web::http::StatusCode;
use mf2c_domain::caller::Caller;
use mf2c_domain::id::ResourceId;
use mf2c_domain::people::account::Account;
use mf2c_domain::query::Query;
use mf2c_domain::resource;
use serde_json::{Map, Value};
use tokio::sync::OwnedMutexGuard;

use super::users::stored;
use crate::cimi::Exchange;
use crate::error::ApiError;

/// Held from the look at who is left until the change is written.
pub(crate) type Resigning = OwnedMutexGuard<()>;

/// Refuses an edit by which the last active administrator would be none any more.
pub(super) async fn before_edit(
    exchange: &Exchange<'_>,
    id: &ResourceId,
    changes: &Map<String, Value>,
) -> Result<Option<Resigning>, ApiError> {
    let removed = exchange.query()?.select.unwrap_or_default();
    let removed = || removed.iter().map(|path| path.top());
    if !Account::would_resign(&stored(exchange, id), changes, removed()) {
        return Ok(None);
    }
    another_is_left(exchange, id).await
}

/// Refuses to delete the last active administrator. Who may not delete at all is told so by the writer.
pub(super) async fn before_delete(exchange: &Exchange<'_>, id: &ResourceId) -> Result<Option<Resigning>, ApiError> {
    let may = exchange.api.store.get(id.as_str()).is_some_and(|found| found.acl.can_modify(&exchange.caller));
    if !may || !Account::administers(&stored(exchange, id)) {
        return Ok(None);
    }
    another_is_left(exchange, id).await
}

async fn another_is_left(exchange: &Exchange<'_>, id: &ResourceId) -> Result<Option<Resigning>, ApiError> {
    let held = exchange.api.resigning.clone().lock_owned().await;
    let spec = resource::find("user").ok_or_else(|| ApiError::not_found("user"))?;
    let pairs = [("$filter".to_owned(), "state='ACTIVE' and isSuperUser=true".to_owned())];
    let found = exchange.api.store.find(spec, &Query::from_pairs(&pairs)?, &Caller::agent())?;
    if found.documents.iter().any(|other| other.id != *id) {
        return Ok(Some(held));
    }
    let text = format!("{id} is the last active administrator: make another one first, with \"isSuperUser\": true");
    Err(ApiError::new(StatusCode::CONFLICT, text).about(id.as_str()))
}
