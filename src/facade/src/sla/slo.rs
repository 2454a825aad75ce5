//! `GET /agreements/{id}/slo`: budgets of errors and how fast they burn, as who assesses the agreement knows them.

use actix_web::HttpResponse;
use mf2c_actors::sla_assessor::{AskSlo, SloError};
use mf2c_sla::SloReport;
use serde_json::{Value, json};

use super::{Answered, Call, SlaError};
use crate::error::ApiError;

/// In how many seconds it is worth asking again.
const SOON: u32 = 1;

impl Call<'_> {
    pub(super) async fn slo(&self, id: &str) -> Answered {
        let document = self.viewable("agreement", id)?;
        let refused = |error: SloError| match error {
            SloError::NotAssessed => SlaError::bad(error.to_string()),
            SloError::Behind(_) | SloError::Starting => ApiError::unavailable(error.to_string(), SOON).into(),
        };
        let assessor = (self.door.assessor)().ok_or_else(|| refused(SloError::Starting))?;
        let asked = assessor.send(AskSlo(document.id.clone())).await;
        let slos = asked.unwrap_or(Err(SloError::Starting)).map_err(refused)?;
        Ok(HttpResponse::Ok().json(slos.iter().map(shown).collect::<Vec<_>>()))
    }
}

/// A budget as JSON; seconds and shares.
fn shown(slo: &SloReport) -> Value {
    let rates = slo.burn_rates.iter().map(|rate| {
        json!({
            "factor": rate.factor,
            "long_window": rate.long_window,
            "short_window": rate.short_window,
            "long": rate.long,
            "short": rate.short,
            "burning": rate.burning,
        })
    });
    json!({
        "guarantee": slo.guarantee,
        "objective": slo.objective,
        "window": slo.window,
        "total": slo.total,
        "bad": slo.bad,
        "error_rate": slo.error_rate,
        "burn_rate": slo.burn_rate,
        "budget_remaining": slo.budget_remaining,
        "burn_rates": rates.collect::<Vec<_>>(),
    })
}
