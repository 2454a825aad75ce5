//! Holds a document against its description, and brings accepted values into one form.

use std::collections::HashSet;
use std::fmt;

use serde_json::{Map, Value};

use super::kind::{Field, Fill, Kind, List};
use super::values::{is_target, normalize_number, normalize_scalar, same};
use crate::entropy::{Entropy, uuid_v4, webhook_key};
use crate::id::is_href;
use crate::nearest::nearest;
use crate::time::Timestamp;

/// The most items of a list, and members of a map.
pub const MAX_ITEMS: usize = 10_000;
/// The most faults that one answer names.
pub const MAX_FAULTS: usize = 20;
/// The most characters of a client's value that a message repeats.
const MAX_SHOWN: usize = 80;

/// All that is wrong with a document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct SchemaError {
    faults: Vec<String>,
    more: usize,
}

impl SchemaError {
    /// An error with one fault.
    #[must_use]
    pub fn new(fault: String) -> Self {
        Self { faults: vec![fault], more: 0 }
    }

    /// The faults, at most [`MAX_FAULTS`], each with its place, what was wrong and what was expected.
    #[must_use]
    pub fn faults(&self) -> &[String] {
        &self.faults
    }
}

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "resource does not satisfy defined schema: {}", self.faults.join("; "))?;
        if self.more > 0 {
            write!(f, "; and {} more", self.more)?;
        }
        Ok(())
    }
}

/// One validation: where it stands and what it has found.
pub(super) struct Check<'a> {
    type_name: &'static str,
    numbers_as_text: bool,
    /// What missing attributes are filled from; none leaves them missing.
    fill: Option<(Timestamp, &'a dyn Entropy)>,
    path: String,
    found: SchemaError,
}

impl<'a> Check<'a> {
    pub(super) fn new(
        type_name: &'static str,
        numbers_as_text: bool,
        fill: Option<(Timestamp, &'a dyn Entropy)>,
    ) -> Self {
        let found = SchemaError { faults: Vec::new(), more: 0 };
        Self { type_name, numbers_as_text, fill, path: String::new(), found }
    }

    /// The verdict.
    pub(super) fn finish(self) -> Result<(), SchemaError> {
        if self.found.faults.is_empty() { Ok(()) } else { Err(self.found) }
    }

    /// Notes a fault; past the bound it is only counted, and its text not even made.
    pub(super) fn fault(&mut self, text: impl FnOnce(&str) -> String) {
        if self.found.faults.len() < MAX_FAULTS {
            self.found.faults.push(text(&self.path));
        } else {
            self.found.more += 1;
        }
    }

    /// Does something one step deeper: at the member `label`, or at the item where it is `[index]`.
    pub(super) fn at(&mut self, label: &str, inside: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        if length > 0 && !label.starts_with('[') {
            self.path.push('.');
        }
        self.path.push_str(label);
        inside(self);
        self.path.truncate(length);
    }

    /// Holds an object against fields, given in groups of which the earlier overrides the later.
    pub(super) fn object(&mut self, groups: &[&[Field]], members: &mut Map<String, Value>) {
        let fields = || {
            let known = |at: usize, name: &str| groups[..at].iter().any(|group| group.iter().any(|f| f.name == name));
            groups
                .iter()
                .enumerate()
                .flat_map(|(at, group)| group.iter().map(move |field| (at, field)))
                .filter_map(move |(at, field)| if at > 0 && known(at, field.name) { None } else { Some(field) })
        };
        for key in members.keys() {
            let is_known = |field: &Field| field.name == key || field.alias.is_some_and(|alias| alias.name == key);
            if !fields().any(is_known) {
                self.unknown(key, fields().map(|field| field.name));
            }
        }
        for field in fields() {
            self.member(field, members);
        }
    }

    fn member(&mut self, field: &Field, members: &mut Map<String, Value>) {
        let mut label = field.name;
        if let Some(alias) = field.alias
            && let Some(older) = members.remove(alias.name)
        {
            match members.get(field.name) {
                None => {
                    members.insert(field.name.to_owned(), older);
                    label = alias.name;
                }
                Some(value) if same(value, &older) => {}
                Some(_) => self.at(field.name, |at| {
                    at.fault(|path| format!("`{path}`: its older name `{}` has another value; send one", alias.name));
                }),
            }
        }
        if !members.contains_key(field.name)
            && let Some((now, entropy)) = self.fill
            && let Some(value) = field.fill.and_then(|fill| filling(fill, members, now, entropy))
        {
            members.insert(field.name.to_owned(), value);
        }
        match members.get_mut(field.name) {
            Some(value) => self.at(label, |at| at.value(field.kind, value)),
            None if field.required => self.at(label, |at| {
                at.fault(|path| format!("`{path}` is missing: expected {} ({})", field.kind.expected(), field.about));
            }),
            None => {}
        }
        if let Some(alias) = field.alias.filter(|alias| alias.kept)
            && let Some(value) = members.get(field.name).cloned()
        {
            members.insert(alias.name.to_owned(), value);
        }
    }

    fn unknown<'n>(&mut self, key: &str, names: impl Iterator<Item = &'n str>) {
        let type_name = self.type_name;
        self.at(&cut(key), |at| {
            at.fault(|path| match nearest(&cut(key), names) {
                Some(meant) => format!("`{path}` is not an attribute of {type_name}; did you mean `{meant}`?"),
                None => format!(
                    "`{path}` is not an attribute of {type_name}; resource-metadata/{type_name} lists those it has"
                ),
            });
        });
    }

    /// Holds a value against its kind, at the present place.
    fn value(&mut self, kind: Kind, value: &mut Value) {
        if self.numbers_as_text {
            normalize_number(kind, value);
        }
        match (kind, value) {
            (Kind::Any, value) => self.anything(value),
            (_, Value::Null) => {
                self.fault(|path| format!("`{path}`: null is not accepted; name an attribute in $select to remove it"));
            }
            (Kind::List(list), Value::Array(items)) => self.list(list, items),
            (Kind::Object(fields), Value::Object(members)) => self.object(&[fields], members),
            (Kind::Map(of), Value::Object(members)) => self.map(*of, members),
            (Kind::LooseLink, value @ Value::String(_)) if value.as_str().is_some_and(is_href) => {
                let mut link = Map::new();
                link.insert("href".to_owned(), value.take());
                *value = Value::Object(link);
            }
            (Kind::Link | Kind::LooseLink | Kind::WideLink, Value::Object(members)) => self.link(kind, members),
            (kind, value) => {
                if !normalize_scalar(kind, value) {
                    self.fault(|path| {
                        let meant = match (kind, &*value) {
                            (Kind::OneOf(words), Value::String(word)) => nearest(&cut(word), words.iter().copied()),
                            _ => None,
                        };
                        let hint = meant.map(|word| format!("; did you mean `{word}`?")).unwrap_or_default();
                        format!("`{path}`: {} is not {}{hint}", shown(value), kind.expected())
                    });
                }
            }
        }
    }

    fn list(&mut self, list: List, items: &mut [Value]) {
        if items.len() > MAX_ITEMS {
            return self.fault(|path| format!("`{path}`: {} items are too many, at most {MAX_ITEMS}", items.len()));
        }
        if items.len() < list.min {
            self.fault(|path| format!("`{path}`: {} items are too few, at least {}", items.len(), list.min));
        }
        for (at, item) in items.iter_mut().enumerate() {
            self.at(&format!("[{at}]"), |inside| inside.value(*list.of, item));
        }
        if list.unique {
            let mut seen = HashSet::with_capacity(items.len());
            if let Some(at) = items.iter().position(|item| !seen.insert(item)) {
                self.fault(|path| {
                    format!("`{path}[{at}]`: it is the same as an earlier item, expected each item once")
                });
            }
        }
    }

    fn map(&mut self, of: Kind, members: &mut Map<String, Value>) {
        if self.too_many(members) {
            return;
        }
        for (key, member) in members.iter_mut() {
            self.at(&cut(key), |inside| inside.value(of, member));
        }
    }

    fn link(&mut self, kind: Kind, members: &mut Map<String, Value>) {
        match members.get("href") {
            Some(Value::String(target)) if is_target(kind, target) => {}
            Some(other) => self
                .at("href", |at| at.fault(|path| format!("`{path}`: {} is not in {}", shown(other), kind.expected()))),
            None => self.fault(|path| format!("`{path}`: it has no `href`, expected {}", kind.expected())),
        }
        if !self.too_many(members) {
            for (key, member) in members.iter() {
                self.at(&cut(key), |at| at.anything(member));
            }
        }
    }

    /// Only the bounds: what an open object holds is the client's affair. The depth is bounded by the JSON reader.
    fn anything(&mut self, value: &Value) {
        match value {
            Value::Array(items) if items.len() > MAX_ITEMS => {
                self.fault(|path| format!("`{path}`: {} items are too many, at most {MAX_ITEMS}", items.len()));
            }
            Value::Array(items) => items.iter().for_each(|item| self.anything(item)),
            Value::Object(members) => {
                if self.too_many(members) {
                    return;
                }
                members.values().for_each(|member| self.anything(member));
            }
            _ => {}
        }
    }

    fn too_many(&mut self, members: &Map<String, Value>) -> bool {
        let too_many = members.len() > MAX_ITEMS;
        if too_many {
            self.fault(|path| format!("`{path}`: {} members are too many, at most {MAX_ITEMS}", members.len()));
        }
        too_many
    }
}

fn filling(fill: Fill, members: &Map<String, Value>, now: Timestamp, entropy: &dyn Entropy) -> Option<Value> {
    match fill {
        Fill::Now => Some(now.to_string().into()),
        Fill::RandomId => Some(uuid_v4(entropy).into()),
        Fill::Secret => Some(webhook_key(entropy).into()),
        Fill::Computed(compute) => compute(members, now),
        Fill::Text(_) | Fill::Nat(_) | Fill::Float(_) => fill.constant(),
    }
}

/// A client's text with control characters escaped, cut to a readable length.
pub(super) fn cut(text: &str) -> String {
    let mut shown: String = text.chars().take(MAX_SHOWN).flat_map(char::escape_debug).collect();
    if text.chars().nth(MAX_SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("\"{}\"", cut(text)),
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(_) => "an object".to_owned(),
        other => cut(&other.to_string()),
    }
}
