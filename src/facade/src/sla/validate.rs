//! `POST /expressions/validate`: whether a constraint can be, and how it was understood.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::web::Payload;
use mf2c_sla::expression::Grammar;
use mf2c_sla::{Expressions, check_constraint};
use serde_json::json;

use super::{Answered, Call, SlaError, shape};

impl Call<'_> {
    /// 200 with the expression in canonical form and what it is made of; 400 with the fault.
    pub(super) async fn validate(&self, payload: Payload) -> Answered {
        let _ = self.somebody()?;
        let body = self.object(payload).await?;
        let given = ["expression", "constraint"].into_iter().find(|name| body.contains_key(*name));
        let text = given.and_then(|name| body.get(name)?.as_str()).ok_or_else(|| {
            SlaError::bad("the body holds no `expression`: expected such as {\"expression\": \"execution_time < 10\"}")
        })?;
        let grammar = match shape::text(&body, "grammar") {
            "" | "extended" => Grammar::Extended,
            "original" => Grammar::Original,
            _ => return Err(SlaError::bad("`grammar` is neither `extended` nor `original`")),
        };
        let mut shared = Expressions::new(grammar, self.exchange.api.settings.sla.unit);
        let read = check_constraint(text, &mut shared);
        let expression = read.map_err(|fault| SlaError::Fault(Box::new(Arc::unwrap_or_clone(fault))))?;
        Ok(HttpResponse::Ok().json(json!({
            "valid": true,
            "expression": expression.to_string(),
            "variables": expression.variables(),
            "calls": expression.calls().iter().map(ToString::to_string).collect::<Vec<_>>(),
        })))
    }
}
