//! YAML, written so that every reader of YAML 1.1 and 1.2 understands the same: a text that could be taken for something
//! else stands in double quotes, as JSON writes it.

use serde_json::Value;

use super::clean::{escape, is_unsafe};

/// A document.
pub(crate) fn write(value: &Value) -> String {
    let mut out = String::new();
    block(value, 0, &mut out);
    out
}

/// Writes a value from the start of a line.
fn block(value: &Value, depth: usize, out: &mut String) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (name, member) in members {
                indent(depth, out);
                out.push_str(&scalar_text(name));
                out.push(':');
                nested(member, depth, out);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                // The first line of what is inside follows the dash; its indent is as wide as that.
                let mut inside = String::new();
                block(item, depth + 1, &mut inside);
                indent(depth, out);
                out.push_str("- ");
                out.push_str(inside.trim_start_matches(' '));
            }
        }
        scalar => {
            indent(depth, out);
            out.push_str(&flow(scalar));
            out.push('\n');
        }
    }
}

/// Writes a value behind `name:`.
fn nested(value: &Value, depth: usize, out: &mut String) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            out.push('\n');
            block(value, depth + 1, out);
        }
        Value::Array(items) if !items.is_empty() => {
            out.push('\n');
            block(value, depth + 1, out);
        }
        scalar => {
            out.push(' ');
            out.push_str(&flow(scalar));
            out.push('\n');
        }
    }
}

fn indent(depth: usize, out: &mut String) {
    out.extend(std::iter::repeat_n("  ", depth));
}

fn flow(value: &Value) -> String {
    match value {
        Value::String(text) => scalar_text(text),
        // An empty list, an empty object, null, numbers and truth values read the same as JSON.
        other => other.to_string(),
    }
}

/// A text, bare where nobody can take it for anything else.
fn scalar_text(text: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '/' | '.' | ' ' | '@' | '+' | '(' | ')');
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    let word = matches!(
        text.to_ascii_lowercase().as_str(),
        "y" | "n" | "yes" | "no" | "on" | "off" | "true" | "false" | "null" | "nan" | "inf"
    );
    if starts && !word && !text.ends_with(' ') && text.chars().all(safe) {
        return text.to_owned();
    }
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            c if is_unsafe(c) || !(c.is_alphanumeric() || c.is_ascii()) && u32::from(c) <= 0xFFFF => {
                quoted.push_str(&escape(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn yaml_is_for_people_and_quotes_what_could_be_misread() {
        let document = json!({
            "name": "hello world", "os": "no", "version": "1.0", "when": "2026-01-01T00:00:00Z", "num": 1.5, "none": null,
            "empty": [], "ports": [80, 443], "acl": {"owner": {"principal": "jane"}, "rules": [{"right": "VIEW"}]},
            "text": "two\nlines: #x",
        });
        let expected = "\
acl:
  owner:
    principal: jane
  rules:
    - right: VIEW
empty: []
name: hello world
none: null
num: 1.5
os: \"no\"
ports:
  - 80
  - 443
text: \"two\\nlines: #x\"
version: \"1.0\"
when: \"2026-01-01T00:00:00Z\"
";
        assert_eq!(write(&document), expected);
    }

    fn anything() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (-1.0e15..1.0e15).prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            "[a-z :#'\"\\\\-]{0,12}".prop_map(Value::from),
            "[0-9.eE:_xo+-]{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::btree_map("[a-zA-Z ~:.-]{0,8}", inner, 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_as_the_same(value in anything()) {
            let text = write(&value);
            prop_assert!(!text.chars().any(|c| c != '\n' && is_unsafe(c)), "{text}");
            let read: Value = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{text}\n{error}"));
            prop_assert_eq!(read, value, "{}", text);
        }
    }
}
