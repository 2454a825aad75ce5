//! CSV by RFC 4180: a heading, CRLF, quotes where they are needed.
//!
//! Spreadsheets run a text that begins with `=`, `+`, `-` or `@` as a formula, so such texts get an apostrophe in front.
//! Numbers stay as they are. Who needs the exact texts takes JSON.

use serde_json::Value;

use super::clean::is_unsafe;
use super::table::find;
use crate::terminal::Terminal;

/// The documents, a line each.
pub(super) fn write(documents: &[Value], columns: &[String], terminal: Terminal) -> String {
    let mut out = line(columns.iter().map(|column| text(column, terminal)));
    for document in documents {
        out.push_str(&line(columns.iter().map(|column| field(find(document, column), terminal))));
    }
    out
}

fn line(fields: impl Iterator<Item = String>) -> String {
    let mut line = fields.collect::<Vec<_>>().join(",");
    line.push_str("\r\n");
    line
}

fn field(value: Option<&Value>, terminal: Terminal) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(content)) => text(content, terminal),
        Some(Value::Object(members)) if members.len() == 1 && members.contains_key("href") => {
            field(members.get("href"), terminal)
        }
        Some(number @ (Value::Number(_) | Value::Bool(_))) => number.to_string(),
        Some(other) => quoted(&super::json_line(other)),
    }
}

fn text(content: &str, terminal: Terminal) -> String {
    let shown: String = if terminal.width.is_some() {
        super::clean(content)
    } else {
        // In a file line breaks are data; other control characters are nobody's.
        content.chars().filter(|c| matches!(c, '\n' | '\r' | '\t') || !is_unsafe(*c)).collect()
    };
    if shown.starts_with(['=', '+', '-', '@', '\t', '\r']) { quoted(&format!("'{shown}")) } else { quoted(&shown) }
}

fn quoted(content: &str) -> String {
    if content.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", content.replace('"', "\"\""))
    } else {
        content.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn csv_quotes_what_needs_it_and_disarms_formulas() {
        let document = json!({
            "id": "service/1", "name": "a,\"b\"\nc", "exec": "=cmd|' /C calc'!A0", "n": -5, "list": [1, 2],
            "link": {"href": "device/1"}, "bell": "x\u{7}y",
        });
        let columns = ["id", "name", "exec", "n", "list", "link", "bell", "missing"].map(str::to_owned);
        let terminal = Terminal { width: None, person: false, colour: false };
        let expected = "id,name,exec,n,list,link,bell,missing\r\n\
                        service/1,\"a,\"\"b\"\"\nc\",'=cmd|' /C calc'!A0,-5,\"[1,2]\",device/1,xy,\r\n";
        assert_eq!(write(&[document], &columns, terminal), expected);
    }
}
