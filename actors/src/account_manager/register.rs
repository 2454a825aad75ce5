//! New accounts (`spec/cimi.md` 9.6).

use std::sync::Arc;

use mf2c_domain::id::ResourceId;
use mf2c_domain::people::callback::Action;
use mf2c_domain::people::mail;
use mf2c_domain::people::registration::{Method, Registration};
use mf2c_domain::resource;
use mf2c_store::StoreError;
use serde_json::Value;

use super::accounts::Accounts;
use super::error::AccountError;
use super::{Origin, Register, RegisterByMail};

/// What is left of everybody and tells of nothing but himself.
const PASSING: [&str; 3] = ["event", "session", "callback"];
/// The most accounts that wait for their validation.
const MOST_WAITING: u64 = 10_000;

impl Accounts {
    pub(super) async fn register(&self, ask: Register) -> Result<ResourceId, AccountError> {
        let Register { form, origin } = ask;
        let (template, attributes) = self.read(&form.href)?;
        if !template.acl.can_view(&origin.by) {
            return Err(AccountError::HiddenTemplate(form.href));
        }
        let method = attributes.get("method").and_then(Value::as_str).unwrap_or_default();
        let method = Method::named(method).ok_or_else(|| AccountError::UnknownMethod(method.to_owned()))?;
        let admin = origin.by.is_admin();
        // Whoever may see such a template: what it makes is an administrator's affair.
        if method == Method::Direct && !admin {
            return Err(AccountError::HiddenTemplate(form.href));
        }
        if method == Method::SelfRegistration && !self.settings().registration && !admin {
            return Err(AccountError::Closed);
        }
        let registration = form.check(method)?;
        // All that can be wrong is told before the digest is computed.
        registration.draft(None, self.now(), &*self.world().entropy)?;
        let id = ResourceId::new("user", &registration.username).map_err(|_| AccountError::Failed)?;
        if !admin {
            // Before it is told whether the name is taken: nobody asks for names by the thousand,
            // nor for one again and again.
            self.admit_registration(origin.source, &registration.username)?;
        }
        if self.store().get(id.as_str()).is_some() || (!admin && self.is_known(&registration.username).await?) {
            return Err(StoreError::Conflict { id }.into());
        }
        if !admin && self.found("user", "state='NEW'")?.0 >= MOST_WAITING {
            return Err(AccountError::TooManyWaiting);
        }
        let digest = match &registration.password {
            Some(password) => Some(self.digest(password.clone()).await?),
            None => None,
        };
        let draft = registration.draft(digest.as_deref(), self.now(), &*self.world().entropy)?;
        self.begin_anew(&id).await?;
        let id = self.add("user", draft).await?;
        if method == Method::SelfRegistration {
            // The account stands, whatever becomes of the mail: an administrator can activate it.
            if let Err(error) = self.ask_for_validation(&id, &registration, &origin).await {
                tracing::warn!(%id, %error, "nobody can be asked to validate the account; an administrator can");
            }
        }
        Ok(id)
    }

    pub(super) async fn register_by_mail(&self, ask: RegisterByMail) -> Result<ResourceId, AccountError> {
        let RegisterByMail { username, email, origin } = ask;
        if !self.settings().registration && !origin.by.is_admin() {
            return Err(AccountError::Closed);
        }
        let registration = Registration::by_mail(&username, &email)?;
        let draft = registration.draft(None, self.now(), &*self.world().entropy)?;
        let id = ResourceId::new("user", &username).map_err(|_| AccountError::Failed)?;
        self.admit_registration(origin.source, &username)?;
        if self.store().get(id.as_str()).is_some() || self.is_known(&username).await? {
            return Err(StoreError::Conflict { id }.into());
        }
        if self.found("user", "state='NEW'")?.0 >= MOST_WAITING {
            return Err(AccountError::TooManyWaiting);
        }
        self.begin_anew(&id).await?;
        self.add("user", draft).await
    }

    async fn ask_for_validation(
        &self,
        id: &ResourceId,
        registration: &Registration,
        origin: &Origin,
    ) -> Result<(), AccountError> {
        if self.sends_mail() && !self.spares(origin.source, &registration.email) {
            tracing::warn!(%id, source = %origin.source, "the address had too many mails of late; none is sent to it");
            return Ok(());
        }
        self.send_validation(id, &registration.email, &registration.username, &origin.base).await
    }

    /// Whether documents belong to a user of this name, or are shown to him, though there is no such account: one who was
    /// deleted, or was named by a header. Whoever took the name would take them over, so that is for administrators.
    async fn is_known(&self, username: &str) -> Result<bool, AccountError> {
        let (store, username) = (Arc::clone(self.store()), username.to_owned());
        let known = tokio::task::spawn_blocking(move || {
            let kinds = resource::all().iter().filter(|spec| !PASSING.contains(&spec.name));
            kinds.flat_map(|spec| store.all(spec.name)).any(|document| document.acl.names_user(&username))
        });
        known.await.map_err(|_| AccountError::Failed)
    }

    /// Makes the link that activates an account, and sends it, or leaves it for the administrators to hand over.
    pub(super) async fn send_validation(
        &self,
        id: &ResourceId,
        email: &str,
        username: &str,
        base: &str,
    ) -> Result<(), AccountError> {
        let link = self.add_callback(Action::UserEmailValidation, id, base).await?;
        if self.sends_mail() {
            self.post(mail::validate_user(email, username, &link, self.settings().validation_life)).await;
            return Ok(());
        }
        self.leave_link(email, id, &link).await
    }
}
