//! What answers show, before it has a format.

use mf2c_domain::people::keyring::{Content, Key};

use super::KeyType;

/// One key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ShownKey {
    pub(super) name: String,
    /// Where it is: an absolute address.
    pub(super) href: String,
    /// Whether the caller may delete it here.
    pub(super) destroyable: bool,
    pub(super) content: Content,
    /// The private key, of one that was made just now.
    pub(super) pem: Option<String>,
}

impl ShownKey {
    pub(super) fn of(key: Key, href: String, destroyable: bool) -> Self {
        Self { name: key.name, href, destroyable, content: key.content, pem: None }
    }

    /// What it is, in Deltacloud's words.
    pub(super) const fn kind(&self) -> KeyType {
        match self.content {
            Content::Ssh { .. } => KeyType::Key,
            Content::Login { .. } => KeyType::Password,
        }
    }

    pub(super) fn fingerprint(&self) -> Option<&str> {
        match &self.content {
            Content::Ssh { fingerprint, .. } => Some(fingerprint),
            Content::Login { .. } => None,
        }
    }

    pub(super) fn public_key(&self) -> Option<&str> {
        match &self.content {
            Content::Ssh { public_key, .. } => Some(public_key),
            Content::Login { .. } => None,
        }
    }

    /// The name and the password of a login.
    pub(super) fn login(&self) -> Option<(&str, &str)> {
        match &self.content {
            Content::Login { username, password } => Some((username, password)),
            Content::Ssh { .. } => None,
        }
    }

    /// A login has a state that says nothing.
    pub(super) fn state(&self) -> &str {
        match &self.content {
            Content::Ssh { state, .. } => state,
            Content::Login { .. } => "",
        }
    }
}

/// A place to go on from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) rel: &'static str,
    pub(super) href: String,
}

/// The entry point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ShownApi {
    pub(super) driver: String,
    /// The provider that the client has named.
    pub(super) provider: Option<String>,
    pub(super) links: Vec<Link>,
}

/// A driver: what stands behind the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ShownDriver {
    pub(super) id: String,
    pub(super) href: String,
}

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ShownError {
    pub(super) status: u16,
    pub(super) message: String,
    /// The path that was asked for.
    pub(super) url: String,
    pub(super) driver: String,
    pub(super) provider: String,
    pub(super) parameters: Vec<(&'static str, String)>,
}

impl ShownError {
    /// The name of the refusal among the exceptions of Deltacloud's server.
    pub(super) const fn exception(&self) -> &'static str {
        match self.status {
            400 | 408 | 411 | 413 | 414 | 431 => "Deltacloud::Exceptions::ValidationFailure",
            401 => "Deltacloud::Exceptions::AuthenticationFailure",
            403 => "Deltacloud::Exceptions::Forbidden",
            404 => "Deltacloud::Exceptions::ObjectNotFound",
            405 => "Deltacloud::Exceptions::MethodNotAllowed",
            409 => "Deltacloud::Exceptions::Conflict",
            415 => "Deltacloud::Exceptions::UnknownMediaTypeError",
            501 => "Deltacloud::Exceptions::NotSupported",
            504 => "Deltacloud::Exceptions::ProviderTimeout",
            429 | 502 | 503 | 507 => "Deltacloud::Exceptions::ProviderError",
            _ => "Deltacloud::Exceptions::BackendError",
        }
    }
}
