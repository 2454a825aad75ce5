//! `/providers`: who promises. The original kept them in memory for tests; here they outlast a restart, in one small record
//! beside the documents. They say nothing about agreements, whose parties are named in themselves.

use std::collections::BTreeMap;

use actix_web::HttpResponse;
use actix_web::web::{self, Payload};
use mf2c_actors::resource_store::KeepState;
use mf2c_domain::id::ResourceId;
use mf2c_store::StoreError;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

use super::{Answered, Call, SlaError, shape};
use crate::error::ApiError;

/// Under which key the store keeps them.
const KEY: &str = "sla/providers";
/// The most of them.
const MOST: usize = 500;
/// The longest name, in bytes.
const LONGEST: usize = 256;

/// A provider, and who has added him.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Provider {
    name: String,
    owner: String,
}

/// A provider as he is shown.
#[derive(Serialize)]
struct Shown<'p> {
    id: &'p str,
    name: &'p str,
}

type Providers = BTreeMap<String, Provider>;

impl Call<'_> {
    pub(super) async fn providers(&self) -> Answered {
        let _ = self.somebody()?;
        let known = self.known_providers().await?;
        let shown: Vec<_> = known.iter().map(|(id, provider)| Shown { id, name: &provider.name }).collect();
        Ok(HttpResponse::Ok().json(shown))
    }

    pub(super) async fn provider(&self, id: &str) -> Answered {
        let _ = self.somebody()?;
        let known = self.known_providers().await?;
        let provider = known.get(id).ok_or_else(SlaError::missing)?;
        Ok(HttpResponse::Ok().json(Shown { id, name: &provider.name }))
    }

    pub(super) async fn add_provider(&self, payload: Payload) -> Answered {
        let owner = self.somebody()?.to_owned();
        let body = self.object(payload).await?;
        let (id, name) = (shape::text(&body, "id"), shape::text(&body, "name"));
        let faults = [(id.is_empty(), "Provider.Id is  empty. "), (name.is_empty(), "Provider.Name is empty. ")];
        let text: String = faults.iter().filter(|(is_wrong, _)| *is_wrong).map(|(_, text)| *text).collect();
        if !text.is_empty() {
            return Err(SlaError::bad(text));
        }
        // It must be able to stand in a path.
        ResourceId::new("provider", id).map_err(ApiError::from)?;
        if name.len() > LONGEST {
            return Err(SlaError::bad(format!("the name is too long: at most {LONGEST} bytes are accepted")));
        }
        let _alone = self.door.providers.lock().await;
        let mut known = self.known_providers().await?;
        if known.contains_key(id) {
            return Err(SlaError::exists());
        }
        if known.len() >= MOST {
            return Err(SlaError::bad(format!(
                "there are {MOST} providers, the most that are kept: delete some first"
            )));
        }
        known.insert(id.to_owned(), Provider { name: name.to_owned(), owner });
        self.keep(&known).await?;
        Ok(HttpResponse::Created().json(Shown { id, name }))
    }

    /// Who has added a provider may delete him, and administrators may.
    pub(super) async fn delete_provider(&self, id: &str) -> Answered {
        let caller = self.somebody()?;
        let _alone = self.door.providers.lock().await;
        let mut known = self.known_providers().await?;
        let provider = known.get(id).ok_or_else(SlaError::missing)?;
        if provider.owner != caller && !self.exchange.caller.is_admin() {
            return Err(ApiError::forbidden(format!("provider/{id}")).into());
        }
        known.remove(id);
        self.keep(&known).await?;
        Ok(HttpResponse::NoContent().finish())
    }

    /// The caller's name; 403 for nobody.
    pub(super) fn somebody(&self) -> Result<&str, SlaError> {
        Ok(self.exchange.caller.identity().ok_or_else(|| ApiError::forbidden("provider"))?)
    }

    async fn known_providers(&self) -> Result<Providers, SlaError> {
        let store = Arc::clone(&self.exchange.api.store);
        let kept = web::block(move || store.state(KEY)).await.map_err(|_| StoreError::Stopping)?;
        let kept = kept.map_err(|error| {
            tracing::error!(%error, "the providers cannot be read");
            ApiError::unavailable("the providers cannot be read: the agent's log says why", 10)
        })?;
        Ok(kept.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default())
    }

    async fn keep(&self, providers: &Providers) -> Result<(), SlaError> {
        let keep = KeepState { key: KEY.to_owned(), value: serde_json::to_vec(providers).ok() };
        Ok(self.exchange.api.writer.send(keep).await.map_err(|_| StoreError::Stopping)??)
    }
}
