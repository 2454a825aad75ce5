//! The part of the OpenAPI document for the original's SLA endpoints, below `/sla`. Their refusals are in the original's form, with
//! the code as a text.

use serde_json::{Map, Value, json};

use super::openapi_parts::{json_content, reference};

/// What is refused, in the original's form.
const REFUSALS: [(&str, &str); 9] = [
    ("400", "a mistake in the request"),
    ("403", "the caller may not do it"),
    ("404", "there is no such object"),
    ("409", "there is one already"),
    ("412", "it is not as `If-Match` says"),
    ("413", "the body is too large"),
    ("415", "the body is of another type"),
    ("503", "busy or unable at the moment"),
    ("507", "the disk is full"),
];

/// How an addition may be refused.
const ADDING: [&str; 7] = ["400", "403", "409", "413", "415", "503", "507"];

/// The schemas that are of no resource type.
pub(super) fn schemas() -> Map<String, Value> {
    let text = json!({ "type": "string" });
    let number = json!({ "type": "number" });
    let count = json!({ "type": "integer", "minimum": 0 });
    let burn = object(&["factor", "long_window", "short_window", "long", "short"], &number);
    let mut burn_rate = burn;
    burn_rate["properties"]["burning"] = json!({ "type": "boolean" });
    let mut budget =
        object(&["objective", "window", "total", "bad", "error_rate", "burn_rate", "budget_remaining"], &number);
    budget["properties"]["guarantee"] = text.clone();
    budget["properties"]["burn_rates"] = json!({ "type": "array", "items": burn_rate });
    let mut fault = object(&["message", "expected", "hint"], &text);
    for name in ["position", "line", "column"] {
        fault["properties"][name] = count.clone();
    }
    let refusal = json!({
        "type": "object", "description": "a refusal in the original's form", "required": ["code", "message"],
        "properties": { "code": text, "message": text, "fault": fault },
    });
    let provider = json!({
        "type": "object", "description": "who promises", "required": ["id", "name"],
        "properties": { "id": text, "name": text }, "additionalProperties": false,
    });
    let mut schemas = Map::new();
    schemas.insert("SlaRefusal".to_owned(), refusal);
    schemas.insert("SlaProvider".to_owned(), provider);
    schemas.insert("SlaBudget".to_owned(), budget);
    schemas
}

/// The paths.
pub(super) fn paths() -> Map<String, Value> {
    let mut paths = Paths(Map::new());
    paths.general();
    paths.providers();
    paths.agreements();
    paths.parts_of_agreements();
    paths.templates();
    paths.records();
    paths.0
}

struct Paths(Map<String, Value>);

impl Paths {
    fn add(&mut self, path: &str, operations: Value) {
        let mut item = Map::new();
        if path.contains("{name}") {
            item.insert("parameters".to_owned(), json!([reference("parameters", "name")]));
        }
        if let Value::Object(operations) = operations {
            item.extend(operations);
        }
        self.0.insert(format!("/sla{path}"), item.into());
    }

    fn general(&mut self) {
        let text = json!({ "text/plain": { "schema": { "type": "string" } } });
        let index = asked("listSla", "what there is", ("200", shown("names and paths", &text)), &[]);
        self.add("", json!({ "get": index }));
        let alive = asked("isSlaAlive", "whether it answers", ("200", shown("it does", &any())), &[]);
        self.add("/healthz", json!({ "get": alive }));
        let page = shown("the text format of Prometheus", &text);
        self.add("/metrics", json!({ "get": asked("readSlaMetrics", "what was assessed", ("200", page), &["403"]) }));
        let judged = asked(
            "validateExpression",
            "whether a constraint can be assessed",
            ("200", shown("how it was understood", &any())),
            &["400", "403", "413", "415", "503"],
        );
        let grammar = json!({ "type": "string", "enum": ["extended", "original"] });
        let expression = json!({ "application/json": { "schema": {
            "type": "object", "required": ["expression"],
            "properties": {
                "expression": { "type": "string", "examples": ["execution_time < 10"] },
                "grammar": grammar,
            },
        } } });
        self.add("/expressions/validate", json!({ "post": sent(judged, &expression) }));
    }

    fn providers(&mut self) {
        let provider = json_content("SlaProvider");
        let all = ("200", shown("all of them", &list("SlaProvider")));
        let one = |status| (status, shown("the provider", &provider));
        self.add(
            "/providers",
            json!({
                "get": asked("listSlaProviders", "lists who promises", all, &["403", "503"]),
                "post": sent(asked("addSlaProvider", "adds one", one("201"), &ADDING), &provider),
            }),
        );
        self.add(
            "/providers/{name}",
            json!({
                "get": asked("readSlaProvider", "reads one", one("200"), &["403", "404", "503"]),
                "delete": asked("deleteSlaProvider", "deletes one", done(), &["403", "404", "503", "507"]),
            }),
        );
    }

    fn agreements(&mut self) {
        let all = ("200", shown("those that the caller may see", &list("Agreement")));
        let all = asked("listSlaAgreements", "lists agreements", all, &["400", "403", "503"]);
        let all = with(all, &["active", "first", "last"]);
        self.add("/agreements", json!({ "get": all, "post": created("Agreement", "addSlaAgreement") }));
        let one = || ("200", shown("the agreement", &json_content("Agreement")));
        let state = json!({ "type": "string", "description": "`started`, `terminated`; anything else stops it" });
        let state = json!({ "application/json": { "schema": { "type": "object", "properties": { "state": state } } } });
        let put = asked(
            "putSlaAgreement",
            "gives it another state; nothing else of the body counts",
            one(),
            &["400", "403", "404", "412", "413", "415", "503", "507"],
        );
        let gone = ["403", "404", "412", "503", "507"];
        self.add(
            "/agreements/{name}",
            json!({
                "get": asked("readSlaAgreement", "reads one", one(), &["403", "404", "503"]),
                "put": matched(sent(put, &state)),
                "delete": matched(asked("deleteSlaAgreement", "deletes one", done(), &gone)),
            }),
        );
    }

    fn parts_of_agreements(&mut self) {
        for state in ["start", "stop", "terminate"] {
            let refused = ["400", "403", "404", "412", "503", "507"];
            let (id, about) = (format!("{state}SlaAgreement"), format!("{state}s its assessment"));
            let moved = matched(asked(&id, &about, done(), &refused));
            self.add(&format!("/agreements/{{name}}/{state}"), json!({ "put": moved }));
        }
        for (part, about, content) in [
            ("details", "what is promised", any()),
            ("assessment", "what was seen", any()),
            ("slo", "budgets of errors", list("SlaBudget")),
        ] {
            let answer = ("200", shown(about, &content));
            let get = asked(&format!("read-{part}OfSlaAgreement"), about, answer, &["403", "404", "503"]);
            self.add(&format!("/agreements/{{name}}/{part}"), json!({ "get": get }));
        }
    }

    fn templates(&mut self) {
        let all = ("200", shown("those that the caller may see", &list("SlaTemplate")));
        let all = with(asked("listSlaTemplates", "lists templates", all, &["400", "403", "503"]), &["first", "last"]);
        self.add("/templates", json!({ "get": all, "post": created("SlaTemplate", "addTemplateOfSla") }));
        let one = ("200", shown("the template", &json_content("SlaTemplate")));
        let one = asked("readTemplateOfSla", "reads one", one, &["403", "404", "503"]);
        self.add("/templates/{name}", json!({ "get": one }));
        let filled = json!({ "application/json": { "schema": {
            "type": "object", "required": ["template_id"],
            "properties": { "template_id": { "type": "string" }, "parameters": { "type": "object" } },
        } } });
        let refused = ["400", "403", "404", "409", "413", "415", "503", "507"];
        for (path, id) in
            [("/create-agreement", "createSlaAgreement"), ("/mf2c/create-agreement", "createSlaAgreementOfMf2c")]
        {
            let made = ("201", shown("`agreement_id` is the new one", &any()));
            let create = asked(id, "makes an agreement from a template", made, &refused);
            self.add(path, json!({ "post": sent(create, &filled) }));
        }
    }

    fn records(&mut self) {
        for (path, kind, id) in
            [("/violations", "SlaViolation", "listSlaViolations"), ("/penalties", "SlaPenalty", "listSlaPenalties")]
        {
            let found = ("200", shown("those that match and that the caller may see", &list(kind)));
            let get = asked(id, "lists them, the oldest first", found, &["400", "403", "503"]);
            let get = with(get, &["agreement", "guarantee", "from", "to", "first", "last"]);
            self.add(path, json!({ "get": get }));
        }
    }
}

fn shown(about: &str, content: &Value) -> Value {
    json!({ "description": about, "content": content })
}

fn done() -> (&'static str, Value) {
    ("204", json!({ "description": "done" }))
}

fn any() -> Value {
    json!({ "application/json": { "schema": { "type": "object" } } })
}

/// An object of members that are all of one kind.
fn object(names: &[&str], kind: &Value) -> Value {
    let members: Map<String, Value> = names.iter().map(|name| ((*name).to_owned(), kind.clone())).collect();
    json!({ "type": "object", "properties": members })
}

fn list(schema: &str) -> Value {
    json!({ "application/json": { "schema": { "type": "array", "items": reference("schemas", schema) } } })
}

/// An operation with its answers.
fn asked(id: &str, summary: &str, (status, answer): (&str, Value), refused: &[&str]) -> Value {
    let mut answers = Map::new();
    answers.insert(status.to_owned(), answer);
    for (status, about) in REFUSALS.iter().filter(|(status, _)| refused.contains(status)) {
        let answer = json!({ "description": about, "content": json_content("SlaRefusal") });
        answers.insert((*status).to_owned(), answer);
    }
    json!({ "tags": ["sla"], "operationId": id, "summary": summary, "responses": answers })
}

/// The same with a body.
fn sent(mut operation: Value, content: &Value) -> Value {
    operation["requestBody"] = json!({ "required": true, "content": content });
    operation
}

/// The same for what may have changed meanwhile.
fn matched(mut operation: Value) -> Value {
    operation["parameters"] = json!([reference("parameters", "ifMatch")]);
    operation["responses"]["202"] = reference("responses", "Waiting");
    operation
}

/// The same with parameters in the query.
fn with(mut operation: Value, names: &[&str]) -> Value {
    let parameter = |name: &&str| {
        let (schema, about) = match *name {
            "active" => (json!({ "type": "string" }), "with any value only those that are started"),
            "agreement" => (json!({ "type": "string" }), "only those of this agreement, by its id"),
            "guarantee" => (json!({ "type": "string" }), "only those of guarantees with this name"),
            "from" => (json!({ "type": "string", "format": "date-time" }), "not before this time"),
            "to" => (json!({ "type": "string", "format": "date-time" }), "before this time"),
            "first" => (json!({ "type": "integer", "minimum": 1 }), "the number of the first one, from 1"),
            _ => (json!({ "type": "integer", "minimum": 0 }), "the number of the last one"),
        };
        json!({ "name": name, "in": "query", "required": false, "schema": schema, "description": about })
    };
    operation["parameters"] = names.iter().map(parameter).collect();
    operation
}

/// Adds an agreement or a template.
fn created(kind: &str, id: &str) -> Value {
    let answer = json!({ "description": "what was stored", "content": json_content(kind) });
    let body = json!({ "application/json": { "schema": { "type": "object" } } });
    sent(asked(id, "adds one", ("201", answer), &ADDING), &body)
}
