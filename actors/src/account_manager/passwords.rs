//! Changing a password that is known, and setting one that was forgotten.

use mf2c_domain::id::ResourceId;
use mf2c_domain::people::callback::Action;
use mf2c_domain::people::mail;
use mf2c_domain::people::names::check_password;
use mf2c_store::StoreError;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use super::accounts::Accounts;
use super::error::AccountError;
use super::{ChangePassword, RequestReset};
use crate::session_manager::{EndKeys, EndSessions};

impl Accounts {
    pub(super) async fn change_password(&self, ask: ChangePassword) -> Result<(), AccountError> {
        let (document, user) = self.user(&ask.id)?;
        if !document.acl.can_modify(&ask.origin.by) {
            return Err(StoreError::Forbidden { id: ask.id.to_string() }.into());
        }
        check_password(&ask.new)?;
        let own = ask.origin.by.identity() == Some(&user.username);
        if own || !ask.origin.by.is_admin() {
            let source = ask.origin.source;
            self.admit_password(source, &user.username)?;
            let verified = self.verify(ask.current.unwrap_or_default(), user.password).await;
            self.password_tried(source, &user.username, verified.as_ref().ok().copied());
            if !verified? {
                return Err(AccountError::WrongPassword);
            }
        }
        let digest = self.digest(ask.new).await?;
        self.end_resets(&ask.id).await?;
        self.edit(&document, json!({ "password": digest }), &[]).await?;
        self.end_sessions(&user.username, ask.session.filter(|_| own)).await
    }

    /// Sends the way to a new password to the address of an account, if there is one. To one that was never validated goes
    /// another link to do so.
    pub(super) async fn reset(&self, ask: RequestReset) -> Result<(), AccountError> {
        let Ok(id) = ResourceId::new("user", &ask.username) else { return Ok(()) };
        let user = match self.user(&id) {
            Ok((_, user)) => user,
            Err(AccountError::Store(StoreError::NotFound { .. })) => return Ok(()),
            Err(error) => return Err(error),
        };
        let action = match user.state.as_str() {
            "ACTIVE" => Action::UserPasswordSet,
            "NEW" if user.method.as_deref() == Some("self-registration") => Action::UserEmailValidation,
            _ => return Ok(()),
        };
        if !self.supersede(action, &id).await? {
            tracing::info!(%id, "too many links were asked for of late; none is sent");
            return Ok(());
        }
        if action == Action::UserEmailValidation {
            if self.sends_mail() && !self.spares(ask.origin.source, &user.email) {
                return Ok(());
            }
            return self.send_validation(&id, &user.email, &user.username, &ask.origin.base).await;
        }
        let link = self.add_callback(action, &id, &ask.origin.base).await?;
        if !self.sends_mail() {
            tracing::warn!(%id, "no mail server is configured: an administrator finds the user's callback");
            return Ok(());
        }
        let holds = self.settings().validation_life;
        let mail = match ask.page {
            Some(page) => {
                let sign = if page.contains('?') { '&' } else { '?' };
                let link = format!("{page}{sign}callback={}", utf8_percent_encode(&link, NON_ALPHANUMERIC));
                mail::reset_password_by_page(&user.email, &user.username, &link, holds)
            }
            None => mail::reset_password(&user.email, &user.username, &link, holds),
        };
        self.post(mail).await;
        Ok(())
    }

    /// A user must sign in again, or is gone.
    pub(super) async fn end_access(&self, id: &ResourceId, gone: bool) -> Result<(), AccountError> {
        self.end_sessions(id.name(), None).await?;
        if !gone {
            return Ok(self.end_resets(id).await?);
        }
        self.end_keys(id.name()).await?;
        self.forget_links(id).await?;
        self.forget_papers(id).await
    }

    /// Signs a user out everywhere but in one session.
    pub(super) async fn end_sessions(&self, username: &str, except: Option<ResourceId>) -> Result<(), AccountError> {
        let end = EndSessions { username: username.to_owned(), except };
        self.sessions().send(end).await.map_err(|_| StoreError::Stopping)??;
        Ok(())
    }

    /// Deletes all keys of a user.
    async fn end_keys(&self, username: &str) -> Result<(), AccountError> {
        let end = EndKeys { username: username.to_owned() };
        self.sessions().send(end).await.map_err(|_| StoreError::Stopping)??;
        Ok(())
    }
}
