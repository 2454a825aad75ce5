//! `POST /service`: starts a service, or tells where it would run (`spec/lifecycle.md` A.4).

use actix_web::HttpResponse;
use actix_web::http::header::HeaderValue;
use actix_web::web::Payload;
use mf2c_actors::lifecycle_manager::{Explain, Launch, Launched, Source};
use mf2c_domain::caller::Caller;
use mf2c_domain::id::ResourceId;
use serde_json::{Map, Value};

use super::refusal::LmError;
use super::{Answered, Call, Manager, asked, done, text};
use crate::cimi::{Exchange, REPLAYED, key_text};
use crate::error::ApiError;

/// What the original's agents are told that ask this one to run a part of theirs.
pub(super) const INTERNAL: &str = "agents speak to each other over their own links, with certificates, and not by this \
                                   interface: join the area, and submit services with POST /service";
/// The most devices that one request may name.
const MOST_DEVICES: usize = 1000;
/// The longest name of an instance, and the longest of a device, in bytes.
const LONGEST: usize = 256;

/// Why a service goes to the leader, in the original's words.
const FORWARDED: &str = "Not enough resources found in current cluster => Request forwarded to Leader. ";

impl Call<'_> {
    pub(super) async fn submit(&self, payload: Payload) -> Answered {
        let _ = self.somebody()?;
        let is_dry = self.is_dry()?;
        let body = self.object(payload).await?;
        if !is_dry {
            return Ok(launched(launch(self.exchange, &self.door.manager, &body).await?));
        }
        let (service, by) = (source(&body)?, acting(self.exchange, &body)?);
        let explain = Explain { service, by, devices: devices(&body)?, as_optimal: false };
        let explanation = self.ask(explain).await?;
        Ok(done("Nothing was started: this is where the service would run", &[("explanation", explanation)]))
    }

    /// `GET /explain/{id}`.
    pub(super) async fn explain(&self, name: &str) -> Answered {
        let id = self.known("service", name)?;
        let (service, by) = (Source::Id(id.clone()), self.exchange.caller.clone());
        let explanation = self.ask(Explain { service, by, devices: None, as_optimal: false }).await?;
        let with = [("service_id", id.as_str().into()), ("explanation", explanation)];
        Ok(done("Where the service would run, and why not elsewhere", &with))
    }

    /// Whether nothing is to be started.
    fn is_dry(&self) -> Result<bool, LmError> {
        let pairs = self.parameters()?;
        let given = pairs.iter().find(|(name, _)| name == "dryRun");
        match given.map(|(_, value)| value.as_str()) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(LmError::bad("`dryRun` is neither `true` nor `false`: expected one of them")),
        }
    }
}

/// Starts what a body of `POST /service` asks for.
///
/// # Errors
/// 406 where it names no service, 400 where it is wrong otherwise, and what the lifecycle manager refuses.
pub(crate) async fn launch(
    exchange: &Exchange<'_>,
    manager: &Manager,
    body: &Map<String, Value>,
) -> Result<Launched, LmError> {
    if text(body, "service_instance_id")?.is_some() {
        return Err(LmError::unsupported(INTERNAL));
    }
    let name = text(body, "name")?;
    if name.is_some_and(|name| name.len() > LONGEST) {
        return Err(LmError::bad(format!("`name` is too long: at most {LONGEST} bytes are accepted")));
    }
    let by = acting(exchange, body)?;
    let launch = Launch {
        service: source(body)?,
        for_another: by.identity() != exchange.caller.identity(),
        by,
        template: linked(body, "sla_template", "sla-template")?,
        agreement: linked(body, "agreement_id", "agreement")?,
        devices: devices(body)?,
        name: name.map(str::to_owned),
        key: key_text(exchange)?,
    };
    asked(manager, launch).await
}

fn launched(launched: Launched) -> HttpResponse {
    let Launched { id, document, forwarded, again } = launched;
    let document = Value::from(document);
    let mut answer = if forwarded {
        let text = format!("{FORWARDED}Service deployment operation is being processed...");
        done(&text, &[("service_instance", document), ("service_instance_id", id.as_str().into())])
    } else {
        let text = format!("Service deployment operation is being processed [{id}]...");
        done(&text, &[("service_instance", document)])
    };
    if again {
        answer.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    answer
}

/// Which service a body names, or holds.
fn source(body: &Map<String, Value>) -> Result<Source, LmError> {
    if let Some(id) = linked(body, "service_id", "service")? {
        return Ok(Source::Id(ResourceId::parse(&id)?));
    }
    match body.get("service") {
        None | Some(Value::Null) => Err(LmError::lacking("service /  service_id")),
        Some(Value::Object(service)) => Ok(Source::Body(service.clone())),
        Some(Value::String(_)) => match linked(body, "service", "service")? {
            Some(id) => Ok(Source::Id(ResourceId::parse(&id)?)),
            None => Err(LmError::lacking("service /  service_id")),
        },
        Some(_) => Err(LmError::bad("`service` is no object: expected a service, or its id in `service_id`")),
    }
}

/// The id in a member, with its type before it: written so, bare, or as a link.
fn linked(body: &Map<String, Value>, name: &str, kind: &str) -> Result<Option<String>, LmError> {
    let id = match body.get(name) {
        Some(Value::Object(link)) => text(link, "href")?,
        _ => text(body, name)?,
    };
    let Some(id) = id else { return Ok(None) };
    let id = if id.contains('/') { ResourceId::parse(id) } else { ResourceId::new(kind, id) };
    let id = id.map_err(|error| LmError::bad(format!("`{name}`: {error}")))?;
    if id.kind() == kind {
        return Ok(Some(id.as_str().to_owned()));
    }
    Err(LmError::bad(format!("`{name}` is `{id}`: expected the id of a {kind}, `{kind}/...`")))
}

/// The devices that a body names: all where it names none.
fn devices(body: &Map<String, Value>) -> Result<Option<Vec<String>>, LmError> {
    let expected = "expected a list such as [{\"agent_ip\": \"10.0.0.2\"}, {\"device_id\": \"device/...\"}]";
    let listed = match body.get("agents_list") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Array(listed)) => listed,
        Some(_) => return Err(LmError::bad(format!("`agents_list` is no list: {expected}"))),
    };
    if listed.len() > MOST_DEVICES {
        let text = format!("`agents_list` has {} entries: at most {MOST_DEVICES} are accepted", listed.len());
        return Err(LmError::bad(text));
    }
    let named = |entry: &Value| {
        let text = entry
            .as_str()
            .or_else(|| ["agent_ip", "device_id", "url"].into_iter().find_map(|name| entry.get(name)?.as_str()));
        text.map(str::trim).filter(|text| (1..=LONGEST).contains(&text.len())).map(str::to_owned)
    };
    let devices: Option<Vec<String>> = listed.iter().map(named).collect();
    let devices =
        devices.ok_or_else(|| LmError::bad(format!("`agents_list` names no device somewhere: {expected}")))?;
    Ok(Some(devices).filter(|devices| !devices.is_empty()))
}

/// For whom it is: the caller; an administrator may start a service in somebody else's name, with an administrator's rights.
fn acting(exchange: &Exchange<'_>, body: &Map<String, Value>) -> Result<Caller, LmError> {
    let caller = &exchange.caller;
    if !caller.is_admin() {
        return Ok(caller.clone());
    }
    let Some(user) = linked(body, "user_id", "user")? else { return Ok(caller.clone()) };
    let name = user.strip_prefix("user/").ok_or_else(|| ApiError::bad_request("`user_id` names nobody"))?;
    Ok(Caller::new(name, caller.roles()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn body(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn a_service_is_named_or_held_and_what_is_neither_is_refused_as_the_original_does() {
        let id = |value: Value| match source(&body(value)) {
            Ok(Source::Id(id)) => id.as_str().to_owned(),
            Ok(Source::Body(_)) => "held".to_owned(),
            Err(error) => error.status().as_u16().to_string(),
        };
        assert_eq!(id(json!({ "service_id": "service/s1" })), "service/s1");
        assert_eq!(id(json!({ "service_id": "s1", "service": {} })), "service/s1");
        assert_eq!(id(json!({ "service": "service/s1" })), "service/s1");
        assert_eq!(id(json!({ "service": { "name": "n" } })), "held");
        for lacking in [json!({}), json!({ "service_id": "" }), json!({ "service": null })] {
            assert_eq!(id(lacking), "406");
        }
        for bad in [
            json!({ "service_id": "device/d" }),
            json!({ "service_id": "service/../x" }),
            json!({ "service_id": 5 }),
            json!({ "service": [] }),
        ] {
            assert_eq!(id(bad), "400");
        }
    }

    #[test]
    fn devices_are_named_by_address_or_id_and_bounded() {
        let listed = |list: Value| devices(&body(json!({ "agents_list": list })));
        let both = listed(json!([{ "agent_ip": "10.0.0.2" }, { "device_id": "device/d" }, "10.0.0.3"])).unwrap();
        assert_eq!(both.unwrap(), ["10.0.0.2", "device/d", "10.0.0.3"]);
        assert_eq!((listed(json!([])).unwrap(), listed(Value::Null).unwrap()), (None, None));
        for bad in [json!("10.0.0.2"), json!([{}]), json!([5]), json!([""]), json!(["x".repeat(257)])] {
            assert_eq!(listed(bad).unwrap_err().status().as_u16(), 400);
        }
        assert!(listed(vec!["a"; MOST_DEVICES + 1].into()).is_err() && listed(vec!["a"; MOST_DEVICES].into()).is_ok());
    }

    #[test]
    fn templates_may_be_written_as_links() {
        let template = |value: Value| linked(&body(json!({ "sla_template": value })), "sla_template", "sla-template");
        for good in [json!("sla-template/t"), json!("t"), json!({ "href": "sla-template/t" })] {
            assert_eq!(template(good).unwrap().as_deref(), Some("sla-template/t"));
        }
        assert_eq!(template(json!("")).unwrap(), None);
        assert!(template(json!("agreement/t")).unwrap_err().text().as_str().unwrap().contains("sla-template/..."));
    }
}
