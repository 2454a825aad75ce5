//! Refusals in the original's form: `{"code":"400","message":"…"}`, the code as a text.

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use mf2c_domain::id::IdError;
use mf2c_domain::query::QueryError;
use mf2c_domain::resource::SchemaError;
use mf2c_sla::expression::Fault;
use mf2c_store::{NewDocumentError, StoreError};
use serde_json::{Value, json};

use crate::error::ApiError;

/// Why a request at these endpoints fails.
#[derive(Debug)]
pub(super) enum SlaError {
    /// What CIMI refuses, for the reason that CIMI gives.
    Api(ApiError),
    /// In the original's words.
    Text(StatusCode, String),
    /// A constraint that cannot be.
    Fault(Box<Fault>),
}

impl SlaError {
    pub(super) fn bad(text: impl Into<String>) -> Self {
        Self::Text(StatusCode::BAD_REQUEST, text.into())
    }

    /// The original's text for what is not there.
    pub(super) fn missing() -> Self {
        Self::Text(StatusCode::NOT_FOUND, "Can't find object".to_owned())
    }

    /// The original's text for what is there already.
    pub(super) fn exists() -> Self {
        Self::Text(StatusCode::CONFLICT, "Object already exist".to_owned())
    }

    pub(super) fn into_response(self) -> HttpResponse {
        match self {
            Self::Api(error) if error.status() == StatusCode::NOT_FOUND => Self::missing().into_response(),
            Self::Api(error) => {
                let (status, text) = (error.status(), error.document().remove("message").unwrap_or_default());
                let given = error.into_response();
                let mut response = HttpResponse::build(status);
                if let Some(seconds) = given.headers().get(header::RETRY_AFTER) {
                    response.insert_header((header::RETRY_AFTER, seconds.clone()));
                }
                response.json(json!({ "code": status.as_str(), "message": text }))
            }
            Self::Text(status, text) => {
                HttpResponse::build(status).json(json!({ "code": status.as_str(), "message": text }))
            }
            Self::Fault(fault) => HttpResponse::BadRequest()
                .json(json!({ "code": "400", "message": fault.to_string(), "fault": shown(&fault) })),
        }
    }
}

/// A fault by its parts.
pub(super) fn shown(fault: &Fault) -> Value {
    let mut shown = json!({
        "position": fault.position,
        "line": fault.line,
        "column": fault.column,
        "message": fault.message,
        "expected": fault.expected,
    });
    if let Some(hint) = &fault.hint {
        shown["hint"] = hint.as_str().into();
    }
    shown
}

impl From<ApiError> for SlaError {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

macro_rules! as_cimi_does {
    ($($error:ty),*) => {$(
        impl From<$error> for SlaError {
            fn from(error: $error) -> Self {
                Self::Api(error.into())
            }
        }
    )*};
}

as_cimi_does!(StoreError, SchemaError, NewDocumentError, IdError, QueryError);
