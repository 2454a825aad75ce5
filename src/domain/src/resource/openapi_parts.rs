//! The parts of the OpenAPI document that all types share: common schemas, query parameters and refusals.

use serde_json::{Map, Value, json};

use crate::acl::MAX_RULES;

/// A `$ref` to a part.
pub(super) fn reference(section: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/components/{section}/{name}") })
}

/// A JSON body of a named schema.
pub(super) fn json_content(schema: &str) -> Value {
    json!({ "application/json": { "schema": reference("schemas", schema) } })
}

/// What resources, collections and messages have in common.
pub(super) fn common_schemas() -> Map<String, Value> {
    let text = json!({ "type": "string" });
    let moment = json!({ "type": "string", "format": "date-time", "readOnly": true });
    let operations = json!({ "type": "array", "items": reference("schemas", "Operation"), "readOnly": true });
    let schemas = json!({
        "Acl": acl_schema(),
        "Operation": {
            "type": "object", "properties": { "rel": text, "href": text }, "required": ["rel", "href"],
        },
        "Resource": {
            "type": "object", "description": "what every resource has from the server",
            "properties": {
                "id": { "type": "string", "readOnly": true }, "resourceURI": { "type": "string", "readOnly": true },
                "created": moment, "updated": moment, "operations": operations,
            },
        },
        "Collection": {
            "type": "object", "description": "what every collection has",
            "properties": {
                "id": text, "resourceURI": text, "acl": reference("schemas", "Acl"), "operations": operations,
                "count": { "type": "integer", "minimum": 0, "description": "matches, before paging" },
                "aggregations": { "type": "object", "description": "by algorithm and attribute, if asked for" },
            },
            "required": ["id", "resourceURI", "count"],
        },
        "CloudEntryPoint": {
            "type": "object", "description": "the address of the agent, and a link for each collection",
            "properties": { "id": text, "resourceURI": text, "baseURI": text },
            "required": ["id", "resourceURI", "baseURI"],
        },
        "Message": {
            "type": "object", "description": "what became of a request",
            "properties": { "status": { "type": "integer" }, "message": text, "resource-id": text },
            "required": ["status", "message"],
        },
        "Query": {
            "type": "object", "description": "the parameters of a list",
            "properties": {
                "$filter": text, "$first": { "type": "integer" }, "$last": { "type": "integer" }, "$select": text,
                "$orderby": text, "$aggregation": text,
            },
        },
    });
    object(schemas)
}

fn acl_schema() -> Value {
    let principal = json!({
        "principal": { "type": "string", "pattern": "\\S" },
        "type": { "type": "string", "enum": ["USER", "ROLE"] },
    });
    let rights = [
        "VIEW",
        "MODIFY",
        "ALL",
        "VIEW_ACL",
        "VIEW_DATA",
        "VIEW_META",
        "EDIT_ACL",
        "EDIT_DATA",
        "EDIT_META",
        "DELETE",
        "MANAGE",
    ];
    let mut rule = principal.clone();
    rule["right"] = json!({ "type": "string", "enum": rights });
    json!({
        "type": "object", "description": "who owns a resource, and what others may do with it",
        "properties": {
            "owner": {
                "type": "object", "properties": principal, "required": ["principal", "type"],
                "additionalProperties": false,
            },
            "rules": {
                "type": "array", "maxItems": MAX_RULES + 1,
                "description": format!("at most {MAX_RULES}, and the one that every stored list has for administrators"),
                "items": {
                    "type": "object", "properties": rule, "required": ["principal", "type", "right"],
                    "additionalProperties": false,
                },
            },
        },
        "required": ["owner"], "additionalProperties": false,
    })
}

/// The parameters of lists, reads and edits.
pub(super) fn parameters() -> Value {
    let text = json!({ "type": "string" });
    let many = json!({ "type": "array", "items": text });
    let number = json!({ "type": "integer" });
    let query = |name: &str, schema: &Value, about: &str| json!({ "name": name, "in": "query", "required": false, "schema": schema, "description": about });
    json!({
        "name": {
            "name": "name", "in": "path", "required": true, "schema": text,
            "description": "the part of the id after the slash",
        },
        "filter": query("$filter", &many, "which members, such as `memory>1024 and os^='Linux'`; several all hold"),
        "first": query("$first", &number, "the first member of the page, from 1"),
        "last": query("$last", &number, "the last member of the page; 0 for the count alone"),
        "select": query("$select", &text, "the attributes wanted, with commas between them"),
        "remove": query("$select", &text, "attributes to remove unless the body has them, with commas between them"),
        "orderby": query("$orderby", &text, "attributes to sort by, each with `:asc` or `:desc`"),
        "aggregation": query("$aggregation", &text, "sums over all matches, such as `avg:memory`"),
        "expand": query("$expand", &text, "attributes whose links are filled with what they lead to; `*` for all"),
        "format": query("$format", &text, "accepted and ignored: answers are JSON"),
        "override": query("override", &json!({ "type": "boolean" }), "whether a change of another agent's document may wait while that agent is away"),
        "ifMatch": {
            "name": "If-Match", "in": "header", "required": false, "schema": text,
            "description": "the revision that the caller has read; another one is answered with 412",
        },
        "idempotencyKey": {
            "name": "Idempotency-Key", "in": "header", "required": false,
            "schema": { "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$" },
            "description": "names this request of this caller: sent again with the same body, it is answered again",
        },
        "ifNoneMatch": {
            "name": "If-None-Match", "in": "header", "required": false, "schema": text,
            "description": "the revision that the caller has; it is not sent again",
        },
    })
}

/// The answers other than plain success, with the names under which they are described once.
const REFUSALS: [(&str, &str, &str); 15] = [
    (
        "202",
        "Waiting",
        "the document belongs to an agent that is away; the change waits for it as the `proposal` in `Location`",
    ),
    ("303", "Elsewhere", "done or refused, and the form named where to go then; a refusal is told in `error`"),
    ("304", "NotModified", "the caller has the present revision"),
    ("400", "BadRequest", "the body or a parameter is wrong; the message names each fault"),
    ("403", "Forbidden", "the caller lacks the right"),
    ("404", "NotFound", "there is no such resource"),
    ("405", "MethodNotAllowed", "this cannot be done here"),
    ("409", "Conflict", "the id is taken; it is in the message"),
    ("412", "PreconditionFailed", "the resource has changed since the caller read it"),
    ("413", "TooLarge", "the body is too long"),
    ("415", "WrongMediaType", "the body is of a type that is not read here"),
    ("422", "OtherRequest", "the idempotency key was used with another body"),
    ("429", "TooMany", "too many attempts; `Retry-After` says when the next one is heard"),
    ("503", "Busy", "too much to do, or starting or stopping; try again later"),
    ("507", "DiskFull", "there is no space to store more"),
];

/// The name under which the answer with this status is described.
pub(super) fn status_name(status: &str) -> &'static str {
    REFUSALS.iter().find(|(number, ..)| *number == status).map_or("BadRequest", |(_, name, _)| name)
}

/// The refusals by name.
pub(super) fn responses() -> Map<String, Value> {
    REFUSALS
        .iter()
        .map(|(status, name, about)| {
            let answer = match *status {
                "304" => json!({ "description": about }),
                _ => json!({ "description": about, "content": json_content("Message") }),
            };
            ((*name).to_owned(), answer)
        })
        .collect()
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}
