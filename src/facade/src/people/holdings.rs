//! A user who owns something of the testbed gives it away before the account is deleted: whoever is given the name later must not have it.

use actix_web::http::StatusCode;
use mf2c_actors::account_manager::holdings;
use mf2c_domain::id::ResourceId;

use crate::cimi::Exchange;
use crate::error::ApiError;

/// So many of what he owns are named.
const NAMED: usize = 5;

/// Refuses to delete a user who owns projects, experiments or computers. Who may not delete at all is told so by the writer.
pub(super) fn before_delete(exchange: &Exchange<'_>, id: &ResourceId) -> Result<(), ApiError> {
    let store = &exchange.api.store;
    if !store.get(id.as_str()).is_some_and(|found| found.acl.can_modify(&exchange.caller)) {
        return Ok(());
    }
    let owned = holdings(store, id.name())?;
    if owned.is_empty() {
        return Ok(());
    }
    let mut named: Vec<String> = owned.iter().take(NAMED).map(|holding| holding.called.clone()).collect();
    if owned.len() > NAMED {
        named.push(format!("{} more", owned.len() - NAMED));
    }
    let text = format!(
        "{id} owns {}: give projects and experiments to somebody else first (`setOwner` at DETER's testbed API), and release and \
         remove the others there",
        named.join(", ")
    );
    Err(ApiError::new(StatusCode::CONFLICT, text).about(id.as_str()))
}
