//! Answers in JSON, as Deltacloud's server writes them, with what its clients cannot do without.

use serde_json::{Value, json};

use super::VERSION;
use super::shown::{ShownApi, ShownDriver, ShownError, ShownKey};

pub(super) fn api(api: &ShownApi) -> Value {
    let links: Vec<Value> =
        api.links.iter().map(|link| json!({"rel": link.rel, "href": link.href, "features": []})).collect();
    let provider = api.provider.as_deref().unwrap_or("default");
    json!({"api": {"version": VERSION, "driver": api.driver, "provider": provider, "links": links}})
}

pub(super) fn keys(keys: &[ShownKey]) -> Value {
    json!({ "keys": keys.iter().map(object).collect::<Vec<_>>() })
}

pub(super) fn key(key: &ShownKey) -> Value {
    json!({ "key": object(key) })
}

/// The client of PyPI takes a key without fingerprint or private key for broken: both are always there.
fn object(key: &ShownKey) -> Value {
    let (username, password) = key.login().unzip();
    let actions = key.destroyable.then(|| json!({"rel": "destroy", "method": "delete", "href": key.href}));
    json!({
        "id": key.name,
        "name": key.name,
        "href": key.href,
        "credential_type": key.kind().word(),
        "username": username,
        "password": password,
        "state": key.state(),
        "fingerprint": key.fingerprint(),
        "pem_rsa_key": key.pem,
        "public_key": key.public_key(),
        "actions": actions.into_iter().collect::<Vec<_>>(),
    })
}

pub(super) fn drivers(drivers: &[ShownDriver]) -> Value {
    json!({ "drivers": drivers.iter().map(description).collect::<Vec<_>>() })
}

pub(super) fn driver(driver: &ShownDriver) -> Value {
    json!({ "driver": description(driver) })
}

fn description(ShownDriver { id, href }: &ShownDriver) -> Value {
    json!({"id": id, "name": id, "href": href})
}

pub(super) fn error(error: &ShownError) -> Value {
    json!({"code": error.status, "message": error.message, "error": error.exception()})
}
