//! `SessionManager`: signs people and programs in, hands out their keys, and ends what is over.
//!
//! A sign-in is charged to its source and name before anything is computed, and the charge is given back when it succeeds.
//! What is checked costs the same for names that nobody has; the digests are computed off the arbiter, few at a time.

mod desk;
mod ending;
mod error;
mod keys;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use mf2c_auth::token::TokenKey;
use mf2c_domain::caller::Caller;
use mf2c_domain::id::ResourceId;
use mf2c_domain::people::session::Place;
use mf2c_domain::people::stored::Stored;
use mf2c_domain::people::throttle::{Limits, Throttle};
use mf2c_domain::time::Timestamp;
use mf2c_store::{Store, StoreError};
use serde_json::{Map, Value};

pub use error::SignInError;

use crate::hasher::Hasher;
use crate::ports::World;
use crate::resource_store::ResourceStore;
use desk::Desk;
use keys::KeyMaker;

/// Messages that may wait before their senders do.
const MAILBOX: usize = 1024;
/// Pause between two searches for what has expired.
const SWEEP_EVERY: Duration = Duration::from_secs(600);

/// What the session manager is told at start.
#[derive(Debug, Clone)]
pub struct SessionSettings {
    /// How long a session lasts.
    pub life: Duration,
    /// Whether callers named by a header have keys although they have no account: in development.
    pub without_account: bool,
    /// How often somebody may fail.
    pub limits: Limits,
}

/// What shows who somebody is.
pub enum Proof {
    /// A name and a password.
    Password {
        /// The user's name.
        username: String,
        /// The password.
        password: String,
    },
    /// A key and its secret.
    Key {
        /// The credential's id, with or without its type.
        key: String,
        /// The secret, with or without its dots.
        secret: String,
    },
}

impl Proof {
    /// The name that failures are charged to. Nobody guesses 174 bits: only passwords need a lock, and nobody shall lock
    /// somebody's programs out.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        match self {
            Self::Password { username, .. } => Some(username.clone()),
            Self::Key { .. } => None,
        }
    }
}

/// Opens a session for whoever proves to be somebody.
#[derive(Message)]
#[rtype(result = "Result<SignedIn, SignInError>")]
pub struct SignIn {
    /// Who, and what shows it.
    pub proof: Proof,
    /// The id of the template that was filled in.
    pub template: String,
    /// The address that failures are charged to.
    pub source: IpAddr,
    /// What the session says of client and server.
    pub place: Place,
    /// `name`, `description` and `properties` of the session.
    pub about: Map<String, Value>,
}

/// Tells who somebody proves to be, without a session: for protocols that send the proof with every request. Failures are
/// charged as those of [`SignIn`] are.
#[derive(Message)]
#[rtype(result = "Result<Proven, SignInError>")]
pub struct Prove {
    /// Who, and what shows it.
    pub proof: Proof,
    /// The address that failures are charged to.
    pub source: IpAddr,
}

/// Whether an attempt would be admitted now: for who knows already that a proof is good, and must not tell it to those whose
/// attempts are refused. Costs nothing.
#[derive(Message)]
#[rtype(result = "Result<(), SignInError>")]
pub struct MayTry {
    /// The name that the proof is for.
    pub name: String,
    /// The address that asks.
    pub source: IpAddr,
}

/// Who somebody is.
#[derive(Debug, Clone)]
pub struct Proven {
    /// The user with the rights that he has by this proof.
    pub caller: Caller,
    /// The documents that the proof rests on, with their revisions: it holds as long as none has another one.
    pub basis: Vec<(ResourceId, u64)>,
}

/// A session that has begun.
pub struct SignedIn {
    /// Its id.
    pub session: ResourceId,
    /// What the client shows from now on.
    pub token: String,
    /// Until when it holds.
    pub expiry: Timestamp,
}

/// Makes a key for the caller.
#[derive(Message)]
#[rtype(result = "Result<IssuedKey, SignInError>")]
pub struct IssueKey {
    /// Who asks.
    pub by: Caller,
    /// For how many seconds it holds; 0 for without end.
    pub ttl: u64,
    /// `name`, `description` and `properties` of the credential.
    pub about: Map<String, Value>,
}

/// A new key. Nobody will ever see its secret again.
pub struct IssuedKey {
    /// The credential's id.
    pub id: ResourceId,
    /// The secret.
    pub secret: String,
}

/// Keeps an SSH key of the caller: the public one that he brings, or that of a new pair.
#[derive(Message)]
#[rtype(result = "Result<KeptSshKey, SignInError>")]
pub struct KeepSshKey {
    /// Who asks.
    pub by: Caller,
    /// The name, which no other key of his has; where he gives none he gets one.
    pub name: Option<String>,
    /// The public key in a line of OpenSSH or in PEM; none for a new pair.
    pub public_key: Option<String>,
    /// `description` and `properties` of the credential.
    pub about: Map<String, Value>,
}

/// An SSH key that is kept.
pub struct KeptSshKey {
    /// The credential's id.
    pub id: ResourceId,
    /// Its name among the user's keys.
    pub name: String,
    /// As `authorized_keys` has it.
    pub public_key: String,
    /// What it is compared by.
    pub fingerprint: String,
    /// The private key of a new pair: PKCS#1 in PEM. Nobody will ever see it again.
    pub private_pem: Option<String>,
}

/// Stores a secret, or the login for a registry or a machine, of the caller; its id.
#[derive(Message)]
#[rtype(result = "Result<ResourceId, SignInError>")]
pub struct StoreCredential {
    /// Who asks.
    pub by: Caller,
    /// What it is.
    pub kind: Stored,
    /// The filled-in form, checked by [`Stored::check_new`].
    pub filled: Map<String, Value>,
    /// `name`, `description` and `properties` of the credential.
    pub about: Map<String, Value>,
}

/// Ends the sessions of a user, but for one; how many.
#[derive(Debug, Message)]
#[rtype(result = "Result<usize, StoreError>")]
pub struct EndSessions {
    /// The user's name.
    pub username: String,
    /// The session that goes on, if any.
    pub except: Option<ResourceId>,
}

/// Ends the sessions that were begun with a key; how many.
#[derive(Debug, Message)]
#[rtype(result = "Result<usize, StoreError>")]
pub struct EndSessionsOfKey {
    /// The credential's id.
    pub key: ResourceId,
}

/// Deletes the keys of a user, and what he has stored for services; how many.
#[derive(Debug, Message)]
#[rtype(result = "Result<usize, StoreError>")]
pub struct EndKeys {
    /// The user's name.
    pub username: String,
}

/// Sets a user's password, which ends the sessions; for whoever has the machine in his hands.
#[derive(Message)]
#[rtype(result = "Result<(), SignInError>")]
pub struct SetPassword {
    /// The user's name.
    pub username: String,
    /// The new password.
    pub password: String,
}

/// Deletes sessions and keys that have expired; how many.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<usize, StoreError>")]
pub struct Sweep;

/// See the module.
pub struct SessionManager {
    desk: Desk,
    throttle: Throttle,
    sweep: Duration,
    /// Where the next look for expired keys begins.
    looked_at: u64,
}

impl SessionManager {
    /// An actor that signs its tokens with `key`.
    #[must_use]
    pub fn new(
        store: Arc<Store>,
        writer: Addr<ResourceStore>,
        world: World,
        key: Arc<TokenKey>,
        hasher: Hasher,
        settings: SessionSettings,
    ) -> Self {
        let throttle = Throttle::new(settings.limits.clone());
        let desk = Desk { store, writer, world, key, hasher, settings, keys: KeyMaker::new() };
        Self { desk, throttle, sweep: SWEEP_EVERY, looked_at: 0 }
    }

    /// Lets an attempt go on where its source and name may try, and settles its charge when it has ended.
    fn charged<T: 'static>(
        &mut self,
        source: IpAddr,
        name: Option<String>,
        attempt: impl Future<Output = Result<T, SignInError>> + 'static,
    ) -> ResponseActFuture<Self, Result<T, SignInError>> {
        if let Err(wait) = self.throttle.admit(source, name.as_deref(), self.desk.world.clock.elapsed()) {
            return Box::pin(async move { Err(SignInError::Wait(wait)) }.into_actor(self));
        }
        Box::pin(attempt.into_actor(self).map(move |outcome, manager, _| {
            manager.settle(source, name.as_deref(), &outcome);
            outcome
        }))
    }

    /// Settles the charge of an attempt that has ended.
    fn settle<T>(&mut self, source: IpAddr, name: Option<&str>, outcome: &Result<T, SignInError>) {
        let now = self.desk.world.clock.elapsed();
        match outcome {
            Ok(_) => self.throttle.succeeded(source, name, now),
            Err(SignInError::Invalid { .. }) => {
                tracing::info!(%source, "a sign-in was refused");
                self.throttle.failed(source, name, now);
            }
            Err(_) => self.throttle.withdrawn(source, name),
        }
    }
}

impl Actor for SessionManager {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX);
        ctx.notify(Sweep);
        ctx.run_interval(self.sweep, |_, ctx| ctx.notify(Sweep));
    }
}

impl Drop for SessionManager {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Nobody can replace the address that everybody holds, and without it nobody signs in or is signed out.
            tracing::error!("the session manager has failed; ending the process");
            std::process::abort();
        }
    }
}

impl Handler<SignIn> for SessionManager {
    type Result = ResponseActFuture<Self, Result<SignedIn, SignInError>>;

    fn handle(&mut self, sign_in: SignIn, _: &mut Context<Self>) -> Self::Result {
        let (desk, source, name) = (self.desk.clone(), sign_in.source, sign_in.proof.name());
        self.charged(source, name, async move { desk.sign_in(sign_in).await })
    }
}

impl Handler<Prove> for SessionManager {
    type Result = ResponseActFuture<Self, Result<Proven, SignInError>>;

    fn handle(&mut self, Prove { proof, source }: Prove, _: &mut Context<Self>) -> Self::Result {
        let (desk, name) = (self.desk.clone(), proof.name());
        self.charged(source, name, async move { desk.prove(&proof).await })
    }
}

impl Handler<MayTry> for SessionManager {
    type Result = Result<(), SignInError>;

    fn handle(&mut self, MayTry { name, source }: MayTry, _: &mut Context<Self>) -> Self::Result {
        Ok(self.throttle.may_try(source, Some(&name), self.desk.world.clock.elapsed())?)
    }
}

impl Handler<KeepSshKey> for SessionManager {
    type Result = ResponseFuture<Result<KeptSshKey, SignInError>>;

    fn handle(&mut self, keep: KeepSshKey, _: &mut Context<Self>) -> Self::Result {
        let desk = self.desk.clone();
        Box::pin(async move { desk.keep_ssh_key(keep).await })
    }
}

impl Handler<IssueKey> for SessionManager {
    type Result = ResponseFuture<Result<IssuedKey, SignInError>>;

    fn handle(&mut self, issue: IssueKey, _: &mut Context<Self>) -> Self::Result {
        let desk = self.desk.clone();
        Box::pin(async move { desk.issue(issue).await })
    }
}

impl Handler<StoreCredential> for SessionManager {
    type Result = ResponseFuture<Result<ResourceId, SignInError>>;

    fn handle(&mut self, store: StoreCredential, _: &mut Context<Self>) -> Self::Result {
        let desk = self.desk.clone();
        Box::pin(async move { desk.store_credential(store).await })
    }
}

impl Handler<SetPassword> for SessionManager {
    type Result = ResponseFuture<Result<(), SignInError>>;

    fn handle(&mut self, set: SetPassword, _: &mut Context<Self>) -> Self::Result {
        let desk = self.desk.clone();
        Box::pin(async move { desk.set_password(set).await })
    }
}

impl Handler<EndSessions> for SessionManager {
    type Result = ResponseFuture<Result<usize, StoreError>>;

    fn handle(&mut self, EndSessions { username, except }: EndSessions, _: &mut Context<Self>) -> Self::Result {
        let desk = self.desk.clone();
        Box::pin(async move { desk.end_where("session", "username", &username, except).await })
    }
}

impl Handler<EndSessionsOfKey> for SessionManager {
    type Result = ResponseFuture<Result<usize, StoreError>>;

    fn handle(&mut self, EndSessionsOfKey { key }: EndSessionsOfKey, _: &mut Context<Self>) -> Self::Result {
        let desk = self.desk.clone();
        Box::pin(async move { desk.end_where("session", "credential", key.as_str(), None).await })
    }
}

impl Handler<EndKeys> for SessionManager {
    type Result = ResponseFuture<Result<usize, StoreError>>;

    fn handle(&mut self, EndKeys { username }: EndKeys, _: &mut Context<Self>) -> Self::Result {
        let desk = self.desk.clone();
        Box::pin(async move { desk.end_where("credential", "claims/identity", &username, None).await })
    }
}

impl Handler<Sweep> for SessionManager {
    type Result = ResponseActFuture<Self, Result<usize, StoreError>>;

    fn handle(&mut self, _: Sweep, _: &mut Context<Self>) -> Self::Result {
        let (desk, from) = (self.desk.clone(), self.looked_at);
        let swept = async move { desk.sweep(from).await }.into_actor(self);
        Box::pin(swept.map(|swept, manager, _| {
            let (ended, looked_at) = swept?;
            manager.looked_at = looked_at;
            if ended > 0 {
                tracing::info!(ended, "deleted sessions and keys that had expired");
            }
            Ok(ended)
        }))
    }
}
