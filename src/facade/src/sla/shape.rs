//! From what clients of the original send to the document that is stored: its checks with its texts, its defaults, and without the
//! keys that it passed over.

use mf2c_domain::resource::TypeSpec;
use mf2c_domain::resource::kind::{Field, Kind};
use mf2c_domain::time::Timestamp;
use mf2c_sla::State;
use serde_json::{Map, Value};

use super::SlaError;

/// What the original checks, in its order; each text of it ends in `. `.
///
/// # Errors
/// 400 with all that is wrong, in one text.
pub(super) fn check(what: &str, body: &Map<String, Value>, external_ids: bool) -> Result<(), SlaError> {
    let mut faults = vec![];
    match (text(body, "id").is_empty(), external_ids) {
        (true, false) => faults.push(format!("{what}.Id is  empty")),
        (false, true) => faults.push(format!("{what}.Id is not empty")),
        _ => {}
    }
    check_rest(what, body, faults)
}

/// As [`check`], of what has its id from elsewhere.
///
/// # Errors
/// As [`check`].
pub(super) fn check_made(what: &str, body: &Map<String, Value>) -> Result<(), SlaError> {
    check_rest(what, body, vec![])
}

fn check_rest(what: &str, body: &Map<String, Value>, mut faults: Vec<String>) -> Result<(), SlaError> {
    let nothing = Map::new();
    let details = body.get("details").and_then(Value::as_object).unwrap_or(&nothing);
    let party = |name: &str| details.get(name).and_then(Value::as_object).unwrap_or(&nothing);
    let (provider, client) = (party("provider"), party("client"));
    let mut must = |holds: bool, fault: String| {
        if !holds {
            faults.push(fault);
        }
    };
    let has = |map: &Map<String, Value>, key: &str| !text(map, key).is_empty();
    must(has(body, "name"), format!("{what}.Name is empty"));
    must(has(details, "id"), "Text.Id is empty".to_owned());
    must(has(details, "name"), "Text.Name is empty".to_owned());
    must(has(provider, "id"), "Provider.Id is  empty".to_owned());
    must(has(provider, "name"), "Provider.Name is empty".to_owned());
    must(has(client, "id"), "Client.Id is  empty".to_owned());
    must(has(client, "name"), "Client.Name is empty".to_owned());
    for guarantee in details.get("guarantees").and_then(Value::as_array).into_iter().flatten() {
        let Some(guarantee) = guarantee.as_object() else { continue };
        let name = text(guarantee, "name");
        must(!name.is_empty(), "Guarantee.Name is empty".to_owned());
        must(has(guarantee, "constraint"), format!("Guarantee['{name}'].Constraint is empty"));
    }
    match what {
        "Template" => {
            let template = text(details, "type") == "template";
            must(template, "Template.Details.Type must be equal to 'template'".to_owned());
        }
        _ => {
            let same = text(body, "name") == text(details, "name");
            must(same, format!("{what}.Name and {what}.Details.Name do not match"));
        }
    }
    if faults.is_empty() {
        return Ok(());
    }
    Err(SlaError::bad(faults.into_iter().map(|fault| format!("{fault}. ")).collect::<String>()))
}

/// Makes of a body what CIMI takes: without unknown keys, with the original's defaults.
pub(super) fn settle(spec: &TypeSpec, body: &mut Map<String, Value>, now: Timestamp) {
    // It is the assessor who says what was seen.
    body.remove("assessment");
    body.retain(|name, _| name == "name" || spec.fields.iter().any(|field| field.name == name));
    for field in spec.fields {
        if let Some(value) = body.get_mut(field.name) {
            prune(&field.kind, value);
        }
    }
    let state = State::of(text(body, "state"));
    body.insert("state".to_owned(), state.as_str().into());
    if let Some(Value::Object(details)) = body.get_mut("details") {
        details.retain(|_, value| !value.is_null());
        let kind = if spec.name == "sla-template" { "template" } else { "agreement" };
        details.entry("type").or_insert_with(|| kind.into());
        details.entry("creation").or_insert_with(|| now.to_string().into());
        details.entry("guarantees").or_insert_with(|| Value::Array(vec![]));
    }
}

/// Drops the keys that no description knows. The depth is that of the descriptions.
fn prune(kind: &Kind, value: &mut Value) {
    match (kind, value) {
        (Kind::Object(fields), Value::Object(members)) => {
            let fields: &[Field] = fields;
            members.retain(|name, _| fields.iter().any(|field| field.name == name));
            for field in fields {
                if let Some(value) = members.get_mut(field.name) {
                    prune(&field.kind, value);
                }
            }
        }
        (Kind::List(list), Value::Array(items)) => items.iter_mut().for_each(|item| prune(list.of, item)),
        (Kind::Map(of), Value::Object(members)) => members.values_mut().for_each(|value| prune(of, value)),
        _ => {}
    }
}

pub(super) fn text<'m>(members: &'m Map<String, Value>, name: &str) -> &'m str {
    members.get(name).and_then(Value::as_str).unwrap_or_default()
}
