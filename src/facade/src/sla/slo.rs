//! `GET /agreements/{id}/slo`: budgets of errors and how fast they burn, recounted from the stored reports.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::web;
use mf2c_domain::time::Timestamp;
use mf2c_sla::expression::{Grammar, TimeUnit};
use mf2c_sla::{Agreement, Book, Expressions, Instance, Report, SloReport};
use mf2c_store::{Store, StoreError};
use serde_json::{Value, json};

use super::{Answered, Call, SlaError};

/// The most reports that are counted, the newest.
const MOST_REPORTS: usize = 100_000;

impl Call<'_> {
    pub(super) async fn slo(&self, id: &str) -> Answered {
        let document = self.viewable("agreement", id)?;
        let (body, api) = (self.body(&document)?, self.exchange.api);
        let (store, now, unit) = (Arc::clone(&api.store), api.world.clock.now(), api.settings.sla.unit);
        let counted = web::block(move || recount(&store, document.id.as_str(), &body, now, unit));
        let slos = counted.await.map_err(|_| StoreError::Stopping)??;
        Ok(HttpResponse::Ok().json(slos.iter().map(shown).collect::<Vec<_>>()))
    }
}

/// Reads the reports of all instances with a link to the agreement.
fn recount(store: &Store, id: &str, body: &[u8], now: Timestamp, unit: TimeUnit) -> Result<Vec<SloReport>, SlaError> {
    let mut shared = Expressions::new(Grammar::Extended, unit);
    let agreement = Agreement::read(id, body, &mut shared).map_err(|error| SlaError::bad(error.to_string()))?;
    if agreement.guarantees().iter().all(|guarantee| guarantee.slo().is_none()) {
        return Ok(vec![]);
    }
    let mut instances = std::collections::HashSet::new();
    for document in store.all("service-instance") {
        let Some(body) = store.body(&document)? else { continue };
        let linked = Instance::read(document.id.as_str(), &body).map(|instance| instance.agreement);
        if linked.is_some_and(|linked| linked == id || id.strip_prefix("agreement/") == Some(&linked)) {
            instances.insert(document.id.as_str().to_owned());
        }
    }
    let mut book = Book::open(&agreement, now);
    let (reports, mut findings) = (store.all("service-operation-report"), vec![]);
    for document in reports.iter().skip(reports.len().saturating_sub(MOST_REPORTS)) {
        let Some(body) = store.body(document)? else { continue };
        let Some(report) = Report::read_in(document.id.as_str(), &body, unit) else { continue };
        if instances.contains(report.instance.as_ref()) {
            book.report(&agreement, &report, now, &mut findings);
            findings.clear();
        }
    }
    Ok(book.slo(&agreement, now))
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
