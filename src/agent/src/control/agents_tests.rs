//! What an operator is shown of agents, and how he names them.

use mf2c_domain::time::Timestamp;

use super::*;

const THEN: i64 = 1_700_000_000_000;

fn id(area: &str, device: &str) -> String {
    format!("spiffe://mf2c.internal/area/{area}/agent/{device}")
}

fn peer(area: &str, device: &str) -> AreaPeer {
    AreaPeer { id: id(area, device).parse().unwrap(), address: format!("{device}:1") }
}

fn member(area: &str, device: &str, role: &str, status: &str) -> Line {
    let whole = json!({ "id": format!("area-member/{device}"), "agent": id(area, device), "device": device, "area": area,
        "name": format!("boat-{device}"), "role": role, "status": status, "acl": {} });
    whole.as_object().unwrap().clone()
}

fn contact(status: Status) -> Contact {
    let last = (status != Status::Connected).then(|| Timestamp::from_millis(THEN));
    Contact { status, last, name: None, never_backup: false }
}

fn leads(area: &str, device: &str) -> Standing {
    Standing {
        own: Some(id(area, device).parse().unwrap()),
        role: AreaRole::Leader,
        leader: Some(peer(area, device)),
        ..Standing::default()
    }
}

/// The lines where the own links tell this of everybody.
fn shown(standing: &Standing, documents: Vec<Line>, flows: &[Flow], status: Status) -> Vec<Line> {
    let known = Known {
        standing,
        documents,
        flows,
        contact: &|_| Some(contact(status)),
        sought: &|_| contact(status),
        name: Some("me"),
    };
    lines(&known)
}

#[test]
fn each_agent_has_one_line_with_what_its_leader_says_and_what_the_streams_tell() {
    let standing = Standing { backups: vec![peer("pier", "b2")], ..leads("pier", "a1") };
    let flow = |outgoing, behind| Flow {
        peer: id("pier", "b2"),
        outgoing,
        open: true,
        known: true,
        behind,
        behind_millis: 30,
        repaired: 1,
        ..Flow::default()
    };
    let members = vec![member("pier", "c3", "agent", "unavailable"), member("pier", "b2", "agent", "connected")];
    let lines = shown(&standing, members, &[flow(true, 7), flow(false, 2)], Status::Connected);
    let told = |name: &str| lines.iter().map(|line| text(line, name).to_owned()).collect::<Vec<_>>();
    assert_eq!(told("name"), ["me", "boat-b2", "boat-c3"]);
    assert_eq!(told("role"), ["leader", "backup", "agent"]);
    assert_eq!(told("status"), ["this agent", "connected", "unavailable"]);
    assert_eq!((&lines[1]["toPeer"]["changes"], &lines[1]["fromPeer"]["changes"]), (&json!(7), &json!(2)));
    assert_eq!((&lines[1]["behind"], &lines[1]["repaired"]), (&json!(7), &json!(2)));
    assert!(lines[2].get("behind").is_none() && lines[2].get("acl").is_none());
}

#[test]
fn who_leads_and_is_lost_has_a_status_a_last_contact_and_what_it_lacks() {
    let standing = Standing { role: AreaRole::Agent, leader: Some(peer("pier", "l0")), ..leads("pier", "a1") };
    let lost =
        Flow { peer: id("pier", "l0"), outgoing: true, known: true, behind: 12, behind_millis: 900, ..Flow::default() };
    let lines = shown(&standing, vec![], &[lost], Status::Disconnected);
    let line = &lines[0];
    assert_eq!((text(line, "role"), text(line, "status")), ("leader", "disconnected"));
    assert_eq!(text(line, "lastContact"), Timestamp::from_millis(THEN).to_string());
    assert_eq!((&line["toPeer"]["changes"], &line["toPeer"]["open"]), (&json!(12), &json!(false)));
    let unknown = Flow { peer: id("pier", "l0"), outgoing: true, ..Flow::default() };
    let lines = shown(&standing, vec![], &[unknown], Status::Unavailable);
    assert!(lines[0]["toPeer"]["changes"].is_null() && lines[0].get("behind").is_none());
}

#[test]
fn the_agent_above_has_a_line_and_agents_of_a_leader_that_is_lost_are_not_connected() {
    let sky = leads("sky", "c0");
    let below = vec![member("pier", "l0", "leader", "connected"), member("pier", "k1", "agent", "connected")];
    let lines = shown(&sky, below.clone(), &[], Status::Disconnected);
    assert_eq!(
        lines.iter().map(|line| text(line, "status")).collect::<Vec<_>>(),
        ["this agent", "disconnected", "disconnected"]
    );
    let lines = shown(&sky, below, &[], Status::Connected);
    assert_eq!(
        lines.iter().map(|line| text(line, "status")).collect::<Vec<_>>(),
        ["this agent", "connected", "connected"]
    );
    let pier = Standing { upper: Some(peer("sky", "c0")), ..leads("pier", "l0") };
    let lines = shown(&pier, vec![], &[], Status::Unavailable);
    assert_eq!((text(&lines[0], "role"), text(&lines[0], "status")), ("above", "unavailable"));
}

#[test]
fn a_full_disk_is_told_of_at_both_ends() {
    let why = || Some("no space left".to_owned());
    let child = Standing { role: AreaRole::Agent, leader: Some(peer("pier", "l0")), ..leads("pier", "a1") };
    let out = Flow { peer: id("pier", "l0"), outgoing: true, open: true, held: why(), ..Flow::default() };
    let lines = shown(&child, vec![], &[out], Status::Connected);
    assert_eq!(text(&lines[0], "trouble"), "it takes no changes now: no space left");
    let coming = Flow { peer: id("pier", "a1"), open: true, held: why(), ..Flow::default() };
    let lines =
        shown(&leads("pier", "l0"), vec![member("pier", "a1", "agent", "connected")], &[coming], Status::Connected);
    assert_eq!(text(&lines[0], "trouble"), "it takes no changes of others now: no space left");
    assert_eq!(text(&lines[1], "trouble"), "");
}

#[test]
fn each_address_that_is_looked_for_has_a_line_of_its_own() {
    let expected = |address: &str| {
        let whole = json!({"agent": "unknown", "device": "unknown", "area": "pier", "address": address, "role": "agent",
            "name": address, "status": "unavailable", "expected": true});
        whole.as_object().unwrap().clone()
    };
    let lines = shown(&leads("pier", "a1"), vec![expected("h:1"), expected("h:2")], &[], Status::Connected);
    assert_eq!(lines.iter().map(|line| text(line, "name")).collect::<Vec<_>>(), ["me", "h:1", "h:2"]);
    assert!(meant(&lines, "unknown").unwrap().is_none());
}

#[test]
fn an_agent_is_found_by_its_device_its_name_or_a_beginning_if_that_is_the_only_one() {
    let members = ["aa11", "aa22", "b"].map(|device| member("pier", device, "agent", "connected"));
    let mut twin = member("pier", "dd", "agent", "connected");
    twin.insert("name".to_owned(), "boat-b".into());
    let lines: Vec<Line> = members.into_iter().chain([twin]).collect();
    let found = |word: &str| meant(&lines, word).unwrap().map(|line| text(line, "device"));
    assert_eq!(
        (found("aa1"), found("b"), found("boat-aa22"), found("cc")),
        (Some("aa11"), Some("b"), Some("aa22"), None)
    );
    assert_eq!(found(&id("pier", "b")), Some("b"));
    for word in ["aa", "boat-b"] {
        let refused = meant(&lines, word).unwrap_err();
        assert!(refused.exit == exit::USAGE && refused.message.contains("may be"), "{refused:?}");
    }
    assert!(meant(&lines, "aa").unwrap_err().message.contains("boat-aa11 (aa11), boat-aa22 (aa22)"));
}

#[test]
fn the_figures_count_what_people_are_shown_and_nobody_who_is_only_expected() {
    let expected = json!({ "name": "host1:1", "agent": "unknown", "device": "unknown", "area": "pier", "address": "host1:1",
        "role": "agent", "status": "unavailable", "expected": true });
    let documents = vec![
        member("pier", "c3", "agent", "disconnected"),
        expected.as_object().unwrap().clone(),
        // Below a leader that is lost.
        member("bay", "l1", "leader", "connected"),
        member("bay", "c4", "agent", "connected"),
    ];
    let lines = shown(&leads("pier", "a1"), documents, &[], Status::Unavailable);
    assert_eq!(statuses(&lines), [("connected", 1), ("disconnected", 1), ("unavailable", 2)]);
}
