//! The known keys, derived from the default configuration: their names, environment names and the kind of their values.

use std::collections::BTreeMap;

use mf2c_domain::nearest::nearest;
use toml::{Table, Value};

use super::settings::{Config, Sensor};

/// The prefix of environment variables that are configuration.
pub(super) const PREFIX: &str = "MF2C_";
/// The variable that names the configuration file.
pub(super) const FILE_VARIABLE: &str = "MF2C_CONFIG";
/// The only key whose value is a list of tables with keys of their own.
pub(super) const SENSORS: &str = "device.sensors";

/// All keys with their default values.
pub(super) struct Keys {
    /// Dotted keys: `role`, `api.listen`.
    pub(super) defaults: BTreeMap<String, Value>,
    /// The keys of one sensor.
    pub(super) sensor: Table,
}

impl Keys {
    pub(super) fn new() -> Self {
        Self { defaults: flatten(&as_table(&Config::default())), sensor: as_table(&Sensor::default()) }
    }

    /// Whether keys begin with `name` and a dot.
    pub(super) fn is_section(&self, name: &str) -> bool {
        self.defaults.keys().any(|key| key.split_once('.').is_some_and(|(section, _)| section == name))
    }

    /// The known key that somebody who wrote `key` probably meant: the nearest one in the section, the same word elsewhere, or the
    /// nearest of all.
    pub(super) fn suggestion(&self, key: &str) -> Option<String> {
        let (section, word) = key.rsplit_once('.').unwrap_or(("", key));
        let known = || self.defaults.keys().map(|key| (key.rsplit_once('.').unwrap_or(("", key)), key));
        // What is beside it comes first: elsewhere the same word means something else.
        let beside = known().filter(|((place, _), _)| *place == section).map(|((_, last), _)| last);
        if let Some(word) = nearest(word, beside) {
            return Some(if section.is_empty() { word.to_owned() } else { format!("{section}.{word}") });
        }
        if let Some((_, key)) = known().find(|((_, last), _)| last.eq_ignore_ascii_case(word)) {
            return Some(key.clone());
        }
        nearest(key, self.defaults.keys().map(String::as_str)).map(str::to_owned)
    }

    /// The section that was probably meant.
    pub(super) fn section_suggestion(&self, name: &str) -> Option<String> {
        nearest(name, self.defaults.keys().filter_map(|key| key.split_once('.')).map(|(section, _)| section))
            .map(|section| format!("[{section}]"))
    }
}

/// The table of a configuration.
pub(super) fn as_table<T: serde::Serialize>(value: &T) -> Table {
    // Text, numbers and lists always have a TOML form, and a path outside UTF-8 is refused before it gets here.
    Table::try_from(value).unwrap_or_default()
}

/// Dotted keys and values of a configuration's table.
pub(super) fn flatten(table: &Table) -> BTreeMap<String, Value> {
    let mut flat = BTreeMap::new();
    for (name, value) in table {
        match value {
            Value::Table(section) => {
                flat.extend(section.iter().map(|(key, value)| (format!("{name}.{key}"), value.clone())));
            }
            value => {
                flat.insert(name.clone(), value.clone());
            }
        }
    }
    flat
}

/// The table of dotted keys and values.
pub(super) fn nest<'a>(flat: impl IntoIterator<Item = (&'a String, Value)>) -> Table {
    let mut table = Table::new();
    for (key, value) in flat {
        match key.split_once('.') {
            None => {
                table.insert(key.clone(), value);
            }
            Some((section, key)) => {
                if let Value::Table(section) =
                    table.entry(section.to_owned()).or_insert_with(|| Value::Table(Table::new()))
                {
                    section.insert(key.to_owned(), value);
                }
            }
        }
    }
    table
}

/// The environment variable that sets a key: `MF2C_API_LISTEN` for `api.listen`.
#[must_use]
pub fn environment_name(key: &str) -> String {
    format!("{PREFIX}{}", key.to_uppercase().replace('.', "_"))
}

/// Why `value` cannot be the value of `key`, whose default is `default`.
pub(super) fn refusal(key: &str, value: &Value, default: &Value) -> Option<String> {
    let table = nest([(&key.to_owned(), value.clone())]);
    let error = table.try_into::<Config>().err()?;
    let negative = matches!((value, default), (Value::Integer(number), Value::Integer(_)) if *number < 0);
    if negative {
        return Some(format!("{value} is negative; expected {}", expectation(default)));
    }
    let takes_number = default.as_str().is_some_and(|text| text.starts_with(|c: char| c.is_ascii_digit()));
    let is_quantity = takes_number && (value.is_integer() || value.is_float());
    if value.same_type(default) || is_quantity {
        return Some(error.message().to_owned());
    }
    Some(format!("expected {}, found {}", expectation(default), kind(value)))
}

/// What the kind of a default value asks for.
pub(super) fn expectation(default: &Value) -> String {
    match default {
        Value::String(text) if text.is_empty() => "text in quotes".into(),
        Value::String(_) => format!("text in quotes such as {default}"),
        Value::Integer(_) => format!("a whole number such as {default}"),
        Value::Float(_) => format!("a number such as {default}"),
        Value::Boolean(_) => "true or false".into(),
        Value::Array(_) => "a list in square brackets".into(),
        Value::Datetime(_) => "a date".into(),
        Value::Table(_) => "a table".into(),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "text",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number with a decimal point",
        Value::Boolean(_) => "true or false",
        Value::Array(_) => "a list",
        Value::Datetime(_) => "a date",
        Value::Table(_) => "a table",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_its_own_environment_name_and_none_is_a_list_of_tables_but_the_sensors() {
        let keys = Keys::new();
        let names: std::collections::BTreeSet<String> = keys.defaults.keys().map(|key| environment_name(key)).collect();
        assert_eq!(names.len(), keys.defaults.len());
        assert!(!names.contains(FILE_VARIABLE));
        assert!(keys.defaults.contains_key(SENSORS) && keys.sensor.len() == 3);
        assert_eq!(nest(keys.defaults.iter().map(|(key, value)| (key, value.clone()))), as_table(&Config::default()));
    }

    #[test]
    fn a_key_in_the_wrong_section_is_found_as_well_as_a_misspelt_one() {
        let keys = Keys::new();
        let cases = [
            ("listen", "api.listen"),
            ("server.listen", "api.listen"),
            ("api.listn", "api.listen"),
            ("rôle", "role"),
            ("limits.keepalive", "limits.keep_alive"),
            ("data-dir", "data_dir"),
            ("store.memory-budget", "store.memory_budget"),
        ];
        for (written, meant) in cases {
            assert_eq!(keys.suggestion(written).as_deref(), Some(meant), "{written}");
        }
        assert_eq!(keys.suggestion("api.zzz"), None);
        assert_eq!(keys.section_suggestion("limit").as_deref(), Some("[limits]"));
    }
}
