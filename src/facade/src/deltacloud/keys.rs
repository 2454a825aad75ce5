//! `/api/keys`: lists, shows, makes and deletes the caller's own keys. Those of others are nowhere, not even for administrators.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use actix_web::web::{self, Payload};
use mf2c_actors::session_manager::KeepSshKey;
use mf2c_domain::caller::Caller;
use mf2c_domain::people::keyring::{Content, Key, LOGIN, SSH_KEY, id_of};
use mf2c_domain::query::Query;
use mf2c_domain::resource::types::people::credential;
use mf2c_store::{Document, StoreError};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Map;

use super::accept::Format;
use super::call::{Answered, Call, shortened};
use super::markup::Escaped;
use super::refusal::Refusal;
use super::shown::ShownKey;
use super::{KeyType, html, json, xml};
use crate::cimi::{Exchange, member, parts};
use crate::error::ApiError;

/// What a step of a path can hold as it is.
pub(super) const IN_A_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// As many keys as a user can have.
const MOST: u64 = 1000;
/// What is said where keys are only shown.
const NOT_MADE: &str =
    "This driver makes no keys: a login is stored in CIMI, by credential-template/store-username-password";
const NOT_DESTROYED: &str = "This driver deletes no keys of this type: delete the credential in CIMI";

impl Call<'_> {
    /// `GET /api/keys`, all or the one with the `id` of the query.
    pub(super) async fn list(&self) -> Answered {
        self.format()?;
        let caller = self.caller().await?;
        let mut found = match self.query.get("id") {
            Some(name) => self.find(&caller, name)?.into_iter().collect(),
            None => self.all(&caller).await?,
        };
        found.sort_by(|(_, one), (_, other)| one.name.cmp(&other.name));
        let base = self.base();
        let keys: Vec<ShownKey> =
            found.into_iter().map(|(document, key)| self.shown_key(&caller, &document, key)).collect();
        self.rendered(StatusCode::OK, &keys[..], xml::keys, json::keys, |keys| html::keys(keys, &base))
    }

    /// `GET /api/keys/{name}`.
    pub(super) async fn show(&self, name: &str) -> Answered {
        self.format()?;
        let caller = self.caller().await?;
        let (document, key) = self.find(&caller, name)?.ok_or_else(Refusal::not_found)?;
        self.answer_key(StatusCode::OK, &self.shown_key(&caller, &document, key))
    }

    fn answer_key(&self, status: StatusCode, key: &ShownKey) -> Answered {
        let base = self.base();
        self.rendered(status, key, xml::key, json::key, |key| html::key(key, &base))
    }

    /// `GET /api/keys/new`: the form for people.
    pub(super) async fn form(&self) -> Answered {
        let format = self.page_only()?;
        self.caller().await?;
        Ok(self.document(StatusCode::OK, format, html::new_key(&self.base())))
    }

    /// `POST /api/keys`: a new pair, whose private key nobody will see again, or the public key that the client brings.
    pub(super) async fn create(&self, payload: Payload) -> Answered {
        self.format()?;
        let exchange = self.exchange(self.caller().await?);
        let parameters = self.parameters(&exchange, payload).await?;
        if self.key_type() == KeyType::Password {
            return Err(Refusal::unsupported(NOT_MADE));
        }
        let Some(name) = parameters.get("name") else {
            let given: Vec<String> =
                parameters.names().take(32).map(|name| Escaped(&shortened(name)).to_string()).collect();
            let text = format!("Required parameter 'name' not found in [{}]", given.join(", "));
            return Err(Refusal::Text(StatusCode::BAD_REQUEST, text));
        };
        parts::may_add(&exchange, credential::SPEC.name)?;
        // A form of a page sends the empty field as well.
        let public_key = parameters.get("public_key").filter(|text| !text.trim().is_empty()).map(str::to_owned);
        let by = exchange.caller.clone();
        let keep = KeepSshKey { by, name: Some(name.to_owned()), public_key, about: Map::new() };
        let kept = self.api.sessions.send(keep).await.map_err(|_| StoreError::Stopping)??;
        let key = ShownKey { pem: kept.private_pem, ..self.shown_new(&exchange, &kept.name)? };
        let location = key.href.clone();
        let mut response = self.answer_key(StatusCode::CREATED, &key)?;
        if let Ok(location) = header::HeaderValue::try_from(location) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        Ok(response)
    }

    /// What was stored just now.
    fn shown_new(&self, exchange: &Exchange<'_>, name: &str) -> Result<ShownKey, Refusal> {
        let (document, key) = self.find(&exchange.caller, name)?.ok_or_else(Refusal::not_found)?;
        Ok(self.shown_key(&exchange.caller, &document, key))
    }

    /// `POST /api/keys/{name}`: a form of a page that means `DELETE`, which no form can say.
    pub(super) async fn by_form(&self, name: &str, payload: Payload) -> Answered {
        let exchange = self.exchange(self.caller().await?);
        let parameters = self.parameters(&exchange, payload).await?;
        if parameters.get("_method").is_some_and(|method| method.eq_ignore_ascii_case("delete")) {
            return self.destroyed(&exchange, name).await;
        }
        Err(Refusal::method("GET, HEAD, DELETE, OPTIONS"))
    }

    /// `DELETE /api/keys/{name}`.
    pub(super) async fn delete(&self, name: &str) -> Answered {
        let exchange = self.exchange(self.caller().await?);
        self.destroyed(&exchange, name).await
    }

    async fn destroyed(&self, exchange: &Exchange<'_>, name: &str) -> Answered {
        let format = self.format()?;
        let (document, key) = self.find(&exchange.caller, name)?.ok_or_else(Refusal::not_found)?;
        if self.key_type() == KeyType::Password || matches!(key.content, Content::Login { .. }) {
            return Err(Refusal::unsupported(NOT_DESTROYED));
        }
        if member::remove(exchange, &document.id, None).await?.is_some() {
            // Another agent has it, and is told.
            return Ok(HttpResponse::Accepted().finish());
        }
        Ok(match format {
            Format::Html => {
                HttpResponse::Found().insert_header((header::LOCATION, format!("{}keys", self.base()))).finish()
            }
            Format::Xml | Format::Json => HttpResponse::NoContent().finish(),
        })
    }

    /// The caller's key of this name, if he has one and may see it.
    fn find(&self, caller: &Caller, name: &str) -> Result<Option<(Arc<Document>, Key)>, Refusal> {
        self.may_look(caller)?;
        let Some(owner) = caller.identity() else { return Ok(None) };
        let id = id_of(owner, name).map_err(ApiError::from)?;
        let Some(document) = self.api.store.get(id.as_str()).filter(|found| found.acl.can_view(caller)) else {
            return Ok(None);
        };
        let key = self.api.store.body(&document)?.and_then(|body| Key::read(&body));
        Ok(key.filter(|key| key.owner == owner).map(|key| (document, key)))
    }

    /// All of the caller's keys that he may see.
    async fn all(&self, caller: &Caller) -> Result<Vec<(Arc<Document>, Key)>, Refusal> {
        self.may_look(caller)?;
        let Some(owner) = caller.identity().map(str::to_owned) else { return Ok(vec![]) };
        let quoted = parts::quoted(&owner);
        let filter = format!("claims/identity={quoted} and (type='{SSH_KEY}' or type='{LOGIN}')");
        let mut query = Query::from_pairs(&[("$filter".to_owned(), filter)]).map_err(ApiError::from)?;
        query.last = Some(MOST);
        let (store, caller) = (Arc::clone(&self.api.store), caller.clone());
        let found = web::block(move || {
            let found = store.find(&credential::SPEC, &query, &caller)?.documents;
            let keys = found.into_iter().filter_map(|document| match store.body(&document) {
                Ok(body) => Key::read(&body?).filter(|key| key.owner == owner).map(|key| Ok((document, key))),
                Err(error) => Some(Err(error)),
            });
            keys.collect::<Result<Vec<_>, StoreError>>()
        });
        Ok(found.await.map_err(|_| StoreError::Stopping)??)
    }

    fn may_look(&self, caller: &Caller) -> Result<(), Refusal> {
        let may = credential::SPEC.collection_acl.can_view(caller);
        may.then_some(()).ok_or_else(|| Refusal::new(StatusCode::FORBIDDEN, "Forbidden"))
    }

    fn shown_key(&self, caller: &Caller, document: &Document, key: Key) -> ShownKey {
        let href = format!("{}keys/{}", self.base(), utf8_percent_encode(&key.name, IN_A_PATH));
        let is_key = matches!(key.content, Content::Ssh { .. });
        let destroyable = is_key && self.key_type() == KeyType::Key && document.acl.can_modify(caller);
        ShownKey::of(key, href, destroyable)
    }
}
