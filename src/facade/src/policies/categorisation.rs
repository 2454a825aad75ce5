//! Categorisation's calls (cluster specification, e). It runs as long as the agent does and follows the role by itself, so
//! that nothing is left to be started or switched.

use actix_web::HttpResponse;
use actix_web::http::{Method, StatusCode};
use serde_json::json;

use super::{CATEGORISATION, Call};
use crate::error::ApiError;

impl Call<'_> {
    pub(super) fn categorisation(&self) -> Result<HttpResponse, ApiError> {
        let path = self.exchange.request.path();
        match path.strip_prefix(CATEGORISATION).unwrap_or(path).trim_matches('/') {
            "start" => {
                self.only(&[Method::GET, Method::POST], "GET, POST")?;
                self.authority.may_change(self.exchange)?;
                // The original's answer to the second start.
                let message = "categorisation runs since the agent was started";
                Ok(HttpResponse::Ok().json(json!({ "error": true, "message": message })))
            }
            "leader-switch" => {
                self.only(&[Method::GET], "GET")?;
                self.authority.may_change(self.exchange)?;
                let leads = self.policies.standing().leads();
                Ok(HttpResponse::Ok().json(json!({ "error": false, "isLeader": leads })))
            }
            "run" => self.reading(|| (StatusCode::OK, json!({ "running": true }))),
            _ => Err(ApiError::unknown_resource(path)),
        }
    }
}
