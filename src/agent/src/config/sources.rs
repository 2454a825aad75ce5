//! Reads the three sources of settings: a TOML file, the environment, the flags. What is no key is a problem here; whether
//! a value fits its key is judged in one place for all three.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use mf2c_domain::nearest::nearest;
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

use super::address::ListenAddress;
use super::error::{ConfigError, Origin, Problem};
use super::keys::{FILE_VARIABLE, Keys, PREFIX, SENSORS, environment_name, expectation};
use super::legacy::{OLD_NAMES, old_value};
use super::words::{LogFormat, Role};

/// The largest configuration file, in bytes.
const LARGEST_FILE: u64 = 1 << 20;

/// A value for a key, and where it came from.
#[derive(Debug)]
pub(super) struct Setting {
    pub(super) key: String,
    pub(super) value: Value,
    pub(super) origin: Origin,
}

/// What the flags of the command line say; what is not given says nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Overrides {
    /// `--role`
    pub role: Option<Role>,
    /// `--data-dir`
    pub data_dir: Option<PathBuf>,
    /// `--dev`; `false` says nothing.
    pub dev: bool,
    /// `--api`
    pub api: Option<ListenAddress>,
    /// `--http`
    pub http: Option<ListenAddress>,
    /// `--link`
    pub link: Option<ListenAddress>,
    /// `--log-level`
    pub log_level: Option<String>,
    /// `--log-format`
    pub log_format: Option<LogFormat>,
}

impl Overrides {
    pub(super) fn settings(&self, problems: &mut Vec<Problem>) -> Vec<Setting> {
        let data_dir = self.data_dir.as_ref().and_then(|path| match path.to_str() {
            Some(path) => Some(path.to_owned()),
            None => {
                let reason = "the path is not UTF-8; choose another directory".to_owned();
                let origin = Origin::Flag("--data-dir");
                problems.push(Problem::Refused { origin, key: "data_dir".into(), reason });
                None
            }
        });
        let given = [
            ("role", "--role", self.role.map(|role| role.to_string())),
            ("data_dir", "--data-dir", data_dir),
            ("api.listen", "--api", self.api.map(|address| address.to_string())),
            ("api.http", "--http", self.http.map(|address| address.to_string())),
            ("link.listen", "--link", self.link.map(|address| address.to_string())),
            ("log.level", "--log-level", self.log_level.clone()),
            ("log.format", "--log-format", self.log_format.map(|format| format.to_string())),
        ];
        let texts = given.into_iter().filter_map(|(key, flag, text)| Some((key, flag, Value::String(text?))));
        let dev = self.dev.then_some(("dev", "--dev", Value::Boolean(true)));
        texts
            .chain(dev)
            .map(|(key, flag, value)| Setting { key: key.into(), value, origin: Origin::Flag(flag) })
            .collect()
    }
}

/// Reads a file of bounded size.
pub(super) fn read(path: &Path) -> Result<String, ConfigError> {
    let failed = |source| ConfigError::Read { path: path.to_owned(), source };
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut text = String::new();
    file.take(LARGEST_FILE + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > LARGEST_FILE {
        return Err(ConfigError::TooLarge { path: path.to_owned(), most: LARGEST_FILE });
    }
    Ok(text)
}

/// The settings of a file's text.
pub(super) fn from_file(path: &Path, text: &str, keys: &Keys, problems: &mut Vec<Problem>) -> Vec<Setting> {
    // Values come from the plain table, lines from the one with spans.
    let (values, spans) = match (toml::from_str::<Table>(text), DeTable::parse(text)) {
        (Ok(values), Ok(spans)) => (values, spans),
        (Err(error), _) | (_, Err(error)) => {
            let origin = Origin::line(path, text, error.span().map_or(0, |span| span.start));
            problems.push(Problem::Syntax { origin, message: error.message().replace('\n', ", ") });
            return vec![];
        }
    };
    let mut file = File { path, text, keys, settings: vec![], problems: vec![] };
    for (name, place) in spans.get_ref().iter() {
        if let Some(value) = values.get(name.get_ref().as_ref()) {
            file.entry(name.get_ref(), name.span().start, value, place.get_ref());
        }
    }
    file.problems.sort_by_key(Problem::line);
    problems.append(&mut file.problems);
    file.settings
}

struct File<'a> {
    path: &'a Path,
    text: &'a str,
    keys: &'a Keys,
    settings: Vec<Setting>,
    problems: Vec<Problem>,
}

impl File<'_> {
    fn origin(&self, offset: usize) -> Origin {
        Origin::line(self.path, self.text, offset)
    }

    fn entry(&mut self, name: &str, at: usize, value: &Value, place: &DeValue<'_>) {
        let is_section = self.keys.is_section(name);
        match (value, place) {
            (Value::Table(section), DeValue::Table(places)) if is_section => {
                for (key, place) in places {
                    if let Some(value) = section.get(key.get_ref().as_ref()) {
                        let full = format!("{name}.{}", key.get_ref());
                        self.setting(full, key.span().start, value, place);
                    }
                }
            }
            (Value::Table(section), _) if !self.keys.defaults.contains_key(name) => {
                // The nearest section, or the one that has the keys written below this one.
                let suggestion = self
                    .keys
                    .section_suggestion(name)
                    .or_else(|| section.keys().next().and_then(|key| self.keys.suggestion(&format!("{name}.{key}"))));
                self.unknown(at, format!("[{name}]"), suggestion);
            }
            _ if is_section => {
                let reason = format!("is a section: write [{name}] and its keys below");
                self.problems.push(Problem::Refused { origin: self.origin(at), key: name.into(), reason });
            }
            _ if self.keys.defaults.contains_key(name) => {
                let setting = Setting { key: name.into(), value: value.clone(), origin: self.origin(at) };
                self.settings.push(setting);
            }
            _ => self.unknown(at, name.into(), self.keys.suggestion(name)),
        }
    }

    fn setting(&mut self, key: String, at: usize, value: &Value, place: &Spanned<DeValue<'_>>) {
        if !self.keys.defaults.contains_key(&key) {
            let suggestion = self.keys.suggestion(&key);
            return self.unknown(at, key, suggestion);
        }
        if key == SENSORS && !self.sensor_keys(place.get_ref()) {
            return;
        }
        let origin = self.origin(at);
        self.settings.push(Setting { key, value: value.clone(), origin });
    }

    /// Whether every sensor has known keys only; what is unknown becomes a problem.
    fn sensor_keys(&mut self, place: &DeValue<'_>) -> bool {
        let before = self.problems.len();
        let sensors = place.as_array().into_iter().flatten().filter_map(|sensor| sensor.get_ref().as_table());
        for key in sensors.flat_map(|sensor| sensor.keys()) {
            let name: &str = key.get_ref();
            if !self.keys.sensor.contains_key(name) {
                let near = nearest(name, self.keys.sensor.keys().map(String::as_str)).map(str::to_owned);
                self.unknown(key.span().start, format!("{SENSORS}.{name}"), near);
            }
        }
        self.problems.len() == before
    }

    fn unknown(&mut self, at: usize, key: String, suggestion: Option<String>) {
        self.problems.push(Problem::UnknownKey { origin: self.origin(at), key, suggestion });
    }
}

/// The settings among the environment's variables.
pub(super) fn from_environment(
    environment: &BTreeMap<String, String>,
    keys: &Keys,
    problems: &mut Vec<Problem>,
) -> Vec<Setting> {
    let known: BTreeMap<String, &String> = keys.defaults.keys().map(|key| (environment_name(key), key)).collect();
    let old = OLD_NAMES.iter().filter_map(|(name, key)| Some((name, key, environment.get(*name)?.trim())));
    // The later one of two settings wins.
    let mut settings = vec![];
    for (name, key, text) in old.filter(|(.., text)| !text.is_empty()) {
        let (key, origin) = ((*key).to_owned(), Origin::Environment((*name).to_owned()));
        match old_value(name, text) {
            Ok(value) => settings.extend(value.map(|value| Setting { key, value, origin })),
            Err(reason) => problems.push(Problem::Refused { origin, key, reason }),
        }
    }
    for (name, text) in environment.iter().filter(|(name, _)| name.starts_with(PREFIX) && *name != FILE_VARIABLE) {
        let Some((key, default)) = known.get(name).and_then(|key| keys.defaults.get_key_value(*key)) else {
            // The common prefix would make every name look like every other.
            let words = known.keys().map(String::as_str).chain([FILE_VARIABLE]);
            let near = nearest(&name[PREFIX.len()..], words.filter_map(|word| word.strip_prefix(PREFIX)));
            let suggestion = near.map(|near| format!("{PREFIX}{near}"));
            problems.push(Problem::UnknownVariable { name: name.clone(), suggestion });
            continue;
        };
        let origin = Origin::Environment(name.clone());
        match value_of(key, text.trim(), default) {
            Ok(value) => settings.push(Setting { key: key.clone(), value, origin }),
            Err(reason) => problems.push(Problem::Refused { origin, key: key.clone(), reason }),
        }
    }
    settings
}

/// Reads a variable's text as the kind of value that its key has. Lists are separated by commas, sensors are TOML.
fn value_of(key: &str, text: &str, default: &Value) -> Result<Value, String> {
    let read = match default {
        _ if key == SENSORS => toml::from_str::<Table>(&format!("value = {text}"))
            .ok()
            .and_then(|mut table| table.remove("value").filter(Value::is_array)),
        Value::Integer(_) => text.parse().ok().map(Value::Integer),
        Value::Float(_) => text.parse().ok().map(Value::Float),
        Value::Boolean(_) => match text {
            "true" | "1" => Some(Value::Boolean(true)),
            "false" | "0" => Some(Value::Boolean(false)),
            _ => None,
        },
        Value::Array(_) => {
            let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
            Some(Value::Array(words.map(|word| Value::String(word.into())).collect()))
        }
        _ => Some(Value::String(text.into())),
    };
    let text: String = text.chars().take(60).collect();
    read.ok_or_else(|| format!("expected {}, found `{text}`", expectation(default)))
}
