//! Tables: columns between blanks, without lines, cut to the terminal where there is one.

use serde_json::Value;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::clean;
use crate::terminal::Terminal;

/// What separates two columns.
const GAP: usize = 2;
/// A column is not cut below this width.
const NARROWEST: usize = 6;
/// The longest cell where no terminal cuts it, in characters: some attributes hold whole files.
const LONGEST: usize = 200;

/// The value of an attribute, given as a path such as `details/client/name`.
pub(crate) fn find<'a>(document: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('/').try_fold(document, |value, step| value.get(step))
}

/// A value as it stands in a cell: a link as its target, a list as its items.
pub(crate) fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => clean(text),
        Some(Value::Array(items)) if items.iter().all(|item| !item.is_object() && !item.is_array()) => {
            items.iter().map(|item| cell(Some(item))).collect::<Vec<_>>().join(",")
        }
        // Two digits behind the point are enough to look at.
        Some(Value::Number(number)) if number.is_f64() => {
            let shown = format!("{:.2}", number.as_f64().unwrap_or_default());
            shown.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        Some(Value::Object(members)) if members.len() == 1 && members.contains_key("href") => cell(members.get("href")),
        Some(other) => super::json_line(other),
    }
}

/// A list as a table with a heading.
pub(super) fn list(documents: &[Value], columns: &[String], terminal: Terminal) -> String {
    let heading = |column: &String| clean(column.rsplit('/').next().unwrap_or(column)).to_uppercase();
    let headings: Vec<String> = columns.iter().map(heading).collect();
    let line = |document: &Value| {
        let shown = columns.iter().map(|column| Some(cell(find(document, column))).filter(|text| !text.is_empty()));
        shown.map(|text| text.map_or_else(|| "-".to_owned(), |text| cut(&text, LONGEST))).collect::<Vec<_>>()
    };
    let lines: Vec<Vec<String>> = documents.iter().map(line).collect();
    let widths = widths(std::iter::once(&headings).chain(&lines), terminal.width);
    let mut out = String::new();
    let first = row(&headings, &widths);
    out.push_str(&if terminal.colour { format!("\u{1b}[1m{first}\u{1b}[0m") } else { first });
    out.push('\n');
    for line in &lines {
        out.push_str(&row(line, &widths));
        out.push('\n');
    }
    out
}

/// A document as two columns: attribute and value.
pub(super) fn one(document: &Value, terminal: Terminal) -> String {
    let Some(members) = document.as_object() else { return format!("{}\n", cell(Some(document))) };
    let first = ["id", "name", "description"].into_iter().filter_map(|name| members.get_key_value(name));
    let hidden = ["id", "name", "description", "acl", "operations", "resourceURI"];
    let rest = members.iter().filter(|(name, _)| !hidden.contains(&name.as_str()));
    let lines = first.chain(rest).map(|(name, value)| vec![clean(name), cut(&cell(Some(value)), LONGEST)]);
    let lines: Vec<Vec<String>> = lines.collect();
    let widths = widths(lines.iter(), terminal.width);
    lines.iter().map(|line| format!("{}\n", row(line, &widths))).collect()
}

/// The width of a column.
pub(crate) type Width = usize;

/// One line of a table. The last cell is not filled up.
pub(crate) fn row(cells: &[String], widths: &[Width]) -> String {
    let mut out = String::new();
    for (text, width) in cells.iter().zip(widths) {
        let text = cut(text, *width);
        out.push_str(&text);
        out.extend(std::iter::repeat_n(' ', width.saturating_sub(text.width()) + GAP));
    }
    out.truncate(out.trim_end().len());
    out
}

/// The width of each column: what it needs, and less of the widest where the terminal is too narrow.
fn widths<'a>(lines: impl Iterator<Item = &'a Vec<String>>, available: Option<usize>) -> Vec<Width> {
    let mut widths: Vec<Width> = vec![];
    for line in lines {
        widths.resize(widths.len().max(line.len()), 0);
        for (width, text) in widths.iter_mut().zip(line) {
            *width = (*width).max(text.width());
        }
    }
    let Some(available) = available else { return widths };
    let gaps = GAP * widths.len().saturating_sub(1);
    // The first column, mostly the id, is what people copy: it is cut last.
    for from in [1, 0] {
        while widths.iter().sum::<usize>() + gaps > available {
            match widths.iter_mut().skip(from).max() {
                Some(widest) if *widest > NARROWEST => *widest -= 1,
                _ => break,
            }
        }
    }
    widths
}

/// A text cut to a width; that it was cut is seen.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let (mut kept, mut used) = (String::new(), 0);
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used + 1 > width {
            break;
        }
        kept.push(c);
    }
    kept.push('…');
    kept
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn to(width: Option<usize>) -> Terminal {
        Terminal { width, person: false, colour: false }
    }

    fn columns(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_table_has_what_there_is_and_a_dash_for_what_there_is_not() {
        let documents = [
            json!({"id": "device/1", "os": "linux", "ports": [80, 443], "device": {"href": "device/2"}}),
            json!({"id": "device/22", "details": {"client": {"name": "c\u{1b}[2J"}}}),
        ];
        let names = columns(&["id", "os", "ports", "device", "details/client/name"]);
        let expected = "\
ID         OS     PORTS   DEVICE    NAME
device/1   linux  80,443  device/2  -
device/22  -      -       -         c\\u{1b}[2J
";
        assert_eq!(list(&documents, &names, to(None)), expected);
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_whatever_the_letters() {
        let documents = [json!({"id": "device/".to_owned() + &"a".repeat(90), "name": "日本".repeat(40), "n": 1})];
        let table = list(&documents, &columns(&["id", "name", "n"]), to(Some(60)));
        assert!(table.lines().all(|line| line.width() <= 60) && table.contains('…'), "{table}");
        assert!(table.lines().nth(1).is_some_and(|line| line.ends_with('1')), "{table}");
    }

    #[test]
    fn the_id_is_cut_last() {
        let id = "service/76ad6144-5642-4b8c-afaa-173445edac7f";
        let documents = [json!({"id": id, "name": "a".repeat(50), "memory": 24105.5625})];
        let table = list(&documents, &columns(&["id", "name", "memory"]), to(Some(70)));
        assert!(table.contains(id) && table.contains("a…") && table.contains("24105.56\n"), "{table}");
    }

    #[test]
    fn one_document_is_a_line_for_each_attribute_with_the_id_first() {
        let document = json!({"arch": "x86-64", "id": "device/1", "acl": {}, "operations": [], "memory": 8.5});
        assert_eq!(one(&document, to(None)), "id      device/1\narch    x86-64\nmemory  8.5\n");
    }
}
