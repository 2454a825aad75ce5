//! `AccountManager`: makes accounts, proves addresses, sets passwords, and does what waits behind links.
//!
//! The rules are in `mf2c_domain::people`; here they meet the store, the digests and the mail. Each request runs in a
//! task of its own, so that none waits for another's digest.

mod accounts;
mod callbacks;
mod challenges;
mod emails;
mod error;
mod parting;
mod passwords;
mod register;
mod sweep;
mod templates;

use std::net::IpAddr;
use std::time::Duration;

use actix::prelude::*;
use mf2c_domain::caller::Caller;
use mf2c_domain::id::ResourceId;
use mf2c_domain::people::registration::Form;

pub use accounts::{AccountParts, AccountSettings};
pub use error::AccountError;
pub use parting::{Holding, holdings};

use accounts::Accounts;

/// The most often that things to clean up are looked for, and the least.
const SWEEP_EVERY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(3600));

type Outcome<T> = Result<T, AccountError>;

/// Where a request comes from.
#[derive(Debug, Clone)]
pub struct Origin {
    /// Who asks.
    pub by: Caller,
    /// From which address.
    pub source: IpAddr,
    /// The address under which people reach this agent, without a slash at the end: links begin with it.
    pub base: String,
}

/// Makes an account; its id.
#[derive(Debug, Message)]
#[rtype(result = "Outcome<ResourceId>")]
pub struct Register {
    /// What was filled in.
    pub form: Form,
    /// From where.
    pub origin: Origin,
}

/// Makes an account without a password for who asks for one at the testbed API; its id. It cannot be signed in to
/// before [`SendChallenge`] has led to a password.
#[derive(Debug, Message)]
#[rtype(result = "Outcome<ResourceId>")]
pub struct RegisterByMail {
    /// The name.
    pub username: String,
    /// The address, of which nobody knows yet whether he reads it.
    pub email: String,
    /// From where.
    pub origin: Origin,
}

/// Sends a user the number by which his password is set, whoever asks for it. Where this agent sends no mail,
/// administrators find the number as the name of a `callback`.
#[derive(Debug, Message)]
#[rtype(result = "Outcome<()>")]
pub struct SendChallenge {
    /// The user.
    pub id: ResourceId,
    /// What stands before the number in the mail.
    pub prefix: String,
    /// From where.
    pub origin: Origin,
}

/// Does what waits behind a link.
#[derive(Debug, Message)]
#[rtype(result = "Outcome<Executed>")]
pub struct Execute {
    /// The callback.
    pub id: ResourceId,
    /// The new password, where one was sent.
    pub new_password: Option<String>,
}

/// What was done, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Executed {
    /// One sentence.
    pub message: String,
    /// What it was done to.
    pub resource: ResourceId,
}

/// Sets the password of somebody who knows the present one, or whom an administrator helps.
#[derive(Message)]
#[rtype(result = "Outcome<()>")]
pub struct ChangePassword {
    /// The user.
    pub id: ResourceId,
    /// The present password.
    pub current: Option<String>,
    /// The new one.
    pub new: String,
    /// From where.
    pub origin: Origin,
    /// The session that goes on.
    pub session: Option<ResourceId>,
}

/// The digest of a password that an administrator sets.
#[derive(Message)]
#[rtype(result = "Outcome<String>")]
pub struct DigestPassword(pub String);

/// Sends the way to a new password, if there is such an account, which the answer never tells: only whether this agent
/// sends mail at all.
#[derive(Debug, Message)]
#[rtype(result = "Outcome<bool>")]
pub struct RequestReset {
    /// The name that somebody gave.
    pub username: String,
    /// The page that asks for the new password, instead of this agent's address.
    pub page: Option<String>,
    /// From where.
    pub origin: Origin,
}

/// Sends a link that proves an `email`.
#[derive(Debug, Message)]
#[rtype(result = "Outcome<()>")]
pub struct ValidateEmail {
    /// The `email`.
    pub id: ResourceId,
    /// From where.
    pub origin: Origin,
}

/// A user is gone, or must sign in again: what follows from it.
#[derive(Debug, Message)]
#[rtype(result = "Outcome<()>")]
pub struct EndAccess {
    /// The user.
    pub id: ResourceId,
    /// Whether the account itself is gone, and its keys go too.
    pub gone: bool,
}

/// Whether a mail may be caused from here now; it is counted.
#[derive(Debug, Message)]
#[rtype(result = "Outcome<()>")]
pub struct AdmitMail {
    /// From which address.
    pub source: IpAddr,
}

/// Writes to the address that a user had so far.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct TellOldAddress {
    /// The user's name.
    pub username: String,
    /// The address.
    pub address: String,
}

/// Stores the templates that belong to every agent, where they are missing.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Outcome<()>")]
pub struct EnsureTemplates;

/// Removes accounts that were never proved, and links that are of no use any more.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Sweep;

/// See the module.
pub struct AccountManager {
    accounts: Accounts,
    sweeping: bool,
}

impl AccountManager {
    /// A manager of the accounts in a store.
    #[must_use]
    pub fn new(parts: AccountParts) -> Self {
        Self { accounts: Accounts::new(parts), sweeping: false }
    }

    /// Runs a request in a task of its own: should it panic, it takes nobody along.
    fn run<T, F>(&self, flow: impl FnOnce(Accounts) -> F) -> ResponseFuture<Outcome<T>>
    where
        T: 'static,
        F: Future<Output = Outcome<T>> + 'static,
    {
        let task = actix::spawn(flow(self.accounts.clone()));
        Box::pin(async move { task.await.unwrap_or(Err(AccountError::Failed)) })
    }
}

impl Actor for AccountManager {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let (least, most) = SWEEP_EVERY;
        let every = self.accounts.settings().validation_life.clamp(least, most);
        ctx.run_interval(every, |_, ctx| ctx.notify(Sweep));
    }
}

impl Handler<Register> for AccountManager {
    type Result = ResponseFuture<Outcome<ResourceId>>;

    fn handle(&mut self, ask: Register, _: &mut Context<Self>) -> Self::Result {
        self.run(|accounts| async move { accounts.register(ask).await })
    }
}

impl Handler<RegisterByMail> for AccountManager {
    type Result = ResponseFuture<Outcome<ResourceId>>;

    fn handle(&mut self, ask: RegisterByMail, _: &mut Context<Self>) -> Self::Result {
        self.run(|accounts| async move { accounts.register_by_mail(ask).await })
    }
}

impl Handler<SendChallenge> for AccountManager {
    type Result = ResponseFuture<Outcome<()>>;

    fn handle(&mut self, ask: SendChallenge, _: &mut Context<Self>) -> Self::Result {
        self.run(|accounts| async move { accounts.send_challenge(ask).await })
    }
}

impl Handler<Execute> for AccountManager {
    type Result = ResponseFuture<Outcome<Executed>>;

    fn handle(&mut self, ask: Execute, _: &mut Context<Self>) -> Self::Result {
        self.run(|accounts| async move { accounts.execute(ask).await })
    }
}

impl Handler<ChangePassword> for AccountManager {
    type Result = ResponseFuture<Outcome<()>>;

    fn handle(&mut self, ask: ChangePassword, _: &mut Context<Self>) -> Self::Result {
        self.run(|accounts| async move { accounts.change_password(ask).await })
    }
}

impl Handler<DigestPassword> for AccountManager {
    type Result = ResponseFuture<Outcome<String>>;

    fn handle(&mut self, DigestPassword(password): DigestPassword, _: &mut Context<Self>) -> Self::Result {
        self.run(|accounts| async move { accounts.digest(password).await })
    }
}

impl Handler<RequestReset> for AccountManager {
    type Result = Outcome<bool>;

    fn handle(&mut self, ask: RequestReset, _: &mut Context<Self>) -> Self::Result {
        self.accounts.admit_mail(ask.origin.source)?;
        let accounts = self.accounts.clone();
        // Nobody waits for it: the time of the answer would tell whether the account exists.
        actix::spawn(async move {
            if let Err(error) = accounts.reset(ask).await {
                tracing::warn!(%error, "a password reset could not be prepared");
            }
        });
        Ok(self.accounts.sends_mail())
    }
}

impl Handler<ValidateEmail> for AccountManager {
    type Result = ResponseFuture<Outcome<()>>;

    fn handle(&mut self, ask: ValidateEmail, _: &mut Context<Self>) -> Self::Result {
        self.run(|accounts| async move { accounts.validate_email(ask).await })
    }
}

impl Handler<EndAccess> for AccountManager {
    type Result = ResponseFuture<Outcome<()>>;

    fn handle(&mut self, EndAccess { id, gone }: EndAccess, _: &mut Context<Self>) -> Self::Result {
        self.run(move |accounts| async move { accounts.end_access(&id, gone).await })
    }
}

impl Handler<AdmitMail> for AccountManager {
    type Result = Outcome<()>;

    fn handle(&mut self, AdmitMail { source }: AdmitMail, _: &mut Context<Self>) -> Self::Result {
        self.accounts.admit_mail(source)
    }
}

impl Handler<TellOldAddress> for AccountManager {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, tell: TellOldAddress, _: &mut Context<Self>) -> Self::Result {
        let accounts = self.accounts.clone();
        let mail = mf2c_domain::people::mail::address_changed(&tell.address, &tell.username);
        Box::pin(async move { accounts.post(mail).await })
    }
}

impl Handler<EnsureTemplates> for AccountManager {
    type Result = ResponseFuture<Outcome<()>>;

    fn handle(&mut self, _: EnsureTemplates, _: &mut Context<Self>) -> Self::Result {
        self.run(|accounts| async move { accounts.ensure_templates().await })
    }
}

impl Handler<Sweep> for AccountManager {
    type Result = ();

    fn handle(&mut self, _: Sweep, ctx: &mut Context<Self>) {
        if std::mem::replace(&mut self.sweeping, true) {
            return;
        }
        let accounts = self.accounts.clone();
        let swept = actix::spawn(async move { accounts.sweep().await });
        ctx.spawn(swept.into_actor(self).map(|_, manager, _| manager.sweeping = false));
    }
}
