//! What waits behind a link (`spec/cimi.md` 9.9): which actions there are, and whether one may be done.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::id::ResourceId;
use crate::resource::types::people::callback::is_executable;
use crate::time::Timestamp;

/// What a callback does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Makes a new user one who can sign in.
    UserEmailValidation,
    /// Marks an `email` as proved.
    EmailValidation,
    /// Sets the password of a user who has forgotten it.
    UserPasswordSet,
    /// Sets the first password of a new user, who can sign in from then on: whoever was sent the link reads his mail.
    UserFirstPassword,
}

/// A callback as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Callback {
    /// The name of its action.
    pub action: String,
    /// How far it is.
    pub state: String,
    /// What it is about.
    #[serde(rename = "targetResource")]
    pub target: Option<Target>,
    /// Until when it can be executed.
    pub expires: Option<String>,
}

/// A link to a resource.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Target {
    /// Its id.
    pub href: String,
}

/// Why a callback is not executed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CallbackError {
    /// It was executed, has failed or is too old.
    #[error("cannot re-execute callback")]
    NotExecutable,
    /// Nobody knows what it is to do.
    #[error("the action `{0}` of the callback is unknown: it has failed and is not executed again")]
    UnknownAction(String),
    /// What it is about is of another type, or not named.
    #[error("the callback names no {0}: it has failed and is not executed again")]
    WrongTarget(&'static str),
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::UserEmailValidation, Self::EmailValidation, Self::UserPasswordSet, Self::UserFirstPassword];

    /// Its name in documents.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UserEmailValidation => "user-email-validation",
            Self::EmailValidation => "email-validation",
            Self::UserPasswordSet => "user-password-set",
            Self::UserFirstPassword => "user-first-password",
        }
    }

    /// Whether it sets a password: it is worthless once a password was set in any way.
    #[must_use]
    pub fn sets_password(self) -> bool {
        matches!(self, Self::UserPasswordSet | Self::UserFirstPassword)
    }

    /// The type of what it is about.
    #[must_use]
    pub fn target_type(self) -> &'static str {
        match self {
            Self::UserEmailValidation | Self::UserPasswordSet | Self::UserFirstPassword => "user",
            Self::EmailValidation => "email",
        }
    }

    /// The attributes of a callback that waits until `expires`.
    #[must_use]
    pub fn waiting(self, target: &ResourceId, expires: Timestamp) -> Map<String, Value> {
        let callback = json!({
            "action": self.as_str(),
            "state": "WAITING",
            "targetResource": { "href": target.as_str() },
            "expires": expires.to_string(),
        });
        callback.as_object().cloned().unwrap_or_default()
    }
}

impl Callback {
    /// Whether it may be executed at `now`.
    ///
    /// # Errors
    /// [`CallbackError::NotExecutable`].
    pub fn check(document: &Map<String, Value>, now: Timestamp) -> Result<Self, CallbackError> {
        if !is_executable(document, now) {
            return Err(CallbackError::NotExecutable);
        }
        serde_json::from_value(Value::Object(document.clone())).map_err(|_| CallbackError::NotExecutable)
    }

    /// What it does, and to what.
    ///
    /// # Errors
    /// [`CallbackError::UnknownAction`] and [`CallbackError::WrongTarget`]: it can never succeed.
    pub fn task(&self) -> Result<(Action, ResourceId), CallbackError> {
        let action = Action::ALL.into_iter().find(|action| action.as_str() == self.action);
        let action = action.ok_or_else(|| CallbackError::UnknownAction(self.action.chars().take(60).collect()))?;
        let target = self.target.as_ref().and_then(|target| ResourceId::parse(&target.href).ok());
        let target = target.filter(|target| target.kind() == action.target_type());
        target.map(|target| (action, target)).ok_or(CallbackError::WrongTarget(action.target_type()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_560_535_584_203);
    const LATER: Timestamp = Timestamp::from_millis(1_560_535_584_204);

    fn user(name: &str) -> ResourceId {
        ResourceId::new("user", name).unwrap()
    }

    #[test]
    fn a_waiting_callback_can_be_executed_until_it_expires() {
        let waiting = Action::UserEmailValidation.waiting(&user("github/some.body@example.org"), LATER);
        let callback = Callback::check(&waiting, NOW).unwrap();
        assert_eq!(callback.task(), Ok((Action::UserEmailValidation, user("github/some.body@example.org"))));
        assert_eq!(Callback::check(&waiting, LATER), Err(CallbackError::NotExecutable));
        for state in ["SUCCEEDED", "FAILED"] {
            let mut done = waiting.clone();
            done.insert("state".to_owned(), state.into());
            assert_eq!(Callback::check(&done, NOW), Err(CallbackError::NotExecutable), "{state}");
        }
        let mut endless = waiting;
        endless.remove("expires");
        assert!(Callback::check(&endless, LATER).is_ok());
    }

    #[test]
    fn what_can_never_succeed_is_told_apart() {
        let task = |callback: Value| Callback::check(callback.as_object().unwrap(), NOW).unwrap().task();
        let of =
            |action: &str, href: &str| json!({"action": action, "state": "WAITING", "targetResource": {"href": href}});
        assert_eq!(task(of("x", "email/1")), Err(CallbackError::UnknownAction("x".to_owned())));
        assert_eq!(task(of("user-password-set", "email/1")), Err(CallbackError::WrongTarget("user")));
        assert_eq!(
            task(json!({"action": "email-validation", "state": "WAITING"})),
            Err(CallbackError::WrongTarget("email"))
        );
    }

    proptest! {
        #[test]
        fn what_is_waiting_does_what_it_was_made_for(which in 0usize..4, name in "[a-z0-9]{1,12}", ahead in 1i64..1000) {
            let action = Action::ALL[which];
            let target = ResourceId::new(action.target_type(), &name).unwrap();
            let expires = Timestamp::from_millis(1_560_535_584_203 + ahead);
            let callback = Callback::check(&action.waiting(&target, expires), NOW).unwrap();
            prop_assert_eq!(callback.task(), Ok((action, target)));
        }
    }
}
