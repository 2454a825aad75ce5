//! What a device has attached, by name: sensors, their models, actuators.

use super::loose::Loose;
use crate::text::folded;

/// So many names of one document are kept.
const MOST: usize = 1024;
/// A longer name is none.
const LONGEST: usize = 256;
/// What stands in `actuatorInfo` where there is nothing: the original's and ours.
const NOTHING: [&str; 4] = ["please check your actuator connection", "no actuators", "empty", "unknown"];

/// A set of names in small letters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Names(Vec<Box<str>>);

impl Names {
    /// Whether a name, in small letters, is among them.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.binary_search_by(|known| (**known).cmp(name)).is_ok()
    }

    fn add(&mut self, name: &str) {
        let name = name.trim_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '.'));
        if !name.is_empty() && name.len() <= LONGEST && self.0.len() < MOST {
            self.0.push(folded(name));
        }
    }

    /// Adds what is measured or can act: a word, a list, or a text with a list in it, of JSON or of Python.
    pub(super) fn add_listed(&mut self, value: &Loose<'_>) {
        for element in value.elements() {
            let Loose::Text(text) = element else { continue };
            let text = text.trim();
            match text.strip_prefix('[').map(|rest| rest.strip_suffix(']').unwrap_or(rest)) {
                Some(_) if serde_json::from_str(text).is_ok_and(|words: Vec<String>| self.add_all(&words)) => {}
                Some(inner) => inner.split(',').for_each(|word| self.add(word)),
                None => self.add(text),
            }
        }
    }

    fn add_all(&mut self, words: &[String]) -> bool {
        words.iter().for_each(|word| self.add(word));
        true
    }

    /// Adds what a sentence such as `It has Ambulance, Sirene` names: its parts between commas, and their words.
    pub(super) fn add_prose(&mut self, text: &str) {
        if NOTHING.iter().any(|nothing| text.trim().eq_ignore_ascii_case(nothing)) {
            return;
        }
        let plain = strip_prefix(text.trim(), "it has ").unwrap_or(text);
        for part in plain.split([',', ';']) {
            self.add(part);
            if part.trim().contains(char::is_whitespace) {
                part.split_whitespace().for_each(|word| self.add(word));
            }
        }
    }

    /// Sorts what was added, so that it can be searched.
    pub(super) fn sorted(mut self) -> Self {
        self.0.sort_unstable();
        self.0.dedup();
        self
    }
}

fn strip_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    text.get(..prefix.len()).filter(|start| start.eq_ignore_ascii_case(prefix)).and(text.get(prefix.len()..))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(json: &str) -> Names {
        let mut names = Names::default();
        names.add_listed(&serde_json::from_str(json).unwrap());
        names.sorted()
    }

    fn prose(text: &str) -> Names {
        let mut names = Names::default();
        names.add_prose(text);
        names.sorted()
    }

    #[test]
    fn sensor_types_are_words_lists_and_texts_with_lists_in_them() {
        for (json, has) in [
            (r#""Temperature""#, vec!["temperature"]),
            (r#""[\"temperature\", \"Humidity\"]""#, vec!["temperature", "humidity"]),
            (r#""['temperature', 'humidity']""#, vec!["temperature", "humidity"]),
            (r#""[temperature""#, vec!["temperature"]),
            (r#"["temperature", "[\"humidity\"]", 5, null]"#, vec!["temperature", "humidity"]),
            (r#""light sensor""#, vec!["light sensor"]),
        ] {
            let names = listed(json);
            assert!(has.iter().all(|name| names.has(name)), "{json}: {names:?}");
            assert_eq!(names.0.len(), has.len(), "{json}: {names:?}");
        }
        for nothing in ["\"\"", "\"[]\"", "\"[1]\"", "null", "7", "{}"] {
            assert!(!listed(nothing).has(""), "{nothing}");
        }
    }

    #[test]
    fn actuators_are_found_in_prose_and_an_excuse_is_none() {
        let names = prose("It has Ambulance, Fire Sirene.");
        assert!(["ambulance", "fire sirene", "sirene"].iter().all(|name| names.has(name)), "{names:?}");
        assert!(!names.has("it") && !names.has("has"));
        for nothing in ["Please check your actuator connection", "No actuators", "", " ,; "] {
            assert_eq!(prose(nothing), Names::default(), "{nothing}");
        }
        assert!(prose("é").has("é"));
    }

    #[test]
    fn names_are_bounded() {
        let many: Vec<String> = (0..5000).map(|at| format!("s{at}")).collect();
        assert_eq!(prose(&many.join(",")).0.len(), MOST);
        assert_eq!(prose(&"x".repeat(LONGEST + 1)), Names::default());
    }
}
