//! Following changes with the command-line client: what it prints, and that nothing is lost when the agent goes away.

use mf2c_tests::{Agent, Following, Start, eventually, mf2c};

/// The client, at this agent, until it is told to stop.
fn follow(agent: &Agent, arguments: &[&str]) -> Following {
    let here = here(agent);
    let more: Vec<&str> = here.iter().map(String::as_str).collect();
    Following::begin(&[arguments, &more].concat())
}

fn here(agent: &Agent) -> Vec<String> {
    let url = format!("https://{}", agent.https());
    let ca = agent.data_dir().join("tls/server.pem").to_str().unwrap().to_owned();
    ["--url", &url, "--ca", &ca, "--as", "internal ADMIN"].map(str::to_owned).to_vec()
}

fn at(agent: &Agent, arguments: &[&str]) -> String {
    let here = here(agent);
    let more: Vec<&str> = here.iter().map(String::as_str).collect();
    mf2c(&[arguments, &more].concat()).expect(0).out.trim().to_owned()
}

fn service(agent: &Agent, name: &str) -> String {
    let name = format!("name={name}");
    at(agent, &["create", "service", &name, "exec=hello-world", "exec_type=docker", "agent_type=normal"])
}

#[test]
fn changes_are_printed_as_they_happen_until_ctrl_c_ends_it_with_130() {
    let agent = Start::new().agent();
    let mut lines = follow(&agent, &["events", "--types", "service", "-o", "json"]);
    let mut table = follow(&agent, &["events", "--types", "service", "--filter", "name='seen'"]);
    lines.waits_for(&["\"change\":\"ready\""]);
    let (seen, other) = (service(&agent, "seen"), service(&agent, "other"));
    let _ = at(&agent, &["delete", &seen, "--yes"]);
    lines.waits_for(&["\"change\":\"deleted\""]);
    for line in lines.printed().lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(line["event"].is_string() && line["change"].is_string(), "{line}");
    }
    assert!(lines.printed().contains(&other));
    assert_eq!((lines.interrupt(), lines.said()), (Some(130), String::new()));

    // The table knows no `ready`, so its line may be of a later change.
    let seen = service(&agent, "seen");
    eventually("a line", || {
        let _ = at(&agent, &["edit", &seen, "num_agents=2"]);
        table.printed().contains(&seen)
    });
    assert!(!table.printed().contains(&other), "{}", table.printed());
    assert_eq!(table.interrupt(), Some(130));
}

#[test]
fn a_watched_query_begins_with_the_list() {
    let agent = Start::new().agent();
    let before = service(&agent, "before");
    let watched = follow(&agent, &["query", "service", "--watch", "-o", "csv"]);
    watched.waits_for(&[&format!("present,service,{before}")]);
    let after = service(&agent, "after");
    watched.waits_for(&[&format!("created,service,{after}")]);
    assert_eq!(watched.printed().matches(&before).count(), 1);
}

#[test]
fn what_happens_while_the_agent_is_away_is_not_lost() {
    let agent = Start::new().agent();
    let followed = follow(&agent, &["events", "--types", "service", "-o", "json"]);
    followed.waits_for(&["\"change\":\"ready\""]);
    let first = service(&agent, "first");
    followed.waits_for(&[&first]);

    // The same agent once more at the same address, with a change that the client could not see.
    let address = agent.https().to_owned();
    let (data, _own) = agent.kill();
    let away = Start::new().data_dir(&data).agent();
    let second = service(&away, "second");
    let _ = away.kill();
    let back = Start::new().bare().data_dir(&data).arguments(["--dev", "--api", &address]).agent();
    followed.waits_for(&[&second]);
    let third = service(&back, "third");
    followed.waits_for(&[&third]);
    let printed = followed.printed();
    assert_eq!(
        [&first, &second, &third].map(|id| printed.matches(&format!("\"id\":\"{id}\",\"position\"")).count()),
        [1, 1, 1]
    );
    assert!(followed.said().contains("connecting again"), "{}", followed.said());
}
