//! The smallest bodies that the agent's own OpenAPI document allows.

use serde_json::{Map, Value, json};

/// The document, and a count by which no two bodies ask for the same name.
pub(super) struct Bodies {
    document: Value,
    made: u64,
}

/// What a schema demands of an object.
#[derive(Default)]
struct Demands<'d> {
    properties: Vec<(&'d str, &'d Value)>,
    required: Vec<&'d str>,
}

impl Bodies {
    pub(super) fn new(document: Value) -> Self {
        Self { document, made: 0 }
    }

    /// The paths, with what is said of each.
    pub(super) fn paths(&self) -> Map<String, Value> {
        self.document["paths"].as_object().expect("paths").clone()
    }

    /// A word that was not given before.
    pub(super) fn unused(&mut self) -> String {
        self.made += 1;
        format!("n{}", self.made)
    }

    /// The least that the request to this path wants as a JSON body; none if it wants no JSON.
    pub(super) fn of(&self, path: &str, method: &str) -> Option<Value> {
        let content = &self.document["paths"][path][method.to_lowercase()]["requestBody"]["content"];
        content["application/json"].get("schema").map(|schema| self.least(schema))
    }

    fn least(&self, schema: &Value) -> Value {
        let schema = self.resolved(schema);
        for key in ["const", "default"] {
            if let Some(value) = schema.get(key) {
                return value.clone();
            }
        }
        if let Some(first) = schema["examples"].get(0).or_else(|| schema["enum"].get(0)) {
            return first.clone();
        }
        if schema.get("allOf").is_none()
            && let Some(first) = schema["anyOf"].get(0)
        {
            return self.least(first);
        }
        match schema["type"].as_str() {
            Some("string") => text(schema).into(),
            Some("boolean") => false.into(),
            Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or(json!(1)),
            Some("array") => {
                let count = schema["minItems"].as_u64().unwrap_or(0);
                (0..count).map(|_| self.least(&schema["items"])).collect()
            }
            Some("object") => self.object(schema),
            Some(other) => panic!("no such type: {other}"),
            None if schema.get("allOf").is_some() => self.object(schema),
            None => "x".into(),
        }
    }

    fn object(&self, schema: &Value) -> Value {
        let mut demands = Demands::default();
        self.collect(schema, &mut demands);
        let mut object = Map::new();
        for name in demands.required {
            let (_, schema) = demands.properties.iter().find(|(known, _)| *known == name).expect("it is described");
            object.insert(name.to_owned(), self.least(schema));
        }
        object.into()
    }

    fn collect<'d>(&'d self, schema: &'d Value, demands: &mut Demands<'d>) {
        let schema = self.resolved(schema);
        schema["allOf"].as_array().into_iter().flatten().for_each(|part| self.collect(part, demands));
        if let Some(first) = schema["anyOf"].get(0) {
            self.collect(first, demands);
        }
        let properties = schema["properties"].as_object().into_iter().flatten();
        demands.properties.extend(properties.map(|(name, schema)| (name.as_str(), schema)));
        demands.required.extend(schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str));
    }

    fn resolved<'d>(&'d self, schema: &'d Value) -> &'d Value {
        match schema["$ref"].as_str() {
            Some(reference) => self.document.pointer(reference.trim_start_matches('#')).expect("it leads somewhere"),
            None => schema,
        }
    }
}

/// A text of the format or pattern that is asked for.
fn text(schema: &Value) -> String {
    match (schema["format"].as_str(), schema["pattern"].as_str()) {
        (Some("date-time"), _) => "2019-06-14T18:06:24.203Z".to_owned(),
        (Some("email"), _) => "somebody@example.org".to_owned(),
        (Some("uri"), _) => "http://localhost:9/".to_owned(),
        // The id of a template of one type.
        (_, Some(pattern)) if pattern.ends_with("/\\S+$") => {
            format!("{}/x", pattern.trim_start_matches('^').trim_end_matches("/\\S+$"))
        }
        (_, Some(pattern)) if pattern.contains("/\\S+)") => "device/x".to_owned(),
        _ => "x".to_owned(),
    }
}
