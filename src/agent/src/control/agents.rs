//! The agents that an operator is shown, a line for each: what their leaders say of them, what this agent's own links tell, and
//! how far the streams of changes are. And how people name one of them.

use std::collections::BTreeMap;

use mf2c_actors::replicator::Flow;
use mf2c_domain::area::name;
use mf2c_domain::area::presence::Status;
use mf2c_domain::area::standing::{AreaPeer, AreaRole, Standing};
use serde_json::{Map, Value, json};

use super::exit;
use super::wire::Refusal;
use crate::area::Contact;

/// What of an `area-member` is shown.
const SHOWN: [&str; 12] = [
    "name",
    "device",
    "agent",
    "node",
    "area",
    "role",
    "status",
    "address",
    "lastContact",
    "staleSince",
    "expected",
    "trouble",
];
/// What people call the other agents by; the least that tells two of them apart for sure.
const TOO_SHORT: usize = 2;
/// So many agents are named where it is not clear which one is meant.
const MOST_NAMED: usize = 4;

pub(super) type Line = Map<String, Value>;

/// What is known here.
pub(super) struct Known<'a> {
    pub(super) standing: &'a Standing,
    /// The documents `area-member`.
    pub(super) documents: Vec<Line>,
    pub(super) flows: &'a [Flow],
    /// What the own links tell of an agent, by its SPIFFE ID.
    pub(super) contact: &'a dyn Fn(&str) -> Option<Contact>,
    /// The same of one that should be in touch.
    pub(super) sought: &'a dyn Fn(&AreaPeer) -> Contact,
    /// What people call this agent.
    pub(super) name: Option<&'a str>,
}

/// The text of an attribute; empty where there is none.
pub(super) fn text<'l>(line: &'l Line, name: &str) -> &'l str {
    line.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A line for each agent, those that matter most first.
pub(super) fn lines(known: &Known<'_>) -> Vec<Line> {
    let mut lines = told(known);
    lead_away(known, &mut lines);
    sought(known, &mut lines);
    own(known, &mut lines);
    let own = known.standing.own.as_ref().map(ToString::to_string).unwrap_or_default();
    let mut lines: Vec<Line> =
        lines.into_iter().map(|((area, agent), line)| complete(&area, &agent, line, known.flows, &own)).collect();
    let area = known.standing.area().unwrap_or_default();
    lines.sort_by_cached_key(|line| {
        let role = ["above", "leader", "backup", "agent"]
            .iter()
            .position(|role| *role == text(line, "role"))
            .unwrap_or(usize::MAX);
        let of_others = text(line, "area") != area && text(line, "role") != "above";
        let in_area = if of_others { text(line, "area").to_owned() } else { String::new() };
        let expected = line.contains_key("expected");
        (of_others, in_area, expected, role, text(line, "name").to_owned(), text(line, "device").to_owned())
    });
    lines
}

/// By area and SPIFFE ID.
type Lines = BTreeMap<(String, String), Line>;

/// What leaders say.
fn told(known: &Known<'_>) -> Lines {
    let mut lines = Lines::new();
    for document in &known.documents {
        let line: Line =
            SHOWN.iter().filter_map(|name| Some(((*name).to_owned(), document.get(*name)?.clone()))).collect();
        // Of somebody who is looked for only the address is known.
        let agent = if document.contains_key("expected") { text(document, "address") } else { text(document, "agent") };
        lines.insert((text(document, "area").to_owned(), agent.to_owned()), line);
    }
    lines
}

fn set_contact(line: &mut Line, contact: Contact) {
    line.insert("status".to_owned(), contact.status.as_str().into());
    match contact.last.filter(|_| contact.status != Status::Connected) {
        Some(last) => line.insert("lastContact".to_owned(), last.to_string().into()),
        None => line.remove("lastContact"),
    };
    if let Some(name) = contact.name {
        line.insert("name".to_owned(), name.into());
    }
}

/// Whoever leads an area below says that he is in touch with its agents: that is so no longer where he is lost himself.
fn lead_away(known: &Known<'_>, lines: &mut Lines) {
    let own = known.standing.area().unwrap_or_default().to_owned();
    let leaders = lines.iter().filter(|((area, _), line)| *area != own && text(line, "role") == "leader");
    let leaders: Vec<(String, String, Contact)> =
        leaders.filter_map(|((area, agent), _)| Some((area.clone(), agent.clone(), (known.contact)(agent)?))).collect();
    for (area, leader, contact) in leaders {
        for ((_, agent), line) in lines.iter_mut().filter(|((of, _), _)| *of == area) {
            let says = Status::of(text(line, "status")).unwrap_or(Status::Unavailable);
            if *agent == leader {
                set_contact(line, contact.clone());
            } else if contact.status > says {
                line.insert("status".to_owned(), contact.status.as_str().into());
                if let Some(last) = contact.last {
                    line.entry("lastContact").or_insert_with(|| last.to_string().into());
                }
            }
        }
    }
}

/// Who leads this agent, may come to, or is above: the own links tell best.
fn sought(known: &Known<'_>, lines: &mut Lines) {
    let standing = known.standing;
    let peers = [("leader", standing.leader.as_ref())]
        .into_iter()
        .chain(standing.backups.iter().map(|backup| ("backup", Some(backup))))
        // Ordinary agents do not call it.
        .chain([("above", standing.upper.as_ref().filter(|_| standing.role != AreaRole::Agent))]);
    for (role, peer) in peers.filter_map(|(role, peer)| Some((role, peer?))) {
        let key = (peer.id.area().unwrap_or_default().to_owned(), peer.id.to_string());
        let line = lines.entry(key).or_default();
        line.insert("role".to_owned(), role.into());
        if text(line, "address").is_empty() {
            line.insert("address".to_owned(), peer.address.as_str().into());
        }
        set_contact(line, (known.sought)(peer));
    }
}

fn own(known: &Known<'_>, lines: &mut Lines) {
    let Some(own) = &known.standing.own else { return };
    let line = lines.entry((own.area().unwrap_or_default().to_owned(), own.to_string())).or_default();
    let role = if known.standing.role == AreaRole::Alone { AreaRole::Agent } else { known.standing.role };
    line.insert("role".to_owned(), role.as_str().into());
    line.insert("status".to_owned(), "this agent".into());
    line.remove("lastContact");
    if let Some(name) = known.name {
        line.insert("name".to_owned(), name.into());
    }
}

/// Adds what the streams of changes tell.
fn complete(area: &str, agent: &str, mut line: Line, flows: &[Flow], own: &str) -> Line {
    line.insert("area".to_owned(), area.into());
    if !line.contains_key("expected") {
        line.insert("agent".to_owned(), agent.into());
        line.entry("device").or_insert_with(|| agent.rsplit('/').next().unwrap_or_default().into());
    }
    let device = name::short(text(&line, "device")).to_owned();
    line.entry("name").or_insert_with(|| device.into());
    let with = |outgoing: bool| flows.iter().filter(move |flow| flow.peer == agent && flow.outgoing == outgoing);
    for (key, outgoing) in [("toPeer", true), ("fromPeer", false)] {
        if let Some(flow) = with(outgoing).max_by_key(|flow| (flow.open, flow.behind)) {
            line.insert(key.to_owned(), of_flow(flow));
        }
    }
    let all: Vec<&Flow> = with(true).chain(with(false)).collect();
    if all.iter().any(|flow| flow.known) {
        line.insert("behind".to_owned(), all.iter().map(|flow| flow.behind).max().into());
        line.insert("behindMillis".to_owned(), all.iter().map(|flow| flow.behind_millis).max().into());
        line.insert("repaired".to_owned(), all.iter().map(|flow| flow.repaired).sum::<u64>().into());
        line.insert("snapshot".to_owned(), all.iter().any(|flow| flow.snapshot).into());
    }
    let held = |outgoing: bool, mut of: Vec<&Flow>| {
        of.retain(|flow| flow.outgoing == outgoing);
        of.into_iter().find_map(|flow| flow.held.clone())
    };
    let trouble = match held(true, all) {
        Some(why) => Some(format!("it takes no changes now: {why}")),
        // What this agent cannot write comes from whomever.
        None if agent == own => {
            held(false, flows.iter().collect()).map(|why| format!("it takes no changes of others now: {why}"))
        }
        None => None,
    };
    if let Some(trouble) = trouble {
        let before = line.get("trouble").and_then(Value::as_str).map(|before| format!("{before}; "));
        line.insert("trouble".to_owned(), format!("{}{trouble}", before.unwrap_or_default()).into());
    }
    line
}

fn of_flow(flow: &Flow) -> Value {
    let known = |count: u64| if flow.known { json!(count) } else { Value::Null };
    json!({
        "changes": known(flow.behind), "millis": known(flow.behind_millis), "open": flow.open,
        "snapshot": flow.snapshot, "held": flow.held,
    })
}

/// How many agents are in each status; the own one is connected to itself.
pub(super) fn statuses(lines: &[Line]) -> Vec<(&'static str, u64)> {
    let status = |line: &&Line| match text(line, "status") {
        "this agent" => Some(Status::Connected),
        status => Status::of(status),
    };
    let agents: Vec<Status> =
        lines.iter().filter(|line| !line.contains_key("expected")).filter_map(|line| status(&line)).collect();
    let count = |status: Status| agents.iter().filter(|it| **it == status).count() as u64;
    let all = [Status::Connected, Status::Disconnected, Status::Unavailable];
    all.into_iter().map(|status| (status.as_str(), count(status))).collect()
}

/// How people are told of an agent.
pub(super) fn called(line: &Line) -> String {
    let (name, device) = (text(line, "name"), name::short(text(line, "device")));
    if name == device { device.to_owned() } else { format!("{name} ({device})") }
}

/// The same of a peer.
pub(super) fn called_peer(lines: &[Line], peer: &AreaPeer) -> String {
    let id = peer.id.to_string();
    let found = lines.iter().find(|line| text(line, "agent") == id);
    found.map_or_else(|| name::short(peer.id.device().unwrap_or_default()).to_owned(), called)
}

/// The one agent that is meant: by its whole `deviceID` or SPIFFE ID, its name, or the beginning of its `deviceID`; none where
/// there is no such agent.
///
/// # Errors
/// Where it may be several.
pub(super) fn meant<'l>(lines: &'l [Line], word: &str) -> Result<Option<&'l Line>, Refusal> {
    let agents = || lines.iter().filter(|line| !line.contains_key("expected"));
    if let Some(exact) = agents().find(|line| [text(line, "device"), text(line, "agent")].contains(&word)) {
        return Ok(Some(exact));
    }
    let begins = |line: &&Line| word.len() >= TOO_SHORT && text(line, "device").starts_with(word);
    let mut found: Vec<&Line> = agents().filter(|line| text(line, "name") == word || begins(line)).collect();
    // A device may be known from two areas: the line that comes first is of the own one.
    let mut devices = std::collections::BTreeSet::new();
    found.retain(|line| devices.insert(text(line, "device")));
    match found.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        several => {
            let named: Vec<String> = several.iter().take(MOST_NAMED).map(|line| called(line)).collect();
            let more = if several.len() > MOST_NAMED { " and others" } else { "" };
            let message = format!("`{word}` may be {}{more}: write more of the device", named.join(", "));
            Err(Refusal::new(exit::USAGE, message))
        }
    }
}

#[cfg(test)]
#[path = "agents_tests.rs"]
mod tests;
