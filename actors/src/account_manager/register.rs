//! New accounts (`spec/cimi.md` 9.6).

use mf2c_domain::id::ResourceId;
use mf2c_domain::people::callback::Action;
use mf2c_domain::people::mail;
use mf2c_domain::people::registration::{Method, Registration};
use mf2c_store::StoreError;
use serde_json::Value;

use super::Register;
use super::accounts::Accounts;
use super::error::AccountError;

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
        if self.store().get(id.as_str()).is_some() {
            return Err(StoreError::Conflict { id }.into());
        }
        if !admin {
            self.admit_registration(origin.source)?;
            if self.found("user", "state='NEW'")?.0 >= MOST_WAITING {
                return Err(AccountError::TooManyWaiting);
            }
        }
        let digest = match &registration.password {
            Some(password) => Some(self.digest(password.clone()).await?),
            None => None,
        };
        let draft = registration.draft(digest.as_deref(), self.now(), &*self.world().entropy)?;
        let id = self.add("user", draft).await?;
        if method == Method::SelfRegistration {
            // The account stands, whatever becomes of the mail: an administrator can activate it.
            if let Err(error) = self.ask_for_validation(&id, &registration, &origin.base).await {
                tracing::warn!(%id, %error, "nobody can be asked to validate the account; an administrator can");
            }
        }
        Ok(id)
    }

    async fn ask_for_validation(
        &self,
        id: &ResourceId,
        registration: &Registration,
        base: &str,
    ) -> Result<(), AccountError> {
        self.send_validation(id, &registration.email, &registration.username, base).await
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
