//! Who may run an instance, with the instance itself.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use mf2c_actors::qos_provider::{AgentAnswer, CheckQos, QosAnswer, QosError};
use mf2c_domain::id::ResourceId;
use serde_json::{Map, Value, json};

use super::{Alone, Call, told};
use crate::caller::comes_from_here;
use crate::cimi::parts;
use crate::error::ApiError;

/// In how many seconds an agent that was just started knows what it has learned.
const SOON: u32 = 1;

impl Call<'_> {
    pub(super) async fn check(&self, named: &[&str]) -> Result<HttpResponse, ApiError> {
        let id = id("service-instance", named).ok_or_else(|| missing("service-instance", named))?;
        let document = self.exchange.api.store.get(id.as_str()).ok_or_else(|| missing("service-instance", named))?;
        if !document.acl.can_view(&self.exchange.caller) && !self.may_anybody_ask() {
            return Err(ApiError::forbidden(id.as_str()));
        }
        let starting = || ApiError::unavailable(QosError::Starting.to_string(), SOON);
        let provider = (self.qos.provider)().ok_or_else(starting)?;
        let answer = provider.send(CheckQos(id.clone())).await.map_err(|_| starting())?.map_err(|error| {
            let text = error.to_string();
            match error {
                QosError::NoInstance | QosError::NoService => {
                    ApiError::new(StatusCode::NOT_FOUND, text).about(id.as_str())
                }
                QosError::Starting => ApiError::unavailable(text, SOON),
                QosError::Store(error) => error.into(),
            }
        })?;
        let whole = parts::whole(self.exchange, &document)?;
        let mut instance = whole.ok_or_else(|| missing("service-instance", named))?;
        allow(&mut instance, &answer.agents);
        let may = answer.agents.iter().filter(|agent| agent.decision.allow).count();
        let text = format!("{may} of {} agents may run it", answer.agents.len());
        let with = [("service-instance", Value::Object(instance)), ("qos", qos(&answer))];
        Ok(told(StatusCode::OK, &text, Some(id.as_str()), &with))
    }

    /// Whether nobody is asked who he is, as in the original: by the operator's will, at the listener of its own, of programs here.
    fn may_anybody_ask(&self) -> bool {
        let request = self.exchange.request;
        let names = &self.exchange.api.settings.names;
        self.qos.anonymous && request.app_data::<Alone>().is_some() && comes_from_here(request, names)
    }
}

/// An id whose type may be left out.
pub(super) fn id(kind: &str, named: &[&str]) -> Option<ResourceId> {
    match named {
        [name] => ResourceId::new(kind, name).ok(),
        [of, name] if *of == kind => ResourceId::new(kind, name).ok(),
        _ => None,
    }
}

/// 404 in the original's words.
pub(super) fn missing(kind: &str, named: &[&str]) -> ApiError {
    let about: String = named.join("/").chars().take(256).collect();
    ApiError::new(StatusCode::NOT_FOUND, format!("{kind} not found")).about(about)
}

/// Writes into the agents of an instance whether they may run it; nothing else of it changes.
fn allow(instance: &mut Map<String, Value>, answers: &[AgentAnswer]) {
    let agents = instance.get_mut("agents").and_then(Value::as_array_mut);
    for (agent, answer) in agents.into_iter().flatten().zip(answers) {
        if let Some(agent) = agent.as_object_mut() {
            agent.insert("allow".to_owned(), answer.decision.allow.into());
        }
    }
}

/// What was decided about each device, and why.
fn qos(answer: &QosAnswer) -> Value {
    let rounded = |share: f64| (share * 1e4).round() / 1e4;
    let mut devices = Map::new();
    for (place, agent) in answer.agents.iter().enumerate() {
        let decision = &agent.decision;
        let mut said = json!({
            "allow": decision.allow, "n": decision.runs, "violations": decision.violations,
            "p": rounded(decision.mean), "bound": rounded(decision.bound), "reason": decision.reason.as_str(),
            "reasons": [agent.because],
        });
        if let Some(latency) = decision.latency {
            said["latency"] = rounded(latency).into();
        }
        // Agents without a name are told apart by their places.
        let name = if agent.device.is_empty() { format!("agents/{place}") } else { agent.device.clone() };
        devices.insert(name, said);
    }
    Value::Object(devices)
}
