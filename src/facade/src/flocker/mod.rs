//! Flocker's control API, behind a listener that lets in nobody but API users of the cluster: who gets here has shown a
//! certificate in the handshake. Its name is that of a user of this agent, whose rights the request has.
//!
//! What is configured here are documents like all others, and is carried out by [`mf2c_actors::flocker::ContainerKeeper`].
//!
//! Answers are `application/json` without a charset; paths that are not there and verbs that a path has not are answered
//! with a page, as by the original (facades specification, 1.4).

mod bodies;
mod caller;
mod containers;
mod datasets;
mod leases;
mod refusal;
mod room;
mod route;
mod schema;
mod state;
mod tag;

use std::sync::Arc;

use actix_web::http::Method;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::web::{self, Data, Path, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use mf2c_actors::flocker::documents;
use mf2c_actors::resource_store::{AddResource, DeleteResource, EditResource};
use mf2c_domain::caller::Caller;
use mf2c_domain::id::ResourceId;
use mf2c_domain::resource::{Draft, TypeSpec};
use mf2c_store::{Document, NewDocument, Store, StoreError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use tokio::sync::Mutex;

use crate::cimi::strict::Strict;
use crate::cimi::{Api, Exchange};
use crate::front::refusal as front_refusal;
use crate::monitor;
use caller::Who;
use refusal::{Refusal, nowhere, wrong_verb};
use route::Route;

/// Whether the certificate with this serial number, in lower-case hexadecimal, has been revoked.
pub type IsRevoked = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// The door.
pub struct FlockerApi {
    /// The version that it tells.
    pub version: &'static str,
    /// Documents and their writer.
    pub api: Data<Api>,
    /// What has been revoked.
    pub is_revoked: IsRevoked,
    /// Whether users without an account may do everything here, as with Flocker itself.
    pub trusts_any_user: bool,
    /// Held while the configuration is compared and changed, so that no two take the same name or port.
    pub configuring: Mutex<()>,
}

/// Adds the paths of the API to an application that serves nothing else.
pub fn configure(config: &mut ServiceConfig, api: &Data<FlockerApi>) {
    config
        .app_data(Data::clone(api))
        .service(web::resource(format!("{}/{{status}}/{{token}}", front_refusal::PREFIX)).to(refused))
        .default_service(web::to(answer));
}

/// A request that the front could not read.
async fn refused(path: Path<(String, String)>) -> HttpResponse {
    let (status, sentence) = front_refusal::describe(&path.1);
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    Refusal::new(status, sentence).into_response()
}

async fn answer(request: HttpRequest, payload: Payload, door: Data<FlockerApi>) -> HttpResponse {
    let mut answer = match answered(&request, payload, &door).await {
        Ok(answer) => answer,
        Err(refusal) => refusal.into_response(),
    };
    let headers = answer.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

async fn answered(request: &HttpRequest, payload: Payload, door: &FlockerApi) -> Result<HttpResponse, Refusal> {
    let who = caller::who(request, door)?;
    monitor::note_caller(request, &who.caller);
    let Some(route) = Route::of(request.path()) else { return Ok(nowhere()) };
    let method = match request.method() {
        &Method::HEAD => &Method::GET,
        other => other,
    };
    if !route.methods().split(", ").any(|allowed| allowed == method.as_str()) {
        return Ok(wrong_verb(route.methods()));
    }
    let exchange = Exchange { api: &door.api, request, caller: who.caller.clone() };
    Call { door, exchange: &exchange, who: &who }.routed(route, method, payload).await
}

/// One request.
struct Call<'a> {
    door: &'a FlockerApi,
    exchange: &'a Exchange<'a>,
    who: &'a Who,
}

type Answered = Result<HttpResponse, Refusal>;

/// A document with what it says.
struct Found<T> {
    document: Arc<Document>,
    is: T,
}

impl Call<'_> {
    async fn routed(&self, route: Route, method: &Method, payload: Payload) -> Answered {
        let reads = *method == Method::GET;
        let body = if *method == Method::POST { self.body(payload).await? } else { Value::Null };
        let removes = *method == Method::DELETE;
        match route {
            Route::Version => Ok(HttpResponse::Ok().json(json!({ "flocker": self.door.version }))),
            Route::Containers if reads => Ok(self.containers()),
            Route::Containers => self.add_container(&body).await,
            Route::Container(name) if removes => self.remove_container(&name).await,
            Route::Container(name) => self.move_container(&name, &body).await,
            Route::RunningContainers => Ok(self.running_containers()),
            Route::Datasets if reads => Ok(self.datasets()),
            Route::Datasets => self.add_dataset(&body).await,
            Route::Dataset(id) if removes => self.remove_dataset(&id).await,
            Route::Dataset(id) => self.move_dataset(&id, &body).await,
            Route::PresentDatasets => Ok(self.present_datasets()),
            Route::Nodes => Ok(self.nodes()),
            Route::NodeByEra(era) => self.node_by_era(&era),
            Route::Leases if reads => Ok(self.leases()),
            Route::Leases => self.add_lease(&body).await,
            Route::Lease(id) => self.remove_lease(&id).await,
        }
    }

    /// The body, whatever it is called, as JSON.
    async fn body(&self, payload: Payload) -> Result<Value, Refusal> {
        let bytes = self.exchange.said(payload).await?;
        let Strict(value) = serde_json::from_slice(&bytes).map_err(|error| Refusal::undecodable(&error))?;
        Ok(value)
    }

    fn store(&self) -> &Store {
        &self.exchange.api.store
    }

    fn caller(&self) -> &Caller {
        &self.exchange.caller
    }

    /// All documents of a type, whoever may see them.
    fn all<T: DeserializeOwned>(&self, kind: &str) -> Vec<Found<T>> {
        let documents = self.store().all(kind).into_iter();
        documents
            .filter_map(|document| Some(Found { is: documents::read(self.store(), &document)?, document }))
            .collect()
    }

    /// Those that the caller may see.
    fn seen<T: DeserializeOwned>(&self, kind: &str) -> Vec<Found<T>> {
        let mut all = self.all(kind);
        all.retain(|found| found.document.acl.can_view(self.caller()));
        all
    }

    /// Whether the caller may change what he sees.
    fn may_change(&self, document: &Document) -> Result<(), Refusal> {
        if !document.acl.can_modify(self.caller()) {
            return Err(Refusal::forbidden("Only who may change it may do that."));
        }
        is_from_here(document)
    }

    /// Stores a new document of the caller's, for which there is room.
    async fn add<T: Serialize>(&self, spec: &'static TypeSpec, name: Option<String>, is: &T) -> Result<(), Refusal> {
        let world = &self.exchange.api.world;
        let (now, entropy) = (world.clock.now(), &*world.entropy);
        let draft = spec.prepare_add(documents::attributes(is), now, entropy);
        let draft = draft.map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, error.to_string()))?;
        let draft = Draft { name, ..draft };
        let new = NewDocument::new(spec, draft, self.caller(), entropy);
        let new = new.map_err(|error| Refusal::new(StatusCode::FORBIDDEN, error.to_string()))?;
        let written = self.exchange.api.writer.send(AddResource(new)).await.map_err(|_| StoreError::Stopping)?;
        Ok(written.map(drop)?)
    }

    async fn edit(&self, id: &ResourceId, changes: Map<String, Value>, removed: &[&str]) -> Result<(), Refusal> {
        let removed = removed.iter().map(|name| (*name).to_owned()).collect();
        let edit = EditResource { id: id.clone(), changes, removed, if_match: None, by: self.caller().clone() };
        let written = self.exchange.api.writer.send(edit).await.map_err(|_| StoreError::Stopping)?;
        Ok(written.map(drop)?)
    }

    async fn delete(&self, id: &ResourceId, by: Caller) -> Result<(), Refusal> {
        let delete = DeleteResource { id: id.clone(), if_match: None, by };
        let written = self.exchange.api.writer.send(delete).await.map_err(|_| StoreError::Stopping)?;
        Ok(written.map(drop)?)
    }

    /// Whether the caller may add what runs.
    fn may_add(&self) -> Result<(), Refusal> {
        crate::cimi::parts::may_add(self.exchange, "service")
            .map_err(|_| Refusal::forbidden("Your account may not run anything here."))
    }
}

/// Refuses to change what other agents alone change.
fn is_from_here(document: &Document) -> Result<(), Refusal> {
    if document.origin().is_some() {
        return Err(Refusal::conflict("It was configured at the door of another agent. Ask there."));
    }
    Ok(())
}
