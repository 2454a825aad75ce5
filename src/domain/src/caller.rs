//! Who asks: the identity and roles that a request was proved to carry.

use std::sync::Arc;

/// The authenticated sender of a request. Only the facade makes one, from what it has checked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Caller {
    identity: Option<Arc<str>>,
    roles: Arc<[Box<str>]>,
}

impl Caller {
    /// Somebody unknown; holds the role `ANON` and no other.
    #[must_use]
    pub fn anonymous() -> Self {
        Self { identity: None, roles: Arc::new(["ANON".into()]) }
    }

    /// The agent itself, with every right.
    #[must_use]
    pub fn agent() -> Self {
        Self::new("internal", ["ADMIN"])
    }

    /// A named caller with roles; `ANON` is always added.
    #[must_use]
    pub fn new<'a>(identity: &str, roles: impl IntoIterator<Item = &'a str>) -> Self {
        let mut held: Vec<Box<str>> = roles.into_iter().map(Into::into).collect();
        if !held.iter().any(|role| &**role == "ANON") {
            held.push("ANON".into());
        }
        Self { identity: Some(identity.into()), roles: held.into() }
    }

    /// The name the caller goes by; none for an anonymous one.
    #[must_use]
    pub fn identity(&self) -> Option<&str> {
        self.identity.as_deref()
    }

    /// Whether the caller holds `role`. Everybody holds `ANON`.
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|held| &**held == role)
    }

    /// Whether the caller may do anything.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.has_role("ADMIN")
    }
}
