//! What happens when somebody follows a link (`spec/cimi.md` 9.9).

use mf2c_domain::id::ResourceId;
use mf2c_domain::people::callback::{Action, Callback, CallbackError};
use mf2c_domain::people::names::check_password;
use mf2c_domain::time::Timestamp;
use mf2c_store::{Document, StoreError};
use serde_json::{Value, json};

use super::accounts::Accounts;
use super::error::AccountError;
use super::{Execute, Executed};

/// The most links for one purpose and one account within [`WINDOW`].
const MOST_LINKS: usize = 3;
/// See [`MOST_LINKS`], in nanoseconds: an hour.
const WINDOW: i128 = 3_600_000_000_000;

impl Accounts {
    pub(super) async fn execute(&self, ask: Execute) -> Result<Executed, AccountError> {
        let (document, attributes) = self.read(ask.id.as_str())?;
        let callback = Callback::check(&attributes, self.now())?;
        let (action, target) = match callback.task() {
            Ok(task) => task,
            Err(error) => {
                self.settle(&document, "FAILED").await?;
                return Err(error.into());
            }
        };
        // What can be wrong with what was sent is told while the link still holds.
        let digest = match (action, ask.new_password) {
            (Action::UserPasswordSet | Action::UserFirstPassword, None) => return Err(AccountError::NoNewPassword),
            (Action::UserPasswordSet | Action::UserFirstPassword, Some(password)) => {
                check_password(&password)?;
                Some(self.digest(password).await?)
            }
            _ => None,
        };
        // Claimed before it is done: of two at once, one is too late here.
        self.settle(&document, "SUCCEEDED").await?;
        let done = match action {
            Action::UserEmailValidation => self.activate(&target).await,
            Action::EmailValidation => self.prove(&target).await,
            Action::UserPasswordSet => self.set_password(&target, digest).await,
            Action::UserFirstPassword => self.set_first_password(&target, digest).await,
        };
        if let Err(error) = &done {
            self.withdraw(&document.id, error).await;
        }
        done
    }

    /// Sets the state of this revision of a callback.
    async fn settle(&self, document: &Document, state: &str) -> Result<(), AccountError> {
        match self.edit(document, json!({ "state": state }), &[]).await {
            Ok(_) => Ok(()),
            Err(StoreError::Stale { .. } | StoreError::NotFound { .. }) => Err(CallbackError::NotExecutable.into()),
            Err(error) => Err(error.into()),
        }
    }

    /// A claimed callback was not done: it has failed, or can be tried again where the store was at fault.
    async fn withdraw(&self, id: &ResourceId, why: &AccountError) {
        let state = match why {
            AccountError::Store(StoreError::Full { .. } | StoreError::Unavailable { .. } | StoreError::Stopping) => {
                "WAITING"
            }
            _ => "FAILED",
        };
        if let Some(document) = self.store().get(id.as_str())
            && let Err(error) = self.settle(&document, state).await
        {
            tracing::warn!(%error, "the state of a callback could not be set; it counts as executed");
        }
    }

    async fn activate(&self, id: &ResourceId) -> Result<Executed, AccountError> {
        let (document, user) = self.user(id)?;
        if user.state != "NEW" {
            return Err(AccountError::NotNew(id.to_string()));
        }
        let changes = json!({ "state": "ACTIVE", "activeSince": self.now().to_string() });
        self.edit(&document, changes, &[]).await?;
        if let Err(error) = self.address_proved(id, &user).await {
            tracing::warn!(%id, %error, "the email resource of a user still holds the link");
        }
        Ok(Executed { message: format!("email for {id} successfully validated"), resource: id.clone() })
    }

    /// Marks an `email` as proved.
    async fn prove(&self, id: &ResourceId) -> Result<Executed, AccountError> {
        let (document, attributes) = self.read(id.as_str())?;
        if attributes.get("validated") == Some(&Value::Bool(true)) {
            return Err(AccountError::AlreadyValidated(id.to_string()));
        }
        self.edit(&document, json!({ "validated": true }), &["validationLink"]).await?;
        Ok(Executed { message: format!("{id} successfully validated"), resource: id.clone() })
    }

    async fn set_password(&self, id: &ResourceId, digest: Option<String>) -> Result<Executed, AccountError> {
        let (document, user) = self.user(id)?;
        if user.state != "ACTIVE" {
            return Err(AccountError::NotActive(id.to_string()));
        }
        self.end_resets(id).await?;
        self.edit(&document, json!({ "password": digest }), &[]).await?;
        self.end_sessions(&user.username, None).await?;
        Ok(Executed { message: format!("password for {id} successfully set"), resource: id.clone() })
    }

    /// Whoever was sent the link reads the mail of a new user, and says how he signs in.
    async fn set_first_password(&self, id: &ResourceId, digest: Option<String>) -> Result<Executed, AccountError> {
        let (document, user) = self.user(id)?;
        if user.state != "NEW" {
            return Err(AccountError::NotNew(id.to_string()));
        }
        let changes = json!({ "state": "ACTIVE", "activeSince": self.now().to_string(), "password": digest });
        self.end_resets(id).await?;
        self.edit(&document, changes, &[]).await?;
        if let Err(error) = self.address_proved(id, &user).await {
            tracing::warn!(%id, %error, "the email resource of a user still holds the link");
        }
        Ok(Executed { message: format!("password for {id} successfully set"), resource: id.clone() })
    }

    /// Makes room for one more link: those before it hold no longer. False if there were too many of late.
    pub(super) async fn supersede(&self, action: Action, target: &ResourceId) -> Result<bool, AccountError> {
        // No id holds a double quote.
        let filter = format!(r#"action="{}" and targetResource/href="{target}""#, action.as_str());
        let (_, former) = self.found("callback", &filter)?;
        let now = self.now();
        let mut recent = 0;
        for document in former {
            let Some(attributes) = self.attributes(&document)? else { continue };
            let text = |name: &str| attributes.get(name).and_then(Value::as_str);
            let created = text("created").and_then(Timestamp::parse);
            recent += usize::from(created.is_some_and(|created| now.nanos() - created.nanos() < WINDOW));
            if recent >= MOST_LINKS {
                return Ok(false);
            }
            if text("state") == Some("WAITING") {
                self.settle(&document, "FAILED").await.or_else(|error| match error {
                    AccountError::Callback(_) => Ok(()),
                    error => Err(error),
                })?;
            }
        }
        Ok(true)
    }
}
