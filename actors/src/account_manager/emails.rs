//! The `email` resources: addresses and whether they are proved (`spec/cimi.md` 9.10).
//!
//! Where no mail is sent, the link that activates an account waits in the `email` of its address for an administrator to
//! hand it over. Such a document belongs to the administrators alone until the link is used: whoever reads the link could
//! pass for the owner of the address.

use mf2c_domain::acl::{Acl, Principal, Right, Rule};
use mf2c_domain::id::ResourceId;
use mf2c_domain::people::callback::Action;
use mf2c_domain::people::mail;
use mf2c_domain::resource::types::people::email;
use mf2c_store::StoreError;
use serde_json::{Value, json};

use super::ValidateEmail;
use super::accounts::{Accounts, User};
use super::error::AccountError;

impl Accounts {
    pub(super) async fn validate_email(&self, ask: ValidateEmail) -> Result<(), AccountError> {
        let (_, attributes) = self.read(ask.id.as_str())?;
        if attributes.get("validated") == Some(&Value::Bool(true)) {
            return Err(AccountError::AlreadyValidated(ask.id.to_string()));
        }
        if !self.sends_mail() {
            return Err(AccountError::NoMail);
        }
        self.admit_mail(ask.origin.source)?;
        let address = attributes.get("address").and_then(Value::as_str).unwrap_or_default();
        // More mails of the same kind would help nobody; those before are still on their way.
        if self.spares(ask.origin.source, address) && self.supersede(Action::EmailValidation, &ask.id).await? {
            let link = self.add_callback(Action::EmailValidation, &ask.id, &ask.origin.base).await?;
            self.post(mail::validate_address(address, &link, self.settings().validation_life)).await;
        }
        Ok(())
    }

    /// Leaves the link of a new account where the administrators look for it.
    pub(super) async fn leave_link(&self, address: &str, user: &ResourceId, link: &str) -> Result<(), AccountError> {
        let spec = &email::SPEC;
        let fresh = json!({ "address": address, "parent": user.as_str() });
        let fresh = fresh.as_object().cloned().unwrap_or_default();
        let mut draft = spec.prepare_add(fresh, self.now(), &*self.world().entropy)?;
        let id = draft.name.as_ref().and_then(|name| ResourceId::new(spec.name, name).ok());
        let id = id.ok_or(AccountError::Failed)?;
        draft.attributes.insert("validationLink".to_owned(), link.into());
        draft.acl = Some(admins());
        match self.add(spec.name, draft).await {
            Ok(_) => {}
            Err(AccountError::Store(StoreError::Conflict { .. })) => self.leave_another(&id, user, link).await?,
            Err(error) => return Err(error),
        }
        tracing::info!(%user, email = %id, "no mail server is configured: an administrator finds the link there");
        Ok(())
    }

    /// The address has an `email` already. Only one of the administrators' own takes a link, and it keeps one that is
    /// still of use: else anybody could take away another's by registering with his address.
    async fn leave_another(&self, id: &ResourceId, user: &ResourceId, link: &str) -> Result<(), AccountError> {
        let (document, attributes) = self.read(id.as_str())?;
        let other = attributes.get("parent").and_then(Value::as_str);
        let in_use = other.and_then(|other| ResourceId::parse(other).ok()).and_then(|other| self.user(&other).ok());
        let in_use = in_use.is_some_and(|(_, other)| other.state == "NEW") && other != Some(user.as_str());
        if *document.acl != admins() || in_use {
            tracing::warn!(%user, email = %id, "the address is taken by somebody else; the link is in the user's callback");
            return Ok(());
        }
        let changes = json!({ "validationLink": link, "parent": user.as_str(), "validated": false });
        self.edit(&document, changes, &[]).await?;
        Ok(())
    }

    /// A link of ours was used: the `email` that held it tells so, and its owner may see it.
    pub(super) async fn address_proved(&self, id: &ResourceId, user: &User) -> Result<(), AccountError> {
        for document in self.found("email", &format!(r#"parent="{id}""#))?.1 {
            if *document.acl == admins() {
                let acl = Acl::new(Principal::role("ADMIN"), vec![Rule::user(&user.username, Right::View)]);
                let acl = serde_json::to_value(acl).map_err(|_| AccountError::Failed)?;
                let changes = json!({ "validated": true, "acl": acl });
                self.edit(&document, changes, &["validationLink"]).await?;
            }
        }
        Ok(())
    }

    /// What was left for a user who is gone is of no use any more.
    pub(super) async fn forget_links(&self, id: &ResourceId) -> Result<(), AccountError> {
        let callbacks = self.found("callback", &format!(r#"targetResource/href="{id}""#))?.1;
        for document in callbacks {
            self.delete(&document.id).await?;
        }
        let owner = Principal::role("ADMIN");
        for document in self.found("email", &format!(r#"parent="{id}""#))?.1 {
            if document.acl.owner == owner {
                self.delete(&document.id).await?;
            }
        }
        Ok(())
    }
}

/// For administrators alone.
fn admins() -> Acl {
    Acl::of_admin(&[]).with_admin()
}
