//! Who has shown a client certificate: a user of this agent, as long as both the certificate and the account count.
//!
//! Both documents are looked up at every request. Their JSON is read only when one of them has changed: that of a
//! certificate is on disk.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mf2c_domain::caller::Caller;
use mf2c_domain::people::account::Account;
use mf2c_domain::time::Timestamp;
use mf2c_store::{Document, Store};
use serde::Deserialize;
use thiserror::Error;

use crate::front::CertifiedUser;

/// How far authorities date a certificate back, for clocks that are behind.
const BACKDATED: Duration = Duration::from_secs(300);

/// The owner of a certificate that came with a connection.
#[derive(Debug)]
pub struct Bearer {
    shown: CertifiedUser,
    /// The ids of the certificate's document and of the user's.
    ids: [String; 2],
    known: Mutex<Option<Known>>,
}

/// What two revisions of the documents say.
#[derive(Debug)]
struct Known {
    revisions: [u64; 2],
    verdict: Result<Caller, Unfit>,
}

/// Why a certificate proves nothing here.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Unfit {
    /// It has expired while the connection was open, or its document says so.
    #[error("the client certificate expired at {0}; a new one is made with `mf2c user cert`")]
    Expired(Timestamp),
    /// No document of it, or one that says something else.
    #[error("this agent has no record of the client certificate; a new one is made with `mf2c user cert`")]
    Unknown,
    /// It was revoked.
    #[error("the client certificate has been revoked")]
    Revoked,
    /// Its user is gone.
    #[error("the user whom the client certificate names has no account here")]
    NoUser,
    /// Its user may not sign in.
    #[error("the user whom the client certificate names may not sign in: an administrator can change that")]
    Barred,
    /// The account was made after it: its user is somebody else.
    #[error("the client certificate is older than the account of its user; a new one is made with `mf2c user cert`")]
    OlderThanUser,
    /// A page of another site has made a browser send it.
    #[error("a page of another site cannot use the client certificate, unless its origin is in `api.cors_origins`")]
    ForeignPage,
}

/// What counts of a certificate's document.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    kind: String,
    user: Option<String>,
    state: String,
    public_key: String,
    not_after: String,
    created: String,
}

/// When a document was made.
#[derive(Deserialize)]
struct Made {
    created: String,
}

impl Bearer {
    /// Whoever has shown this certificate, and has proved to have its key.
    #[must_use]
    pub fn new(shown: CertifiedUser) -> Self {
        let ids = [format!("certificate/{}", shown.serial), format!("user/{}", shown.name)];
        Self { shown, ids, known: Mutex::default() }
    }

    /// The user whom the certificate names, and the identifier of its key.
    #[must_use]
    pub fn shown(&self) -> (&str, &str) {
        (&self.shown.name, &self.shown.key_id)
    }

    /// Who it is at this instant, with the rights that the account has now.
    ///
    /// # Errors
    /// [`Unfit`] with the reason why it is nobody.
    pub fn caller(&self, store: &Store, now: Timestamp) -> Result<Caller, Unfit> {
        if now >= self.shown.not_after {
            return Err(Unfit::Expired(self.shown.not_after));
        }
        let certificate = store.get(&self.ids[0]).ok_or(Unfit::Unknown)?;
        let account = store.get(&self.ids[1]).ok_or(Unfit::NoUser)?;
        let revisions = [certificate.revision, account.revision];
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.as_ref().filter(|known| known.revisions == revisions) {
            return known.verdict.clone().and_then(|caller| self.unless_over(caller, now));
        }
        let verdict = self.judge(&read(store, &certificate).ok_or(Unfit::Unknown)?, store, &account);
        *known = Some(Known { revisions, verdict: verdict.clone() });
        verdict.and_then(|caller| self.unless_over(caller, now))
    }

    fn unless_over(&self, caller: Caller, now: Timestamp) -> Result<Caller, Unfit> {
        if caller.holds(now) { Ok(caller) } else { Err(Unfit::Expired(caller.ends().unwrap_or(self.shown.not_after))) }
    }

    fn judge(&self, record: &Record, store: &Store, account: &Document) -> Result<Caller, Unfit> {
        let shown = &self.shown;
        let same = record.kind == "user"
            && record.user.as_deref() == Some(&*shown.name)
            && record.public_key.eq_ignore_ascii_case(&shown.key);
        if !same {
            return Err(Unfit::Unknown);
        }
        if record.state != "VALID" {
            return Err(Unfit::Revoked);
        }
        let body = store.body(account).ok().flatten().ok_or(Unfit::NoUser)?;
        let user = Account::read(&body).ok_or(Unfit::NoUser)?;
        if !user.may_sign_in() {
            return Err(Unfit::Barred);
        }
        let made: Option<Made> = serde_json::from_slice(&body).ok();
        let made = made.and_then(|made| Timestamp::parse(&made.created)).ok_or(Unfit::OlderThanUser)?;
        let recorded = Timestamp::parse(&record.created).ok_or(Unfit::Unknown)?;
        if made > recorded || whole_seconds(made) > whole_seconds(shown.not_before).saturating_add(BACKDATED.as_secs())
        {
            return Err(Unfit::OlderThanUser);
        }
        let end = Timestamp::parse(&record.not_after).ok_or(Unfit::Unknown)?.min(shown.not_after);
        Ok(Caller::new(&shown.name, user.roles()).until(end).by_certificate(&shown.serial))
    }
}

/// Certificates tell time in whole seconds.
fn whole_seconds(moment: Timestamp) -> u64 {
    moment.millis() / 1000
}

fn read(store: &Store, certificate: &Document) -> Option<Record> {
    serde_json::from_slice(&store.body(certificate).ok()??).ok()
}
