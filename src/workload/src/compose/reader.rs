//! Looking through values and noting everything that is wrong, with its place.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::application::MOST_PROBLEMS;
use super::text::filled;
use crate::check::shown;

/// Collects what is wrong.
pub(crate) struct Reader<'a> {
    /// The only variables that a file can use.
    pub(crate) variables: &'a BTreeMap<String, String>,
    /// Names of secrets that parts may ask for.
    pub(crate) secrets: &'a [String],
    pub(crate) problems: Vec<String>,
}

impl Reader<'_> {
    pub(crate) fn wrong(&mut self, place: &str, what: &str) {
        if self.problems.len() < MOST_PROBLEMS {
            self.problems.push(format!("{}: {what}", place_shown(place)));
        }
    }

    /// A mapping, or nothing with a word about it. Null is an empty one.
    pub(crate) fn map<'v>(&mut self, place: &str, value: &'v Value) -> Option<&'v Map<String, Value>> {
        match value {
            Value::Object(map) => Some(map),
            Value::Null => None,
            _ => {
                self.wrong(place, "a mapping is expected");
                None
            }
        }
    }

    pub(crate) fn list<'v>(&mut self, place: &str, value: &'v Value) -> &'v [Value] {
        match value {
            Value::Array(list) => list,
            Value::Null => &[],
            _ => {
                self.wrong(place, "a list is expected");
                &[]
            }
        }
    }

    /// A text, a number or a truth value as text, with its variables filled in.
    pub(crate) fn text(&mut self, place: &str, value: &Value) -> Option<String> {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(truth) => truth.to_string(),
            _ => {
                self.wrong(place, "a text is expected");
                return None;
            }
        };
        match filled(&text, self.variables) {
            Ok(text) => Some(text),
            Err(why) => {
                self.wrong(place, &why);
                None
            }
        }
    }

    /// What `read` makes of a text, or a word about what was expected.
    pub(crate) fn read<T>(
        &mut self,
        place: &str,
        value: &Value,
        expected: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(place, value)?;
        let found = read(&text);
        if found.is_none() {
            self.wrong(place, &format!("`{}` was found, and {expected} is expected", shown(&text)));
        }
        found
    }

    /// Names every key that is not known.
    pub(crate) fn only(&mut self, place: &str, map: &Map<String, Value>, known: &[&str]) {
        for key in map.keys().filter(|key| !known.contains(&key.as_str()) && !key.starts_with("x-")) {
            let place = joined(place, key);
            match reason(key) {
                Some(reason) => self.wrong(&place, reason),
                None => self.wrong(&place, "this key is not known here"),
            }
        }
    }

    /// Names with values, as a mapping or as a list of `NAME=value`. One without a value has none.
    pub(crate) fn pairs(&mut self, place: &str, value: &Value) -> Vec<(String, Option<String>)> {
        match value {
            Value::Object(map) => map
                .iter()
                .map(|(name, value)| {
                    let text = if value.is_null() { None } else { self.text(&joined(place, name), value) };
                    (name.clone(), text)
                })
                .collect(),
            _ => self
                .list(place, value)
                .iter()
                .filter_map(|value| {
                    let text = self.text(place, value)?;
                    Some(match text.split_once('=') {
                        Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                        None => (text, None),
                    })
                })
                .collect(),
        }
    }

    /// Words: a list, or a text that is parted as a shell would.
    pub(crate) fn words(&mut self, place: &str, value: &Value) -> Option<Vec<String>> {
        match value {
            Value::Null => None,
            Value::Array(list) => Some(list.iter().filter_map(|word| self.text(place, word)).collect()),
            _ => self.read(place, value, "words, each quote with its end", super::application::words),
        }
    }
}

/// Keys of compose that are refused for a reason.
fn reason(key: &str) -> Option<&'static str> {
    Some(match key {
        "include" | "extends" => "other files are not read: write it all into this one",
        "env_file" => "files of the machine are not read: use `environment`, or the service's environment",
        "build" => "images are not built here: name one that is",
        "configs" => "files of the machine are not read: use a volume, or `environment`",
        "secrets" => "files of the machine are not read: secrets come from credentials, by the service",
        "privileged" | "cap_add" | "security_opt" | "pid" | "ipc" | "network_mode" | "userns_mode" => {
            "a part cannot leave its isolation"
        }
        "container_name" => "names follow from the instance",
        _ => return None,
    })
}

pub(crate) fn joined(place: &str, key: &str) -> String {
    let key = if key.chars().count() > 60 { key.chars().take(60).collect::<String>() + "…" } else { key.to_owned() };
    if place.is_empty() { key } else { format!("{place}.{key}") }
}

/// A place is made of keys, which may hold anything.
fn place_shown(place: &str) -> String {
    place.chars().take(300).flat_map(char::escape_debug).collect()
}
