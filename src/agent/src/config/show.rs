//! Prints the effective configuration as TOML that can be loaded again, each key with where it came from.

use std::fmt::Write as _;

use toml::Value;

use super::Loaded;
use super::error::Origin;
use super::keys::{as_table, flatten};

impl Loaded {
    /// The effective configuration as commented TOML.
    #[must_use]
    pub fn show(&self) -> String {
        let mut out = String::from("# The effective configuration; behind each key where its value came from.\n");
        let (roots, sections): (Vec<_>, Vec<_>) =
            flatten(&as_table(&self.config)).into_iter().partition(|(key, _)| !key.contains('.'));
        for (key, value) in &roots {
            self.line(&mut out, key, key, value);
        }
        let mut current = "";
        for (key, value) in &sections {
            let (section, name) = key.split_once('.').unwrap_or(("", key));
            if section != current {
                // Writing to a `String` cannot fail.
                let _ = write!(out, "\n[{section}]\n");
                current = section;
            }
            self.line(&mut out, name, key, value);
        }
        out
    }

    fn line(&self, out: &mut String, name: &str, key: &str, value: &Value) {
        let origin = self.origins.get(key).unwrap_or(&Origin::Default).to_string();
        // A control character would end the comment, or is not allowed in one.
        let origin: String = origin.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
        let _ = writeln!(out, "{name} = {value}  # {origin}");
    }
}
