//! How documents are written: as tables, JSON, YAML or CSV. Whatever agents send, nothing in it can command a terminal.

mod clean;
mod columns;
mod csv;
mod table;
mod yaml;

use serde_json::Value;

use crate::args::Format;
use crate::terminal::Terminal;

pub(crate) use clean::{clean, clean_lines};
pub(crate) use columns::{columns, own_columns};
pub(crate) use table::{Width, cell, row};
pub(crate) use yaml::write as yaml;

/// JSON over several lines, with nothing in it that a terminal would obey.
pub(crate) fn json(value: &Value) -> String {
    clean::json(&serde_json::to_string_pretty(value).unwrap_or_default())
}

/// JSON on one line.
pub(crate) fn json_line(value: &Value) -> String {
    clean::json(&value.to_string())
}

/// A list of documents. A table and CSV show `columns` of it, JSON and YAML all.
pub(crate) fn list(documents: &[Value], columns: &[String], format: Format, terminal: Terminal) -> String {
    match format {
        Format::Json => format!("{}\n", json(&Value::Array(documents.to_vec()))),
        Format::Yaml => yaml(&Value::Array(documents.to_vec())),
        Format::Csv => csv::write(documents, columns, terminal),
        Format::Table => table::list(documents, columns, terminal),
    }
}

/// One document: a table has a line for each attribute.
pub(crate) fn one(document: &Value, format: Format, terminal: Terminal) -> String {
    match format {
        Format::Json => format!("{}\n", json(document)),
        Format::Yaml => yaml(document),
        Format::Csv => {
            let own = own_columns(std::slice::from_ref(document));
            csv::write(std::slice::from_ref(document), &own, terminal)
        }
        Format::Table => table::one(document, terminal),
    }
}
