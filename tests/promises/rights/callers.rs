//! Who asks: everybody that a request can come from, and what each sends to be known.

use mf2c_domain::caller::Caller as Known;

/// What somebody may do, whatever he sends to prove it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Not known, or not any more, or not at all who he claims to be.
    Nobody,
    /// A user to whom the document in question does not belong.
    User(&'static str),
    /// The user to whom it belongs.
    Owner,
    /// An administrator.
    Admin,
}

/// One column of the matrix.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) column: &'static str,
    pub(super) standing: Standing,
    /// The headers by which he is known.
    pub(super) headers: Vec<(&'static str, String)>,
}

/// The user to whom the documents belong.
pub(super) const OWNER: &str = "olive";
/// Everybody's password.
pub(super) const PASSWORD: &str = "correct horse battery";
pub(super) const COOKIE: &str = "cookie";
/// The header by which the original let anybody be anybody.
pub(super) const AUTHN_INFO: &str = "slipstream-authn-info";

impl Caller {
    pub(super) fn new(column: &'static str, standing: Standing, headers: &[(&'static str, &str)]) -> Self {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Self { column, standing, headers }
    }

    /// The same as the rooms below know him; `id` is the document in question.
    pub(super) fn known(&self, id: &str) -> Known {
        match self.standing {
            Standing::Nobody => Known::anonymous(),
            Standing::User(name) => Known::new(name, ["USER"]),
            // A session belongs to whoever holds the role of its name.
            Standing::Owner if id.starts_with("session/") => Known::new(OWNER, ["USER", id]),
            Standing::Owner if id.starts_with("user/") => Known::new(id.trim_start_matches("user/"), ["USER"]),
            Standing::Owner => Known::new(OWNER, ["USER"]),
            Standing::Admin => Known::new("ada", ["ADMIN", "USER"]),
        }
    }

    /// Whether a proxy stands between him and the agent.
    pub(super) fn is_forwarded(&self) -> bool {
        self.headers.iter().any(|(name, _)| *name == FORWARDED_FOR)
    }

    /// Whether he may see documents of others.
    pub(super) fn has_rights(&self) -> bool {
        matches!(self.standing, Standing::Owner | Standing::Admin)
    }
}

/// The header by which a proxy tells for whom it asks.
pub(super) const FORWARDED_FOR: &str = "x-forwarded-for";
