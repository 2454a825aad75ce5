//! `ps`: what runs.

use std::collections::BTreeMap;
use std::time::Duration;

use mf2c_domain::resource::types::{service, service_instance};
use mf2c_domain::time::Timestamp;
use serde_json::Value;

use super::named::text;
use super::seen::row;
use crate::ClientError;
use crate::args::{Format, PsArgs};
use crate::commands::resources::all;
use crate::commands::span;
use crate::live::Live;
use crate::output::{self, json_line};
use crate::session::Session;
use crate::terminal::{note, print};

/// What a table shows.
const COLUMNS: [&str; 8] = ["instance", "service", "status", "agents", "ports", "restarts", "age", "detail"];
/// Pause between two looks.
const EVERY: Duration = Duration::from_secs(1);

pub(super) async fn ps(session: &Session<'_>, args: &PsArgs) -> Result<(), ClientError> {
    let list = List::read(session, args).await?;
    if args.watch {
        return watch(session, args, list).await;
    }
    if list.instances.is_empty() && args.shown.output == Format::Table {
        note(match args.all {
            true => "no instances that you may see: start one with `mf2c run SERVICE`",
            false => "nothing runs that you may see; --all shows also what was stopped",
        });
        return Ok(());
    }
    print(&list.shown(args.shown.output, session))
}

/// The instances, and what their services are called.
struct List {
    instances: Vec<Value>,
    names: BTreeMap<String, String>,
}

impl List {
    async fn read(session: &Session<'_>, args: &PsArgs) -> Result<Self, ClientError> {
        let mut instances = all(session, &service_instance::SPEC, None, None).await?;
        instances.retain(|instance| args.all || is_active(instance));
        let wanted = !instances.is_empty() && matches!(args.shown.output, Format::Table | Format::Csv);
        let services = match wanted {
            true => all(session, &service::SPEC, None, Some("id,name")).await?,
            false => vec![],
        };
        let names = services.iter().map(|it| (text(it, "id").to_owned(), text(it, "name").to_owned())).collect();
        Ok(Self { instances, names })
    }

    fn rows(&self, now: Timestamp) -> Vec<Value> {
        let ids: Vec<&str> = self.instances.iter().map(|instance| text(instance, "id")).collect();
        let age = |instance: &Value| {
            let created = Timestamp::parse(text(instance, "created"));
            created.map(|created| span(now, created).trim_end_matches(" ago").to_owned()).unwrap_or_default()
        };
        self.instances.iter().map(|instance| row(instance, &self.names, &ids, age(instance))).collect()
    }

    fn shown(&self, format: Format, session: &Session<'_>) -> String {
        let rows = match format {
            Format::Table | Format::Csv => self.rows(session.around.clock.now()),
            _ => self.instances.clone(),
        };
        output::list(&rows, &COLUMNS.map(str::to_owned), format, session.terminal)
    }
}

/// Whether an instance does something, or should.
fn is_active(instance: &Value) -> bool {
    !matches!(text(instance, "status"), "stopped" | "Stopped" | "terminated")
}

/// Shows the list again and again: at a terminal over the one before, in a pipe a line for each change.
async fn watch(session: &Session<'_>, args: &PsArgs, mut list: List) -> Result<(), ClientError> {
    let live = Live::begin();
    let draws = live.draws() && args.shown.output == Format::Table;
    let mut told = BTreeMap::new();
    loop {
        if draws {
            live.draw(&format!("{}\nq ends\n", list.shown(Format::Table, session)))?;
        } else {
            for line in news(&list, &mut told, args.shown.output, session) {
                print(&line)?;
            }
        }
        if live.wait(EVERY) {
            break;
        }
        list = List::read(session, args).await?;
    }
    drop(live);
    if draws { print(&list.shown(Format::Table, session)) } else { Ok(()) }
}

/// The instances that are new or have changed, a line each; those that are gone are told of once.
fn news(list: &List, told: &mut BTreeMap<String, Value>, format: Format, session: &Session<'_>) -> Vec<String> {
    let mut now = BTreeMap::new();
    for (mut row, instance) in list.rows(session.around.clock.now()).into_iter().zip(&list.instances) {
        if let Some(row) = row.as_object_mut() {
            // It changes with each look.
            row.remove("age");
        }
        let line = if format == Format::Json { instance.clone() } else { row };
        now.insert(text(instance, "id").to_owned(), line);
    }
    let changed = now.iter().filter(|(id, line)| told.get(*id) != Some(*line)).map(|(_, line)| line.clone());
    let gone = told.keys().filter(|id| !now.contains_key(*id));
    let gone = gone.map(|id| serde_json::json!({"id": id, "instance": id, "status": "gone"}));
    let lines = changed.chain(gone).map(|line| printed(&line, format, session)).collect();
    *told = now;
    lines
}

fn printed(line: &Value, format: Format, session: &Session<'_>) -> String {
    match format {
        Format::Json => format!("{}\n", json_line(line)),
        Format::Yaml => format!("---\n{}", output::yaml(line)),
        _ => {
            let columns = COLUMNS.iter().filter(|column| **column != "age").map(|column| (*column).to_owned());
            let text = output::list(std::slice::from_ref(line), &columns.collect::<Vec<_>>(), format, session.terminal);
            text.split_once('\n').map(|(_, line)| line.to_owned()).unwrap_or_default()
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_stopped_is_shown_only_with_all() {
        for (status, expected) in
            [("started", true), ("error", true), ("??", true), ("stopped", false), ("terminated", false)]
        {
            assert_eq!(is_active(&json!({"status": status})), expected, "{status}");
        }
    }

    #[test]
    fn rows_have_the_names_of_services_and_an_age() {
        let instance = json!({"id": "service-instance/a", "service": "service/1", "status": "started", "agents": [],
                              "created": "2026-11-22T10:00:00Z"});
        let names = BTreeMap::from([("service/1".to_owned(), "web".to_owned())]);
        let list = List { instances: vec![instance], names };
        let rows = list.rows(Timestamp::parse("2026-11-22T10:05:00Z").unwrap());
        assert_eq!((&rows[0]["service"], &rows[0]["age"]), (&json!("web"), &json!("5 min")));
    }
}
