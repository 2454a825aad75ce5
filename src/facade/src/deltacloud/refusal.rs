//! What is refused, on its way to a document in the client's format.

use actix_web::http::StatusCode;
use mf2c_actors::session_manager::SignInError;
use mf2c_store::StoreError;

use super::form::FormError;
use crate::error::ApiError;

/// A refusal.
#[derive(Debug)]
pub(super) enum Refusal {
    /// One with a document.
    Document(Refused),
    /// The client takes no format in which there is an answer: 406 without a body.
    NotAcceptable,
    /// One as Deltacloud's server words it, in a text that it calls HTML.
    Text(StatusCode, String),
}

/// What the document says, and what goes with it.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) status: StatusCode,
    pub(super) message: String,
    /// Whether the client is told how to show who it is.
    pub(super) challenge: bool,
    pub(super) allow: Option<&'static str>,
    pub(super) retry_after: Option<u32>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        let message = message.into();
        Self::Document(Refused { status, message, challenge: false, allow: None, retry_after: None })
    }

    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "Not Found")
    }

    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub(super) fn unsupported(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, message)
    }

    /// 401, with the way to do better.
    pub(super) fn unauthorized(message: impl Into<String>) -> Self {
        let (status, message) = (StatusCode::UNAUTHORIZED, message.into());
        Self::Document(Refused { status, message, challenge: true, allow: None, retry_after: None })
    }

    pub(super) fn method(allow: &'static str) -> Self {
        let (status, message) = (StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed".to_owned());
        Self::Document(Refused { status, message, challenge: false, allow: Some(allow), retry_after: None })
    }

    /// Whether nobody was recognized.
    pub(super) fn is_unauthorized(&self) -> bool {
        matches!(self, Self::Document(refused) if refused.status == StatusCode::UNAUTHORIZED)
    }
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        let message = error.document().get("message").and_then(|text| text.as_str().map(str::to_owned));
        Self::Document(Refused {
            status: error.status(),
            message: message.unwrap_or_default(),
            challenge: false,
            allow: None,
            retry_after: error.wait(),
        })
    }
}

impl From<SignInError> for Refusal {
    fn from(error: SignInError) -> Self {
        match error {
            SignInError::Invalid { .. } => Self::unauthorized("Authentication Failure"),
            SignInError::NameTaken { .. } => Self::new(StatusCode::FORBIDDEN, "Key with same name already exists"),
            error => ApiError::from(error).into(),
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        ApiError::from(error).into()
    }
}

impl From<FormError> for Refusal {
    fn from(error: FormError) -> Self {
        let status = match error {
            FormError::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            _ => StatusCode::BAD_REQUEST,
        };
        Self::new(status, error.to_string())
    }
}
