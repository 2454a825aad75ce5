//! `events`, and `query --watch`: changes as they happen, a line each, until Ctrl-C.

use serde_json::{Value, json};

use super::resources::find;
use crate::ClientError;
use crate::args::{EventsArgs, Format, QueryArgs};
use crate::follow::{Follower, News};
use crate::output::{self, Width, cell, columns, json_line, row};
use crate::session::Session;
use crate::terminal::{Terminal, note, print, say};

/// The columns of a line in a table: when, what, which, and what it is like now.
const WIDTHS: [Width; 4] = [24, 7, 54, 60];
/// Attributes that say most about a resource, in the order in which they are looked for.
const TELLING: [&str; 5] = ["name", "status", "state", "username", "emailAddress"];

pub(super) async fn events(session: &Session<'_>, args: &EventsArgs) -> Result<(), ClientError> {
    let types: Vec<&str> = args.types.iter().map(|spec| spec.name).collect();
    let mut follower = Follower::new(&session.remote, &types, &args.filter, args.from.clone());
    let mut lines = Lines::new(args.shown.output, session.terminal);
    let follow = async {
        loop {
            match follower.next().await? {
                News::Event { name, id, data } => lines.event(&name, id, data)?,
                News::Lost { reason } => note(&format!("{reason}; connecting again")),
            }
        }
    };
    until_interrupted(follow).await
}

/// Prints the list and then each change of it. The stream is opened first, so that nothing falls between the two.
pub(super) async fn watch(session: &Session<'_>, args: &QueryArgs) -> Result<(), ClientError> {
    let mut follower = Follower::new(&session.remote, &[args.kind.name], &args.filter, None);
    let mut lines = Lines::new(args.shown.output, session.terminal);
    let mut listed = false;
    let follow = async {
        loop {
            match follower.next().await? {
                News::Event { name, .. } if name == "ready" => {
                    // A stream that was made again goes on where it ended.
                    if !std::mem::replace(&mut listed, true) {
                        list(session, args, &mut lines).await?;
                    }
                }
                News::Event { name, id, data } => {
                    let again = name == "reset";
                    lines.event(&name, id, data)?;
                    if again {
                        list(session, args, &mut lines).await?;
                    }
                }
                News::Lost { reason } => note(&format!("{reason}; connecting again")),
            }
        }
    };
    until_interrupted(follow).await
}

/// Prints what there is now.
async fn list(session: &Session<'_>, args: &QueryArgs, lines: &mut Lines) -> Result<(), ClientError> {
    // Documents as a whole: the changes that follow have all attributes too.
    let found = find(session, args, None).await?;
    if args.shown.output == Format::Table {
        let shown = if args.select.is_empty() { columns(args.kind) } else { args.select.clone() };
        return print(&output::list(&found.documents, &shown, Format::Table, session.terminal));
    }
    for document in found.documents {
        let text = |name: &str| document.get(name).cloned().unwrap_or(Value::Null);
        let (id, time) = (text("id"), text("updated"));
        lines.line(&json!({
            "change": "present", "id": id, "type": args.kind.name, "time": time, "resource": document,
        }))?;
    }
    Ok(())
}

/// Goes on until Ctrl-C.
async fn until_interrupted(follow: impl Future<Output = Result<(), ClientError>>) -> Result<(), ClientError> {
    tokio::select! {
        outcome = follow => outcome,
        _ = tokio::signal::ctrl_c() => Err(ClientError::Interrupted),
    }
}

/// Writes changes as lines of one format.
struct Lines {
    format: Format,
    terminal: Terminal,
    headed: bool,
}

impl Lines {
    fn new(format: Format, terminal: Terminal) -> Self {
        Self { format, terminal, headed: false }
    }

    /// An event of the stream.
    fn event(&mut self, name: &str, id: Option<String>, mut data: Value) -> Result<(), ClientError> {
        if name == "reset" {
            let reason =
                data.get("reason").and_then(Value::as_str).map(|reason| format!(" ({})", output::clean(reason)));
            note(&format!("some changes were missed{}: read again what matters", reason.unwrap_or_default()));
        }
        if let Some(members) = data.as_object_mut() {
            members.entry("change").or_insert_with(|| name.into());
            members.extend(id.map(|id| ("event".to_owned(), id.into())));
        }
        let about_a_resource = data.get("id").is_some();
        // Programs want to know from when on nothing is missed, people do not.
        if about_a_resource || self.format == Format::Json { self.line(&data) } else { Ok(()) }
    }

    fn line(&mut self, data: &Value) -> Result<(), ClientError> {
        let text = |name: &str| cell(data.get(name));
        match self.format {
            Format::Json => say(&json_line(data)),
            Format::Yaml => print(&format!("---\n{}", output::yaml(data))),
            Format::Csv => {
                let names = ["time", "change", "type", "id", "event"].map(str::to_owned);
                let text = output::list(std::slice::from_ref(data), &names, Format::Csv, self.terminal);
                let headed = std::mem::replace(&mut self.headed, true);
                print(if headed { text.split_once("\r\n").map_or(&text, |(_, lines)| lines) } else { &text })
            }
            Format::Table => {
                let resource = data.get("resource");
                let telling = TELLING.iter().filter_map(|name| Some(cell(Some(resource?.get(name)?))));
                let cells = [text("time"), text("change"), text("id"), telling.collect::<Vec<_>>().join("  ")];
                let mut line = row(&cells, &WIDTHS);
                if let Some(width) = self.terminal.width {
                    line = row(&[line], &[width]);
                }
                say(&self.coloured(&text("change"), line))
            }
        }
    }

    fn coloured(&self, change: &str, line: String) -> String {
        let colour = match change {
            "created" => 32,
            "deleted" => 31,
            _ => return line,
        };
        if self.terminal.colour { format!("\u{1b}[{colour}m{line}\u{1b}[0m") } else { line }
    }
}
