//! `/v1/configuration/datasets`: which volumes there shall be, and where.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use mf2c_actors::flocker::documents::{DATASET, Dataset, read};
use mf2c_domain::entropy::uuid_v4;
use mf2c_domain::resource::types::flocker::dataset;
use serde_json::{Map, Value, json};

use super::refusal::Refusal;
use super::tag::TAG;
use super::{Answered, Call, Found, bodies};

impl Call<'_> {
    pub(super) fn datasets(&self) -> HttpResponse {
        let shown: Vec<Value> = self.known_datasets().iter().map(|(id, dataset)| shown(id, dataset)).collect();
        HttpResponse::Ok().insert_header((TAG, self.tag())).json(shown)
    }

    pub(super) async fn add_dataset(&self, body: &Value) -> Answered {
        let (new, id) = bodies::dataset(body).map_err(Refusal::schema)?;
        self.may_add()?;
        let _turn = self.door.configuring.lock().await;
        self.unless_changed()?;
        let id = id.unwrap_or_else(|| uuid_v4(&*self.exchange.api.world.entropy));
        if self.store().get(&format!("{DATASET}/{id}")).is_some() {
            return Err(in_use());
        }
        // Who holds an id that is free may keep it for himself, and has no part in what others make.
        if self.held_lease(&id).is_some_and(|held| !held.document.acl.is_owned_by(self.caller())) {
            return Err(in_use());
        }
        self.room_for(DATASET, "datasets", |dataset: &Dataset| !dataset.is_gone())?;
        self.add(&dataset::SPEC, Some(id.clone()), &new).await?;
        tracing::info!(dataset = id, node = new.primary, user = self.who.name, "a dataset is configured");
        Ok(HttpResponse::Created().json(shown(&id, &new)))
    }

    /// The dataset of this id, which the caller may see.
    fn dataset(&self, id: &str) -> Result<Found<Dataset>, Refusal> {
        let found = self.store().get(&format!("{DATASET}/{}", id.to_lowercase()));
        let found = found.filter(|document| document.acl.can_view(self.caller()));
        let found = found.and_then(|document| Some(Found { is: read(self.store(), &document)?, document }));
        found.ok_or_else(|| Refusal::not_found("Dataset"))
    }

    pub(super) async fn move_dataset(&self, id: &str, body: &Value) -> Answered {
        let primary = bodies::moved(body, "primary", false).map_err(Refusal::schema)?;
        let _turn = self.door.configuring.lock().await;
        let mut found = self.dataset(id)?;
        self.unless_changed()?;
        if found.is.deleted {
            return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "The dataset has been deleted."));
        }
        if let Some(primary) = primary {
            self.may_change(&found.document)?;
            let changes = Map::from_iter([("primary".to_owned(), primary.clone().into())]);
            self.edit(&found.document.id, changes, &[]).await?;
            found.is.primary = primary;
        }
        Ok(HttpResponse::Ok().json(shown(found.document.id.name(), &found.is)))
    }

    pub(super) async fn remove_dataset(&self, id: &str) -> Answered {
        let _turn = self.door.configuring.lock().await;
        let mut found = self.dataset(id)?;
        self.unless_changed()?;
        self.may_change(&found.document)?;
        if !found.is.deleted {
            self.edit(&found.document.id, Map::from_iter([("deleted".to_owned(), true.into())]), &[]).await?;
            found.is.deleted = true;
        }
        Ok(HttpResponse::Ok().json(shown(found.document.id.name(), &found.is)))
    }
}

fn in_use() -> Refusal {
    Refusal::conflict("The provided dataset_id is already in use.")
}

/// A dataset as its clients see it.
pub(super) fn shown(id: &str, dataset: &Dataset) -> Value {
    let mut shown = json!({
        "dataset_id": id, "primary": dataset.primary, "deleted": dataset.deleted, "metadata": dataset.metadata,
    });
    if let Some(size) = dataset.maximum_size {
        shown["maximum_size"] = size.into();
    }
    shown
}
