//! What is kept for who looks into a matter later: events, and that a token has been used.

use std::net::IpAddr;

use mf2c_domain::acl::Acl;
use mf2c_domain::caller::Caller;
use mf2c_domain::id::ResourceId;
use mf2c_domain::resource::types::event;
use mf2c_domain::resource::{Draft, TypeSpec};
use mf2c_store::{NewDocument, StoreError};
use serde_json::{Map, Value, json};

use super::{CertificateAuthority, tokens};
use crate::resource_store::{AddResource, EditResource};

impl CertificateAuthority {
    /// An event: somebody tried to use a token again.
    pub(super) fn tell_of_replay(&self, token: &str, source: IpAddr) {
        let body = json!({
            "timestamp": self.now().to_string(),
            "type": "alarm",
            "severity": "high",
            "content": {
                "resource": {"href": format!("{}/{token}", tokens::KIND)},
                "state": format!("refused: used again with another key, from {source}"),
            },
        });
        let Ok(event) = self.document(&event::SPEC, body, None) else { return };
        let writer = self.writer.clone();
        actix::spawn(async move {
            if let Ok(Err(error)) = writer.send(AddResource(event)).await {
                tracing::warn!(%error, "the event of a refused join token could not be stored");
            }
        });
    }

    /// Writes into a token's document what it was used for. That it was used is known without it.
    pub(super) fn mark_used(&self, token: &str, serial: &str) {
        let Ok(id) = ResourceId::new(tokens::KIND, token) else { return };
        let changes = json!({"state": "USED", "certificate": format!("certificate/{serial}")});
        let Value::Object(changes) = changes else { return };
        let edit = EditResource { id, changes, removed: Vec::new(), if_match: None, by: Caller::agent() };
        let writer = self.writer.clone();
        actix::spawn(async move {
            match writer.send(edit).await {
                // It was deleted meanwhile.
                Ok(Ok(_) | Err(StoreError::NotFound { .. })) | Err(_) => {}
                Ok(Err(error)) => tracing::warn!(%error, "a used join token is not marked; it is at the next start"),
            }
        });
    }

    /// A checked document, which administrators alone may see.
    pub(super) fn document(
        &self,
        spec: &'static TypeSpec,
        body: Value,
        name: Option<String>,
    ) -> Result<NewDocument, String> {
        let body: Map<String, Value> = body.as_object().cloned().unwrap_or_default();
        let entropy = &*self.world.entropy;
        let draft = spec.prepare_add(body, self.now(), entropy).map_err(|error| error.to_string())?;
        let draft = Draft { acl: Some(Acl::of_admin(&[])), name: name.or(draft.name), ..draft };
        NewDocument::new(spec, draft, &Caller::agent(), entropy).map_err(|error| error.to_string())
    }
}
