//! The part of the OpenAPI document for those who watch over an agent.

use serde_json::{Map, Value, json};

/// The paths outside `/api`.
pub(super) fn paths() -> Map<String, Value> {
    let state = json!({
        "text/plain": { "schema": { "type": "string" } },
        "application/json": { "schema": {
            "type": "object", "required": ["status"],
            "properties": { "status": { "type": "string" }, "reason": { "type": "string" } },
        } },
    });
    let answer = |about: &str, content: &Value| json!({ "description": about, "content": content });
    let get = |id: &str, summary: &str, responses: Value| json!({ "get": { "tags": ["operators"], "operationId": id, "summary": summary, "responses": responses } });
    let health = json!({
        "200": answer("it lives, and writes succeed", &state),
        "503": answer("only reads succeed; why stands in the log", &state),
    });
    let ready = json!({
        "200": answer("it takes requests", &state),
        "503": answer("it starts, stops, or cannot write", &state),
    });
    let metrics = json!({
        "200": answer("the text format of Prometheus", &json!({ "text/plain": { "schema": { "type": "string" } } })),
        "403": { "$ref": "#/components/responses/Forbidden" },
    });
    let described = json!({
        "200": answer("this document", &json!({ "application/json": { "schema": { "type": "object" } } })),
        "304": { "$ref": "#/components/responses/NotModified" },
    });
    let mut paths = Map::new();
    paths.insert("/healthz".to_owned(), get("isAlive", "whether the agent lives", health));
    paths.insert("/readyz".to_owned(), get("isReady", "whether the agent takes requests", ready));
    paths.insert("/metrics".to_owned(), get("readMetrics", "what the agent has done and how busy it is", metrics));
    for (path, id) in [("/openapi.json", "describe"), ("/api/openapi.json", "describeApi")] {
        paths.insert(path.to_owned(), get(id, "describes all of this", described.clone()));
    }
    paths
}
