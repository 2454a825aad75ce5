//! What the services say of a request that they refuse.

use mf2c_actors::lifecycle_manager::WorkError;
use mf2c_store::StoreError;

use crate::error::ApiError;

/// The kinds of faults, by the original's numbers. Its fourth, of a password that has expired, nobody meets here: passwords have no age.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    /// The caller may not.
    Access,
    /// The request makes no sense.
    Request,
    /// Something here has failed.
    Internal,
    /// The caller is not signed in, or not any more.
    Login,
    /// Nobody has built that.
    Unimplemented,
}

impl Code {
    pub(crate) const fn number(self) -> i32 {
        match self {
            Self::Access => 1,
            Self::Request => 2,
            Self::Internal => 3,
            Self::Login => 5,
            Self::Unimplemented => 6,
        }
    }

    pub(crate) const fn message(self) -> &'static str {
        match self {
            Self::Access => "Access Denied",
            Self::Request => "Badly Formed Request",
            Self::Internal => "Internal Error",
            Self::Login => "Not Logged In",
            Self::Unimplemented => "Unimplemented feature",
        }
    }
}

/// A refusal.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    pub(crate) code: Code,
    pub(crate) detail: String,
}

impl Fault {
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }

    /// The caller may not.
    pub(crate) fn access() -> Self {
        Self::new(Code::Access, "Access denied")
    }

    /// Nobody is signed in with what was shown.
    pub(crate) fn login() -> Self {
        Self::new(Code::Login, "Not logged in")
    }

    /// The request makes no sense.
    pub(crate) fn request(detail: impl Into<String>) -> Self {
        Self::new(Code::Request, detail)
    }

    /// Something here has failed.
    pub(crate) fn internal(detail: impl Into<String>) -> Self {
        Self::new(Code::Internal, detail)
    }

    /// Nobody has built that.
    pub(crate) fn unimplemented(detail: impl Into<String>) -> Self {
        Self::new(Code::Unimplemented, detail)
    }

    /// An operation that a table has and nobody answers.
    pub(crate) fn unanswered(operation: &str) -> Self {
        Self::unimplemented(format!("{operation} is not answered here"))
    }
}

/// A refusal of CIMI's: what the caller may not, what he has asked wrongly, and what has failed.
impl From<ApiError> for Fault {
    fn from(error: ApiError) -> Self {
        if error.wants_credentials() {
            return Self::access();
        }
        let text = error.document().get("message").and_then(|text| text.as_str()).unwrap_or_default().to_owned();
        match error.status().as_u16() {
            401 | 403 => Self::new(Code::Access, text),
            501 => Self::unimplemented(text),
            500.. => Self::internal(text),
            _ => Self::request(text),
        }
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        ApiError::from(error).into()
    }
}

impl From<WorkError> for Fault {
    fn from(error: WorkError) -> Self {
        ApiError::from(error).into()
    }
}
