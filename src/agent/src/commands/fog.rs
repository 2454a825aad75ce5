//! `mf2c area`: asks the agent of a data directory who is in its area, and tells people.

use std::fmt::Write as _;

use mf2c_client::Surroundings;
use mf2c_client::args::Format;
use mf2c_domain::time::Timestamp;
use serde_json::{Map, Value, json};

use super::area::{ask, beside};
use super::{Failure, say};
use crate::cli::{AreaArgs, AreaCommand, OneArgs};
use crate::control::wire::Request;

/// What the table of agents shows.
const COLUMNS: [&str; 7] = ["device", "role", "status", "address", "contact", "behind", "repaired"];
/// The digits of a device in the table: enough to name it with, as `mf2c area lead` takes beginnings.
const SHOWN_DIGITS: usize = 12;

/// Does what `mf2c area` says.
pub(super) fn area(args: &AreaArgs, around: &Surroundings) -> Result<(), Failure> {
    match &args.change {
        None => show(args, around),
        Some(AreaCommand::Lead(one)) => {
            beside(&format!("handing the area over to {}; its leader brings it up to date first", one.device));
            let shown = change(one, "leader")?;
            say(&format!(
                "{} leads the area {} in term {}",
                peer(&shown["leader"]),
                text(&shown, "area"),
                shown["term"]
            ))
        }
        Some(AreaCommand::Backup(one)) => {
            let shown = change(one, "backup")?;
            beside("it is being sent the whole area; `mf2c area` shows how far that has come");
            say(&backups(&shown))
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
    let backups: Vec<String> = shown["backups"].as_array().into_iter().flatten().map(peer).collect();
    format!("backups: {}", if backups.is_empty() { "none".to_owned() } else { backups.join(", ") })
}

fn text<'v>(shown: &'v Value, name: &str) -> &'v str {
    shown[name].as_str().unwrap_or_default()
}

/// The device of an agent, from its SPIFFE ID.
fn peer(shown: &Value) -> String {
    text(shown, "id").rsplit('/').next().unwrap_or_default().to_owned()
}

fn show(args: &AreaArgs, around: &Surroundings) -> Result<(), Failure> {
    let shown = ask(&args.place, Request::ShowAgents, "")?;
    if args.output != Format::Table && args.output != Format::Csv {
        return Ok(mf2c_client::show(&shown, args.output, around)?);
    }
    let now = around.clock.now();
    let agents: Vec<Value> = shown["agents"].as_array().into_iter().flatten().map(|agent| row(agent, now)).collect();
    if args.output == Format::Table {
        say(head(&shown).trim_end())?;
        say("")?;
    }
    mf2c_client::show_list(&agents, &COLUMNS, args.output, around)?;
    if args.output == Format::Table {
        for agent in agents.iter().filter(|agent| agent["trouble"].is_string()) {
            beside(&format!("{}: {}", text(agent, "device"), text(agent, "trouble")));
        }
    }
    Ok(())
}

/// What stands above the table.
fn head(shown: &Value) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: String| {
        if !value.is_empty() {
            // Writing to a `String` cannot fail.
            let _ = writeln!(out, "{name:<10}{value}");
        }
    };
    line("area", text(shown, "area").to_owned());
    line("this", format!("{} ({})", peer(&json!({ "id": shown["id"] })), text(shown, "role")));
    let at = |one: &Value| match text(one, "address") {
        "" => peer(one),
        address => format!("{} at {address}", peer(one)),
    };
    line("leader", if shown["leader"].is_object() { at(&shown["leader"]) } else { "nobody".to_owned() });
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
        line("above", at(&shown["upper"]));
    }
    out
}

/// One agent for people.
fn row(agent: &Value, now: Timestamp) -> Value {
    let mut row: Map<String, Value> = agent.as_object().cloned().unwrap_or_default();
    let device: String = text(agent, "device").chars().take(SHOWN_DIGITS).collect();
    row.insert("device".to_owned(), device.into());
    let contact = match (text(agent, "status"), Timestamp::parse(text(agent, "lastContact"))) {
        ("connected" | "this agent", _) => "now".to_owned(),
        (_, Some(then)) => mf2c_client::span(now, then),
        (_, None) => String::new(),
    };
    row.insert("contact".to_owned(), contact.into());
    let behind = match (agent["behind"].as_u64(), agent["behindMillis"].as_u64()) {
        (None, _) => String::new(),
        (Some(0), _) => "0".to_owned(),
        (Some(changes), millis) => {
            let snapshot = if agent["snapshot"] == true { ", snapshot" } else { "" };
            format!("{changes} ({}{snapshot})", seconds(millis.unwrap_or_default()))
        }
    };
    row.insert("behind".to_owned(), behind.into());
    row.into()
}

fn seconds(millis: u64) -> String {
    format!("{}.{} s", millis / 1000, millis % 1000 / 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_see_who_leads_and_how_far_each_replica_is_behind() {
        let id = |device: &str| format!("spiffe://mf2c.internal/area/pier/agent/{device}");
        let shown = json!({
            "area": "pier", "id": id("a1"), "role": "leader", "term": 3, "mandate": "degraded",
            "leader": {"id": id("a1"), "address": "10.0.0.5:8444"}, "upper": {"id": id("c0"), "address": "sky:1"},
        });
        let head = head(&shown);
        for line in [
            "area      pier\n",
            "this      a1 (leader)\n",
            "leader    a1 at 10.0.0.5:8444\n",
            "term      3\n",
            "mandate   degraded: it reads",
            "above     c0 at sky:1\n",
        ] {
            assert!(head.contains(line), "{line}: {head}");
        }
        let agent = json!({
            "device": "0123456789abcdef", "status": "disconnected", "lastContact": "1970-01-01T00:00:00.000Z",
            "behind": 12, "behindMillis": 1250, "snapshot": true,
        });
        let row = row(&agent, Timestamp::from_millis(60_000));
        assert_eq!(row["device"], "0123456789ab");
        assert_eq!(row["behind"], "12 (1.2 s, snapshot)");
        assert!(text(&row, "contact").contains("ago"), "{row}");
    }

    #[test]
    fn without_a_leader_it_says_nobody() {
        let head = head(&json!({"area": "pier", "id": "x/a1", "role": "agent", "term": 0, "leader": null}));
        assert!(head.contains("leader    nobody\n") && !head.contains("mandate"), "{head}");
    }
}
