//! What bodies must look like: the rules of the interface, with faults in the words of its original validator, Python's `jsonschema`
//! (facades specification, 1.4).

use serde_json::{Map, Value};

/// So many faults are told.
const MOST: usize = 100;
/// So much of what was sent is shown in a fault, in characters.
const SHOWN: usize = 200;

/// All that is wrong with a body.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<String>);

/// What a number may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Range {
    pub(super) least: u64,
    pub(super) most: Option<u64>,
    pub(super) step: u64,
}

/// From one number to another, or without an end.
pub(super) const fn from_to(least: u64, most: Option<u64>) -> Range {
    Range { least, most, step: 1 }
}

/// A regular expression that a fault shows, and whether a text fits it.
type Pattern = (&'static str, fn(&str) -> bool);

/// What a text may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text {
    pub(super) pattern: Option<Pattern>,
    pub(super) shortest: usize,
    pub(super) longest: usize,
}

/// Any text.
pub(super) const ANY: Text = Text { pattern: None, shortest: 0, longest: usize::MAX };
/// A random UUID.
pub(super) const UUID: Text = Text { pattern: Some((UUID_PATTERN, is_uuid)), shortest: 36, longest: 36 };

const UUID_PATTERN: &str = "^[a-fA-F0-9]{8}-[a-fA-F0-9]{4}-4[a-fA-F0-9]{3}-[89aAbB][a-fA-F0-9]{3}-[a-fA-F0-9]{12}$";

/// Whether a text is a UUID of version 4.
pub(super) fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            14 => byte == b'4',
            19 => b"89abAB".contains(&byte),
            _ => byte.is_ascii_hexdigit(),
        })
}

impl Faults {
    /// What was found, if it is without a fault.
    pub(super) fn unless<T>(self, found: Option<T>) -> Result<T, Vec<String>> {
        let mut faults = self.0;
        if let (Some(found), true) = (found, faults.is_empty()) {
            return Ok(found);
        }
        faults.sort();
        faults.truncate(MOST);
        Err(faults)
    }

    fn add(&mut self, fault: String) {
        // Enough to sort and tell; the rest says nothing new.
        if self.0.len() < 10 * MOST {
            self.0.push(fault);
        }
    }

    /// An object with these members.
    pub(super) fn object<'v>(
        &mut self,
        value: &'v Value,
        required: &[&str],
        optional: &[&str],
    ) -> Option<&'v Map<String, Value>> {
        let Some(object) = value.as_object() else {
            self.add(format!("{} is not of type 'object'", shown(value)));
            return None;
        };
        for name in required.iter().filter(|name| !object.contains_key(**name)) {
            self.add(format!("'{name}' is a required property"));
        }
        let known = |name: &&String| required.contains(&name.as_str()) || optional.contains(&name.as_str());
        let others: Vec<String> = object.keys().filter(|name| !known(name)).map(|name| quoted(name)).collect();
        if !others.is_empty() {
            let (few, verb) = (others.iter().take(MOST).cloned().collect::<Vec<_>>().join(", "), were(others.len()));
            self.add(format!("Additional properties are not allowed ({few} {verb} unexpected)"));
        }
        Some(object)
    }

    /// A text.
    pub(super) fn text(&mut self, value: &Value, rule: Text) -> Option<String> {
        let Some(text) = value.as_str() else {
            self.add(format!("{} is not of type 'string'", shown(value)));
            return None;
        };
        let before = self.0.len();
        if let Some((pattern, _)) = rule.pattern.filter(|(_, fits)| !fits(text)) {
            self.add(format!("{} does not match '{pattern}'", quoted(text)));
        }
        let length = text.chars().count();
        if length < rule.shortest {
            self.add(format!("{} is too short", quoted(text)));
        }
        if length > rule.longest {
            self.add(format!("{} is too long", quoted(text)));
        }
        (self.0.len() == before).then(|| text.to_owned())
    }

    /// A whole number.
    pub(super) fn number(&mut self, value: &Value, range: Range) -> Option<u64> {
        if !(value.is_u64() || value.is_i64()) {
            self.add(format!("{} is not of type 'integer'", shown(value)));
            return None;
        }
        let before = self.0.len();
        // What is less than nothing is less than the least.
        let number = value.as_u64();
        if number.is_none_or(|number| number < range.least) {
            self.add(format!("{value} is less than the minimum of {}", range.least));
        }
        if let Some(most) = range.most.filter(|most| number.is_some_and(|number| number > *most)) {
            self.add(format!("{value} is greater than the maximum of {most}"));
        }
        let whole = number.map(i128::from).or(value.as_i64().map(i128::from));
        if whole.is_some_and(|whole| whole % i128::from(range.step) != 0) {
            self.add(format!("{value} is not a multiple of {}", range.step));
        }
        number.filter(|_| self.0.len() == before)
    }

    /// A number of seconds, or none.
    pub(super) fn seconds(&mut self, value: &Value, most: f64) -> Option<f64> {
        if value.is_null() {
            return None;
        }
        let Some(seconds) = value.as_f64() else {
            self.add(format!("{} is not of type 'number', 'null'", shown(value)));
            return None;
        };
        if seconds < 0.0 {
            self.add(format!("{value} is less than the minimum of 0"));
        }
        if seconds > most {
            self.add(format!("{value} is greater than the maximum of {most}"));
        }
        Some(seconds)
    }

    /// A list of so many.
    pub(super) fn list<'v>(&mut self, value: &'v Value, least: usize, most: usize) -> &'v [Value] {
        let Some(list) = value.as_array() else {
            self.add(format!("{} is not of type 'array'", shown(value)));
            return &[];
        };
        if list.len() < least {
            self.add(format!("{} is too short", shown(value)));
        }
        if list.len() > most {
            self.add(format!("{} is too long", shown(value)));
        }
        list
    }

    /// A list without anything twice.
    pub(super) fn unique<T: Ord + Copy>(&mut self, value: &Value, found: &[T]) {
        let mut sorted: Vec<T> = found.to_vec();
        sorted.sort();
        if sorted.windows(2).any(|pair| matches!(pair, [one, other] if one == other)) {
            self.add(format!("{} has non-unique elements", shown(value)));
        }
    }

    /// Texts by their names.
    pub(super) fn texts<'v>(&mut self, value: &'v Value, most: usize, longest: usize) -> Vec<(&'v String, String)> {
        let Some(object) = value.as_object() else {
            self.add(format!("{} is not of type 'object'", shown(value)));
            return vec![];
        };
        if object.len() > most {
            self.add(format!("{} has too many properties", shown(value)));
        }
        for name in object.keys().filter(|name| name.chars().count() > longest) {
            self.add(format!("{} is too long", quoted(name)));
        }
        let rule = Text { longest, ..ANY };
        object.iter().filter_map(|(name, value)| Some((name, self.text(value, rule)?))).collect()
    }

    /// What may be this alone.
    pub(super) fn constant(&mut self, value: &Value, expected: &Value) {
        if value != expected {
            self.add(format!("{} is not one of [{}]", shown(value), shown(expected)));
        }
    }

    /// Something that is none of what it may be.
    pub(super) fn none_of(&mut self, value: &Value) {
        self.add(format!("{} is not valid under any of the given schemas", shown(value)));
    }
}

const fn were(count: usize) -> &'static str {
    if count == 1 { "was" } else { "were" }
}

/// A text in quotes, cut where it is long.
fn quoted(text: &str) -> String {
    let cut: String = text.chars().take(SHOWN).collect();
    let more = if cut.len() < text.len() { "…" } else { "" };
    format!("'{}{more}'", cut.escape_debug().to_string().replace("\\\"", "\""))
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        other => {
            let text = other.to_string();
            let cut: String = text.chars().take(SHOWN).collect();
            if cut.len() < text.len() { format!("{cut}…") } else { cut }
        }
    }
}
