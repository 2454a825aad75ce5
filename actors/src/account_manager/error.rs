//! Why something with an account was not done.

use mf2c_domain::people::callback::CallbackError;
use mf2c_domain::people::names::NameError;
use mf2c_domain::people::registration::RegistrationError;
use mf2c_domain::people::throttle::Wait;
use mf2c_store::{NewDocumentError, StoreError};
use thiserror::Error;

use crate::hasher::HashError;

/// A refusal.
#[derive(Debug, Error)]
pub enum AccountError {
    /// The form for a new account is wrong.
    #[error(transparent)]
    Form(#[from] RegistrationError),
    /// The template cannot be seen by the caller.
    #[error("requested href cannot be accessed: {0}")]
    HiddenTemplate(String),
    /// The template is of a method that makes no accounts.
    #[error("invalid registration method '{0}'")]
    UnknownMethod(String),
    /// Nobody may register.
    #[error("registration is closed here: ask an administrator for an account")]
    Closed,
    /// Too many have registered and not proved their addresses.
    #[error("too many accounts wait for their validation: try again later")]
    TooManyWaiting,
    /// Too often for now.
    #[error("too many requests: wait {} s and try again", .0.seconds())]
    TooOften(Wait),
    /// Too many wrong passwords.
    #[error(transparent)]
    TooManyFailures(Wait),
    /// A password cannot be set.
    #[error(transparent)]
    Password(#[from] NameError),
    /// The present password is wrong.
    #[error("the current password is wrong")]
    WrongPassword,
    /// Nobody may sign in as that user.
    #[error("{0} is not in the 'ACTIVE' state")]
    NotActive(String),
    /// It has been validated before, or is barred.
    #[error("{0} is not in the 'NEW' state")]
    NotNew(String),
    /// The address has been proved before.
    #[error("{0} is already validated")]
    AlreadyValidated(String),
    /// No password was sent along.
    #[error("this link sets a new password: send it by POST, as {{\"new-password\": \"…\"}}")]
    NoNewPassword,
    /// No mail server is configured.
    #[error("no mail can be sent: no mail server is configured, ask an administrator")]
    NoMail,
    /// Too many numbers wait that would set the password of one user.
    #[error("Too many open challenges for {0}")]
    TooManyChallenges(String),
    /// Something of the testbed is a former user's of the name that is asked for.
    #[error(
        "{0} cannot be made: something of the testbed belongs to a former user of this name still; the log says what"
    )]
    NameHolds(String),
    /// A callback is not executed.
    #[error(transparent)]
    Callback(#[from] CallbackError),
    /// Too many passwords are being digested, or one cannot be.
    #[error(transparent)]
    Digest(#[from] HashError),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A fault of the agent.
    #[error("the request failed by a fault of the agent; see the log")]
    Failed,
}

impl From<NewDocumentError> for AccountError {
    fn from(error: NewDocumentError) -> Self {
        tracing::error!(%error, "a document of an account cannot be made");
        Self::Failed
    }
}

impl From<mf2c_domain::resource::SchemaError> for AccountError {
    fn from(error: mf2c_domain::resource::SchemaError) -> Self {
        Self::Store(error.into())
    }
}
