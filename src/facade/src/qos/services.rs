//! Services and templates, as the original's service manager and its pages asked for them.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Payload;
use mf2c_sla::qos::{Leanings, category};
use serde_json::{Map, Value};

use super::check::{id, missing};
use super::{Call, told};
use crate::cimi::{body, parts};
use crate::error::ApiError;
use crate::lm::{LmError, launch};

/// What a service says of the resources that it leans on.
const RECOMMENDED: [&str; 4] = ["cpu_recommended", "memory_recommended", "disk_recommended", "network_recommended"];

impl Call<'_> {
    pub(super) fn services(&self) -> Result<HttpResponse, ApiError> {
        let services = parts::listed(self.exchange, "service")?;
        Ok(told(StatusCode::OK, "OK", None, &[("services", services.into())]))
    }

    pub(super) fn service(&self, named: &[&str]) -> Result<HttpResponse, ApiError> {
        let id = id("service", named).ok_or_else(|| missing("service", named))?;
        let document = self.exchange.api.store.get(id.as_str()).ok_or_else(|| missing("service", named))?;
        if !document.acl.can_view(&self.exchange.caller) {
            return Err(ApiError::forbidden(id.as_str()));
        }
        let whole = parts::whole(self.exchange, &document)?.ok_or_else(|| missing("service", named))?;
        Ok(told(StatusCode::OK, "OK", Some(id.as_str()), &[("service", whole.into())]))
    }

    /// 201 with the service as it would be stored, category and all; nothing is stored.
    pub(super) async fn categorise(&self, payload: Payload) -> Result<HttpResponse, ApiError> {
        parts::may_add(self.exchange, "service")?;
        let mut service = self.read(payload).await?;
        let mut numbers = [0.0; 4];
        for (name, number) in RECOMMENDED.into_iter().zip(&mut numbers) {
            *number = service.get(name).and_then(Value::as_f64).unwrap_or_default();
            service.insert(name.to_owned(), (*number).into());
        }
        let [cpu, memory, disk, network] = numbers;
        let found = category(Leanings { cpu, memory, disk, network }, self.qos.high);
        service.insert("category".to_owned(), found.into());
        Ok(told(StatusCode::CREATED, "Created", None, &[("service", service.into())]))
    }

    /// 201 with the id of the service, which is stored.
    pub(super) async fn register(&self, payload: Payload) -> Result<HttpResponse, ApiError> {
        parts::may_add(self.exchange, "service")?;
        let service = self.read(payload).await?;
        let first = service.get("sla_templates").and_then(|templates| templates.get(0));
        if first.is_none_or(Value::is_null) {
            return Err(ApiError::bad_request("Please, select the SLA template"));
        }
        let id = parts::added(self.exchange, "service", service).await?;
        Ok(told(StatusCode::CREATED, &format!("{id} created"), Some(&id), &[]))
    }

    pub(super) async fn delete(&self, named: &[&str]) -> Result<HttpResponse, ApiError> {
        let id = id("service", named).ok_or_else(|| missing("service", named))?;
        parts::deleted(self.exchange, id.clone()).await?;
        Ok(told(StatusCode::OK, &format!("{id} deleted"), Some(id.as_str()), &[]))
    }

    pub(super) fn templates(&self) -> Result<HttpResponse, ApiError> {
        let templates = parts::listed(self.exchange, "sla-template")?;
        Ok(told(StatusCode::OK, "OK", None, &[("templates", templates.into())]))
    }

    /// 200 with the instance, which is being started, as the original's pages ask for it.
    pub(super) async fn launch(&self, payload: Payload) -> Result<HttpResponse, ApiError> {
        parts::may_add(self.exchange, "service-instance")?;
        let wanted = self.read(payload).await?;
        let launched = launch(self.exchange, &self.qos.manager, &wanted).await.map_err(LmError::into_api)?;
        let id = launched.id.as_str();
        let with = [("service-instance", launched.document.into())];
        Ok(told(StatusCode::OK, &format!("{id} is being started"), Some(id), &with))
    }

    async fn read(&self, payload: Payload) -> Result<Map<String, Value>, ApiError> {
        let bytes = self.exchange.bytes(payload, self.exchange.api.settings.body).await?;
        body::object(&bytes)
    }
}
