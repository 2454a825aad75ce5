//! The one home of HTTP errors: each refusal becomes a status and a CIMI message document (`spec/cimi.md` 3.6).

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use mf2c_actors::account_manager::AccountError;
use mf2c_actors::hasher::HashError;
use mf2c_actors::lifecycle_manager::{Trouble, WorkError};
use mf2c_actors::session_manager::SignInError;
use mf2c_auth::passwords::PasswordError;
use mf2c_domain::filter::FilterError;
use mf2c_domain::id::IdError;
use mf2c_domain::query::QueryError;
use mf2c_domain::resource::SchemaError;
use mf2c_store::{NewDocumentError, StoreError};
use serde_json::{Map, Value};

/// What a caller is told who lacks a right.
const CREDENTIALS_REQUIRED: &str = "credentials required";

/// A refusal on its way to the client.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    message: String,
    resource: Option<String>,
    allow: Option<&'static str>,
    retry_after: Option<u32>,
}

impl ApiError {
    /// A refusal with a status and a sentence: what was wrong, what was expected, what to do.
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), resource: None, allow: None, retry_after: None }
    }

    /// 400 with a sentence.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 403: the caller lacks a right, or has not shown who he is.
    #[must_use]
    pub fn forbidden(resource: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, CREDENTIALS_REQUIRED).about(resource)
    }

    /// Whether it is [`ApiError::forbidden`].
    #[must_use]
    pub fn wants_credentials(&self) -> bool {
        self.status == StatusCode::FORBIDDEN && self.message == CREDENTIALS_REQUIRED
    }

    /// The same refusal with a reason.
    #[must_use]
    pub fn because(self, reason: &dyn std::fmt::Display) -> Self {
        Self { message: format!("{}: {reason}", self.message), ..self }
    }

    /// 404 for one resource.
    #[must_use]
    pub fn not_found(id: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("{id} not found")).about(id)
    }

    /// 404 for a path that leads nowhere.
    #[must_use]
    pub fn unknown_resource(uri: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "unknown resource").about(uri)
    }

    /// 405, with the methods that would be allowed.
    #[must_use]
    pub fn invalid_method(method: &str, uri: &str, allow: &'static str) -> Self {
        let message = format!("invalid method ({}) for {uri}", method.to_lowercase());
        Self { allow: Some(allow), ..Self::new(StatusCode::METHOD_NOT_ALLOWED, message).about(uri) }
    }

    /// 503: it could be done, but not now; when to try again, in seconds.
    #[must_use]
    pub fn unavailable(message: impl Into<String>, retry_after: u32) -> Self {
        Self { retry_after: Some(retry_after), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, message) }
    }

    /// 429, or another refusal that ends by itself after so many seconds.
    pub fn later(status: StatusCode, message: impl Into<String>, seconds: u32) -> Self {
        Self { retry_after: Some(seconds), ..Self::new(status, message) }
    }

    /// Names the resource that the error is about.
    #[must_use]
    pub fn about(self, resource: impl Into<String>) -> Self {
        Self { resource: Some(resource.into()), ..self }
    }

    /// Tells the client in how many seconds it may ask again.
    #[must_use]
    pub fn retry_after(self, seconds: u32) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    /// The resource that the error is about.
    #[must_use]
    pub fn resource(&self) -> Option<&str> {
        self.resource.as_deref()
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// In how many seconds the client may ask again, where that is said.
    #[must_use]
    pub fn wait(&self) -> Option<u32> {
        self.retry_after
    }

    /// The message document.
    #[must_use]
    pub fn document(&self) -> Map<String, Value> {
        message(self.status, &self.message, self.resource.as_deref())
    }

    /// The whole answer.
    #[must_use]
    pub fn into_response(self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        if let Some(allow) = self.allow {
            response.insert_header((header::ALLOW, allow));
        }
        if let Some(seconds) = self.retry_after {
            response.insert_header((header::RETRY_AFTER, seconds.to_string()));
        }
        response.json(self.document())
    }
}

/// A CIMI message document.
#[must_use]
pub fn message(status: StatusCode, text: &str, resource: Option<&str>) -> Map<String, Value> {
    let mut document = Map::new();
    document.insert("status".to_owned(), status.as_u16().into());
    document.insert("message".to_owned(), text.into());
    if let Some(resource) = resource {
        document.insert("resource-id".to_owned(), resource.into());
    }
    document
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let text = error.to_string();
        match error {
            StoreError::NotFound { id } => Self::not_found(&id),
            StoreError::Conflict { id } => Self::new(StatusCode::CONFLICT, text).about(id.as_str()),
            StoreError::Forbidden { id } => Self::forbidden(id),
            StoreError::Stale { id, .. } => Self::new(StatusCode::PRECONDITION_FAILED, text).about(id.as_str()),
            StoreError::Elsewhere { id, .. } => Self::new(StatusCode::CONFLICT, text).about(id.as_str()),
            StoreError::Inflow(_) => Self::new(StatusCode::CONFLICT, text),
            StoreError::Schema(_) | StoreError::Cursor(_) => Self::bad_request(text),
            StoreError::TooLarge { .. } => Self::new(StatusCode::PAYLOAD_TOO_LARGE, text),
            StoreError::Full { .. } => {
                Self { retry_after: Some(10), ..Self::new(StatusCode::INSUFFICIENT_STORAGE, text) }
            }
            StoreError::Unavailable { .. } | StoreError::Stopping => {
                Self { retry_after: Some(1), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, text) }
            }
        }
    }
}

impl From<SignInError> for ApiError {
    fn from(error: SignInError) -> Self {
        let text = error.to_string();
        match error {
            SignInError::Invalid { shown } => Self::new(StatusCode::FORBIDDEN, text).about(shown),
            SignInError::Wait(wait) => Self::later(StatusCode::TOO_MANY_REQUESTS, text, wait.seconds()),
            SignInError::Busy => Self::later(StatusCode::SERVICE_UNAVAILABLE, text, 1),
            SignInError::Full { .. } => Self::new(StatusCode::INSUFFICIENT_STORAGE, text),
            SignInError::TooManyOwn { .. } => Self::new(StatusCode::CONFLICT, text),
            SignInError::Nobody => Self::new(StatusCode::FORBIDDEN, text),
            SignInError::NoUser { .. } => Self::new(StatusCode::NOT_FOUND, text),
            SignInError::PasswordLength { .. } => Self::bad_request(text),
            SignInError::NameTaken { .. } => Self::new(StatusCode::CONFLICT, text),
            SignInError::NoPair(_) | SignInError::MakingKeys => Self::unavailable(text, 1),
            SignInError::Name(_) | SignInError::SshKey(_) => Self::bad_request(text),
            SignInError::Store(error) => error.into(),
        }
    }
}

impl From<AccountError> for ApiError {
    fn from(error: AccountError) -> Self {
        let text = error.to_string();
        match error {
            AccountError::Store(error) => error.into(),
            AccountError::Callback(error) => crate::people::callbacks::unusable(&error),
            AccountError::HiddenTemplate(href) => Self::bad_request(text).about(href),
            AccountError::Form(_)
            | AccountError::UnknownMethod(_)
            | AccountError::Password(_)
            | AccountError::NotActive(_)
            | AccountError::NotNew(_)
            | AccountError::AlreadyValidated(_)
            | AccountError::NoNewPassword
            | AccountError::Digest(HashError::Password(PasswordError::TooLong { .. })) => Self::bad_request(text),
            AccountError::NameHolds(_) => Self::new(StatusCode::CONFLICT, text),
            AccountError::Closed | AccountError::WrongPassword => Self::new(StatusCode::FORBIDDEN, text),
            AccountError::TooManyChallenges(_) => Self::new(StatusCode::TOO_MANY_REQUESTS, text),
            AccountError::TooOften(wait) | AccountError::TooManyFailures(wait) => {
                Self::later(StatusCode::TOO_MANY_REQUESTS, text, wait.seconds())
            }
            AccountError::TooManyWaiting => Self::later(StatusCode::SERVICE_UNAVAILABLE, text, 3600),
            AccountError::Digest(_) => Self::later(StatusCode::SERVICE_UNAVAILABLE, text, 1),
            // Nothing has failed, and trying again would not help: the agent is set up to send no mail.
            AccountError::NoMail => Self::new(StatusCode::CONFLICT, text),
            AccountError::Failed => Self::new(StatusCode::INTERNAL_SERVER_ERROR, text),
        }
    }
}

/// Without the details, which only some answers have room for.
impl From<WorkError> for ApiError {
    fn from(error: WorkError) -> Self {
        let text = error.text;
        match error.trouble {
            Trouble::Invalid => Self::bad_request(text),
            Trouble::Forbidden => Self::new(StatusCode::FORBIDDEN, text),
            Trouble::NotFound => Self::new(StatusCode::NOT_FOUND, text),
            Trouble::Reused => Self::new(StatusCode::UNPROCESSABLE_ENTITY, text),
            Trouble::Conflict | Trouble::NoRoom => Self::new(StatusCode::CONFLICT, text),
            Trouble::Unsupported => Self::new(StatusCode::NOT_IMPLEMENTED, text),
            Trouble::Unavailable => Self::unavailable(text, 1),
            Trouble::Failed => Self::new(StatusCode::INTERNAL_SERVER_ERROR, text),
        }
    }
}

impl From<SchemaError> for ApiError {
    fn from(error: SchemaError) -> Self {
        Self::bad_request(error.to_string())
    }
}

impl From<QueryError> for ApiError {
    fn from(error: QueryError) -> Self {
        Self::bad_request(error.to_string())
    }
}

impl From<FilterError> for ApiError {
    fn from(error: FilterError) -> Self {
        Self::bad_request(error.to_string())
    }
}

impl From<IdError> for ApiError {
    fn from(error: IdError) -> Self {
        Self::bad_request(error.to_string())
    }
}

impl From<NewDocumentError> for ApiError {
    fn from(error: NewDocumentError) -> Self {
        match error {
            NewDocumentError::Id(error) => error.into(),
            NewDocumentError::NoOwner => Self::new(StatusCode::FORBIDDEN, error.to_string()),
        }
    }
}
