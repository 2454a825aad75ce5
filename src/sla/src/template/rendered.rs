//! A filled template as text, in the form of the original, so that the place of what is missing is counted as there: members in the
//! order of its structures, and `<`, `>` and `&` as `\u003c` and so on, except in what stands for a missing value.

use serde_json::{Map, Value};

use super::NO_VALUE;

/// The original's members in its order; others follow by name.
const ORDER: [&str; 16] = [
    "id",
    "type",
    "name",
    "metric",
    "aggregation",
    "state",
    "assessment",
    "details",
    "provider",
    "client",
    "creation",
    "expiration",
    "variables",
    "guarantees",
    "constraint",
    "penalties",
];

/// The text, with the original's order and escapes.
pub(super) fn rendered(template: &Map<String, Value>) -> String {
    let mut out = String::new();
    write_object(template, &mut out);
    out
}

/// The depth is that of a stored document, which the store bounds.
fn write(value: &Value, out: &mut String) {
    match value {
        Value::Object(members) => write_object(members, out),
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { "," });
                write(item, out);
            }
            out.push(']');
        }
        Value::String(text) => write_text(text, out),
        plain => out.push_str(&plain.to_string()),
    }
}

fn write_object(members: &Map<String, Value>, out: &mut String) {
    let rank = |name: &str| ORDER.iter().position(|known| *known == name).unwrap_or(ORDER.len());
    let mut sorted: Vec<(&String, &Value)> = members.iter().collect();
    sorted.sort_by(|(one, _), (other, _)| (rank(one), *one).cmp(&(rank(other), *other)));
    out.push('{');
    for (at, (name, value)) in sorted.into_iter().enumerate() {
        out.push_str(if at == 0 { "" } else { "," });
        write_text(name, out);
        out.push(':');
        write(value, out);
    }
    out.push('}');
}

fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for (at, part) in text.split(NO_VALUE).enumerate() {
        out.push_str(if at == 0 { "" } else { NO_VALUE });
        let quoted = Value::from(part).to_string();
        let inner = quoted.strip_prefix('"').and_then(|quoted| quoted.strip_suffix('"')).unwrap_or_default();
        for c in inner.chars() {
            match c {
                '<' => out.push_str("\\u003c"),
                '>' => out.push_str("\\u003e"),
                '&' => out.push_str("\\u0026"),
                c => out.push(c),
            }
        }
    }
    out.push('"');
}
