//! `/mf2c/optimal`: the original's recommender (`spec/lifecycle.md` C.2).

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Payload;
use mf2c_actors::lifecycle_manager::{Explain, Source};
use mf2c_domain::id::ResourceId;
use serde_json::{Map, Value};

use super::refusal::LmError;
use super::{Answered, Call, text};
use crate::cimi::parts;

/// What is said to who wants recipes to be analysed or refined.
pub(super) const NO_ANALYSIS: &str = "this agent analyses and refines no recipes: what a service needs stands in the \
                                      service itself, and POST /mf2c/optimal tells where it fits";
/// So many services of one name are looked through for one of the caller's own.
const MOST_NAMESAKES: u64 = 100;
/// What may be asked for in the query as well, where a body cannot be sent.
const NAMES: [&str; 3] = ["service_id", "name", "device_id"];

impl Call<'_> {
    pub(super) async fn optimal(&self, payload: Payload) -> Answered {
        let _ = self.somebody()?;
        let mut body = self.object(payload).await?;
        for (name, value) in self.parameters()? {
            if NAMES.contains(&name.as_str()) {
                body.entry(name).or_insert(value.into());
            }
        }
        let service = self.service_of(&body).await?;
        let devices = text(&body, "device_id")?.map(|name| self.device_of(name)).transpose()?;
        let (service, by) = (Source::Id(service), self.exchange.caller.clone());
        let found = self.ask(Explain { service, by, devices, as_optimal: true }).await?;
        Ok(HttpResponse::Ok().json(found))
    }

    /// The service: by its id, or the newest of that name that the caller may see, his own before others'. In the original it was
    /// the first one of whoever.
    async fn service_of(&self, body: &Map<String, Value>) -> Result<ResourceId, LmError> {
        if let Some(id) = text(body, "service_id")? {
            return self.known("service", id.strip_prefix("service/").unwrap_or(id));
        }
        let name = text(body, "name")?.ok_or_else(|| {
            LmError::bad("there is neither `name` nor `service_id`: expected the name of a service, or its id")
        })?;
        let filter = format!("name={}", parts::quoted(name));
        let order = Some("created:desc");
        let found = parts::matching(self.exchange, "service", Some(filter), order, MOST_NAMESAKES).await?;
        let ids: Vec<ResourceId> =
            found.iter().filter_map(|service| ResourceId::parse(service.get("id")?.as_str()?).ok()).collect();
        let is_own = |id: &&ResourceId| {
            let document = self.exchange.api.store.get(id.as_str());
            document.is_some_and(|document| document.acl.is_owned_by(&self.exchange.caller))
        };
        let missing = || {
            let name: String = name.chars().take(80).collect();
            LmError::new(StatusCode::NOT_FOUND, format!("service not found; [name={name}]"))
        };
        ids.iter().find(is_own).or_else(|| ids.first()).cloned().ok_or_else(missing)
    }

    /// The one device that is asked for.
    fn device_of(&self, name: &str) -> Result<Vec<String>, LmError> {
        let missing = || LmError::new(StatusCode::NOT_FOUND, "Device not found");
        let id = self.known("device", name.strip_prefix("device/").unwrap_or(name)).map_err(|_| missing())?;
        Ok(vec![id.as_str().to_owned()])
    }
}
