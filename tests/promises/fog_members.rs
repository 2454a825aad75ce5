//! Who is in a fog of real agents, who left, and what is kept of them.

use mf2c_tests::{Fog, curl, eventually, mf2c};
use serde_json::{Value, json};

/// Agents that are missed soon.
fn watchful() -> Fog {
    Fog::new().with("MF2C_AREA_DISCONNECTED_AFTER", "1s")
}

/// What an agent knows of others: area, device, role and status of each.
fn known(fog: &Fog, name: &str) -> Vec<[String; 4]> {
    let agents = fog.area(name)["agents"].clone();
    let text = |agent: &Value, name: &str| agent[name].as_str().unwrap_or_default().to_owned();
    let line = |agent: &Value| ["area", "device", "role", "status"].map(|name| text(agent, name));
    agents.as_array().into_iter().flatten().map(line).collect()
}

/// The lines about one device.
fn of(fog: &Fog, name: &str, device: &str) -> Vec<[String; 4]> {
    known(fog, name).into_iter().filter(|line| line[1] == device).collect()
}

/// How many documents anti-entropy has repaired there.
fn repaired(fog: &Fog, name: &str) -> f64 {
    let page = curl(["-k", &format!("https://{}/metrics", fog.agent(name).https())]).expect(200).text();
    let figure = page.lines().find_map(|line| line.strip_prefix("mf2c_replication_repaired_total ")?.parse().ok());
    figure.expect("the figure")
}

/// What a command says that is refused; none where it is not.
fn refusal(fog: &Fog, name: &str, words: &[&str]) -> Option<String> {
    let data_dir = fog.data_dir(name);
    let ran = mf2c(&[words, &["--data-dir", data_dir.to_str().unwrap()]].concat());
    (ran.code != Some(0)).then_some(ran.err)
}

fn refused(fog: &Fog, name: &str, words: &[&str]) -> String {
    refusal(fog, name, words).expect("a refusal")
}

#[test]
fn who_founds_an_area_below_is_one_agent_there_and_none_of_the_area_above() {
    let mut fog = watchful().with("MF2C_AREA_BACKUP", "false");
    fog.found("cloud", "sky");
    fog.found_below("lead", "pier", "cloud");
    fog.add("kid", "lead");
    let id = fog.put("kid", "deep");
    fog.reaches("cloud", &id);
    let (cloud, lead, kid) = (fog.device("cloud"), fog.device("lead"), fog.device("kid"));
    let right = |fog: &Fog| {
        let line = |area: &str, device: &str, role: &str, status: &str| [area, device, role, status].map(str::to_owned);
        let at_cloud = [
            line("pier", &lead, "leader", "connected"),
            line("pier", &kid, "agent", "connected"),
            line("sky", &cloud, "leader", "this agent"),
        ];
        let mut found = known(fog, "cloud");
        found.sort_by_key(|line| (line[0].clone(), line[2] != "leader"));
        let listed = of(fog, "lead", &cloud);
        found == at_cloud && listed.len() == 1 && listed[0][2] == "above" && listed[0][3] != "disconnected"
    };
    eventually("that all is told rightly", || right(&fog));
    // Of members the area above has itself alone.
    let above = |fog: &Fog| fog.agent("cloud").send("GET", "area-member?$filter=area='sky'", None).expect(200).json();
    assert_eq!(above(&fog)["count"], 1, "{}", above(&fog));
    for again in ["lead", "cloud"] {
        fog.kill(again);
        fog.start(again);
        eventually("that all is told rightly again", || right(&fog));
        assert_eq!(above(&fog)["count"], 1, "{}", above(&fog));
    }
    let id = fog.put("kid", "later");
    fog.reaches("cloud", &id);
    assert_eq!((repaired(&fog, "cloud"), repaired(&fog, "lead")), (0.0, 0.0));
}

#[test]
fn what_the_leader_forgets_is_forgotten_by_backups_and_above_also_by_those_that_were_away_and_comes_back_with_its_agent()
 {
    let mut fog = watchful();
    fog.found("cloud", "sky");
    fog.found_below("lead", "pier", "cloud");
    fog.add("second", "lead");
    eventually("the backup", || fog.role("second") == "backup");
    fog = fog.with("MF2C_AREA_BACKUP", "false");
    fog.add("kid", "lead");
    let (kid, id) = (fog.device("kid"), fog.put("kid", "lost at sea"));
    for name in ["cloud", "second"] {
        fog.reaches(name, &id);
    }
    let said = refused(&fog, "lead", &["area", "forget", &kid]);
    assert!(said.contains("is connected") && said.contains("stop it first"), "{said}");
    let own = fog.device("lead");
    let said = refused(&fog, "lead", &["area", "forget", &own]);
    assert!(said.contains("this agent itself. Nothing was removed") && !said.contains("revoke"), "{said}");
    fog.kill("kid");
    eventually("that it is missed", || of(&fog, "lead", &kid).iter().any(|line| line[3] == "disconnected"));
    eventually("that it is missed above", || of(&fog, "cloud", &kid).iter().any(|line| line[3] == "disconnected"));
    for name in ["cloud", "second"] {
        let said = refused(&fog, name, &["area", "forget", &kid[..12]]);
        assert!(said.contains("run this at the agent that leads its area") && said.contains(&own), "{said}");
    }
    // The backup hears of it when it is back.
    fog = fog.with("MF2C_AREA_BACKUP", "true");
    fog.kill("second");
    let said = fog.told("lead", &["area", "forget", &kid[..12]]);
    assert!(said.contains(&kid), "{said}");
    for name in ["lead", "cloud"] {
        eventually("the end of the copies", || fog.document(name, &id).is_null() && of(&fog, name, &kid).is_empty());
    }
    fog.start("second");
    eventually("the end of the copies at the backup", || fog.document("second", &id).is_null());
    fog.backed_up("lead", &["second"]);
    // Nobody brings them back: not the backup that leads now, nor a cloud that was restarted.
    fog.kill("lead");
    eventually("the next leader", || fog.role("second") == "leader");
    let sign = fog.put("second", "a sign of life");
    fog.reaches("cloud", &sign);
    fog.kill("cloud");
    fog.start("cloud");
    let sign = fog.put("second", "another");
    fog.reaches("cloud", &sign);
    // Of two leaders the later one counts, also for who has just started.
    let second = fog.device("second");
    let role = |device: &str| of(&fog, "cloud", device).into_iter().map(|line| line[2].clone()).collect::<Vec<_>>();
    eventually("who leads now", || role(&second) == ["leader"] && role(&own).iter().all(|role| role != "leader"));
    for name in ["second", "cloud"] {
        assert!(fog.document(name, &id).is_null() && of(&fog, name, &kid).is_empty(), "{name}");
    }
    // The agent does itself.
    fog.start("kid");
    for name in ["second", "cloud"] {
        fog.reaches(name, &id);
        eventually("that it is listed", || of(&fog, name, &kid).iter().any(|line| line[3] == "connected"));
    }
}

#[test]
fn an_agent_above_forgets_a_whole_area_that_is_lost() {
    let mut fog = watchful().with("MF2C_AREA_BACKUP", "false");
    fog.found("cloud", "sky");
    fog.found_below("lead", "pier", "cloud");
    fog.add("kid", "lead");
    let (kid, lead, id) = (fog.device("kid"), fog.device("lead"), fog.put("kid", "deep"));
    fog.reaches("cloud", &id);
    fog.kill("kid");
    fog.kill("lead");
    eventually("that it is missed", || refusal(&fog, "cloud", &["area", "forget", &lead]).is_none());
    eventually("the end of what it said", || of(&fog, "cloud", &kid).is_empty() && of(&fog, "cloud", &lead).is_empty());
    // Nobody tells of the child any more, and it is known all the same.
    fog.told("cloud", &["area", "forget", &kid[..12]]);
    assert!(fog.document("cloud", &id).is_null());
    fog.start("lead");
    fog.start("kid");
    fog.reaches("cloud", &id);
    eventually("that they are listed", || of(&fog, "cloud", &lead).iter().any(|line| line[3] == "connected"));
}

#[test]
fn who_is_no_backup_any_more_drops_its_copies_and_says_who_answers_for_documents() {
    let mut fog = watchful().with("MF2C_AREA_BACKUPS", "1");
    fog.found("cloud", "sky");
    fog.found_below("one", "pier", "cloud");
    fog.add("two", "one");
    eventually("the backup", || fog.role("two") == "backup");
    fog.add("three", "one");
    let id = fog.put("one", "shared");
    fog.reaches("two", &id);
    let leader = fog.device("three");
    fog.told("one", &["area", "lead", &leader]);
    assert_eq!(fog.leader_of(&["one", "two", "three"]), "three");
    let mut former = "";
    eventually("one that is an ordinary agent", || {
        former = ["one", "two"].into_iter().find(|name| fog.role(name) == "agent").unwrap_or_default();
        !former.is_empty()
    });
    let foreign = if former == "two" { id } else { fog.put("two", "theirs") };
    fog.reaches("three", &foreign);
    let answer = fog.agent(former).send("PUT", &foreign, Some(r#"{"description":"x"}"#));
    if answer.status != 404 {
        let said = answer.expect(409).text();
        assert!(said.contains("ask the agent that leads the area") && said.contains(&leader), "{said}");
    }
    eventually("the end of its copies", || fog.document(former, &foreign).is_null());
    assert!(!fog.document("three", &foreign).is_null());
    let own = fog.put(former, "own");
    fog.reaches("cloud", &own);
}

#[test]
fn of_events_each_agent_keeps_its_newest_and_so_do_those_above() {
    let mut fog = Fog::new().with("MF2C_AREA_BACKUP", "false").with("MF2C_STORE_KEEP_EVENTS", "20");
    fog.found("lead", "pier");
    fog.add("kid", "lead");
    let event = |number: usize| {
        json!({"timestamp": "2026-11-22T10:00:00Z", "type": "action", "severity": "low",
            "content": {"resource": {"href": "device/x"}, "state": format!("step {number}")}})
        .to_string()
    };
    for number in 0..50 {
        fog.agent("kid").send("POST", "event", Some(&event(number))).expect(201);
    }
    let steps = |name: &str| {
        let found =
            fog.agent(name).send("GET", "event?$filter=type='action'&$orderby=created:asc", None).expect(200).json();
        let state = |event: &Value| event["content"]["state"].as_str().unwrap_or_default().to_owned();
        found["events"].as_array().into_iter().flatten().map(state).collect::<Vec<_>>()
    };
    eventually("the bound", || steps("kid").len() <= 20);
    assert_eq!(steps("kid").last().unwrap(), "step 49");
    eventually("the bound at the leader", || steps("lead") == steps("kid"));
}
