//! How a stored document is shown: its own bytes with the caller's operations at the end, or the part he selected.

use std::cell::Cell;

use mf2c_domain::caller::Caller;
use mf2c_domain::path::Path;
use mf2c_domain::query::Query;
use mf2c_domain::resource::{Offered, TypeSpec};
use mf2c_domain::time::Timestamp;
use mf2c_store::{Document, Store};
use serde_json::{Map, Value, json};

use super::expand::{Allowance, expand};
use crate::error::ApiError;

/// Shows documents of one type to one caller.
pub(super) struct View<'a> {
    store: &'a Store,
    spec: &'static TypeSpec,
    caller: &'a Caller,
    select: Option<&'a [Path]>,
    expanded: &'a [String],
    has_secrets: bool,
    now: Timestamp,
    allowance: Cell<Allowance>,
}

impl<'a> View<'a> {
    pub(super) fn new(
        store: &'a Store,
        spec: &'static TypeSpec,
        caller: &'a Caller,
        query: &'a Query,
        now: Timestamp,
    ) -> Self {
        let has_secrets = spec.secrets().next().is_some();
        Self {
            store,
            spec,
            caller,
            select: query.select.as_deref(),
            expanded: &query.expand,
            has_secrets,
            now,
            allowance: Cell::new(Allowance::ONE_ANSWER),
        }
    }

    /// Appends a document to `out`; false if it has been deleted meanwhile.
    pub(super) fn write(&self, document: &Document, out: &mut Vec<u8>) -> Result<bool, ApiError> {
        let Some(body) = self.store.body(document)? else { return Ok(false) };
        if self.select.is_none() && self.expanded.is_empty() && !self.has_secrets {
            self.splice(document, &body, out)?;
        } else {
            let shown = self.rebuilt(document, &body)?;
            serde_json::to_writer(out, &shown).map_err(|error| internal(&error))?;
        }
        Ok(true)
    }

    /// The stored bytes are an object without `operations`; they go in before its last brace.
    fn splice(&self, document: &Document, body: &[u8], out: &mut Vec<u8>) -> Result<(), ApiError> {
        let whole = match self.spec.actions {
            [] => Map::new(),
            _ => serde_json::from_slice(body).map_err(|error| internal(&error))?,
        };
        let offered = self.offered(document, &whole);
        let (Some((b'}', open)), false) = (body.split_last(), offered.is_empty()) else {
            out.extend_from_slice(body);
            return Ok(());
        };
        out.extend_from_slice(open);
        out.extend_from_slice(br#","operations":["#);
        let mut separator = "";
        for (rel, action) in offered {
            let slash = if action.is_empty() { "" } else { "/" };
            for part in [separator, r#"{"rel":""#, rel, r#"","href":""#, document.id.as_str(), slash, action, r#""}"#] {
                out.extend_from_slice(part.as_bytes());
            }
            separator = ",";
        }
        out.extend_from_slice(b"]}");
        Ok(())
    }

    /// What the caller may do with a document: each operation's name, and what its path has behind the id.
    fn offered(&self, document: &Document, whole: &Map<String, Value>) -> Vec<(&'static str, &'static str)> {
        let verbs = self.spec.verbs;
        let edits = document.acl.can_modify(self.caller);
        let mut offered = Vec::new();
        offered.extend((verbs.edit && edits).then_some(("edit", "")));
        offered.extend((verbs.delete && edits).then_some(("delete", "")));
        let actions = self.spec.actions.iter();
        let actions = actions.filter(|action| edits || action.to == Offered::Readers);
        offered.extend(actions.filter(|action| (action.when)(whole, self.now)).map(|action| (action.rel, action.name)));
        offered
    }

    fn rebuilt(&self, document: &Document, body: &[u8]) -> Result<Map<String, Value>, ApiError> {
        let mut whole: Map<String, Value> = serde_json::from_slice(body).map_err(|error| internal(&error))?;
        for secret in self.spec.secrets() {
            whole.remove(secret);
        }
        if !self.expanded.is_empty() {
            let mut left = self.allowance.get();
            expand(&mut whole, self.expanded, self.store, self.caller, &mut left);
            self.allowance.set(left);
        }
        let offered = self.offered(document, &whole);
        let id = document.id.as_str();
        let operations = (!offered.is_empty()).then(|| {
            let href = |action: &str| if action.is_empty() { id.to_owned() } else { format!("{id}/{action}") };
            offered.iter().map(|(rel, action)| json!({"rel": rel, "href": href(action)})).collect::<Value>()
        });
        match self.select {
            None => {
                whole.extend(operations.map(|operations| ("operations".to_owned(), operations)));
                Ok(whole)
            }
            Some(paths) => {
                let mut shown = selected(&whole, paths);
                if paths.iter().any(|path| path.top() == "operations") {
                    shown.extend(operations.map(|operations| ("operations".to_owned(), operations)));
                }
                Ok(shown)
            }
        }
    }
}

/// A document that the store holds but cannot be shown: never the client's fault.
pub(super) fn internal(error: &serde_json::Error) -> ApiError {
    tracing::error!(%error, "a stored document cannot be shown");
    ApiError::new(actix_web::http::StatusCode::INTERNAL_SERVER_ERROR, "a stored document cannot be shown; see the log")
}

/// The selected attributes, and those that are always shown: `id`, `resourceURI` and `acl`.
fn selected(whole: &Map<String, Value>, paths: &[Path]) -> Map<String, Value> {
    let mut shown = Map::new();
    for name in ["id", "resourceURI", "acl"] {
        shown.extend(whole.get(name).map(|value| (name.to_owned(), value.clone())));
    }
    for path in paths {
        let steps: Vec<&str> = path.steps().iter().map(|step| &**step).collect();
        copy(whole, &mut shown, &steps);
    }
    shown
}

fn copy(from: &Map<String, Value>, to: &mut Map<String, Value>, steps: &[&str]) {
    let Some((first, rest)) = steps.split_first() else { return };
    match (from.get(*first), rest) {
        (None, _) => {}
        (Some(value), []) => drop(to.insert((*first).to_owned(), value.clone())),
        (Some(Value::Object(inner)), rest) => {
            let slot = to.entry(*first).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(slot) = slot {
                copy(inner, slot, rest);
            }
        }
        (Some(Value::Array(items)), rest) => {
            let parts = items.iter().filter_map(Value::as_object).map(|item| {
                let mut part = Map::new();
                copy(item, &mut part, rest);
                Value::Object(part)
            });
            to.insert((*first).to_owned(), parts.collect());
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selection_keeps_what_it_names_and_the_frame() {
        let whole = json!({"id": "device/a", "resourceURI": "u", "acl": {}, "os": "linux", "x": {"y": 1, "z": 2}, "l": [{"a": 1, "b": 2}]});
        let paths: Vec<Path> = ["os", "x/y", "l/a", "nothing"].iter().filter_map(|text| Path::parse(text)).collect();
        let shown = selected(whole.as_object().unwrap(), &paths);
        assert_eq!(
            Value::Object(shown),
            json!({"id": "device/a", "resourceURI": "u", "acl": {}, "os": "linux", "x": {"y": 1}, "l": [{"a": 1}]})
        );
    }
}
