//! Numbers that set a password at the testbed API (`spec/facades.md` 3.5): each is the name of a callback.

use std::time::Duration;

use mf2c_domain::id::ResourceId;
use mf2c_domain::people::callback::Action;
use mf2c_domain::people::mail;
use mf2c_domain::resource;
use mf2c_domain::resource::types::people::callback::is_executable;

use super::SendChallenge;
use super::accounts::{Accounts, after};
use super::error::AccountError;

/// How long a number holds.
const HOLDS: Duration = Duration::from_secs(2 * 3600);
/// The most of one user that hold at a time.
const MOST_OPEN: usize = 5;

impl Accounts {
    pub(super) async fn send_challenge(&self, ask: SendChallenge) -> Result<(), AccountError> {
        let SendChallenge { id, prefix, origin } = ask;
        let (_, user) = self.user(&id)?;
        let action = match user.state.as_str() {
            "ACTIVE" => Action::UserPasswordSet,
            "NEW" if user.method.as_deref() == Some("self-registration") => Action::UserFirstPassword,
            _ => return Err(AccountError::NotActive(id.to_string())),
        };
        self.admit_mail(origin.source)?;
        if self.open(action, &id)? >= MOST_OPEN {
            return Err(AccountError::TooManyChallenges(user.username));
        }
        let is_new = action == Action::UserFirstPassword;
        // Nobody has shown yet that he reads mail to this address.
        if is_new && self.sends_mail() && !self.spares(origin.source, &user.email) {
            tracing::warn!(%id, source = %origin.source, "the address had too many mails of late; none is sent to it");
            return Ok(());
        }
        let number = self.add_numbered(action, &id).await?;
        if !self.sends_mail() {
            tracing::warn!(%id, "no mail server is configured: an administrator finds the user's callback");
            return Ok(());
        }
        let link = format!("{prefix}{number}");
        self.post(mail::password_challenge(&user.email, &user.username, &link, is_new, HOLDS)).await;
        Ok(())
    }

    /// How many callbacks of this kind could be executed now.
    fn open(&self, action: Action, target: &ResourceId) -> Result<usize, AccountError> {
        // No id holds a double quote.
        let filter = format!(r#"action="{}" and state="WAITING" and targetResource/href="{target}""#, action.as_str());
        let mut open = 0;
        for document in self.found("callback", &filter)?.1 {
            let attributes = self.attributes(&document)?;
            open += usize::from(attributes.is_some_and(|callback| is_executable(&callback, self.now())));
        }
        Ok(open)
    }

    /// Stores a callback with a number for its name: 63 bits that nobody can guess within its time.
    async fn add_numbered(&self, action: Action, target: &ResourceId) -> Result<u64, AccountError> {
        let spec = resource::find("callback").ok_or(AccountError::Failed)?;
        let entropy = &*self.world().entropy;
        let waiting = action.waiting(target, after(self.now(), HOLDS));
        let mut draft = spec.prepare_add(waiting, self.now(), entropy)?;
        let mut bytes = [0; 8];
        entropy.fill(&mut bytes);
        let number = u64::from_le_bytes(bytes) >> 1;
        draft.name = Some(number.to_string());
        self.add("callback", draft).await?;
        Ok(number)
    }
}
