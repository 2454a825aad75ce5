//! Who asks: the identity and roles that a request was proved to carry.

use std::sync::Arc;

use crate::time::Timestamp;

/// The authenticated sender of a request. Only the facade makes one, from what it has checked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Caller {
    identity: Option<Arc<str>>,
    roles: Arc<[Box<str>]>,
    /// Until when the proof holds; none where it has no end.
    until: Option<Timestamp>,
    /// The serial number of the certificate that is the proof.
    certificate: Option<Arc<str>>,
}

impl Caller {
    /// Somebody unknown; holds the role `ANON` and no other.
    #[must_use]
    pub fn anonymous() -> Self {
        Self { identity: None, roles: Arc::new(["ANON".into()]), until: None, certificate: None }
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
        Self { identity: Some(identity.into()), roles: held.into(), until: None, certificate: None }
    }

    /// The same caller, by a proof that holds until then.
    #[must_use]
    pub fn until(self, end: Timestamp) -> Self {
        Self { until: Some(end), ..self }
    }

    /// The same caller, proved by the certificate of this serial number.
    #[must_use]
    pub fn by_certificate(self, serial: &str) -> Self {
        Self { certificate: Some(serial.into()), ..self }
    }

    /// The serial number of the certificate that proves the caller; none where something else does.
    #[must_use]
    pub fn certificate(&self) -> Option<&str> {
        self.certificate.as_deref()
    }

    /// Until when the proof holds; none where it has no end.
    #[must_use]
    pub fn ends(&self) -> Option<Timestamp> {
        self.until
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

    /// The roles that the caller holds.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.roles.iter().map(|role| &**role)
    }

    /// The session that the caller is signed in with, which is one of his roles; none for who has no session.
    #[must_use]
    pub fn session(&self) -> Option<&str> {
        self.roles().find(|role| role.starts_with("session/"))
    }

    /// Whether what proved the caller still holds at `now`. Whether his session is still there, the store knows.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|end| now < end)
    }

    /// Whether the caller may do anything.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.has_role("ADMIN")
    }
}
