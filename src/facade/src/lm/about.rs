//! What the agent tells of itself: its banner, its settings, whether it may run another service.

use actix_web::HttpResponse;
use mf2c_actors::lifecycle_manager::{Backends, CheckPolicy};
use serde_json::{Map, Value, json};

use super::route::At;
use super::{ABSENT, Answered, Call};
use crate::error::ApiError;

const NAME: &str = "Lifecycle Management REST API";
/// What is said of what nobody knows, in the original's words.
const UNKNOWN: &str = "not-defined";
/// The longest list of reasons in one sentence.
const MOST_REASONS: usize = 3;

impl Call<'_> {
    pub(super) fn banner(&self) -> HttpResponse {
        if self.door.at == At::Recommender {
            let text = "recommender: POST /mf2c/optimal\n";
            return HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(text);
        }
        let below = self.address();
        HttpResponse::Ok().json(json!({
            "app": NAME,
            "status": "Running",
            "api_doc_json": format!("{below}/api/v2/lm"),
            "api_doc_html": format!("{below}/api/v2/lm.html"),
        }))
    }

    /// The address below which `/api/v2/lm` is, as the client reached it.
    fn address(&self) -> String {
        let base = self.exchange.base_uri();
        let base = base.trim_end_matches("/api/");
        if self.door.at == At::Below { format!("{base}/lm") } else { base.to_owned() }
    }

    /// The address of the API.
    fn api(&self) -> String {
        match self.door.at {
            At::Below => self.exchange.base_uri().trim_end_matches("/api/").to_owned(),
            _ => self.door.facts.api.clone(),
        }
    }

    pub(super) async fn config(&self) -> Answered {
        let _ = self.somebody()?;
        let (api, facts) = (self.api(), &self.door.facts);
        // Who is built anew at the moment cannot be asked; the rest is true all the same.
        let backends = self.ask(Backends).await.unwrap_or(Value::Null);
        let own = self.own("agent");
        let known = |name: &str| own.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        Ok(HttpResponse::Ok().json(json!({
            "app": NAME,
            "name": NAME,
            "mode": "MF2C",
            "version": facts.version,
            "host": known("device_ip").unwrap_or("localhost"),
            "device-identifier": known("device_id").unwrap_or(UNKNOWN),
            "device-ip-address": known("device_ip").unwrap_or(UNKNOWN),
            "user-identifier": self.user(),
            "properties": {
                "swarm-master": false,
                "k8s-master": false,
                "cimi-url": format!("{api}/api"),
                "backends": backends,
                "mf2c": {
                    "LIFECYCLE MANAGER": format!("{api}/lm"),
                    "USER MANAGEMENT MODULE": format!("{api}/um"),
                    "RECOMENDER_LANDSCAPER": format!("{api}/mf2c"),
                    "SERVICE MANAGER": format!("{api}/sm/api"),
                    "SLA MANAGER": format!("{api}/sla"),
                },
            },
        })))
    }

    /// Whether this device may run one more service for others.
    pub(super) async fn check_policy(&self) -> Answered {
        let _ = self.somebody()?;
        let policy = self.ask(CheckPolicy).await?;
        Ok(HttpResponse::Ok().json(verdict(&policy)))
    }

    pub(super) fn check_swarm(&self) -> Answered {
        let _ = self.somebody()?;
        Ok(HttpResponse::Ok().json(json!({
            "device-id": self.device(),
            "user-id": self.user(),
            "message": "this agent does not run services of Docker Swarm: use docker, docker-compose or process",
            "result": false,
        })))
    }

    /// The user profile and the sharing model of this device.
    pub(super) async fn sharing(&self) -> Answered {
        let _ = self.somebody()?;
        let policy = self.ask(CheckPolicy).await?;
        Ok(HttpResponse::Ok().json(json!({
            "device-id": self.device(),
            "user-id": self.user(),
            "user-profile": policy["user_profile"],
            "sharing-model": policy["sharing_model"],
        })))
    }

    /// For those who watch over the agent: nobody is asked who he is.
    pub(super) fn alive(&self) -> Answered {
        if (self.door.manager)().is_none() {
            return Err(ApiError::unavailable(ABSENT, 1).into());
        }
        Ok(HttpResponse::Ok().json(json!({ "res": "ok" })))
    }

    fn device(&self) -> Value {
        self.own("agent").remove("device_id").unwrap_or_else(|| UNKNOWN.into())
    }

    fn user(&self) -> String {
        self.door.facts.user.as_ref().map_or_else(|| UNKNOWN.to_owned(), |user| format!("user/{user}"))
    }

    /// This agent's own document of a type of which each agent has one, if the caller may see it.
    fn own(&self, kind: &str) -> Map<String, Value> {
        let store = &self.exchange.api.store;
        let document = store.get(&format!("{kind}/{}", store.identity().name()));
        let document = document.filter(|document| document.acl.can_view(&self.exchange.caller));
        let body = document.and_then(|document| Some(store.body(&document).ok()??.into_owned()));
        body.and_then(|body| serde_json::from_slice(&body).ok()).unwrap_or_default()
    }
}

/// What the lifecycle manager finds, in the original's form.
pub(crate) fn verdict(policy: &Value) -> Value {
    let allowed = policy["allowed"] == true;
    let reasons = policy["reasons"].as_array().map(Vec::as_slice).unwrap_or_default();
    let said: Vec<&str> = reasons.iter().filter_map(|reason| reason["sentence"].as_str().or(reason.as_str())).collect();
    let message = match (allowed, said.as_slice()) {
        (true, _) => "this device may run another service".to_owned(),
        (false, []) => "this device may not run another service".to_owned(),
        (false, said) => {
            let said = said.iter().take(MOST_REASONS).copied().collect::<Vec<_>>().join("; ");
            format!("this device may not run another service: {said}")
        }
    };
    json!({
        "message": message, "result": allowed, "reasons": reasons, "sharing_model": policy["sharing_model"],
        "apps_running": policy["apps_running"],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_tells_its_reasons_in_a_sentence() {
        let found = verdict(&json!({ "allowed": true, "reasons": [], "sharing_model": { "max_apps": 2 } }));
        assert_eq!((&found["result"], &found["sharing_model"]["max_apps"]), (&json!(true), &json!(2)));
        let found = verdict(&json!({ "allowed": false, "reasons": [{ "code": "c", "sentence": "2 of 2 run" }] }));
        assert_eq!(found["message"], "this device may not run another service: 2 of 2 run");
        assert_eq!(found["result"], false);
        assert_eq!(verdict(&json!({ "allowed": false }))["reasons"], json!([]));
    }
}
