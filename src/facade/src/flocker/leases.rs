//! `/v1/configuration/leases`: who holds a dataset, and for how long.

use std::time::Duration;

use actix_web::HttpResponse;
use mf2c_actors::flocker::documents::{DATASET, LEASE, Lease, attributes, read};
use mf2c_domain::caller::Caller;
use mf2c_domain::resource::types::flocker::lease;
use mf2c_domain::time::Timestamp;
use mf2c_store::Document;
use serde_json::{Value, json};

use super::refusal::Refusal;
use super::{Answered, Call, Found, bodies, is_from_here};

impl Call<'_> {
    pub(super) fn leases(&self) -> HttpResponse {
        let now = self.now();
        let found = self.known_leases();
        let shown: Vec<Value> = found.iter().map(|found| shown(found.document.id.name(), &found.is, now)).collect();
        HttpResponse::Ok().json(shown)
    }

    /// The leases that hold, as far as the caller may see them, in the order of their datasets.
    pub(super) fn known_leases(&self) -> Vec<Found<Lease>> {
        let now = self.now();
        let mut found = self.all::<Lease>(LEASE);
        found.retain(|found| found.is.holds(now) && self.may_see_lease(&found.document));
        found.sort_by(|one, other| one.document.id.cmp(&other.document.id));
        found
    }

    /// Also who may change a dataset sees its leases, whosever they are.
    fn may_see_lease(&self, lease: &Document) -> bool {
        lease.acl.can_view(self.caller()) || self.may_change_dataset(lease.id.name())
    }

    fn may_change_dataset(&self, dataset: &str) -> bool {
        let document = self.store().get(&format!("{DATASET}/{dataset}"));
        document.is_some_and(|document| document.acl.can_modify(self.caller()))
    }

    fn now(&self) -> Timestamp {
        self.exchange.api.world.clock.now()
    }

    /// The lease of a dataset, whoever may see it, and whether it still holds or not.
    fn any_lease(&self, dataset: &str) -> Option<Found<Lease>> {
        let document = self.store().get(&format!("{LEASE}/{dataset}"))?;
        Some(Found { is: read(self.store(), &document)?, document })
    }

    /// The lease of a dataset, if it holds, whoever may see it.
    pub(super) fn held_lease(&self, dataset: &str) -> Option<Found<Lease>> {
        let now = self.now();
        self.any_lease(dataset).filter(|found| found.is.holds(now))
    }

    pub(super) async fn add_lease(&self, body: &Value) -> Answered {
        let (dataset, node, seconds) = bodies::lease(body).map_err(Refusal::schema)?;
        self.may_add()?;
        let _turn = self.door.configuring.lock().await;
        if let Some(document) = self.store().get(&format!("{DATASET}/{dataset}")) {
            if !document.acl.can_view(self.caller()) {
                return Err(Refusal::not_found("Dataset"));
            }
            self.may_change(&document)?;
        }
        let now = self.now();
        let after = |seconds: f64| {
            Timestamp::from_nanos(now.nanos() + Duration::from_secs_f64(seconds).as_nanos().cast_signed())
        };
        let until = seconds.map(|seconds| after(seconds).to_string());
        let new = Lease { node, until };
        // As it was asked for, without the moment that has passed.
        let answer = json!({ "dataset_id": dataset, "node_uuid": new.node, "expires": seconds });
        match self.any_lease(&dataset) {
            Some(held) if held.is.holds(now) => {
                let is_his = held.is.node == new.node && held.document.acl.can_modify(self.caller());
                if !is_his {
                    return Err(Refusal::conflict("Lease already held."));
                }
                self.may_change(&held.document)?;
                let removed: &[&str] = if new.until.is_none() { &["until"] } else { &[] };
                self.edit(&held.document.id, attributes(&new), removed).await?;
                return Ok(HttpResponse::Ok().json(answer));
            }
            // It has ended, whosever it was.
            Some(ended) => self.delete(&ended.document.id, Caller::agent()).await?,
            None => {}
        }
        self.room_for(LEASE, "leases", |lease: &Lease| lease.holds(now))?;
        self.add(&lease::SPEC, Some(dataset), &new).await?;
        Ok(HttpResponse::Created().json(answer))
    }

    pub(super) async fn remove_lease(&self, id: &str) -> Answered {
        let _turn = self.door.configuring.lock().await;
        let found = self.held_lease(&id.to_lowercase()).filter(|found| self.may_see_lease(&found.document));
        let found = found.ok_or_else(|| Refusal::not_found("Lease"))?;
        let id = &found.document.id;
        let by = if self.may_change_dataset(id.name()) {
            is_from_here(&found.document)?;
            Caller::agent()
        } else {
            self.may_change(&found.document)?;
            self.caller().clone()
        };
        self.delete(id, by).await?;
        tracing::info!(dataset = id.name(), user = self.who.name, "a lease is ended");
        Ok(HttpResponse::Ok().json(shown(id.name(), &found.is, self.now())))
    }
}

/// A lease as its clients see it: with the seconds that are left.
fn shown(dataset: &str, lease: &Lease, now: Timestamp) -> Value {
    let left = lease.end().map(|end| u64::try_from(end.nanos() - now.nanos()).unwrap_or_default());
    let left = left.map(|nanos| Duration::from_nanos(nanos).as_secs_f64());
    json!({ "dataset_id": dataset, "node_uuid": lease.node, "expires": left })
}
