//! The descriptions as JSON Schema (2020-12), the dialect of OpenAPI 3.1.

use serde_json::{Map, Value, json};

use super::kind::{Field, Fill, Kind};
use super::spec::TypeSpec;
use super::validate::MAX_ITEMS;

/// The schema of the attributes that a client may send; none is required, as in an edit.
pub(super) fn changes_schema(spec: &TypeSpec) -> Value {
    let mut properties = properties(spec.attributes());
    properties.insert("acl".to_owned(), json!({ "$ref": "#/components/schemas/Acl" }));
    json!({ "type": "object", "description": spec.about, "properties": properties })
}

/// The names that a client must send to add a resource.
pub(super) fn required_to_add(spec: &TypeSpec) -> Vec<&'static str> {
    spec.attributes()
        .filter(|field| field.required && field.fill.is_none() && !renamed(field))
        .map(|f| f.name)
        .collect()
}

/// An attribute with an older name may come under either, which a list of required names cannot say; [`either_name`] does.
fn renamed(field: &Field) -> bool {
    field.alias.is_some()
}

/// For each required attribute with an older name: one of the two names must be there.
pub(super) fn either_name<'f>(fields: impl Iterator<Item = &'f Field>) -> Vec<Value> {
    let required = fields.filter(|field| field.required && field.fill.is_none());
    let two = required.filter_map(|field| Some((field.name, field.alias?.name)));
    two.map(|(name, older)| json!({ "anyOf": [{ "required": [name] }, { "required": [older] }] })).collect()
}

/// The names that every stored resource shows.
pub(super) fn required_in_store(spec: &TypeSpec) -> Vec<&'static str> {
    let server = ["id", "resourceURI", "created", "updated", "acl"];
    let shown = spec.attributes().filter(|field| field.required && !field.secret);
    server.into_iter().chain(shown.map(|field| field.name)).collect()
}

/// The schemas of some attributes by name.
pub(super) fn fields_schema(fields: &'static [Field]) -> Map<String, Value> {
    properties(fields.iter())
}

/// The schemas of attributes of which answers may show a part: nothing is said of the inside of lists and objects.
pub(super) fn part_of_fields(fields: impl Iterator<Item = &'static Field>) -> Map<String, Value> {
    let mut parts = properties(fields);
    for schema in parts.values_mut().filter_map(Value::as_object_mut) {
        if schema.get("type").is_none_or(|kind| kind == "object" || kind == "array") {
            schema.retain(|key, _| ["type", "description", "deprecated"].contains(&key.as_str()));
        }
    }
    parts
}

fn properties(fields: impl Iterator<Item = &'static Field>) -> Map<String, Value> {
    let mut properties = Map::new();
    for field in fields {
        let schema = field_schema(field);
        if let Some(alias) = field.alias {
            let mut older = schema.clone();
            older.insert("deprecated".to_owned(), true.into());
            older.insert("description".to_owned(), format!("the older name of {}", field.name).into());
            properties.insert(alias.name.to_owned(), older.into());
        }
        properties.insert(field.name.to_owned(), schema.into());
    }
    properties
}

fn field_schema(field: &Field) -> Map<String, Value> {
    let mut schema = kind_schema(field.kind);
    let about = match field.unit {
        Some(unit) => format!("{}, in {unit}", field.about),
        None => field.about.to_owned(),
    };
    schema.insert("description".to_owned(), about.into());
    if let Some(value) = field.fill.and_then(Fill::constant) {
        schema.insert("default".to_owned(), value);
    }
    if field.secret {
        schema.insert("writeOnly".to_owned(), true.into());
    }
    schema
}

/// The schema of one kind of value.
pub(super) fn kind_schema(kind: Kind) -> Map<String, Value> {
    const HREF: &str = "^[a-z]+(-[a-z]+)*(/\\S+)?$";
    let schema = match kind {
        Kind::NonBlank => json!({ "type": "string", "pattern": "\\S" }),
        Kind::Text => json!({ "type": "string" }),
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Float => json!({ "type": "number" }),
        Kind::Nat | Kind::Pos | Kind::Port => {
            let mut schema = Map::new();
            schema.insert("type".to_owned(), "integer".into());
            if let Some((least, greatest)) = kind.bounds() {
                schema.insert("minimum".to_owned(), least.into());
                if let Some(greatest) = greatest {
                    schema.insert("maximum".to_owned(), greatest.into());
                }
            }
            schema.into()
        }
        Kind::Timestamp => json!({ "type": "string", "format": "date-time" }),
        Kind::Word => json!({ "type": "string", "pattern": "^[a-z0-9]+(-[a-z0-9]+)*$" }),
        Kind::Email => json!({ "type": "string", "format": "email" }),
        Kind::Href => json!({ "type": "string", "pattern": HREF }),
        Kind::Link => link_schema(HREF),
        Kind::LooseLink => json!({ "anyOf": [link_schema(HREF), { "type": "string", "pattern": HREF }] }),
        Kind::WideLink => link_schema("^[a-zA-Z0-9][a-zA-Z0-9_./-]*$"),
        Kind::Shaped(shape) => match shape.format {
            Some(format) => json!({ "type": "string", "format": format }),
            None => json!({ "type": "string", "pattern": "\\S" }),
        },
        Kind::OneOf(words) => json!({ "type": "string", "enum": words }),
        Kind::List(list) => json!({
            "type": "array", "items": kind_schema(*list.of),
            "uniqueItems": list.unique, "minItems": list.min, "maxItems": MAX_ITEMS,
        }),
        Kind::Object(fields) => json!({
            "type": "object", "properties": properties(fields.iter()), "additionalProperties": false,
            "required": fields.iter().filter(|f| f.required && !renamed(f)).map(|f| f.name).collect::<Vec<_>>(),
        }),
        Kind::Map(of) => {
            json!({ "type": "object", "additionalProperties": kind_schema(*of), "maxProperties": MAX_ITEMS })
        }
        Kind::Any => json!({}),
    };
    match schema {
        Value::Object(schema) => schema,
        _ => Map::new(),
    }
}

fn link_schema(pattern: &str) -> Value {
    json!({
        "type": "object", "required": ["href"],
        "properties": { "href": { "type": "string", "pattern": pattern } },
    })
}
