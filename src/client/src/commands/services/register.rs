//! `service register` and `service list`.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use mf2c_domain::entropy::uuid_v4;
use mf2c_domain::resource::types::service;
use serde_json::{Map, Value, json};

use super::{document, named};
use crate::ClientError;
use crate::args::{Format, RegisterArgs, ShownArgs};
use crate::assign;
use crate::commands::resources::all;
use crate::commands::{answer, edit};
use crate::output;
use crate::session::Session;
use crate::terminal::{note, print};

/// The largest compose file; agents read none that is larger.
const LARGEST_COMPOSE: u64 = 1 << 20;
/// The longest `exec` in a table, in characters: one may hold a whole file.
const LONGEST_EXEC: usize = 40;
/// What a table of services shows.
const COLUMNS: [&str; 5] = ["name", "type", "exec", "agents", "id"];
/// What stays as it is when a service takes the place of another and does not speak of it.
const KEPT: [&str; 4] = ["acl", "name", "description", "properties"];

pub(super) async fn register(session: &Session<'_>, args: &RegisterArgs) -> Result<(), ClientError> {
    let file = args.file.as_deref().map(assign::from_file).transpose()?;
    let compose = args.compose.as_deref().map(compose).transpose()?;
    let service = document::described(file.unwrap_or_default(), compose.as_deref(), args)?;
    let there = match (args.replace, service.get("name").and_then(Value::as_str)) {
        (true, Some(name)) => named::own_service(session, name).await?,
        _ => None,
    };
    if let Some(id) = there {
        return replace(session, &id, service, args).await;
    }
    let key = session.remote.is_somebody().then(|| uuid_v4(&*session.around.entropy));
    let answer = session.remote.add(service::SPEC.name, &Value::Object(service), key.as_deref()).await?;
    let Some(id) = answer.get("resource-id").and_then(Value::as_str).map(str::to_owned) else {
        return Err(session.remote.no_agent("the answer names no new resource"));
    };
    answer::created(&id, answer, args.output, session)
}

/// Makes a service say what this one says, unless somebody else changes it at the same time.
async fn replace(
    session: &Session<'_>,
    id: &str,
    service: Map<String, Value>,
    args: &RegisterArgs,
) -> Result<(), ClientError> {
    let (before, tag) = edit::fetch(session, id).await?;
    let (changes, removed) = edit::difference(&edit::editable(before), service);
    let removed: Vec<&str> =
        removed.iter().map(String::as_str).filter(|name| !KEPT.contains(name) && !is_given(name)).collect();
    if changes.is_empty() && removed.is_empty() {
        note(&format!("{id} says that already"));
    } else {
        edit::send(session, id, changes, &removed, tag.as_deref()).await?;
        note(&format!("{id} changed; what runs goes on as it is until `mf2c update INSTANCE`"));
    }
    answer::created(id, json!({}), args.output, session)
}

/// Whether the agent gives the attribute a value where nobody does.
fn is_given(name: &str) -> bool {
    service::SPEC.attributes().any(|field| field.name == name && field.fill.is_some())
}

fn compose(path: &Path) -> Result<Vec<u8>, ClientError> {
    let failed = |source| ClientError::Read { path: path.to_owned(), source };
    let mut bytes = vec![];
    File::open(path).and_then(|file| file.take(LARGEST_COMPOSE + 1).read_to_end(&mut bytes)).map_err(failed)?;
    let shown = path.display();
    if bytes.len() as u64 > LARGEST_COMPOSE {
        return Err(ClientError::Usage(format!("`{shown}` is larger than 1 MiB: agents read no such compose file")));
    }
    if std::str::from_utf8(&bytes).is_err() {
        return Err(ClientError::Usage(format!("`{shown}` is no UTF-8: expected a compose file")));
    }
    Ok(bytes)
}

pub(super) async fn list(session: &Session<'_>, args: &ShownArgs) -> Result<(), ClientError> {
    let select = (args.output == Format::Table).then_some("id,name,exec,exec_type,num_agents");
    let services = all(session, &service::SPEC, None, select).await?;
    if services.is_empty() && args.output == Format::Table {
        note("no services that you may see: register one with `mf2c service register`");
        return Ok(());
    }
    let rows = match args.output {
        Format::Table | Format::Csv => services.iter().map(|service| row(service, args.output)).collect(),
        _ => services,
    };
    print(&output::list(&rows, &COLUMNS.map(str::to_owned), args.output, session.terminal))
}

/// A service as a table shows it.
fn row(service: &Value, format: Format) -> Value {
    let of = |name: &str| service.get(name).cloned().unwrap_or(Value::Null);
    let exec = service.get("exec").and_then(Value::as_str).unwrap_or_default();
    let exec = match (format, exec.char_indices().nth(LONGEST_EXEC)) {
        (Format::Table, Some((at, _))) => format!("{}…", exec.get(..at).unwrap_or_default()),
        _ => exec.to_owned(),
    };
    json!({"name": of("name"), "type": of("exec_type"), "exec": exec, "agents": of("num_agents"), "id": of("id")})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_cuts_what_a_service_runs_and_csv_does_not() {
        let exec = "ü".repeat(50);
        let service = json!({"id": "service/1", "name": "a", "exec_type": "docker", "exec": exec});
        assert_eq!(row(&service, Format::Table)["exec"], format!("{}…", "ü".repeat(40)));
        assert_eq!(row(&service, Format::Csv)["exec"], exec);
    }

    #[test]
    fn attributes_that_agents_fill_in_are_not_taken_away() {
        assert!(is_given("category") && is_given("cpu_recommended") && !is_given("exec_ports"));
    }
}
