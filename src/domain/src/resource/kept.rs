//! What an agent keeps in documents that it looks after: attributes that no client writes there, not even an
//! administrator. What clients send for them is passed over, because they send whole documents back.

use serde_json::{Map, Value};

use super::types::service_instance;
use crate::people::keyring;

/// Says that an agent looks after a service instance: what it shall do.
const DESIRED: &str = "desired";
/// What belongs to such an instance alone. Clients make none, and make none of another instance.
const OF_LOOKED_AFTER: [&str; 5] = [DESIRED, "conductor", "version", "update", "detail"];
/// What the agent found out about an SSH key, and the name by which a key has its id.
const OF_KEY: [&str; 4] = ["publicKey", "fingerprint", "state", "name"];
const CREDENTIAL: &str = "credential";

/// Whether something is kept in documents of this type.
#[must_use]
pub fn concerns(kind: &str) -> bool {
    is_instance(kind) || kind == CREDENTIAL
}

/// Whether documents of this type can be looked after.
fn is_instance(kind: &str) -> bool {
    kind == service_instance::SPEC.name
}

/// What a client cannot write into a new document of this type.
#[must_use]
pub fn in_new(kind: &str) -> &'static [&'static str] {
    if is_instance(kind) { &OF_LOOKED_AFTER } else { &[] }
}

/// What a client cannot write into a document that is stored as `document`.
#[must_use]
pub fn in_stored(kind: &str, document: &Map<String, Value>) -> &'static [&'static str] {
    if kind == CREDENTIAL {
        let named = document.get("type").and_then(Value::as_str).is_some_and(keyring::has_name);
        return if named { &OF_KEY } else { &OF_KEY[..3] };
    }
    match (is_instance(kind), document.contains_key(DESIRED)) {
        (true, true) => &service_instance::KEPT,
        (true, false) => &OF_LOOKED_AFTER,
        _ => &[],
    }
}

/// Whether a client may take an attribute out of a document that is stored as `document`.
#[must_use]
pub fn may_remove(kind: &str, document: &Map<String, Value>, name: &str) -> bool {
    let shields = is_instance(kind) && document.contains_key(DESIRED) && name == DESIRED;
    !shields && !in_stored(kind, document).contains(&name)
}

/// Takes attributes out of what a client sends.
pub fn strip(kept: &[&str], attributes: &mut Map<String, Value>) {
    attributes.retain(|name, _| !kept.contains(&name.as_str()));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const KIND: &str = "service-instance";

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn a_client_changes_what_an_instance_shall_do_and_not_what_became_of_it() {
        let looked_after = map(json!({"desired": "running", "status": "started"}));
        let mut sent =
            map(json!({"desired": "stopped", "status": "stopped", "agents": [], "conductor": "me", "name": "n",
            "version": 9, "properties": {"a": "b"}, "num_agents": 2}));
        strip(in_stored(KIND, &looked_after), &mut sent);
        let left = json!({"desired": "stopped", "name": "n", "properties": {"a": "b"}, "num_agents": 2});
        assert_eq!(Value::Object(sent), left);
        for (name, may) in [("desired", false), ("agents", false), ("detail", false), ("properties", true)] {
            assert_eq!(may_remove(KIND, &looked_after, name), may, "{name}");
        }
    }

    #[test]
    fn a_key_keeps_its_name_and_what_was_found_out_about_it() {
        let sent = json!({"name": "other", "publicKey": "p", "fingerprint": "f", "state": "s", "description": "d"});
        for (kind, left) in [
            ("ssh-key", json!({"description": "d"})),
            ("username-password", json!({"description": "d"})),
            ("api-key", json!({"description": "d", "name": "other"})),
        ] {
            let stored = map(json!({ "type": kind }));
            let mut changes = map(sent.clone());
            strip(in_stored("credential", &stored), &mut changes);
            assert_eq!(Value::Object(changes), left, "{kind}");
            assert_eq!(may_remove("credential", &stored, "name"), kind == "api-key");
        }
    }

    #[test]
    fn an_instance_of_nobody_is_free_but_nobody_makes_it_somebodys() {
        let mut sent = map(json!({"desired": "running", "conductor": "me", "version": 1, "update": {}, "detail": "d",
            "status": "started", "agents": []}));
        let left = json!({"status": "started", "agents": []});
        for kept in [in_new(KIND), in_stored(KIND, &map(json!({"status": "x"})))] {
            strip(kept, &mut sent);
            assert_eq!(Value::Object(sent.clone()), left);
        }
        assert!(may_remove(KIND, &Map::new(), "num_agents"));
        let mut service = map(json!({"version": 1, "update": {}}));
        strip(in_new("service"), &mut service);
        assert_eq!(service.len(), 2);
        assert!(may_remove("service", &map(json!({"desired": 1})), "desired"));
    }
}
