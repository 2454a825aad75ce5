//! `/agreements`: what is promised, and whether it is assessed.

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use actix_web::web::Payload;
use mf2c_actors::resource_store::{AddResource, DeleteResource, EditResource};
use mf2c_domain::id::ResourceId;
use mf2c_domain::resource::TypeSpec;
use mf2c_sla::State;
use mf2c_store::{Document, NewDocument, StoreError};
use serde_json::{Map, Value};
use std::sync::Arc;

use super::reading::spec;
use super::{Answered, Call, JSON, SlaError, guard, shape};
use crate::cimi::elsewhere::{self, Change};
use crate::cimi::if_match;
use crate::error::ApiError;

const KIND: &str = "agreement";

impl Call<'_> {
    /// `GET /agreements`, with `?active=` and anything behind it only those that are assessed.
    pub(super) async fn agreements(&self) -> Answered {
        let active = self.parameters()?.iter().any(|(name, _)| name == "active");
        self.listed(KIND, active.then(|| "state='started'".to_owned()), None).await
    }

    pub(super) fn agreement(&self, id: &str) -> Answered {
        self.shown(&*self.viewable(KIND, id)?)
    }

    pub(super) fn details(&self, id: &str) -> Answered {
        let mut agreement = self.object_of(&*self.viewable(KIND, id)?)?;
        Ok(HttpResponse::Ok().json(agreement.remove("details").unwrap_or_default()))
    }

    /// `GET /agreements/{id}/assessment`: an empty object before the first assessment.
    pub(super) fn assessment(&self, id: &str) -> Answered {
        let mut agreement = self.object_of(&*self.viewable(KIND, id)?)?;
        Ok(HttpResponse::Ok().json(agreement.remove("assessment").unwrap_or_else(|| Map::new().into())))
    }

    pub(super) async fn add_agreement(&self, payload: Payload) -> Answered {
        let spec = spec(KIND)?;
        self.may_add(spec)?;
        let body = self.object(payload).await?;
        shape::check("Agreement", &body, self.exchange.api.settings.sla.external_ids)?;
        self.added(spec, body).await
    }

    /// Stores what a client has sent, under the id that it brings, if it does: 201 with the document.
    pub(super) async fn added(&self, spec: &'static TypeSpec, mut body: Map<String, Value>) -> Answered {
        let id = shape::text(&body, "id");
        let name = id.strip_prefix(spec.name).and_then(|rest| rest.strip_prefix('/')).unwrap_or(id).to_owned();
        shape::settle(spec, &mut body, self.exchange.api.world.clock.now());
        let warning = guard::warning(spec, &body, self.exchange.api.world.clock.now());
        let document = self.store(spec, body, Some(name).filter(|name| !name.is_empty())).await?;
        let mut response = HttpResponse::Created();
        response.insert_header((header::CONTENT_TYPE, JSON)).insert_header((header::LOCATION, document.id.as_str()));
        if let Some(warning) = warning {
            // RFC 7234, 5.5: a text about this answer.
            response.insert_header((header::WARNING, format!("299 mf2c \"{warning}\"")));
        }
        Ok(response.body(self.body(&document)?))
    }

    /// Checks and stores a new document.
    pub(super) async fn store(
        &self,
        spec: &'static TypeSpec,
        body: Map<String, Value>,
        name: Option<String>,
    ) -> Result<Arc<Document>, SlaError> {
        let (api, caller) = (self.exchange.api, &self.exchange.caller);
        let entropy = &*api.world.entropy;
        let mut draft = spec.prepare_add(body, api.world.clock.now(), entropy)?;
        guard::check_new(self.exchange, spec, &draft.attributes, draft.acl.as_ref())?;
        draft.name = name.or(draft.name);
        let new = NewDocument::new(spec, draft, caller, entropy)?;
        match api.writer.send(AddResource(new)).await.map_err(|_| StoreError::Stopping)? {
            Ok(written) => written.document.ok_or_else(SlaError::missing),
            Err(StoreError::Conflict { .. }) => Err(SlaError::exists()),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn may_add(&self, spec: &TypeSpec) -> Result<(), SlaError> {
        let may = spec.collection_acl.can_modify(&self.exchange.caller);
        if may { Ok(()) } else { Err(ApiError::forbidden(spec.name).into()) }
    }

    /// `PUT /agreements/{id}`: of the body the state alone counts; 200 with the document.
    pub(super) async fn put_agreement(&self, id: &str, payload: Payload) -> Answered {
        let document = self.modifiable(id)?;
        let body = self.object(payload).await?;
        if let Some(waits) = self.become_(&document, State::of(shape::text(&body, "state"))).await? {
            return Ok(waits);
        }
        self.shown(&*self.exchange.api.store.get(document.id.as_str()).ok_or_else(SlaError::missing)?)
    }

    /// `PUT /agreements/{id}/start` and its like: 204.
    pub(super) async fn move_to(&self, id: &str, state: State) -> Answered {
        let document = self.modifiable(id)?;
        let waits = self.become_(&document, state).await?;
        Ok(waits.unwrap_or_else(|| HttpResponse::NoContent().finish()))
    }

    /// Gives an agreement another state; an answer where that waits for another agent.
    async fn become_(&self, document: &Document, state: State) -> Result<Option<HttpResponse>, SlaError> {
        let (id, api) = (&document.id, self.exchange.api);
        let now = State::of(shape::text(&self.object_of(document)?, "state"));
        // Here, and not through CIMI, a terminated agreement is refused even to be terminated.
        now.transition(state, id.as_str()).map_err(|error| SlaError::bad(error.to_string()))?;
        let changes = Map::from_iter([("state".to_owned(), state.as_str().into())]);
        let if_match = if_match(self.exchange);
        if let Some(origin) = api.store.origin_of(id.as_str()) {
            let change = Change { id: id.clone(), origin, changes: Some(changes), removed: vec![], if_match };
            return Ok(elsewhere::propose(self.exchange, change).await?);
        }
        let by = self.exchange.caller.clone();
        let edit = EditResource { id: id.clone(), changes, removed: vec![], if_match, by };
        guard::edit(self.exchange, edit).await?;
        Ok(None)
    }

    fn modifiable(&self, id: &str) -> Result<Arc<Document>, SlaError> {
        let id = ResourceId::new(KIND, id).map_err(|_| SlaError::missing())?;
        let document = self.exchange.api.store.get(id.as_str()).ok_or_else(SlaError::missing)?;
        let may = document.acl.can_modify(&self.exchange.caller);
        if may { Ok(document) } else { Err(ApiError::forbidden(id.as_str()).into()) }
    }

    /// `DELETE /agreements/{id}`: 204.
    pub(super) async fn delete_agreement(&self, id: &str) -> Answered {
        let (document, api) = (self.modifiable(id)?, self.exchange.api);
        let (id, if_match) = (document.id.clone(), if_match(self.exchange));
        if let Some(origin) = api.store.origin_of(id.as_str()) {
            let change = Change { id, origin, changes: None, removed: vec![], if_match };
            let waits = elsewhere::propose(self.exchange, change).await?;
            return Ok(waits.unwrap_or_else(|| HttpResponse::NoContent().finish()));
        }
        let by = self.exchange.caller.clone();
        let deleted = api.writer.send(DeleteResource { id, if_match, by }).await;
        deleted.map_err(|_| StoreError::Stopping)??;
        Ok(HttpResponse::build(StatusCode::NO_CONTENT).finish())
    }
}
