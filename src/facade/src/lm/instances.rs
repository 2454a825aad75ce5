//! `/service-instances`: what runs, and what is done with it.

use actix_web::HttpResponse;
use actix_web::web::Payload;
use mf2c_actors::lifecycle_manager::{Operate, Operation, StartJob};
use mf2c_domain::id::ResourceId;
use serde_json::{Map, Value, json};

use super::refusal::LmError;
use super::{Answered, Call, done, text};
use crate::cimi::parts;
use crate::error::ApiError;

const KIND: &str = "service-instance";
/// What a job of COMPSs is made of.
const JOB: [&str; 5] = ["ceiClass", "className", "hasResult", "methodName", "parameters"];
/// So many failures are told one by one.
const MOST_FAILURES: usize = 100;

impl Call<'_> {
    pub(super) fn instances(&self) -> Answered {
        let instances = parts::listed(self.exchange, KIND)?;
        let with = [("service_instances", instances.into()), ("Msg", "".into())];
        Ok(done("Service instances content", &with))
    }

    pub(super) fn instance(&self, name: &str) -> Answered {
        let id = self.known(KIND, name)?;
        let document = parts::viewable(self.exchange, &id)?;
        let whole = parts::whole(self.exchange, &document)?.ok_or_else(|| ApiError::not_found(id.as_str()))?;
        let with = [("service_instance_id", name.into()), ("service_instance", whole.into())];
        Ok(done("Service instance content", &with))
    }

    pub(super) async fn operate(&self, name: &str, payload: Payload) -> Answered {
        let instance = self.known(KIND, name)?;
        let body = self.object(payload).await?;
        let word = text(&body, "operation")?.ok_or_else(|| LmError::lacking("operation"))?;
        let operation = match word {
            "start" => Operation::Start,
            "stop" => Operation::Stop,
            "restart" => Operation::Restart,
            "update" => Operation::Update,
            other => {
                let other: String = other.chars().take(40).collect();
                let text = format!("operation `{other}` is not known: expected start, stop, restart or update");
                return Err(LmError::unsupported(text));
            }
        };
        let text = format!("Service {word} operation is being processed ...");
        let document = self.operated(instance, operation).await?;
        Ok(done(&text, &[("service_instance", document.into())]))
    }

    pub(super) async fn delete(&self, name: &str) -> Answered {
        let instance = self.known(KIND, name)?;
        let document = self.operated(instance, Operation::Delete).await?;
        let text = "Service stop-and-terminate operation is being processed ...";
        Ok(done(text, &[("service_instance", document.into())]))
    }

    /// Deletes each instance that the caller may change, as `DELETE` of that one does. The original removed the documents and let
    /// everything run on.
    pub(super) async fn delete_all(&self) -> Answered {
        let _ = self.somebody()?;
        let store = &self.exchange.api.store;
        let own = |id: &Value| {
            let id = ResourceId::parse(id.as_str()?).ok()?;
            let document = store.get(id.as_str())?;
            document.acl.can_modify(&self.exchange.caller).then_some(id)
        };
        let seen = parts::listed(self.exchange, KIND)?;
        let own: Vec<ResourceId> = seen.iter().filter_map(|instance| own(instance.get("id")?)).collect();
        let (mut deleted, mut failures, mut first) = (0_usize, vec![], None);
        for id in own {
            match self.operated(id.clone(), Operation::Delete).await {
                Ok(_) => deleted += 1,
                // Somebody else was quicker.
                Err(error) if error.status().as_u16() == 404 => {}
                Err(error) => {
                    if failures.len() < MOST_FAILURES {
                        failures.push(json!({ "id": id.as_str(), "message": error.text() }));
                    }
                    first.get_or_insert(error);
                }
            }
        }
        Ok(all_deleted(deleted, failures, first))
    }

    async fn operated(&self, instance: ResourceId, operation: Operation) -> Result<Map<String, Value>, LmError> {
        self.ask(Operate { instance, operation, by: self.exchange.caller.clone() }).await
    }

    /// `PUT /service-instances/{id}/der`: a job of COMPSs.
    pub(super) async fn start_job(&self, name: &str, payload: Payload) -> Answered {
        let instance = self.known(KIND, name)?;
        let body = self.object(payload).await?;
        match text(&body, "operation")? {
            Some("start-job") => {}
            Some(_) => return Err(LmError::unsupported("this operation is not known: expected start-job")),
            None => return Err(LmError::lacking("operation")),
        }
        let job: Map<String, Value> =
            body.into_iter().filter(|(name, value)| JOB.contains(&name.as_str()) && !value.is_null()).collect();
        if let Some(lacking) = JOB.iter().find(|name| !job.contains_key(**name)) {
            return Err(LmError::lacking(lacking));
        }
        let by = self.exchange.caller.clone();
        let job = self.ask(StartJob { instance, job, by }).await?;
        Ok(done("Start job", &[("service_id", name.into()), ("res", true.into()), ("job", job.into())]))
    }

    /// `GET /service-instances/{id}/report`: the newest report of an operation of the instance.
    pub(super) async fn report(&self, name: &str) -> Answered {
        let id = self.known(KIND, name)?;
        let filter = format!("requesting_application_id/href={}", parts::quoted(id.as_str()));
        let order = Some("start_time:desc");
        let found = parts::matching(self.exchange, "service-operation-report", Some(filter), order, 1).await?;
        let report = found.into_iter().next().unwrap_or_default();
        let with = [("service_instance_id", name.into()), ("report", report.into())];
        Ok(done("Service Operation Report content", &with))
    }
}

/// 200 where all are being deleted; else the status of the first failure.
fn all_deleted(deleted: usize, failures: Vec<Value>, first: Option<LmError>) -> HttpResponse {
    let Some(first) = first else {
        let text = format!("{deleted} service instances are being deleted");
        return done(&text, &[("result", "True".into()), ("deleted", deleted.into()), ("failures", json!([]))]);
    };
    HttpResponse::build(first.status()).json(json!({
        "error": true,
        "message": format!("{deleted} service instances are being deleted, {} could not be", failures.len()),
        "result": "False",
        "deleted": deleted,
        "failures": failures,
    }))
}
