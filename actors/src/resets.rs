//! The links and numbers by which a forgotten password is set.

use std::sync::Arc;

use actix::prelude::*;
use mf2c_domain::caller::Caller;
use mf2c_domain::filter::{Comparison, Filter, Literal, Op};
use mf2c_domain::id::ResourceId;
use mf2c_domain::path::Path;
use mf2c_domain::people::callback::{Action, Callback};
use mf2c_domain::query::Query;
use mf2c_domain::resource;
use mf2c_store::{Store, StoreError};
use serde_json::Map;

use crate::resource_store::{EditResource, ResourceStore};

/// Makes those of a user worthless that nobody has used. It is done before a password is set: should the agent be killed between, they
/// are gone and the password is as it was.
pub(crate) async fn end_resets(
    store: &Arc<Store>,
    writer: &Addr<ResourceStore>,
    user: &ResourceId,
) -> Result<(), StoreError> {
    let (reader, target) = (Arc::clone(store), user.clone());
    let open = tokio::task::spawn_blocking(move || waiting(&reader, &target));
    for id in open.await.map_err(|_| StoreError::Stopping)?? {
        let changes = Map::from_iter([("state".to_owned(), "FAILED".into())]);
        let edit = EditResource { id, changes, removed: Vec::new(), if_match: None, by: Caller::agent() };
        match writer.send(edit).await.map_err(|_| StoreError::Stopping)? {
            Ok(_) | Err(StoreError::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn waiting(store: &Store, user: &ResourceId) -> Result<Vec<ResourceId>, StoreError> {
    let (Some(spec), Some(path)) = (resource::find("callback"), Path::parse("targetResource/href")) else {
        return Ok(Vec::new());
    };
    let filter = Filter::Compare(Comparison { path, op: Op::Eq, value: Literal::text(user.as_str()) });
    let query = Query { filter: Some(filter), ..Query::everything() };
    let mut open = Vec::new();
    for document in store.find(spec, &query, &Caller::agent())?.documents {
        let Some(body) = store.body(&document)? else { continue };
        let callback: Option<Callback> = serde_json::from_slice(&body).ok();
        if callback.is_some_and(|callback| callback.state == "WAITING" && sets_password(&callback)) {
            open.push(document.id.clone());
        }
    }
    Ok(open)
}

fn sets_password(callback: &Callback) -> bool {
    Action::ALL.into_iter().any(|action| action.sets_password() && action.as_str() == callback.action)
}
