//! `/user`: shows users, and deletes them with all that is theirs.

use actix_web::web::Payload;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use mf2c_actors::lifecycle_manager::{Operate, Operation};
use mf2c_domain::acl::Principal;
use mf2c_domain::id::ResourceId;
use mf2c_store::Document;
use serde_json::{Map, Value};

use super::{Answered, Call, id_of};
use crate::cimi::{member, parts};
use crate::error::ApiError;
use crate::lm::{LmError, asked, done, text};
use crate::people;

/// The types of which a user's documents go with him, in this order.
const KINDS: [&str; 3] = ["sharing-model", "user-profile", "service"];
/// The instances of a user.
const INSTANCE: &str = "service-instance";
/// Deletions that wait for the disk at a time.
const AT_ONCE: usize = 64;

impl Call<'_> {
    pub(super) fn user(&self, name: &str) -> Answered {
        let id = id_of("user", name)?;
        let document = parts::viewable(self.exchange, &id)?;
        let whole = parts::whole(self.exchange, &document)?.ok_or_else(|| ApiError::not_found(id.as_str()))?;
        Ok(done("User found", &[("user_id", id.as_str().into()), ("user", whole.into())]))
    }

    /// Deletes a user with all that he owns. His instances are really stopped; in the original their containers ran on.
    /// The user himself goes last, so that whatever fails can be repeated.
    pub(super) async fn delete_user(&self, payload: Payload) -> Answered {
        let body = self.object(payload).await?;
        let name = text(&body, "user_id")?.ok_or_else(|| LmError::lacking("user_id"))?;
        let id = id_of("user", name)?;
        let user = self.exchange.api.store.get(id.as_str()).ok_or_else(|| ApiError::not_found(id.as_str()))?;
        if !user.acl.can_modify(&self.exchange.caller) {
            return Err(ApiError::forbidden(id.as_str()).into());
        }
        // The last administrator stays, and so does all that is his. It is asked again before the user is deleted.
        drop(people::before_delete(self.exchange, &id).await?);
        let mut deleted = Map::new();
        let instances = self.of_owner(INSTANCE, id.name());
        deleted.insert(INSTANCE.to_owned(), instances.len().into());
        self.each(instances, async |instance: &ResourceId| self.end(instance).await).await?;
        for kind in KINDS {
            let own = self.of_owner(kind, id.name());
            deleted.insert(kind.to_owned(), own.len().into());
            self.each(own, async |id: &ResourceId| self.gone(id).await).await?;
        }
        self.gone(&id).await?;
        Ok(done("User deleted", &[("user_id", id.as_str().into()), ("deleted", deleted.into())]))
    }

    async fn each(
        &self,
        ids: Vec<ResourceId>,
        delete: impl AsyncFn(&ResourceId) -> Result<(), LmError>,
    ) -> Result<(), LmError> {
        let delete = &delete;
        stream::iter(ids).map(Ok).try_for_each_concurrent(AT_ONCE, async |id| delete(&id).await).await
    }

    /// The documents of a type that a user owns.
    fn of_owner(&self, kind: &str, name: &str) -> Vec<ResourceId> {
        let owner = Principal::user(name);
        let all = self.exchange.api.store.all(kind);
        all.iter().filter(|document| document.acl.owner == owner).map(|document| document.id.clone()).collect()
    }

    /// Stops and deletes an instance. One that no agent looks after is a document and nothing more.
    async fn end(&self, id: &ResourceId) -> Result<(), LmError> {
        let Some(document) = self.exchange.api.store.get(id.as_str()) else { return Ok(()) };
        if !self.is_looked_after(&document)? {
            return self.gone(id).await;
        }
        let by = self.exchange.caller.clone();
        let delete = Operate { instance: id.clone(), operation: Operation::Delete, by };
        passed_over(asked(&self.door.manager, delete).await.map(drop))
    }

    fn is_looked_after(&self, document: &Document) -> Result<bool, LmError> {
        let body = self.exchange.api.store.body(document)?;
        let body = body.and_then(|body| serde_json::from_slice::<Map<String, Value>>(&body).ok());
        Ok(body.is_some_and(|body| body.contains_key("desired")))
    }

    /// Deletes a document by CIMI's rules.
    async fn gone(&self, id: &ResourceId) -> Result<(), LmError> {
        passed_over(member::remove(self.exchange, id, None).await.map(drop).map_err(LmError::from))
    }
}

/// What somebody else was quicker to delete is no failure.
fn passed_over(outcome: Result<(), LmError>) -> Result<(), LmError> {
    match outcome {
        Err(error) if error.status().as_u16() == 404 => Ok(()),
        other => other,
    }
}
