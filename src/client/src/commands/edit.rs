//! `edit`: changes a resource by key=value, from a file, or in the editor of the user's choice.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use mf2c_domain::resource::{self, SERVER_OWNED, TypeSpec};
use reqwest::{Method, header};
use serde_json::{Map, Value};
use tempfile::NamedTempFile;
use tokio::signal::unix::{SignalKind, signal};

use crate::args::{EditArgs, Format};
use crate::assign;
use crate::output;
use crate::prompt::confirm;
use crate::remote::api_path;
use crate::session::Session;
use crate::terminal::{note, say};
use crate::{ClientError, Surroundings};

/// What the names of drafts begin with.
const DRAFT: &str = "mf2c-edit-";

pub(super) async fn edit(session: &Session<'_>, args: &EditArgs) -> Result<(), ClientError> {
    let spec = args.id.split('/').next().and_then(resource::find);
    let spec = spec.ok_or_else(|| ClientError::Usage(format!("`{}` cannot be edited", args.id)))?;
    if args.file.is_none() && args.attributes.is_empty() && args.remove.is_empty() {
        return in_editor(session, args).await;
    }
    let mut changes = match &args.file {
        Some(path) => assign::from_file(path)?,
        None => Map::new(),
    };
    let tag = assigned(session, args, spec, &mut changes).await?;
    let removed: Vec<&str> = args.remove.iter().map(String::as_str).collect();
    send(session, &args.id, changes, &removed, tag.as_deref()).await?;
    if let Some(path) = &args.file {
        Editor::of(session.around).forget(path);
    }
    say(&format!("{} changed", args.id))
}

/// Puts the assignments of the command line into `changes`. One inside an object needs the rest of that object, and then the
/// tag of the revision that it was read from.
async fn assigned(
    session: &Session<'_>,
    args: &EditArgs,
    spec: &TypeSpec,
    changes: &mut Map<String, Value>,
) -> Result<Option<String>, ClientError> {
    let mut tag = None;
    let mut read: Option<Map<String, Value>> = None;
    for assignment in assign::assignments(&args.attributes, spec)? {
        if let [top, _, ..] = assignment.path.as_slice()
            && !changes.contains_key(top)
        {
            if read.is_none() {
                let (document, present) = fetch(session, &args.id).await?;
                (read, tag) = (Some(document), present);
            }
            let present = read.as_ref().and_then(|document| document.get(top));
            changes.extend(present.map(|present| (top.clone(), present.clone())));
        }
        assign::apply(changes, assignment)?;
    }
    Ok(tag)
}

/// A resource and its entity tag.
pub(super) async fn fetch(
    session: &Session<'_>,
    id: &str,
) -> Result<(Map<String, Value>, Option<String>), ClientError> {
    let request = session.remote.request(Method::GET, &api_path(id), &[]);
    let (document, headers) = session.remote.json(request).await?;
    let tag = headers.get(header::ETAG).and_then(|tag| tag.to_str().ok()).map(str::to_owned);
    match document {
        Value::Object(document) => Ok((document, tag)),
        _ => Err(session.remote.no_agent("the answer is no document")),
    }
}

/// Sends changes, and the names of what goes.
pub(super) async fn send(
    session: &Session<'_>,
    id: &str,
    changes: Map<String, Value>,
    removed: &[&str],
    tag: Option<&str>,
) -> Result<(), ClientError> {
    let select = removed.join(",");
    let query: &[(&str, &str)] = if removed.is_empty() { &[] } else { &[("$select", &select)] };
    let mut request = session.remote.request(Method::PUT, &api_path(id), query);
    if let Some(tag) = tag {
        request = request.header(header::IF_MATCH, tag);
    }
    let body = Value::Object(changes).to_string();
    session.remote.json(request.header(header::CONTENT_TYPE, "application/json").body(body)).await.map(drop)
}

/// Without what the server alone sets: that part cannot be edited.
pub(super) fn editable(mut document: Map<String, Value>) -> Map<String, Value> {
    document.retain(|name, _| !SERVER_OWNED.contains(&name.as_str()));
    document
}

/// What differs between two documents: new values, and what is gone.
pub(super) fn difference(
    before: &Map<String, Value>,
    mut after: Map<String, Value>,
) -> (Map<String, Value>, Vec<String>) {
    let removed = before.keys().filter(|name| !after.contains_key(*name)).cloned().collect();
    after.retain(|name, value| before.get(name) != Some(value));
    (after, removed)
}

async fn in_editor(session: &Session<'_>, args: &EditArgs) -> Result<(), ClientError> {
    let editor = Editor::of(session.around);
    // Ctrl-C inside the editor is the editor's; it must not end us and leave the text behind.
    let _ours = signal(SignalKind::interrupt()).map_err(|source| ClientError::Runtime { source })?;
    let (document, tag) = fetch(session, &args.id).await?;
    let before = editable(document.clone());
    let mut text = match args.format {
        Format::Json => format!("{}\n", output::json(&Value::Object(before.clone()))),
        _ => format!(
            "# {}\n# Lines that begin with # are ignored. What is left as it is is not sent.\n{}",
            args.id,
            output::yaml(&Value::Object(before.clone()))
        ),
    };
    let after = loop {
        let edited = editor.run(&text, args.format)?;
        match assign::document(&edited) {
            Ok(after) => {
                text = edited;
                break editable(after);
            }
            Err(reason) if session.terminal.person => {
                note(&reason);
                if !confirm("Edit again?")? {
                    return Err(kept(&editor, &edited, args.format, &format!("the edit was given up ({reason})")));
                }
                text = edited;
            }
            Err(reason) => return Err(kept(&editor, &edited, args.format, &reason)),
        }
    };
    let (changes, removed) = difference(&before, after);
    if changes.is_empty() && removed.is_empty() {
        return say(&format!("{} unchanged", args.id));
    }
    let removed: Vec<&str> = removed.iter().map(String::as_str).collect();
    match send(session, &args.id, changes, &removed, tag.as_deref()).await {
        Ok(()) => say(&format!("{} changed", args.id)),
        Err(ClientError::Refused { status: 412, .. }) => {
            let what = changed_meanwhile(session, &args.id, &document).await;
            let error = kept(&editor, &text, args.format, &what);
            Err(ClientError::Changed(error.to_string()))
        }
        Err(error) => {
            // What a person has written is not thrown away.
            match keep(&editor, &text, args.format) {
                Ok(path) => {
                    let (id, path) = (&args.id, path.display());
                    note(&format!(
                        "the edit was not accepted; the edited text is kept in `{path}`: correct it, then \
                         `mf2c edit {id} -f {path}`"
                    ));
                }
                Err(lost) => note(&lost.to_string()),
            }
            Err(error)
        }
    }
}

/// Says what somebody else has changed since the resource was read.
async fn changed_meanwhile(session: &Session<'_>, id: &str, before: &Map<String, Value>) -> String {
    let Ok((now, _)) = fetch(session, id).await else {
        return format!("{id} has changed while it was edited, and cannot be read any more: nothing was sent");
    };
    let when = output::cell(now.get("updated"));
    let (changes, removed) = difference(&editable(before.clone()), editable(now));
    let names: Vec<String> = changes.keys().chain(&removed).map(|name| output::clean(name)).collect();
    format!("somebody else changed {} of {id} at {when}, while it was edited: nothing was sent", names.join(", "))
}

/// Keeps an edited text in a file and says where.
fn kept(editor: &Editor, text: &str, format: Format, what: &str) -> ClientError {
    match keep(editor, text, format) {
        Ok(path) => ClientError::Failed(format!("{what}; the edited text is kept in `{}`", path.display())),
        Err(error) => error,
    }
}

/// Keeps an edited text in a file.
fn keep(editor: &Editor, text: &str, format: Format) -> Result<PathBuf, ClientError> {
    let draft = editor.draft(text, format)?;
    let path = draft.path().to_owned();
    draft.keep().map(|_| path.clone()).map_err(|error| ClientError::Write { path, source: error.error })
}

/// The editor of the user's choice.
struct Editor {
    command: String,
    folder: PathBuf,
}

impl Editor {
    /// Removes a text that was kept and is not needed any more. Files that people have made themselves stay.
    fn forget(&self, path: &Path) {
        let is_ours = path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(DRAFT));
        if is_ours && path.parent() == Some(&self.folder) {
            // A file that is left over harms nobody.
            let _ = std::fs::remove_file(path);
        }
    }

    fn of(around: &Surroundings) -> Self {
        let command = around.variable("VISUAL").or_else(|| around.variable("EDITOR")).unwrap_or("vi");
        Self { command: command.to_owned(), folder: around.variable("TMPDIR").unwrap_or("/tmp").into() }
    }

    /// A file with this text that its owner alone may read.
    fn draft(&self, text: &str, format: Format) -> Result<NamedTempFile, ClientError> {
        let suffix = if format == Format::Json { ".json" } else { ".yaml" };
        let failed = |source| ClientError::Write { path: self.folder.clone(), source };
        let draft = tempfile::Builder::new().prefix(DRAFT).suffix(suffix).tempfile_in(&self.folder);
        let mut draft = draft.map_err(failed)?;
        draft.write_all(text.as_bytes()).map_err(failed)?;
        Ok(draft)
    }

    /// Lets the user edit a text.
    fn run(&self, text: &str, format: Format) -> Result<String, ClientError> {
        let draft = self.draft(text, format)?;
        let failed =
            |why: String| ClientError::Failed(format!("the editor `{}` {why}: nothing was sent", self.command));
        // By the shell, because the variable may hold arguments: EDITOR="code --wait".
        let script = format!("{} \"$1\"", self.command);
        let status = Command::new("/bin/sh").args(["-c", &script, "sh"]).arg(draft.path()).status();
        let status = status.map_err(|error| failed(format!("cannot be started ({error})")))?;
        if !status.success() {
            return Err(failed(format!("ended with {status}")));
        }
        // By its name: many editors put a new file in the place of the old one.
        let path = draft.path().to_owned();
        std::fs::read_to_string(&path).map_err(|source| ClientError::Read { path, source })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn only_what_differs_is_sent() {
        let before = object(json!({"a": 1, "b": {"c": 2}, "d": "x"}));
        let (changes, removed) = difference(&before, object(json!({"a": 1, "b": {"c": 3}, "e": null})));
        assert_eq!(Value::Object(changes), json!({"b": {"c": 3}, "e": null}));
        assert_eq!(removed, ["d"]);
        assert_eq!(difference(&before, before.clone()), (Map::new(), vec![]));
    }
}
