//! Distinguished names as texts (RFC 4514), for people and logs.

use std::fmt::Write as _;

use x509_parser::x509::{AttributeTypeAndValue, X509Name};

use super::peer::hex;

/// The types that RFC 4514 (3) gives a short name.
const TYPES: [(&str, &str); 9] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.6", "C"),
    ("2.5.4.9", "STREET"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("0.9.2342.19200300.100.1.1", "UID"),
];

/// The name, its last part first, with everything escaped that could be taken for something else.
pub(super) fn rfc4514(name: &X509Name<'_>) -> String {
    let parts: Vec<_> = name.iter().collect();
    let part = |attributes: Vec<String>| attributes.join("+");
    let texts = parts.iter().rev().map(|set| part(set.iter().map(attribute).collect()));
    texts.collect::<Vec<_>>().join(",")
}

fn attribute(attribute: &AttributeTypeAndValue<'_>) -> String {
    let oid = attribute.attr_type().to_id_string();
    let known = TYPES.iter().find(|(known, _)| *known == oid);
    match (known, attribute.as_str()) {
        (Some((_, name)), Ok(value)) => format!("{name}={}", escape(value)),
        (Some((_, name)), Err(_)) => format!("{name}=#{}", hex(attribute.attr_value().data)),
        (None, _) => format!("{oid}=#{}", hex(attribute.attr_value().data)),
    }
}

fn escape(value: &str) -> String {
    let last = value.chars().count().saturating_sub(1);
    let mut text = String::with_capacity(value.len());
    for (at, c) in value.chars().enumerate() {
        match c {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => text.extend(['\\', c]),
            '#' if at == 0 => text.push_str("\\#"),
            ' ' if at == 0 || at == last => text.push_str("\\ "),
            c if c.is_control() => {
                let mut bytes = [0; 4];
                for byte in c.encode_utf8(&mut bytes).bytes() {
                    let _ = write!(text, "\\{byte:02x}");
                }
            }
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_taken_for_something_else_is_escaped() {
        for (value, text) in [
            ("Doe, John", "Doe\\, John"),
            (" #1 ", "\\ #1\\ "),
            ("#1", "\\#1"),
            ("a\nb\0", "a\\0ab\\00"),
            ("a=b+c", "a=b\\+c"),
            ("ä", "ä"),
            ("", ""),
        ] {
            assert_eq!(escape(value), text);
        }
    }
}
