//! What every request of the account manager has at hand: the store, the digests, the mail.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use mf2c_domain::caller::Caller;
use mf2c_domain::id::ResourceId;
use mf2c_domain::people::callback::Action;
use mf2c_domain::people::mail::Mail;
use mf2c_domain::people::throttle::{Limits, Throttle};
use mf2c_domain::query::Query;
use mf2c_domain::resource::{self, Draft};
use mf2c_domain::time::Timestamp;
use mf2c_store::{Document, IfMatch, NewDocument, Store, StoreError, Written};
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::error::AccountError;
use crate::hasher::Hasher;
use crate::mailer::SendMail;
use crate::ports::World;
use crate::resource_store::{AddResource, DeleteResource, EditResource, ResourceStore};
use crate::session_manager::SessionManager;

/// What is told to the account manager at start.
#[derive(Debug, Clone)]
pub struct AccountSettings {
    /// Whether people may register themselves.
    pub registration: bool,
    /// How long a link holds.
    pub validation_life: Duration,
}

/// What the account manager works with.
pub struct AccountParts {
    /// Committed documents.
    pub store: Arc<Store>,
    /// The way to write.
    pub writer: Addr<ResourceStore>,
    /// Time and randomness.
    pub world: World,
    /// Ends sessions and keys.
    pub sessions: Addr<SessionManager>,
    /// Digests of passwords.
    pub hasher: Hasher,
    /// The way to send mail, where there is one.
    pub mailer: Option<Recipient<SendMail>>,
    /// What the operator has set.
    pub settings: AccountSettings,
}

/// Counts of what somebody may do how often.
struct Throttles {
    registrations: Throttle,
    usernames: Throttle,
    mails: Throttle,
    addresses: Throttle,
    passwords: Throttle,
}

/// See the module. Cheap to copy.
#[derive(Clone)]
pub(super) struct Accounts {
    parts: Arc<AccountParts>,
    throttles: Arc<Mutex<Throttles>>,
}

/// What matters of a user document.
#[derive(Debug, Deserialize)]
pub(super) struct User {
    #[serde(rename = "emailAddress")]
    pub(super) email: String,
    pub(super) username: String,
    pub(super) state: String,
    pub(super) password: Option<String>,
    pub(super) method: Option<String>,
}

/// A source that asks for many accounts: so many at once, then one each this often.
const REGISTRATIONS: (u32, Duration) = (40, Duration::from_secs(15));
/// The same for mails to others' addresses.
const MAILS: (u32, Duration) = (20, Duration::from_secs(30));

/// Mails that strangers have sent to one address within an hour, from wherever they are asked for.
const MAILS_TO_ONE: u32 = 3;
/// Registrations of one name within an hour, from wherever they come: so often anybody learns whether it is taken.
const REGISTRATIONS_OF_ONE: u32 = 10;

/// So many of one name within an hour.
fn of_one(lock_after: u32) -> Limits {
    let hour = Duration::from_secs(3600);
    let unpaced = Limits { burst: 1_000_000, refill: Duration::from_millis(1), ..Limits::default() };
    Limits { lock_after, lock_for: hour, lock_at_most: hour, forget_after: hour, ..unpaced }
}

impl Accounts {
    pub(super) fn new(parts: AccountParts) -> Self {
        let paced = |(burst, refill)| Throttle::new(Limits { burst, refill, ..Limits::default() });
        let throttles = Throttles {
            registrations: paced(REGISTRATIONS),
            usernames: Throttle::new(of_one(REGISTRATIONS_OF_ONE)),
            mails: paced(MAILS),
            addresses: Throttle::new(of_one(MAILS_TO_ONE)),
            passwords: Throttle::new(Limits::default()),
        };
        Self { parts: Arc::new(parts), throttles: Arc::new(Mutex::new(throttles)) }
    }

    pub(super) fn settings(&self) -> &AccountSettings {
        &self.parts.settings
    }

    pub(super) fn store(&self) -> &Arc<Store> {
        &self.parts.store
    }

    pub(super) fn world(&self) -> &World {
        &self.parts.world
    }

    pub(super) fn now(&self) -> Timestamp {
        self.parts.world.clock.now()
    }

    /// The instant at which a link made now is of no use any more.
    pub(super) fn expiry(&self) -> Timestamp {
        after(self.now(), self.settings().validation_life)
    }

    pub(super) async fn digest(&self, password: String) -> Result<String, AccountError> {
        mf2c_domain::people::names::check_password(&password)?;
        Ok(self.parts.hasher.hash(password).await?)
    }

    pub(super) async fn verify(&self, password: String, digest: Option<String>) -> Result<bool, AccountError> {
        Ok(self.parts.hasher.verify(password, digest).await?)
    }

    /// Counts a registration, for its source and for the name. Neither that nor a mail is ever given back: they are work
    /// for others, and a conflict tells that the name is taken.
    pub(super) fn admit_registration(&self, source: IpAddr, username: &str) -> Result<(), AccountError> {
        let now = self.world().clock.elapsed();
        let throttles = &mut *self.throttles.lock();
        throttles.registrations.admit(source, None, now).map_err(AccountError::TooOften)?;
        throttles.usernames.admit(source, Some(username), now).map_err(AccountError::TooOften)?;
        throttles.usernames.failed(source, Some(username), now);
        Ok(())
    }

    /// Counts a mail that somebody asks for without having shown who he is.
    pub(super) fn admit_mail(&self, source: IpAddr) -> Result<(), AccountError> {
        let now = self.world().clock.elapsed();
        self.throttles.lock().mails.admit(source, None, now).map_err(AccountError::TooOften)
    }

    /// Counts a mail to an address that nobody has proved to read; false if it had too many of late. Letters count alike in
    /// either case, because most servers do not tell them apart.
    pub(super) fn spares(&self, source: IpAddr, address: &str) -> bool {
        let (now, address) = (self.world().clock.elapsed(), address.to_lowercase());
        let addresses = &mut self.throttles.lock().addresses;
        let admitted = addresses.admit(source, Some(&address), now).is_ok();
        if admitted {
            addresses.failed(source, Some(&address), now);
        }
        admitted
    }

    /// Counts an attempt to name a user's password.
    pub(super) fn admit_password(&self, source: IpAddr, username: &str) -> Result<(), AccountError> {
        let now = self.world().clock.elapsed();
        self.throttles.lock().passwords.admit(source, Some(username), now).map_err(AccountError::TooManyFailures)
    }

    /// What became of an admitted attempt; none if it was not carried out.
    pub(super) fn password_tried(&self, source: IpAddr, username: &str, right: Option<bool>) {
        let now = self.world().clock.elapsed();
        let passwords = &mut self.throttles.lock().passwords;
        match right {
            Some(true) => passwords.succeeded(source, Some(username), now),
            Some(false) => passwords.failed(source, Some(username), now),
            None => passwords.withdrawn(source, Some(username)),
        }
    }

    pub(super) fn sessions(&self) -> &Addr<SessionManager> {
        &self.parts.sessions
    }

    /// Makes the links and numbers worthless by which a user's password could be set.
    pub(super) async fn end_resets(&self, user: &ResourceId) -> Result<(), StoreError> {
        crate::resets::end_resets(self.store(), &self.parts.writer, user).await
    }

    pub(super) fn sends_mail(&self) -> bool {
        self.parts.mailer.is_some()
    }

    /// Queues a mail. That none can be sent is the operator's affair, not that of whoever waits for the answer.
    pub(super) async fn post(&self, mail: Mail) {
        let Some(mailer) = &self.parts.mailer else { return };
        let (to, subject) = (mail.to.clone(), mail.subject);
        let reason = match mailer.send(SendMail(mail)).await {
            Ok(Ok(())) => return,
            Ok(Err(full)) => full.to_string(),
            Err(error) => error.to_string(),
        };
        tracing::warn!(to, subject, reason, "a mail was not sent");
    }

    /// A document with its attributes.
    pub(super) fn read(&self, id: &str) -> Result<(Arc<Document>, Map<String, Value>), AccountError> {
        let missing = || StoreError::NotFound { id: id.to_owned() };
        let document = self.store().get(id).ok_or_else(missing)?;
        let attributes = self.attributes(&document)?.ok_or_else(missing)?;
        Ok((document, attributes))
    }

    pub(super) fn attributes(&self, document: &Document) -> Result<Option<Map<String, Value>>, AccountError> {
        let Some(body) = self.store().body(document)? else { return Ok(None) };
        serde_json::from_slice(&body).map(Some).map_err(|error| {
            tracing::error!(id = %document.id, %error, "a document cannot be read");
            AccountError::Failed
        })
    }

    pub(super) fn user(&self, id: &ResourceId) -> Result<(Arc<Document>, User), AccountError> {
        let (document, attributes) = self.read(id.as_str())?;
        let user = serde_json::from_value(Value::Object(attributes)).map_err(|error| {
            tracing::error!(%id, %error, "a user document cannot be read");
            AccountError::Failed
        })?;
        Ok((document, user))
    }

    /// All documents of a type that a filter finds, in their natural order.
    pub(super) fn found(&self, kind: &str, filter: &str) -> Result<(u64, Vec<Arc<Document>>), AccountError> {
        let spec = resource::find(kind).ok_or(AccountError::Failed)?;
        let pairs = [("$filter".to_owned(), filter.to_owned())];
        let query = Query::from_pairs(&pairs).map_err(|error| {
            tracing::error!(%error, filter, "a query of the agent's own is wrong");
            AccountError::Failed
        })?;
        let found = self.store().find(spec, &query, &Caller::agent())?;
        Ok((found.count as u64, found.documents))
    }

    /// Stores a new document.
    pub(super) async fn add(&self, kind: &str, draft: Draft) -> Result<ResourceId, AccountError> {
        let spec = resource::find(kind).ok_or(AccountError::Failed)?;
        let new = NewDocument::new(spec, draft, &Caller::agent(), &*self.world().entropy)?;
        let written = self.parts.writer.send(AddResource(new)).await.map_err(|_| StoreError::Stopping)??;
        Ok(written.id)
    }

    /// Stores a new callback; the link that executes it.
    pub(super) async fn add_callback(
        &self,
        action: Action,
        target: &ResourceId,
        base: &str,
    ) -> Result<String, AccountError> {
        let spec = resource::find("callback").ok_or(AccountError::Failed)?;
        let waiting = action.waiting(target, self.expiry());
        let draft = spec.prepare_add(waiting, self.now(), &*self.world().entropy)?;
        let id = self.add("callback", draft).await?;
        Ok(format!("{base}/api/{id}/execute"))
    }

    /// Changes attributes of this revision of a document.
    pub(super) async fn edit(
        &self,
        document: &Document,
        changes: Value,
        removed: &[&str],
    ) -> Result<Written, StoreError> {
        let edit = EditResource {
            id: document.id.clone(),
            changes: changes.as_object().cloned().unwrap_or_default(),
            removed: removed.iter().map(|name| (*name).to_owned()).collect(),
            if_match: Some(IfMatch::OneOf(vec![self.store().tag(document)])),
            by: Caller::agent(),
        };
        self.parts.writer.send(edit).await.map_err(|_| StoreError::Stopping)?
    }

    /// Removes a document; that it is gone already is as well.
    pub(super) async fn delete(&self, id: &ResourceId) -> Result<(), StoreError> {
        let delete = DeleteResource { id: id.clone(), if_match: None, by: Caller::agent() };
        match self.parts.writer.send(delete).await.map_err(|_| StoreError::Stopping)? {
            Ok(_) | Err(StoreError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// An instant later; the last one there is where it would be beyond.
pub(super) fn after(instant: Timestamp, span: Duration) -> Timestamp {
    Timestamp::from_nanos(instant.nanos().saturating_add(i128::try_from(span.as_nanos()).unwrap_or(i128::MAX)))
}
