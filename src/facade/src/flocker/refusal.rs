//! Refusals in the words of the interface: an object with a `description`, and pages for paths and verbs that are not there.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, ContentType, HeaderValue};
use mf2c_domain::id::IdError;
use mf2c_store::StoreError;
use serde_json::json;

use crate::error::ApiError;

/// Why a request fails.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    description: String,
    errors: Vec<String>,
    closes: bool,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, description: impl Into<String>) -> Self {
        Self { status, description: description.into(), errors: vec![], closes: false }
    }

    pub(super) fn forbidden(description: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, description)
    }

    pub(super) fn conflict(description: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, description)
    }

    /// 404 for a `Container`, `Dataset` or `Lease`.
    pub(super) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("{what} not found."))
    }

    /// 400 for a body that is no JSON; for one that is, and whose meaning is not sure, also why.
    pub(super) fn undecodable(error: &serde_json::Error) -> Self {
        let text = "The request body could not be decoded according to the value of the\nContent-Type header.";
        let errors = if error.is_data() { vec![error.to_string()] } else { vec![] };
        Self { errors, ..Self::new(StatusCode::BAD_REQUEST, text) }
    }

    /// 400 for a body that does not keep the rules.
    pub(super) fn schema(errors: Vec<String>) -> Self {
        let text = "The provided JSON doesn't match the required schema.";
        Self { errors, ..Self::new(StatusCode::BAD_REQUEST, text) }
    }

    /// The same, after which the connection ends.
    pub(super) fn closing(self) -> Self {
        Self { closes: true, ..self }
    }

    pub(super) fn into_response(self) -> HttpResponse {
        let mut body = json!({ "description": self.description });
        if !self.errors.is_empty() {
            body["errors"] = self.errors.into();
        }
        let mut answer = HttpResponse::build(self.status);
        if self.closes {
            answer.force_close();
        }
        answer.json(body)
    }
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        let text = error.document().remove("message").unwrap_or_default();
        Self::new(error.status(), text.as_str().unwrap_or_default())
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        ApiError::from(error).into()
    }
}

impl From<IdError> for Refusal {
    fn from(error: IdError) -> Self {
        ApiError::from(error).into()
    }
}

/// A page, as the original's server had it for what is not there.
pub(super) fn page(status: StatusCode, sentence: &str) -> HttpResponse {
    let text = format!("<!DOCTYPE html>\n<title>{status}</title>\n<h1>{status}</h1>\n<p>{sentence}</p>\n");
    HttpResponse::build(status).content_type(ContentType::html()).body(text)
}

/// 405 with the methods that there are.
pub(super) fn wrong_verb(allowed: &'static str) -> HttpResponse {
    let mut answer = page(StatusCode::METHOD_NOT_ALLOWED, "this address does not know the method of the request");
    answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    answer
}

/// 404 for a path that leads nowhere.
pub(super) fn nowhere() -> HttpResponse {
    page(StatusCode::NOT_FOUND, "there is nothing at this address")
}
