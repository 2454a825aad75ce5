//! Refuses services that no agent could run, as long as somebody is there to be told.

use mf2c_domain::resource::TypeSpec;
use mf2c_lifecycle::service::{Fault, Faults, Service};
use mf2c_store::Document;
use serde_json::{Map, Value};

use super::Exchange;
use crate::error::ApiError;

/// The type that this is about.
const KIND: &str = "service";

/// Refuses a new service whose attributes make no sense together.
///
/// # Errors
/// 400 that names each attribute.
pub(super) fn check_new(spec: &TypeSpec, attributes: &Map<String, Value>) -> Result<(), ApiError> {
    if spec.name != KIND { Ok(()) } else { refuse(faults(attributes)) }
}

/// Refuses an edit that leaves a service with a fault that it did not have.
///
/// # Errors
/// As [`check_new`].
pub(super) fn check_edit(
    exchange: &Exchange<'_>,
    spec: &TypeSpec,
    document: &Document,
    changes: &Map<String, Value>,
    removed: &[String],
) -> Result<(), ApiError> {
    if spec.name != KIND {
        return Ok(());
    }
    let Some(body) = exchange.api.store.body(document)? else { return Ok(()) };
    let stored: Map<String, Value> = serde_json::from_slice(&body).unwrap_or_default();
    // What the description of the type refuses is told by the writer, in its words.
    let Ok(edited) = spec.prepare_edit(stored.clone(), changes.clone(), removed, exchange.caller.is_admin()) else {
        return Ok(());
    };
    let before = faults(&stored);
    let new = |fault: &Fault| !before.contains(fault);
    refuse(faults(&edited.attributes).into_iter().filter(new).collect())
}

fn faults(attributes: &Map<String, Value>) -> Vec<Fault> {
    let read = serde_json::to_vec(attributes).map(|body| Service::accept(KIND, &body));
    match read {
        Ok(Err(faults)) => faults.0,
        _ => vec![],
    }
}

fn refuse(faults: Vec<Fault>) -> Result<(), ApiError> {
    if faults.is_empty() {
        return Ok(());
    }
    Err(ApiError::bad_request(format!("resource does not satisfy defined schema: {}", Faults(faults))))
}

#[cfg(test)]
mod tests {
    use mf2c_domain::resource::find;
    use serde_json::json;

    use super::*;

    fn refused(more: Value) -> Option<String> {
        let mut service = json!({"name": "a; rm -rf /", "exec": "x", "exec_type": "docker", "agent_type": "normal"});
        service.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let refused = check_new(find("service").unwrap(), service.as_object().unwrap()).err()?;
        assert_eq!(refused.status().as_u16(), 400);
        Some(refused.document()["message"].as_str().unwrap().to_owned())
    }

    #[test]
    fn what_no_agent_could_run_is_refused_by_its_attributes_and_names_may_be_anything() {
        assert_eq!(refused(json!({})), None);
        assert_eq!(refused(json!({"exec_type": "kubernetes", "environment": {"A_1": "$(id)"}})), None);
        let told = refused(json!({"health": {"type": "http"}, "volumes": ["/a:/b:/c"], "devices": ["/etc/passwd"]}));
        let told = told.unwrap();
        for place in ["`health.port`", "`volumes`", "`devices`"] {
            assert!(told.contains(place), "{told}");
        }
        assert!(check_new(find("device").unwrap(), &Map::new()).is_ok());
    }
}
