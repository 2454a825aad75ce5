//! Why nobody was signed in, or no key was made.

use mf2c_domain::id::IdError;
use mf2c_domain::people::throttle::Wait;
use mf2c_domain::resource::SchemaError;
use mf2c_pki::ssh::SshKeyError;
use mf2c_store::{NewDocumentError, StoreError};
use thiserror::Error;

use crate::hasher::HashError;

/// The most characters of a name that a message repeats.
const MAX_SHOWN: usize = 80;

/// Why nobody was signed in, or no key was made.
#[derive(Debug, Error)]
pub enum SignInError {
    /// The proof proves nothing. What is wrong with it is not told.
    #[error("invalid credentials for '{shown}'")]
    Invalid {
        /// The name or key, cut to a readable length, with control characters escaped.
        shown: String,
    },
    /// Too many failures.
    #[error(transparent)]
    Wait(#[from] Wait),
    /// Too much is going on.
    #[error("too many sign in at the moment: try again in a moment")]
    Busy,
    /// There are as many as are stored at most.
    #[error("there are {limit} of type {kind} already: delete some that are not used any more")]
    Full {
        /// The type.
        kind: &'static str,
        /// The most that are stored.
        limit: usize,
    },
    /// The user has too many credentials.
    #[error("there are {limit} credentials of this user already: delete some that are not used any more")]
    TooManyOwn {
        /// The most that one user has.
        limit: usize,
    },
    /// Nobody asks.
    #[error("credentials required")]
    Nobody,
    /// There is no such user.
    #[error("there is no user `{shown}`: `mf2c user list` shows all")]
    NoUser {
        /// The name.
        shown: String,
    },
    /// The password is too short or too long.
    #[error("the password has {len} bytes: expected 8 to 1024")]
    PasswordLength {
        /// Its length.
        len: usize,
    },
    /// The user has a key of this name.
    #[error("there is a key `{shown}` of this user already: choose another name, or delete that one")]
    NameTaken {
        /// The name, cut to a readable length, with control characters escaped.
        shown: String,
    },
    /// The name is none for a key.
    #[error(transparent)]
    Name(#[from] SchemaError),
    /// The text is no public key.
    #[error("{0}")]
    SshKey(String),
    /// No pair could be made.
    #[error("{0}")]
    NoPair(String),
    /// Too many pairs are made.
    #[error("too many keys are being made at the moment: try again in a moment, or bring a public key")]
    MakingKeys,
    /// The store cannot write.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<SshKeyError> for SignInError {
    fn from(error: SshKeyError) -> Self {
        match error {
            SshKeyError::Make => Self::NoPair(error.to_string()),
            _ => Self::SshKey(error.to_string()),
        }
    }
}

impl SignInError {
    /// The proof is no good.
    pub(super) fn invalid(name: &str) -> Self {
        Self::Invalid { shown: shown(name) }
    }
}

/// A client's text as a message may repeat it.
pub(super) fn shown(name: &str) -> String {
    let mut shown: String = name.chars().take(MAX_SHOWN).flat_map(char::escape_debug).collect();
    if name.chars().nth(MAX_SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

impl From<HashError> for SignInError {
    fn from(_: HashError) -> Self {
        Self::Busy
    }
}

impl From<actix::MailboxError> for SignInError {
    fn from(_: actix::MailboxError) -> Self {
        Self::Store(StoreError::Stopping)
    }
}

impl From<NewDocumentError> for SignInError {
    fn from(_: NewDocumentError) -> Self {
        Self::Nobody
    }
}

impl From<IdError> for SignInError {
    fn from(_: IdError) -> Self {
        Self::Busy
    }
}
