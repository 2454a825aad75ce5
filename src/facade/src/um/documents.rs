//! `/user-profile` and `/sharing-model`: what the owner of a device shares.

use actix_web::HttpResponse;
use actix_web::web::Payload;
use mf2c_domain::resource::types::{sharing_model, user_profile};
use mf2c_domain::resource::{SERVER_OWNED, TypeSpec};
use serde_json::{Map, Value};

use super::route::Policy;
use super::{Answered, Call, id_of};
use crate::cimi::member::{self, Changed};
use crate::cimi::parts;
use crate::error::ApiError;
use crate::lm::{LmError, done};

/// What the original counted in a sharing model.
const RUNNING: &str = "apps_running";

impl Policy {
    pub(super) fn spec(self) -> &'static TypeSpec {
        match self {
            Self::Profile => &user_profile::SPEC,
            Self::Model => &sharing_model::SPEC,
        }
    }

    /// The member of an answer that holds the document of this device, and the one that holds any other.
    const fn keys(self) -> [&'static str; 2] {
        match self {
            Self::Profile => ["user_profile", "profile"],
            Self::Model => ["sharing_model", "sharing_model"],
        }
    }

    /// The member that holds the id.
    const fn id_key(self) -> &'static str {
        match self {
            Self::Profile => "profile_id",
            Self::Model => "sharing_model_id",
        }
    }

    const fn found(self) -> &'static str {
        match self {
            Self::Profile => "User-profile found",
            Self::Model => "Sharing-model found",
        }
    }
}

impl Call<'_> {
    /// The document of this device; where there are several the newest, which is the one that counts.
    pub(super) async fn own(&self, policy: Policy) -> Answered {
        let own = self.of_device(policy).await?;
        Ok(done(policy.found(), &[(policy.keys()[0], own.into())]))
    }

    /// The same by itself; 404 where there is none that the caller may see.
    pub(super) async fn of_device(&self, policy: Policy) -> Result<Map<String, Value>, LmError> {
        let _ = self.somebody()?;
        let (kind, store) = (policy.spec().name, &self.exchange.api.store);
        let name = store.identity().name();
        let device = format!("device/{name}");
        let filter = format!("device_id={} or device_id={}", parts::quoted(&device), parts::quoted(&name));
        let found = parts::matching(self.exchange, kind, Some(filter), Some("updated:desc"), 1).await?;
        let missing = || ApiError::not_found(&format!("the {kind} of {device}"));
        Ok(found.into_iter().next().ok_or_else(missing)?)
    }

    pub(super) fn one(&self, policy: Policy, name: &str) -> Answered {
        let id = id_of(policy.spec().name, name)?;
        let document = parts::viewable(self.exchange, &id)?;
        let whole = parts::whole(self.exchange, &document)?.ok_or_else(|| ApiError::not_found(id.as_str()))?;
        Ok(done(policy.found(), &[(policy.id_key(), id.as_str().into()), (policy.keys()[1], whole.into())]))
    }

    /// Changes a document by CIMI's rules.
    pub(super) async fn change(&self, policy: Policy, name: &str, payload: Payload) -> Answered {
        let id = id_of(policy.spec().name, name)?;
        let document = self.exchange.api.store.get(id.as_str()).ok_or_else(|| ApiError::not_found(id.as_str()))?;
        if !document.acl.can_modify(&self.exchange.caller) {
            return Err(ApiError::forbidden(id.as_str()).into());
        }
        let mut changes = self.object(payload).await?;
        // How many run is counted; who sends the number back has read it somewhere.
        changes.remove(RUNNING);
        if changes.keys().all(|name| SERVER_OWNED.contains(&name.as_str())) {
            return Err(LmError::bad("the body changes nothing: expected attributes of the document"));
        }
        let sent = Value::Object(changes.clone());
        let changed = member::change(self.exchange, policy.spec(), &document, changes, vec![]).await?;
        let document = match changed {
            Changed::Now(document) => document,
            Changed::Waits(answer) => return Ok(answer),
        };
        let whole = parts::whole(self.exchange, &document)?.ok_or_else(|| ApiError::not_found(id.as_str()))?;
        let with = [(policy.id_key(), id.as_str().into()), ("data", sent), (policy.keys()[1], whole.into())];
        Ok(done("Resource updated", &with))
    }

    pub(super) async fn delete(&self, policy: Policy, name: &str) -> Answered {
        let id = id_of(policy.spec().name, name)?;
        match member::remove(self.exchange, &id, member::if_match(self.exchange)).await? {
            Some(waits) => Ok(waits),
            None => Ok(done("Resource deleted", &[(policy.id_key(), id.as_str().into())])),
        }
    }

    /// `PUT /sharing-model`: in the original the lifecycle manager told how many applications began or ended. Here they
    /// are counted when somebody asks, so nothing is kept of it; the answer is the original's.
    pub(super) async fn count(&self, payload: Payload) -> Answered {
        let _ = self.somebody()?;
        let body = self.object(payload).await?;
        match body.get(RUNNING) {
            Some(Value::Number(number)) if number.is_i64() || number.is_u64() => {
                Ok(HttpResponse::Ok().json(Value::Null))
            }
            Some(_) => Err(LmError::bad("`apps_running` is no whole number: expected how many more or fewer run")),
            None => Err(LmError::lacking(RUNNING)),
        }
    }
}
