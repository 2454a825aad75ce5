//! Documents of the testbed as what they hold: read, added, changed as a whole. What is written here, the agent writes; who may was
//! asked before.

use std::sync::Arc;

use actix_web::web;
use mf2c_actors::resource_store::{AddResource, DeleteResource, EditResource};
use mf2c_domain::acl::Acl;
use mf2c_domain::caller::Caller;
use mf2c_domain::id::ResourceId;
use mf2c_domain::resource::{self, Draft};
use mf2c_store::{Document, IfMatch, NewDocument, Store, StoreError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::circles::Members;
use crate::cimi::Api;
use crate::deter::fault::Fault;

/// So often a change is tried again that others have come before.
const TRIES: usize = 20;

/// A document, and what it holds.
#[derive(Debug, Clone)]
pub(crate) struct Held<T> {
    pub(crate) document: Arc<Document>,
    pub(crate) value: T,
}

fn opened<T: DeserializeOwned>(store: &Store, document: Arc<Document>) -> Result<Option<Held<T>>, StoreError> {
    let Some(body) = store.body(&document)? else { return Ok(None) };
    match serde_json::from_slice(&body) {
        Ok(value) => Ok(Some(Held { document, value })),
        Err(error) => {
            tracing::error!(id = %document.id, %error, "a document of the testbed cannot be read");
            Ok(None)
        }
    }
}

/// The document of this id.
pub(crate) fn read<T: DeserializeOwned>(api: &Api, id: &str) -> Result<Option<Held<T>>, StoreError> {
    read_in(&api.store, id)
}

/// The same for who has the store alone.
pub(super) fn read_in<T: DeserializeOwned>(store: &Store, id: &str) -> Result<Option<Held<T>>, StoreError> {
    store.get(id).map_or(Ok(None), |document| opened(store, document))
}

/// The same for what may be large: read aside, so that others are answered meanwhile.
pub(crate) async fn fetch<T: DeserializeOwned + Send + 'static>(
    api: &Api,
    id: &ResourceId,
) -> Result<Option<Held<T>>, StoreError> {
    let (store, id) = (Arc::clone(&api.store), id.clone());
    let look = move || read_in(&store, id.as_str());
    web::block(look).await.map_err(|_| StoreError::Stopping)?
}

/// All documents of a type that are this agent's own.
pub(crate) async fn all<T: DeserializeOwned + Send + 'static>(
    api: &Api,
    kind: &'static str,
) -> Result<Vec<Held<T>>, StoreError> {
    picked(api, kind, Some).await
}

/// What is needed of all documents of a type that are this agent's own. They are read one by one: what is not picked takes no
/// memory any more when the next is read.
pub(crate) async fn picked<T: DeserializeOwned, R: Send + 'static>(
    api: &Api,
    kind: &'static str,
    mut pick: impl FnMut(Held<T>) -> Option<R> + Send + 'static,
) -> Result<Vec<R>, StoreError> {
    picked_by(api, kind, move |held, _| pick(held)).await
}

/// The same where it matters who belongs to which project.
pub(crate) async fn picked_by<T: DeserializeOwned, R: Send + 'static>(
    api: &Api,
    kind: &'static str,
    mut pick: impl FnMut(Held<T>, &Members<'_>) -> Option<R> + Send + 'static,
) -> Result<Vec<R>, StoreError> {
    let store = Arc::clone(&api.store);
    let look = move || -> Result<Vec<R>, StoreError> {
        let members = Members::of(&store);
        let mut all = Vec::new();
        for document in store.all(kind).into_iter().filter(|document| document.origin().is_none()) {
            all.extend(opened(&store, document)?.and_then(|held| pick(held, &members)));
        }
        Ok(all)
    };
    web::block(look).await.map_err(|_| StoreError::Stopping)?
}

fn attributes<T: Serialize>(value: &T) -> Map<String, Value> {
    match serde_json::to_value(value) {
        Ok(Value::Object(attributes)) => attributes,
        _ => Map::new(),
    }
}

/// Adds a document. It is held against its type as everything that is stored.
///
/// # Errors
/// [`StoreError::Conflict`] where there is one of this name.
pub(crate) async fn add<T: Serialize>(
    api: &Api,
    kind: &str,
    name: &str,
    value: &T,
    acl: Acl,
) -> Result<ResourceId, StoreError> {
    let missing = || StoreError::NotFound { id: format!("{kind}/{name}") };
    let spec = resource::find(kind).ok_or_else(missing)?;
    let draft = spec.prepare_add(attributes(value), api.world.clock.now(), &*api.world.entropy)?;
    let draft = Draft { acl: Some(acl), name: Some(name.to_owned()), ..draft };
    let new = NewDocument::new(spec, draft, &Caller::agent(), &*api.world.entropy).map_err(|_| missing())?;
    Ok(api.writer.send(AddResource(new)).await.map_err(|_| StoreError::Stopping)??.id)
}

/// Writes what a document is to hold now, if nobody has changed it since it was read.
///
/// # Errors
/// [`StoreError::Stale`] where somebody has.
pub(crate) async fn put<T: Serialize>(api: &Api, document: &Document, value: &T, acl: Acl) -> Result<(), StoreError> {
    let id = document.id.clone();
    let mut changes = attributes(value);
    let fields = resource::find(id.kind()).map(|spec| spec.fields).unwrap_or_default();
    let removed = fields.iter().filter(|field| !field.required && !changes.contains_key(field.name));
    let removed = removed.map(|field| field.name.to_owned()).collect();
    if *document.acl != acl.clone().with_admin() {
        changes.insert("acl".to_owned(), serde_json::to_value(acl).unwrap_or_default());
    }
    let if_match = Some(IfMatch::OneOf(vec![api.store.tag(document)]));
    let edit = EditResource { id, changes, removed, if_match, by: Caller::agent() };
    api.writer.send(edit).await.map_err(|_| StoreError::Stopping)??;
    Ok(())
}

/// Changes what a document holds by a function, which is asked again where somebody else came first. None where there is no
/// such document.
pub(crate) async fn edit<T, R>(
    api: &Api,
    id: &str,
    change: impl Fn(&mut T) -> Result<R, Fault>,
    acl: impl Fn(&T) -> Acl,
) -> Result<Option<(T, R)>, Fault>
where
    T: Serialize + DeserializeOwned + PartialEq + Clone,
{
    for _ in 0..TRIES {
        let Some(Held { document, value: before }) = read::<T>(api, id)? else { return Ok(None) };
        let mut value = before.clone();
        let result = change(&mut value)?;
        let acl = acl(&value);
        if value == before && *document.acl == acl.clone().with_admin() {
            return Ok(Some((value, result)));
        }
        match put(api, &document, &value, acl).await {
            Ok(()) => return Ok(Some((value, result))),
            Err(StoreError::Stale { .. }) => {}
            Err(StoreError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
    Err(Fault::internal("too many others change it at the same time: try again"))
}

/// Deletes a document. One that is gone is no error.
///
/// # Errors
/// What the writer refuses.
pub(crate) async fn discard(api: &Api, id: &str) -> Result<(), StoreError> {
    let Ok(id) = ResourceId::parse(id) else { return Ok(()) };
    let delete = DeleteResource { id, if_match: None, by: Caller::agent() };
    match api.writer.send(delete).await.map_err(|_| StoreError::Stopping)? {
        Ok(_) | Err(StoreError::NotFound { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}
