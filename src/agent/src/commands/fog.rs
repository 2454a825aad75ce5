//! `mf2c area`: asks the agent of a data directory who is in its area, and tells people.

use std::fmt::Write as _;

use mf2c_client::Surroundings;
use mf2c_client::args::Format;
use mf2c_domain::area::name;
use mf2c_domain::time::Timestamp;
use serde_json::{Map, Value, json};

use super::area::{ask, beside};
use super::{Failure, say};
use crate::cli::{AreaArgs, AreaCommand, OneArgs};
use crate::control::wire::Request;

/// What the table of agents shows; the area only where there are several.
const COLUMNS: [&str; 8] = ["name", "device", "role", "status", "contact", "to peer", "from peer", "address"];
const WITH_AREA: [&str; 9] = ["name", "area", "device", "role", "status", "contact", "to peer", "from peer", "address"];
/// What `--wide` and CSV show.
const WIDE: [&str; 11] =
    ["name", "area", "role", "status", "contact", "to peer", "from peer", "repaired", "address", "trouble", "agent"];

/// Does what `mf2c area` says.
pub(super) fn area(args: &AreaArgs, around: &Surroundings) -> Result<(), Failure> {
    match &args.change {
        None if args.watch => super::watch::area(args, around),
        None => show(args, around),
        Some(AreaCommand::Lead(one)) => {
            let shown = change(one, "leader")?;
            say(&format!(
                "{} leads the area {} in term {}",
                text(&shown, "leader"),
                text(&shown, "area"),
                shown["term"]
            ))
        }
        Some(AreaCommand::Backup(one)) => {
            let shown = change(one, "backup")?;
            say(&backups(&shown))?;
            beside("a new one is being sent the whole area; `mf2c area` shows how far that has come");
            Ok(())
        }
        Some(AreaCommand::Agent(one)) => say(&backups(&change(one, "agent")?)),
        Some(AreaCommand::Forget(one)) => {
            let forgotten = ask(&one.place, Request::ForgetAgent { device: one.device.clone() }, "")?;
            beside("backups and the agents above follow by themselves, those that are away as soon as they are back");
            say(&format!("removed {} documents of {}", forgotten["documents"], text(&forgotten, "device")))
        }
    }
}

fn change(one: &OneArgs, role: &str) -> Result<Value, Failure> {
    ask(&one.place, Request::ChangeRole { device: one.device.clone(), role: role.to_owned() }, "")
}

fn backups(shown: &Value) -> String {
    let backups: Vec<&str> = shown["backups"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    format!("backups: {}", if backups.is_empty() { "none".to_owned() } else { backups.join(", ") })
}

pub(super) fn text<'v>(shown: &'v Value, name: &str) -> &'v str {
    shown[name].as_str().unwrap_or_default()
}

fn show(args: &AreaArgs, around: &Surroundings) -> Result<(), Failure> {
    let shown = ask(&args.place, Request::ShowAgents, "")?;
    let now = around.clock.now();
    match args.output {
        Format::Table => {
            mf2c_client::write(&page(&shown, args.wide, around))?;
            troubles(&shown).iter().for_each(|line| beside(line));
            Ok(())
        }
        Format::Csv => Ok(mf2c_client::show_list(&rows(&shown, now), &WIDE, args.output, around)?),
        format => Ok(mf2c_client::show(&shown, format, around)?),
    }
}

/// The agents for people.
fn rows(shown: &Value, now: Timestamp) -> Vec<Value> {
    shown["agents"].as_array().into_iter().flatten().map(|agent| row(agent, now)).collect()
}

/// What stands above the table, and the table.
pub(super) fn page(shown: &Value, wide: bool, around: &Surroundings) -> String {
    let rows = rows(shown, around.clock.now());
    let several = rows.iter().any(|row| text(row, "area") != text(shown, "area"));
    let columns: &[&str] = if wide {
        &WIDE
    } else if several {
        &WITH_AREA
    } else {
        &COLUMNS
    };
    format!("{}\n{}", head(shown), mf2c_client::table(&rows, columns, around))
}

/// What is wrong, a line for each agent.
pub(super) fn troubles(shown: &Value) -> Vec<String> {
    let agents = shown["agents"].as_array().into_iter().flatten();
    let troubled = agents.filter(|agent| agent["trouble"].is_string());
    troubled.map(|agent| format!("{}: {}", called(agent), text(agent, "trouble"))).collect()
}

/// How people are told of an agent.
pub(super) fn called(agent: &Value) -> String {
    let (name, device) = (text(agent, "name"), name::short(text(agent, "device")));
    match (name, device) {
        ("", device) => device.to_owned(),
        (name, device) if name == device || agent["expected"] == true => name.to_owned(),
        (name, device) => format!("{name} ({device})"),
    }
}

/// The same of a peer that is named by its SPIFFE ID, and where it is.
fn peer(shown: &Value, one: &Value) -> String {
    let id = text(one, "id");
    let known = shown["agents"].as_array().into_iter().flatten().find(|agent| text(agent, "agent") == id);
    let called = match known {
        Some(agent) => called(agent),
        None => name::short(id.rsplit('/').next().unwrap_or_default()).to_owned(),
    };
    match text(one, "address") {
        "" => called,
        address => format!("{called} at {address}"),
    }
}

/// What stands above the table.
pub(super) fn head(shown: &Value) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: String| {
        if !value.is_empty() {
            // Writing to a `String` cannot fail.
            let _ = writeln!(out, "{name:<10}{value}");
        }
    };
    line("area", text(shown, "area").to_owned());
    line("this", format!("{} ({})", peer(shown, &json!({ "id": shown["id"] })), text(shown, "role")));
    line("leader", if shown["leader"].is_object() { peer(shown, &shown["leader"]) } else { "nobody".to_owned() });
    line("term", shown["term"].to_string());
    line(
        "mandate",
        match text(shown, "mandate") {
            "degraded" => "degraded: it reads and collects, but a majority does not answer".to_owned(),
            "full" => "full".to_owned(),
            _ => String::new(),
        },
    );
    if shown["upper"].is_object() {
        line("above", peer(shown, &shown["upper"]));
    }
    out
}

/// One agent for people.
fn row(agent: &Value, now: Timestamp) -> Value {
    let mut row: Map<String, Value> = agent.as_object().cloned().unwrap_or_default();
    row.insert("device".to_owned(), name::short(text(agent, "device")).into());
    let contact = match (text(agent, "status"), Timestamp::parse(text(agent, "lastContact"))) {
        ("connected" | "this agent", _) => "now".to_owned(),
        (_, Some(then)) => mf2c_client::span(now, then),
        (_, None) => "never".to_owned(),
    };
    row.insert("contact".to_owned(), contact.into());
    for (column, key) in [("to peer", "toPeer"), ("from peer", "fromPeer")] {
        row.insert(column.to_owned(), lag(&agent[key]).into());
    }
    row.into()
}

/// How far one end of a stream is behind the other.
pub(super) fn lag(flow: &Value) -> String {
    let snapshot = if flow["snapshot"] == true { ", snapshot" } else { "" };
    match (flow["changes"].as_u64(), flow["millis"].as_u64()) {
        (None, _) if flow.is_object() => "?".to_owned(),
        (None, _) => String::new(),
        (Some(0), _) if snapshot.is_empty() => "0".to_owned(),
        (Some(changes), millis) => format!("{changes} ({}{snapshot})", seconds(millis.unwrap_or_default())),
    }
}

fn seconds(millis: u64) -> String {
    match millis / 1000 {
        0..120 => format!("{}.{} s", millis / 1000, millis % 1000 / 100),
        120..7200 => format!("{} min", millis / 60_000),
        _ => format!("{} h", millis / 3_600_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(device: &str) -> String {
        format!("spiffe://mf2c.internal/area/pier/agent/{device}")
    }

    #[test]
    fn people_see_who_leads_by_name_and_how_far_each_replica_is_behind() {
        let shown = json!({
            "area": "pier", "id": id("a1"), "role": "leader", "term": 3, "mandate": "degraded",
            "leader": {"id": id("a1"), "address": "10.0.0.5:8444"}, "upper": {"id": id("0123456789abcdef"), "address": "sky:1"},
            "agents": [{"agent": id("a1"), "name": "boat", "device": "a1", "status": "this agent"}],
        });
        let head = head(&shown);
        for line in [
            "area      pier\n",
            "this      boat (a1) (leader)\n",
            "leader    boat (a1) at 10.0.0.5:8444\n",
            "term      3\n",
            "mandate   degraded: it reads",
            "above     0123456789ab at sky:1\n",
        ] {
            assert!(head.contains(line), "{line}: {head}");
        }
        let agent = json!({
            "device": "0123456789abcdef", "status": "disconnected", "lastContact": "1970-01-01T00:00:00.000Z",
            "toPeer": {"changes": 12, "millis": 1250, "snapshot": true}, "fromPeer": {"changes": null},
        });
        let row = row(&agent, Timestamp::from_millis(60_000));
        assert_eq!(row["device"], "0123456789ab");
        assert_eq!((&row["to peer"], &row["from peer"]), (&json!("12 (1.2 s, snapshot)"), &json!("?")));
        assert!(text(&row, "contact").contains("ago"), "{row}");
        assert_eq!((lag(&Value::Null), lag(&json!({"changes": 0, "millis": 0}))), (String::new(), "0".to_owned()));
        assert_eq!(lag(&json!({"changes": 1, "millis": 180_000})), "1 (3 min)");
    }

    #[test]
    fn without_a_leader_it_says_nobody() {
        let head = head(&json!({"area": "pier", "id": "x/a1", "role": "agent", "term": 0, "leader": null}));
        assert!(head.contains("leader    nobody\n") && !head.contains("mandate"), "{head}");
    }

    #[test]
    fn trouble_is_told_with_the_name_of_the_agent() {
        let shown = json!({"agents": [{"name": "boat", "device": "a1", "trouble": "it burns"}, {"name": "b"}]});
        assert_eq!(troubles(&shown), ["boat (a1): it burns"]);
    }
}
