//! Asks every question as everybody, and writes the answers down.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use mf2c_domain::resource::{self, Served, TypeSpec};
use serde_json::{Value, json};

use super::callers::{Caller, PASSWORD};
use super::documents::{Document, REQUEST, World};

pub(super) const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"];

/// What a path leads to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    Collection(&'static TypeSpec),
    Member(&'static TypeSpec),
    Action(&'static TypeSpec),
    Other,
}

/// One question.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) method: &'static str,
    /// The path as the OpenAPI document has it, or with `{absent}` for a name that nobody has.
    pub(super) path: String,
    pub(super) place: Place,
    /// Whether the OpenAPI document has this method at this path.
    pub(super) described: bool,
}

/// One answer.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    pub(super) status: u16,
    /// The body, without the name of the document.
    pub(super) body: String,
    /// The document that was asked for.
    pub(super) document: Option<Document>,
}

/// All answers to one question, in the order of the callers.
pub(super) type Matrix = Vec<(Row, Vec<Cell>)>;

/// All questions, from the paths of the document.
pub(super) fn rows(world: &World) -> Vec<Row> {
    let mut rows = vec![];
    for (path, described) in world.bodies.paths() {
        let place = place(&path);
        let absent = path.contains("{name}").then(|| path.replace("{name}", "{absent}"));
        for path in [Some(path.clone()), absent].into_iter().flatten() {
            for method in METHODS {
                let like = if method == "HEAD" { "get" } else { &method.to_lowercase() };
                let described = described.get(like).is_some() && (method != "HEAD" || answers_head(place, &path));
                rows.push(Row { method, path: path.clone(), place, described });
            }
        }
    }
    rows
}

/// Whether a path that answers GET answers HEAD too.
fn answers_head(place: Place, path: &str) -> bool {
    let action = path.rsplit('/').next().unwrap_or_default();
    match place {
        Place::Action(spec) => spec.action(action).is_some_and(|action| action.methods.contains(&"HEAD")),
        _ => true,
    }
}

fn place(path: &str) -> Place {
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let spec = parts.get(1).filter(|_| parts[0] == "api").and_then(|kind| resource::find(kind));
    match (spec.filter(|spec| spec.name != "cloud-entry-point"), &parts[..]) {
        (Some(spec), [_, _]) => Place::Collection(spec),
        (Some(spec), [_, _, "{name}"]) => Place::Member(spec),
        (Some(spec), [_, _, "{name}", _]) => Place::Action(spec),
        _ => Place::Other,
    }
}

/// Asks everything as everybody.
pub(super) fn ask(world: &mut World, rows: Vec<Row>, callers: &[Caller]) -> Matrix {
    let mut documents = BTreeMap::new();
    rows.into_iter()
        .map(|row| {
            let cells = callers.iter().map(|caller| cell(world, &row, caller, &mut documents)).collect();
            (row, cells)
        })
        .collect()
}

fn cell(world: &mut World, row: &Row, caller: &Caller, documents: &mut BTreeMap<&str, Document>) -> Cell {
    let document = match row.place {
        Place::Member(spec) | Place::Action(spec) if row.path.contains("{name}") => {
            Some(documents.entry(spec.name).or_insert_with(|| world.new_document(spec.name)).clone())
        }
        _ => None,
    };
    let caller = match &document {
        Some(Document { owner: Some(owner), .. }) if caller.standing == owner.standing => owner,
        _ => caller,
    };
    let id = document.as_ref().map(|document| document.id.as_str()).unwrap_or_default();
    let name = id.split_once('/').map_or("nobody-has-this", |(_, name)| name);
    let path = row.path.replace("{name}", name).replace("{absent}", name);
    let body = body(world, row);
    let reply = world.send(caller, row.method, &path, body.as_ref());
    // What was refused for want of rights is as it was.
    if let (Place::Member(spec) | Place::Action(spec), false) = (row.place, matches!(reply.status, 403..=405)) {
        let read = matches!(row.place, Place::Member(_)) && matches!(row.method, "GET" | "HEAD");
        if !read && spec.served != Served::BuiltIn {
            documents.remove(spec.name);
        }
    }
    let body = String::from_utf8_lossy(&reply.body).replace(name, "{name}");
    Cell { status: reply.status, body, document }
}

/// A body with which nothing but a right can be missing.
fn body(world: &mut World, row: &Row) -> Option<Value> {
    match (row.place, row.method) {
        (_, "GET" | "HEAD" | "OPTIONS" | "DELETE") => None,
        (Place::Collection(_), "PUT") => None,
        (Place::Collection(spec), "POST") if spec.verbs.add => {
            world.make_room(spec.name);
            Some(world.new_body(spec.name))
        }
        (Place::Member(_), "PUT") => Some(json!({"description": "edited"})),
        (Place::Action(_), "POST") if row.path.ends_with("/certify") => Some(json!({ "request": REQUEST })),
        (Place::Action(spec), "POST") if spec.name == "user" => {
            Some(json!({"current-password": PASSWORD, "new-password": format!("another {PASSWORD}")}))
        }
        (_, method) => {
            let path = row.path.replace("{absent}", "{name}");
            Some(world.bodies.of(&path, method).unwrap_or_else(|| json!({})))
        }
    }
}

/// The answers as a table for people: a line for each question, a column for each caller.
pub(super) fn table(matrix: &Matrix, callers: &[Caller]) -> String {
    let widest = matrix.iter().map(|(row, _)| row.path.len()).max().unwrap_or_default();
    let mut out = format!("{:8}{:widest$}", "", "");
    for caller in callers {
        let _ = write!(out, "  {}", caller.column);
    }
    out.push('\n');
    for (row, cells) in matrix {
        let _ = write!(out, "{:8}{:widest$}", row.method, row.path);
        for (cell, caller) in cells.iter().zip(callers) {
            let _ = write!(out, "  {:<width$}", cell.status, width = caller.column.len());
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
        if row.method == METHODS[METHODS.len() - 1] {
            out.push('\n');
        }
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}
