//! `/templates`, and agreements made from them (`spec/sla.md` 3.7).

use actix_web::HttpResponse;
use actix_web::web::Payload;
use mf2c_domain::entropy::uuid_v4;
use mf2c_sla::generate;
use serde_json::{Map, Value, json};

use super::reading::spec;
use super::{Answered, Call, SlaError, shape};

const KIND: &str = "sla-template";

impl Call<'_> {
    pub(super) async fn templates(&self) -> Answered {
        self.listed(KIND, None, None).await
    }

    pub(super) fn template(&self, id: &str) -> Answered {
        self.shown(&*self.viewable(KIND, id)?)
    }

    pub(super) async fn add_template(&self, payload: Payload) -> Answered {
        let spec = spec(KIND)?;
        self.may_add(spec)?;
        let body = self.object(payload).await?;
        shape::check("Template", &body, self.exchange.api.settings.sla.external_ids)?;
        self.added(spec, body).await
    }

    /// `POST /create-agreement`: 201 with the new agreement's id.
    pub(super) async fn create(&self, payload: Payload) -> Answered {
        let agreement = spec("agreement")?;
        self.may_add(agreement)?;
        let mut body = self.object(payload).await?;
        let template_id = shape::text(&body, "template_id").to_owned();
        let template = self.object_of(&*self.viewable(KIND, &template_id)?)?;
        let parameters = match body.remove("parameters") {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(parameters)) => parameters,
            Some(_) => return Err(SlaError::bad("`parameters` is no object: expected names with values")),
        };
        let api = self.exchange.api;
        let (now, id) = (api.world.clock.now(), uuid_v4(&*api.world.entropy));
        let mut made = generate(&template, &parameters, now, &id).map_err(|error| SlaError::bad(error.to_string()))?;
        shape::check_made("Agreement", &made)?;
        shape::settle(agreement, &mut made, now);
        let document = self.store(agreement, made, Some(id)).await?;
        Ok(HttpResponse::Created().json(json!({
            "template_id": template_id,
            "agreement_id": document.id.as_str(),
            "parameters": parameters,
        })))
    }
}
