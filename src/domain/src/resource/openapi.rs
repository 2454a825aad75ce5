//! The descriptions as an OpenAPI 3.1 document of the whole CIMI interface.

use serde_json::{Map, Value, json};

use super::all;
use super::openapi_lifecycle;
use super::openapi_operators;
use super::openapi_parts::{common_schemas, json_content, parameters, reference, responses, status_name};
use super::openapi_qos;
use super::openapi_sla;
use super::openapi_um;
use super::repeat::takes_idempotency_key;
use super::schema::{changes_schema, either_name, fields_schema, part_of_fields, required_in_store, required_to_add};
use super::spec::{Action, COMMON, Form, TypeSpec};

/// The OpenAPI 3.1 document of all collections and their members; `version` is the program's.
#[must_use]
pub fn openapi(version: &str) -> Value {
    let mut paths = Map::new();
    let mut schemas = common_schemas();
    paths.insert("/api/cloud-entry-point".to_owned(), entry_point());
    paths.extend(openapi_operators::paths());
    paths.extend(openapi_lifecycle::paths());
    schemas.extend(openapi_lifecycle::schemas());
    paths.extend(openapi_qos::paths());
    paths.extend(openapi_sla::paths());
    paths.extend(openapi_um::paths());
    schemas.extend(openapi_sla::schemas());
    paths.insert("/events".to_owned(), events());
    for spec in all() {
        paths.insert(format!("/api/{}", spec.name), collection(spec));
        paths.insert(format!("/api/{}/{{name}}", spec.name), member(spec));
        for action in spec.actions {
            paths.insert(format!("/api/{}/{{name}}/{}", spec.name, action.name), acted(spec, action));
        }
        schemas.insert(format!("{}Attributes", spec.title), changes_schema(spec));
        schemas.insert(format!("{}Create", spec.title), create_schema(spec));
        schemas.insert(spec.title.to_owned(), member_schema(spec));
        schemas.insert(format!("{}Part", spec.title), part_schema(spec));
        schemas.insert(format!("{}Collection", spec.title), collection_schema(spec));
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "mF2C fog agent",
            "summary": "The CIMI resources of one agent",
            "version": version,
            "license": { "name": "Apache 2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/", "description": "this agent" }],
        "tags": tags(),
        "paths": paths,
        "components": { "schemas": schemas, "parameters": parameters(), "responses": responses() },
    })
}

fn answers(success: (&str, Value), refusals: &[&str]) -> Value {
    let mut answers = Map::new();
    answers.insert(success.0.to_owned(), success.1);
    for status in refusals {
        answers.insert((*status).to_owned(), reference("responses", status_name(status)));
    }
    answers.into()
}

fn operation(spec: &TypeSpec, verb: &str, summary: String, answers: Value) -> Map<String, Value> {
    let mut operation = Map::new();
    operation.insert("tags".to_owned(), json!([spec.name]));
    operation.insert("operationId".to_owned(), format!("{verb}{}", spec.title).into());
    operation.insert("summary".to_owned(), summary.into());
    operation.insert("responses".to_owned(), answers);
    operation
}

fn body(required: bool, content: Value) -> Value {
    json!({ "required": required, "content": content })
}

fn collection(spec: &TypeSpec) -> Value {
    let found = json!({
        "description": "the members that match and that the caller may see",
        "content": json_content(&format!("{}Collection", spec.title)),
    });
    let refused = ["400", "403", "503"];
    let names = ["filter", "first", "last", "select", "orderby", "aggregation", "expand", "format"];
    let query: Vec<Value> = names.iter().map(|name| reference("parameters", name)).collect();
    let mut list = operation(spec, "list", format!("lists {}", spec.about), answers(("200", found.clone()), &refused));
    list.insert("parameters".to_owned(), query.clone().into());
    let asked = answers(("200", found), &["400", "403", "413", "415", "503"]);
    let mut search = operation(spec, "search", "lists too, with the parameters in a form".to_owned(), asked);
    search.insert("parameters".to_owned(), query.into());
    let form = json!({ "application/x-www-form-urlencoded": { "schema": reference("schemas", "Query") } });
    search.insert("requestBody".to_owned(), body(false, form));
    let mut path = Map::new();
    path.insert("get".to_owned(), list.into());
    path.insert("put".to_owned(), search.into());
    if spec.verbs.add {
        let added = json!({
            "description": "added; the id is in the message and in the header",
            "headers": { "Location": { "description": "the new id", "schema": { "type": "string" } } },
            "content": json_content("Message"),
        });
        let mut refused = vec!["400", "403", "409", "413", "415", "422", "503", "507"];
        if spec.form.is_some() {
            refused.extend(["303", "404", "429"]);
        }
        let mut add = operation(spec, "add", format!("adds: {}", spec.about), answers(("201", added), &refused));
        add.insert("requestBody".to_owned(), body(true, json_content(&format!("{}Create", spec.title))));
        if takes_idempotency_key(spec) {
            add.insert("parameters".to_owned(), json!([reference("parameters", "idempotencyKey")]));
        }
        path.insert("post".to_owned(), add.into());
    }
    path.into()
}

fn member(spec: &TypeSpec) -> Value {
    let whole = json!({
        "description": "the resource",
        "headers": { "ETag": { "description": "its revision", "schema": { "type": "string" } } },
        "content": json_content(spec.title),
    });
    let mut part = whole.clone();
    part["content"] = json!({ "application/json": { "schema": whole_or_part(spec) } });
    let mut path = Map::new();
    path.insert("parameters".to_owned(), json!([reference("parameters", "name")]));
    let read = answers(("200", part), &["304", "400", "403", "404", "503"]);
    let mut get = operation(spec, "read", "reads one".to_owned(), read);
    get.insert(
        "parameters".to_owned(),
        json!([reference("parameters", "select"), reference("parameters", "ifNoneMatch")]),
    );
    path.insert("get".to_owned(), get.into());
    if spec.verbs.edit {
        let refused = ["400", "403", "404", "405", "412", "413", "415", "503", "507"];
        let mut put = operation(spec, "edit", "changes attributes".to_owned(), answers(("200", whole), &refused));
        put.insert(
            "parameters".to_owned(),
            json!([reference("parameters", "remove"), reference("parameters", "ifMatch")]),
        );
        elsewhere(spec, &mut put);
        put.insert("requestBody".to_owned(), body(true, json_content(&format!("{}Attributes", spec.title))));
        path.insert("put".to_owned(), put.into());
    }
    if spec.verbs.delete {
        let gone = json!({ "description": "deleted", "content": json_content("Message") });
        let refused = ["400", "403", "404", "405", "412", "503", "507"];
        let mut delete = operation(spec, "delete", "deletes one".to_owned(), answers(("200", gone), &refused));
        delete.insert("parameters".to_owned(), json!([reference("parameters", "ifMatch")]));
        elsewhere(spec, &mut delete);
        path.insert("delete".to_owned(), delete.into());
    }
    path.into()
}

/// What a change can come to where the document may belong to another agent.
fn elsewhere(spec: &TypeSpec, operation: &mut Map<String, Value>) {
    if !spec.travels {
        return;
    }
    if let Some(parameters) = operation.get_mut("parameters").and_then(Value::as_array_mut) {
        parameters.push(reference("parameters", "override"));
    }
    if let Some(answers) = operation.get_mut("responses").and_then(Value::as_object_mut) {
        answers.insert("202".to_owned(), reference("responses", "Waiting"));
    }
}

/// The path of an action.
fn acted(spec: &TypeSpec, action: &Action) -> Value {
    let mut path = Map::new();
    path.insert("parameters".to_owned(), json!([reference("parameters", "name")]));
    for method in action.methods.iter().filter(|method| **method != "HEAD") {
        let content = match action.name {
            "describe" => json!({ "application/json": { "schema": { "type": "object" } } }),
            _ => json_content("Message"),
        };
        let done = json!({ "description": action.about, "content": content });
        let refused = ["400", "403", "404", "405", "409", "413", "415", "429", "503", "507"];
        let answers = answers((&action.success.to_string(), done), &refused);
        let verb: String = format!("{}-{}", method.to_lowercase(), action.name);
        let mut asked = operation(spec, &verb, action.about.to_owned(), answers);
        if let Some(fields) = action.body.filter(|_| *method != "GET") {
            let required: Vec<&str> = fields.iter().filter(|field| field.required).map(|field| field.name).collect();
            let schema = json!({
                "type": "object", "properties": fields_schema(fields), "required": required,
                "additionalProperties": false,
            });
            asked.insert(
                "requestBody".to_owned(),
                body(!required.is_empty(), json!({ "application/json": { "schema": schema } })),
            );
        }
        path.insert(method.to_lowercase(), asked.into());
    }
    path.into()
}

fn entry_point() -> Value {
    let whole = json!({ "description": "the entry point", "content": json_content("CloudEntryPoint") });
    json!({
        "get": {
            "tags": ["cloud-entry-point"], "operationId": "readCloudEntryPoint",
            "summary": "names all collections", "responses": answers(("200", whole.clone()), &["503"]),
        },
        "put": {
            "tags": ["cloud-entry-point"], "operationId": "editCloudEntryPoint",
            "summary": "changes the entry point's name and description; for administrators",
            "requestBody": body(true, json!({ "application/json": { "schema": { "type": "object" } } })),
            "responses": answers(("200", whole), &["400", "403", "413", "415", "503", "507"]),
        },
    })
}

fn tags() -> Vec<Value> {
    let types = all().iter().map(|spec| json!({ "name": spec.name, "description": spec.about }));
    let others = [
        ("events", "changes as they happen"),
        ("lifecycle", "the original's lifecycle endpoints and its recommender"),
        ("sla", "the original's SLA endpoints"),
        ("um", "the original's user management"),
        ("service-manager", "the original's service manager"),
    ];
    types.chain(others.map(|(name, about)| json!({ "name": name, "description": about }))).collect()
}

/// The stream of changes.
fn events() -> Value {
    let text = json!({ "type": "string" });
    let parameter = |place: &str, name: &str, about: &str| json!({ "name": name, "in": place, "required": false, "schema": text, "description": about });
    let stream = json!({
        "description": "server-sent events `created`, `updated` and `deleted`, after `ready` or `reset`; it has no end",
        // One version of the specification means the whole text by a schema here, another one each event: so there is none.
        "content": { "text/event-stream": {} },
    });
    json!({
        "get": {
            "tags": ["events"], "operationId": "followEvents", "summary": "follows changes as they happen",
            "parameters": [
                parameter("query", "types", "the resource types, with commas between them; without it, all that may be listed"),
                reference("parameters", "filter"),
                parameter("query", "from", "the id of the last event that the caller has; without it, the stream begins now"),
                parameter("header", "Last-Event-ID", "the same; it wins over `from`"),
            ],
            "responses": answers(("200", stream), &["400", "403", "503"]),
        },
    })
}

fn create_schema(spec: &TypeSpec) -> Value {
    if let Some(form) = spec.form {
        return form_schema(spec, form);
    }
    let mut all = vec![reference("schemas", &format!("{}Attributes", spec.title))];
    all.extend(either_name(spec.attributes()));
    json!({
        "allOf": all,
        "required": required_to_add(spec),
        "unevaluatedProperties": false,
    })
}

/// The body that asks for a new member by way of a template.
fn form_schema(spec: &TypeSpec, form: &Form) -> Value {
    let mut filled = fields_schema(form.fields);
    let href = json!({
        "type": "string", "pattern": format!("^{}/\\S+$", form.template), "description": "the template's id",
    });
    filled.insert("href".to_owned(), href);
    let mut properties = fields_schema(COMMON);
    let required = form.fields.iter().filter(|field| field.required).map(|field| field.name);
    let required: Vec<&str> = ["href"].into_iter().chain(required).collect();
    let form_schema = json!({
        "type": "object", "properties": filled, "required": required, "additionalProperties": false,
    });
    properties.insert(form.wrapper.to_owned(), form_schema);
    json!({
        "type": "object", "description": format!("asks for {}", spec.about), "properties": properties,
        "required": [form.wrapper],
    })
}

fn member_schema(spec: &TypeSpec) -> Value {
    json!({
        "allOf": [reference("schemas", "Resource"), reference("schemas", &format!("{}Attributes", spec.title))],
        "properties": { "resourceURI": { "const": spec.uri } },
        "required": required_in_store(spec),
        "unevaluatedProperties": false,
    })
}

/// What `$select` and `$expand` leave of a member: any of its attributes, and inside them more or less than usual.
fn part_schema(spec: &TypeSpec) -> Value {
    let mut properties = part_of_fields(spec.attributes());
    properties.insert("acl".to_owned(), reference("schemas", "Acl"));
    properties.insert("resourceURI".to_owned(), json!({ "const": spec.uri }));
    json!({
        "allOf": [reference("schemas", "Resource")], "properties": properties,
        "required": ["id", "resourceURI", "acl"], "unevaluatedProperties": false,
    })
}

fn whole_or_part(spec: &TypeSpec) -> Value {
    json!({ "anyOf": [reference("schemas", spec.title), reference("schemas", &format!("{}Part", spec.title))] })
}

fn collection_schema(spec: &TypeSpec) -> Value {
    json!({
        "allOf": [reference("schemas", "Collection")],
        "properties": {
            "resourceURI": { "const": spec.collection_uri() },
            (spec.tag): { "type": "array", "items": whole_or_part(spec) },
        },
        "required": [spec.tag],
    })
}
