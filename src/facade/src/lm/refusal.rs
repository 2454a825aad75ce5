//! Refusals in the original's form: `{"error": true, "message": …}`, with a status that is true.

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use mf2c_actors::lifecycle_manager::{Trouble, WorkError};
use mf2c_domain::id::IdError;
use mf2c_domain::query::QueryError;
use mf2c_store::StoreError;
use serde_json::{Value, json};

use crate::error::ApiError;

/// Why a request at these endpoints fails.
#[derive(Debug)]
pub(crate) struct LmError {
    error: ApiError,
    /// Why each device does not fit.
    explanation: Option<Box<Value>>,
}

impl LmError {
    pub(crate) fn new(status: StatusCode, text: impl Into<String>) -> Self {
        ApiError::new(status, text).into()
    }

    /// 400 with a sentence.
    pub(crate) fn bad(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, text)
    }

    /// 406: in the original's words and with its status, something that is needed is not there.
    pub(crate) fn lacking(names: &str) -> Self {
        Self::new(StatusCode::NOT_ACCEPTABLE, format!("parameter not found: {names}"))
    }

    /// 501: no agent does that.
    pub(crate) fn unsupported(text: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, text)
    }

    /// The same with what CIMI would answer changed.
    pub(crate) fn map(self, change: impl FnOnce(ApiError) -> ApiError) -> Self {
        Self { error: change(self.error), ..self }
    }

    /// The status.
    pub(crate) fn status(&self) -> StatusCode {
        self.error.status()
    }

    /// The sentence.
    pub(crate) fn text(&self) -> Value {
        self.error.document().remove("message").unwrap_or_default()
    }

    /// The refusal as CIMI says it: without an explanation, and 400 for what is missing.
    pub(crate) fn into_api(self) -> ApiError {
        if self.status() != StatusCode::NOT_ACCEPTABLE {
            return self.error;
        }
        ApiError::bad_request(self.text().as_str().unwrap_or_default())
    }

    pub(crate) fn into_response(self) -> HttpResponse {
        let mut body = json!({ "error": true, "message": self.text() });
        if let Some(explanation) = self.explanation {
            body["explanation"] = *explanation;
        }
        let given = self.error.into_response();
        let mut response = HttpResponse::build(given.status());
        for name in [header::ALLOW, header::RETRY_AFTER] {
            if let Some(value) = given.headers().get(&name) {
                response.insert_header((name, value.clone()));
            }
        }
        response.json(body)
    }
}

impl From<ApiError> for LmError {
    fn from(error: ApiError) -> Self {
        Self { error, explanation: None }
    }
}

impl From<WorkError> for LmError {
    fn from(mut error: WorkError) -> Self {
        let explanation = error.details.take().filter(|_| error.trouble == Trouble::NoRoom);
        Self { error: error.into(), explanation }
    }
}

macro_rules! as_cimi_does {
    ($($error:ty),*) => {$(
        impl From<$error> for LmError {
            fn from(error: $error) -> Self {
                ApiError::from(error).into()
            }
        }
    )*};
}

as_cimi_does!(StoreError, IdError, QueryError);

#[cfg(test)]
mod tests {
    use actix_web::body::to_bytes;

    use super::*;

    async fn answered(error: LmError) -> (u16, Option<String>, Value) {
        let response = error.into_response();
        let later = response.headers().get(header::RETRY_AFTER).map(|value| value.to_str().unwrap().to_owned());
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body()).await.unwrap();
        (status, later, serde_json::from_slice(&body).unwrap())
    }

    #[actix_rt::test]
    async fn each_trouble_has_its_status_and_a_sentence() {
        for (trouble, status, later) in [
            (Trouble::Invalid, 400, None),
            (Trouble::Forbidden, 403, None),
            (Trouble::NotFound, 404, None),
            (Trouble::Conflict, 409, None),
            (Trouble::Reused, 422, None),
            (Trouble::NoRoom, 409, None),
            (Trouble::Unsupported, 501, None),
            (Trouble::Unavailable, 503, Some("1")),
            (Trouble::Failed, 500, None),
        ] {
            let found = answered(WorkError::new(trouble, "why").into()).await;
            assert_eq!(found, (status, later.map(str::to_owned), json!({ "error": true, "message": "why" })));
        }
        assert_eq!(answered(LmError::lacking("operation")).await.0, 406);
    }

    #[actix_rt::test]
    async fn where_no_device_fits_each_is_explained_and_other_details_stay_inside() {
        let details = Some(Box::new(json!({ "devices": [] })));
        let error = |trouble| WorkError { trouble, text: "too few".to_owned(), details: details.clone() };
        let (status, _, body) = answered(error(Trouble::NoRoom).into()).await;
        assert_eq!((status, &body["explanation"]), (409, &json!({ "devices": [] })));
        assert_eq!(answered(error(Trouble::Failed).into()).await.2.get("explanation"), None);
    }
}
