//! The descriptions as CIMI resource metadata: what `resource-metadata/<type>` holds.

use serde_json::{Map, Value, json};

use super::kind::{Field, Fill, Kind};
use super::spec::{Naming, SERVER_OWNED, TypeSpec};

const JSON: &str = "application/json";

/// The attributes of the document `resource-metadata/<type>`.
#[must_use]
pub fn metadata(spec: &TypeSpec) -> Map<String, Value> {
    let mut attributes: Vec<Value> = SERVER_OWNED.iter().map(|name| server_attribute(name)).collect();
    attributes.push(json!({
        "name": "acl", "type": "map", "mandatory": false, "consumerWritable": true,
        "description": "who owns the resource, and what others may do with it",
    }));
    let writable = spec.verbs.add || spec.verbs.edit;
    attributes.extend(spec.attributes().map(|field| Value::Object(attribute(field, writable))));
    let mut body = Map::new();
    body.insert("typeURI".to_owned(), spec.uri.into());
    body.insert("name".to_owned(), spec.title.into());
    body.insert("description".to_owned(), spec.about.into());
    body.insert("attributes".to_owned(), attributes.into());
    body.insert("actions".to_owned(), actions(spec).into());
    body.insert("capabilities".to_owned(), capabilities(spec).into());
    body
}

fn server_attribute(name: &str) -> Value {
    let (kind, about) = match name {
        "id" => ("string", "the type and the name of the resource"),
        "resourceURI" => ("string", "the type of the resource, as a URI"),
        "created" => ("dateTime", "when the resource was added"),
        "updated" => ("dateTime", "when the resource was last changed"),
        _ => ("list", "what the caller may do with the resource"),
    };
    json!({ "name": name, "type": kind, "mandatory": false, "consumerWritable": false, "description": about })
}

fn attribute(field: &Field, writable: bool) -> Map<String, Value> {
    let mut described = value_type(field.kind, writable);
    described.insert("name".to_owned(), field.name.into());
    described.insert("mandatory".to_owned(), (field.required && field.fill.is_none()).into());
    described.insert("consumerWritable".to_owned(), writable.into());
    described.insert("description".to_owned(), field.about.into());
    if let Some(unit) = field.unit {
        described.insert("unit".to_owned(), unit.into());
    }
    if let Some(value) = field.fill.and_then(Fill::constant) {
        described.insert("default".to_owned(), value);
    }
    if let Some(alias) = field.alias {
        described.insert("alias".to_owned(), alias.name.into());
    }
    if field.secret {
        described.insert("sensitive".to_owned(), true.into());
    }
    described
}

/// The type of a value, its constraints and what is inside it.
fn value_type(kind: Kind, writable: bool) -> Map<String, Value> {
    let name = match kind {
        Kind::NonBlank | Kind::Text | Kind::Word | Kind::Email | Kind::Shaped(_) | Kind::OneOf(_) => "string",
        Kind::Bool => "boolean",
        Kind::Float => "double",
        Kind::Nat | Kind::Pos | Kind::Port => "integer",
        Kind::Timestamp => "dateTime",
        Kind::Href => "URI",
        Kind::Link | Kind::LooseLink | Kind::WideLink => "ref",
        Kind::List(_) => "list",
        Kind::Object(_) => "object",
        Kind::Map(_) => "map",
        Kind::Any => "any",
    };
    let mut described = Map::new();
    described.insert("type".to_owned(), name.into());
    let constraints = match kind {
        Kind::NonBlank => Some(json!({ "blank": false })),
        Kind::OneOf(words) => Some(json!({ "values": words })),
        Kind::List(list) if list.unique || list.min > 0 => {
            Some(json!({ "uniqueItems": list.unique, "minItems": list.min }))
        }
        _ => kind.bounds().map(|(least, greatest)| match greatest {
            Some(greatest) => json!({ "minimum": least, "maximum": greatest }),
            None => json!({ "minimum": least }),
        }),
    };
    if let Some(constraints) = constraints {
        described.insert("constraints".to_owned(), constraints);
    }
    match kind {
        Kind::Object(fields) => {
            let inside: Vec<Value> = fields.iter().map(|field| Value::Object(attribute(field, writable))).collect();
            described.insert("attributes".to_owned(), inside.into());
        }
        Kind::List(list) => {
            described.insert("items".to_owned(), value_type(*list.of, writable).into());
        }
        Kind::Map(of) => {
            described.insert("items".to_owned(), value_type(*of, writable).into());
        }
        _ => {}
    }
    described
}

fn actions(spec: &TypeSpec) -> Vec<Value> {
    let all = [
        (spec.verbs.add, "add", "POST", "adds a resource to the collection"),
        (spec.verbs.edit, "edit", "PUT", "changes attributes; those named in $select and not sent are removed"),
        (spec.verbs.delete, "delete", "DELETE", "deletes the resource"),
    ];
    all.iter()
        .filter(|(possible, ..)| *possible)
        .map(|(_, name, method, about)| {
            json!({
                "name": name, "uri": name, "method": method, "description": about,
                "inputMessage": JSON, "outputMessage": JSON,
            })
        })
        .collect()
}

fn capabilities(spec: &TypeSpec) -> Vec<Value> {
    let mut capabilities = Vec::new();
    let mut add = |name: &str, about: &str, value: Value| {
        capabilities.push(json!({ "name": name, "description": about, "value": value }));
    };
    if spec.one_per_node {
        add("onePerNode", "an agent stores at most one", true.into());
    }
    if let Naming::Derived { from, .. } = spec.naming {
        add("idFrom", "the id is made of these attributes, which cannot be changed", json!(from));
    }
    if let Some((attribute, descending)) = spec.default_order {
        let order = if descending { "desc" } else { "asc" };
        add("defaultOrder", "the order of a list if none is asked for", format!("{attribute}:{order}").into());
    }
    if spec.delete_is_logged {
        add("deleteIsLogged", "a delete writes an event", true.into());
    }
    if let Some(attribute) = spec.logged_state {
        add("stateIsLogged", "a change of this attribute writes an event", attribute.into());
    }
    capabilities
}
