//! `/current`: the device that answers, and what its owner shares.

use serde_json::Value;

use super::route::Policy;
use super::{Answered, Call};
use crate::cimi::parts;
use crate::error::ApiError;
use crate::lm::{LmError, done};

impl Call<'_> {
    pub(super) async fn current(&self, what: &str) -> Answered {
        match what {
            "user" => {
                let profile = self.of_device(Policy::Profile).await?;
                let owner = profile.get("acl").and_then(|acl| acl.pointer("/owner/principal")).cloned();
                let with = [("user_profile", profile.into()), ("user_id", owner.unwrap_or_default())];
                Ok(done("Current user found", &with))
            }
            "device" => {
                let profile = self.of_device(Policy::Profile).await?;
                let with = [("user_profile", profile.into()), ("device", self.of_agent("device")?)];
                Ok(done("Current device found", &with))
            }
            "all" => {
                let info = serde_json::json!({
                    "user_profile": self.of_device(Policy::Profile).await?,
                    "sharing_model": self.of_device(Policy::Model).await?,
                    "agent": self.of_agent("agent")?,
                });
                Ok(done("Information found", &[("info", info)]))
            }
            other => {
                let other: String = other.chars().take(40).collect();
                let text = format!("there is no current `{other}`: expected user, device or all");
                Err(LmError::new(actix_web::http::StatusCode::NOT_FOUND, text))
            }
        }
    }

    /// This agent's own document of a type of which each agent has one.
    fn of_agent(&self, kind: &str) -> Result<Value, LmError> {
        let store = &self.exchange.api.store;
        let id = super::id_of(kind, &store.identity().name())?;
        let document = parts::viewable(self.exchange, &id)?;
        let whole = parts::whole(self.exchange, &document)?;
        Ok(whole.ok_or_else(|| ApiError::not_found(id.as_str()))?.into())
    }
}
