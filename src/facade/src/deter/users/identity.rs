//! What somebody is given who signs in: a certificate with its key, and the document by which the key stands for him.

use std::sync::Arc;
use std::time::Duration;

use mf2c_actors::ca_client::CertifyUser;
use mf2c_domain::resource::types::people::testbed_profile::acl_of;
use mf2c_domain::resource::types::people::testbed_session::{MOST_OF_ONE, SPEC};
use mf2c_domain::time::Timestamp;
use mf2c_store::StoreError;
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::super::call::Call;
use super::super::documents::Record;
use super::super::fault::Fault;
use crate::certificates;
use crate::cimi::parts::quoted;

/// So many keys are made at once: each takes a core for a while.
const AT_ONCE: usize = 1;
/// So many may be made or wait for it; who comes then is sent away.
const LINE: usize = 32;
/// The end of a certificate in PEM.
const END: &str = "-----END CERTIFICATE-----\n";

/// A key that was made for somebody who is given it.
#[derive(Clone)]
pub struct MadeKey {
    /// Its identifier: SHA-1 of its bits, in lower-case hexadecimal.
    pub id: String,
    /// A request for a certificate of it, in DER (PKCS#10).
    pub request: Vec<u8>,
    /// RSA in PEM, PKCS#1.
    pub pem: String,
}

/// Makes a key for a user of this name, or says why not. It takes a core for a while.
pub type MakeKey = Arc<dyn Fn(&str) -> Result<MadeKey, String> + Send + Sync>;

/// Makes keys off the threads that answer.
#[derive(Clone)]
pub(in crate::deter) struct KeyMaker {
    make: MakeKey,
    line: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

/// A place in the line of those for whom keys are made.
pub(super) struct Place(#[expect(dead_code, reason = "it is given back when it is dropped")] OwnedSemaphorePermit);

fn busy() -> Fault {
    Fault::internal("too many keys are being made: try again in a moment")
}

impl KeyMaker {
    pub(in crate::deter) fn new(make: MakeKey) -> Self {
        Self { make, line: Arc::new(Semaphore::new(LINE)), places: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// A place in the line, for who will want a key.
    pub(super) fn place(&self) -> Result<Place, Fault> {
        Arc::clone(&self.line).try_acquire_owned().map(Place).map_err(|_| busy())
    }

    async fn make(&self, user: &str, _: Place) -> Result<MadeKey, Fault> {
        let _place = self.places.acquire().await.map_err(|_| busy())?;
        let (make, user) = (Arc::clone(&self.make), user.to_owned());
        let made = tokio::task::spawn_blocking(move || make(&user)).await.map_err(|_| busy())?;
        made.map_err(Fault::internal)
    }
}

/// Who is to be signed in.
pub(super) struct Wanted<'a> {
    pub(super) user: &'a str,
    /// For how long, in seconds.
    pub(super) seconds: u64,
    /// Whether the account waits for its e-mail.
    pub(super) is_unconfirmed: bool,
}

/// Signs somebody in with a new certificate: it and its key in PEM.
pub(super) async fn issue(call: &Call<'_>, wanted: &Wanted<'_>, place: Place) -> Result<String, Fault> {
    let none = || Fault::internal("this agent has no authority that could issue a certificate");
    let authorities = call.exchange.api.authorities.as_ref().ok_or_else(none)?;
    let key = call.door.keys.make(wanted.user, place).await?;
    let certify = CertifyUser { name: wanted.user.to_owned(), request: key.request, ttl: wanted.seconds };
    let made = authorities.certify.send(certify).await.map_err(|_| StoreError::Stopping)?;
    let made = made.map_err(|error| Fault::internal(error.to_string()))?;
    let session = json!({ "certificate": made.id, "issued": true });
    bind(call, wanted, &key.id, session).await?;
    // Its authorities are known to whoever checks it here, and clients expect no more than two blocks.
    let own = made.chain.find(END).and_then(|at| made.chain.get(..at + END.len())).unwrap_or(&made.chain);
    Ok(format!("{own}{}", key.pem))
}

/// Signs somebody in with the certificate that he has shown, which the API believes.
pub(super) async fn bind_shown(call: &Call<'_>, wanted: &Wanted<'_>) -> Result<bool, Fault> {
    let Some((key, caller)) = call.proof_of(wanted.user) else { return Ok(false) };
    let Some(serial) = caller.certificate() else { return Ok(false) };
    let session = json!({ "certificate": format!("certificate/{serial}"), "issued": false });
    bind(call, wanted, key, session).await?;
    Ok(true)
}

/// Keeps by a document that a key stands for a user.
async fn bind(call: &Call<'_>, wanted: &Wanted<'_>, key: &str, session: Value) -> Result<(), Fault> {
    let mut session = session.as_object().cloned().unwrap_or_default();
    let until = later(call.now(), Duration::from_secs(wanted.seconds));
    session.insert("user".to_owned(), wanted.user.into());
    session.insert("until".to_owned(), until.to_string().into());
    session.insert("unconfirmed".to_owned(), wanted.is_unconfirmed.into());
    if let Some(before) = call.record(SPEC.name, key)? {
        // Whether the certificate ends with the session does not change.
        session.remove("issued");
        return match call.edit(&before, session, vec![]).await {
            // Somebody has just signed in with the same key.
            Ok(()) | Err(StoreError::Stale { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        };
    }
    make_room(call, wanted.user).await?;
    match call.add(SPEC.name, key, session, acl_of(wanted.user)).await {
        Ok(()) | Err(StoreError::Conflict { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// A user who has too many sessions loses the oldest: programs that never sign out go on.
async fn make_room(call: &Call<'_>, user: &str) -> Result<(), Fault> {
    let (ended, mut open): (Vec<_>, Vec<_>) = sessions_of(call, user)
        .await?
        .into_iter()
        .partition(|session| Timestamp::parse(session.text("until")).is_none_or(|until| until <= call.now()));
    open.sort_by(|a, b| a.text("created").cmp(b.text("created")));
    let too_many = open.len().saturating_sub(MOST_OF_ONE - 1);
    for session in ended.iter().chain(open.iter().take(too_many)) {
        end(call, session).await?;
    }
    Ok(())
}

async fn sessions_of(call: &Call<'_>, user: &str) -> Result<Vec<Record>, Fault> {
    call.records(SPEC.name, Some(format!("user={}", quoted(user))), 10_000).await
}

/// Ends a session, and the certificate that was made for it.
async fn end(call: &Call<'_>, session: &Record) -> Result<(), Fault> {
    if session.body.get("issued").and_then(Value::as_bool) == Some(true) {
        certificates::end(call.exchange.api, session.text("certificate"), "its session has ended").await?;
    }
    Ok(call.delete(session.id()).await?)
}

/// Ends all that somebody is signed in with, here and with the certificates made for it, but for what he asks with now: after
/// a new password nobody goes on with what the old one gave.
pub(super) async fn end_others(call: &Call<'_>, user: &str) -> Result<(), Fault> {
    for session in sessions_of(call, user).await? {
        if call.key() != Some(session.id().name()) {
            end(call, &session).await?;
        }
    }
    Ok(())
}

/// An instant later; the last one there is where it would be beyond.
pub(super) fn later(instant: Timestamp, span: Duration) -> Timestamp {
    Timestamp::from_nanos(instant.nanos().saturating_add(i128::try_from(span.as_nanos()).unwrap_or(i128::MAX)))
}
