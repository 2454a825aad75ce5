//! What was charged before this agent was started, or before it led: caps count on from there.

use mf2c_domain::time::Timestamp;
use mf2c_sla::PenaltyState;
use mf2c_store::StoreError;
use serde_json::Value;

use super::SlaAssessor;
use super::names::key_shown;

/// What the document of a penalty tells: the agreement, the guarantee, and the charge.
fn charge(body: &[u8]) -> Option<(String, String, PenaltyState)> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let text = |path: &str| body.pointer(path).and_then(Value::as_str);
    let state = PenaltyState {
        kind: text("/definition/type")?.to_owned(),
        value: body.pointer("/definition/value")?.as_f64()?,
        unit: text("/definition/unit")?.to_owned(),
        per_window: text("/definition/per") == Some("window"),
        datetime: text("/datetime").and_then(Timestamp::parse)?,
        amount: body.get("amount")?.as_f64()?,
        violation: key_shown(text("/violation/href")?.strip_prefix("sla-violation/")?)?,
    };
    Some((text("/agreement_id/href")?.to_owned(), text("/guarantee")?.to_owned(), state))
}

impl SlaAssessor {
    /// Takes in the penalties that are stored, whoever wrote them, of agreements in which they matter.
    pub(super) fn restore_penalties(&mut self) -> Result<(), StoreError> {
        if !self.index.agreements.values().any(|entry| entry.agreement.counts_charges()) {
            return Ok(());
        }
        for document in self.store.all("sla-penalty") {
            let body = self.store.body(&document)?;
            let Some((agreement, guarantee, state)) = body.and_then(|body| charge(&body)) else { continue };
            let entry = self.index.agreements.get_mut(agreement.as_str());
            if let Some(entry) = entry.filter(|entry| entry.agreement.counts_charges()) {
                let (terms, book) = entry.book();
                book.restore_penalty(terms, &guarantee, &state);
            }
        }
        Ok(())
    }
}
