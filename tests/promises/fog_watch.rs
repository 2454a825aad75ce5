//! What an operator sees of a fog of real agents: a line for everybody with a role, a status, the last contact and how far
//! replicas are behind, also where the other end is away or its disk is full; and commands that say what is wrong.

use mf2c_tests::{Fog, Following, SmallDisk, eventually, mf2c};
use serde_json::Value;

/// A cloud, a leader below it, and a child; nobody but the leaders takes links.
fn three_levels() -> Fog {
    let mut fog = Fog::new().with("MF2C_AREA_BACKUP", "false").with("MF2C_AREA_DISCONNECTED_AFTER", "1s");
    fog.found("cloud", "sky");
    fog.found_below("lead", "pier", "cloud");
    fog.add("kid", "lead");
    fog
}

/// The line of one agent at another.
fn line(fog: &Fog, at: &str, name: &str) -> Value {
    let agents = fog.area(at)["agents"].clone();
    let found = agents.as_array().into_iter().flatten().find(|agent| agent["name"] == name);
    found.cloned().unwrap_or(Value::Null)
}

fn metrics(fog: &Fog, name: &str) -> String {
    let url = format!("https://{}/metrics", fog.agent(name).https());
    mf2c_tests::curl(["-k", &url]).expect(200).text()
}

fn states(fog: &Fog, name: &str) -> Vec<String> {
    let events = fog.agent(name).send("GET", "event", None).expect(200).json();
    let events = events["events"].as_array().cloned().unwrap_or_default();
    events.iter().filter_map(|event| event["content"]["state"].as_str().map(str::to_owned)).collect()
}

/// A command that fails: what it says.
fn refused(fog: &Fog, name: &str, words: &[&str], exit: i32) -> String {
    let data_dir = fog.data_dir(name);
    let place = ["--data-dir", data_dir.to_str().unwrap()];
    let ran = mf2c(&[words, &place].concat()).expect(exit);
    assert!(ran.out.is_empty(), "{}", ran.out);
    ran.err
}

#[test]
fn an_agent_above_that_is_lost_is_shown_with_its_status_its_last_contact_and_what_it_lacks() {
    let mut fog = three_levels();
    let early = fog.put("kid", "early");
    fog.reaches("cloud", &early);
    let mut above = Value::Null;
    eventually("a link upwards over which all has gone", || {
        above = line(&fog, "lead", "cloud");
        above["status"] == "connected" && above["toPeer"]["changes"] == 0
    });
    assert_eq!((&above["role"], &above["area"]), (&"above".into(), &"sky".into()));
    eventually("its figure", || metrics(&fog, "lead").contains("mf2c_peer_up{peer=\"sky/"));
    fog.kill("cloud");
    let _ = fog.put("kid", "late");
    eventually("that it is missed", || line(&fog, "lead", "cloud")["status"] == "disconnected");
    let above = line(&fog, "lead", "cloud");
    assert!(above["lastContact"].is_string(), "{above}");
    eventually("what it lacks", || {
        let lag = line(&fog, "lead", "cloud")["toPeer"].clone();
        lag["changes"].as_u64() > Some(0) && lag["millis"].as_u64() > Some(0) && lag["open"] == false
    });
    let page = metrics(&fog, "lead");
    let sample = |name: &str, labels: &str| {
        let found = page.lines().find(|line| line.starts_with(name) && line.contains(labels));
        found
            .unwrap_or_else(|| panic!("no {name} {labels} in {page}"))
            .rsplit(' ')
            .next()
            .unwrap()
            .parse::<f64>()
            .unwrap()
    };
    assert!(sample("mf2c_peer_up{", "role=\"above\"") < 0.5);
    assert!(sample("mf2c_replication_lag_changes{", "direction=\"out\",peer=\"sky/") > 0.5);
    assert!(sample("mf2c_peer_last_contact_timestamp_seconds{", "role=\"above\"") > 1e9);
    let table = fog.told("lead", &["area"]);
    assert!(table.contains("TO PEER") && table.contains("disconnected") && !table.contains("spiffe://"), "{table}");
    assert!(fog.told("lead", &["area", "--wide"]).contains("spiffe://mf2c.internal/area/sky/agent/"));
    // What the agent's own screen says.
    let url = format!("https://{}", fog.agent("lead").https());
    let status = mf2c(&["status", "--url", &url, "--insecure"]).expect(0).out;
    assert!(status.contains("the agent above sky/") && status.contains("cannot be reached, last heard of"), "{status}");
    fog.start("cloud");
    eventually("that it is back and has all", || {
        let above = line(&fog, "lead", "cloud");
        above["status"] == "connected" && above["toPeer"]["changes"] == 0 && above.get("lastContact").is_none()
    });
}

#[test]
fn a_full_disk_at_the_leader_shows_there_and_at_the_child_and_its_end_does_too() {
    // The system is asked for free space whenever another MiB was written.
    let mut fog = Fog::new().with("MF2C_AREA_BACKUP", "false").with("MF2C_STORE_MIN_FREE", "16MiB");
    let Some(disk) = SmallDisk::mount_at(&fog.data_dir("lead"), 160) else { return };
    fog.found("lead", "pier");
    fog.add("kid", "lead");
    let before = fog.put("kid", "before");
    fog.reaches("lead", &before);
    // Less than `store.min_free` is left.
    let ballast = disk.fill(8 << 20);
    fog.put_many("kid", "bulk", 8000);
    let during = fog.put("kid", "during");
    let trouble = |at: &str| line(&fog, at, "lead")["trouble"].as_str().unwrap_or_default().to_owned();
    eventually("that the child knows", || {
        trouble("kid").starts_with("it takes no changes now: nothing can be written")
    });
    eventually("that the leader knows", || trouble("lead").starts_with("it takes no changes of others now"));
    let held = |at: &str, way: &str| {
        let page = metrics(&fog, at);
        let sample = format!("mf2c_replication_held{{direction=\"{way}\"");
        page.lines().any(|line| line.starts_with(&sample) && line.ends_with(" 1"))
    };
    eventually("the child's metric", || held("kid", "out"));
    eventually("the leader's metric", || held("lead", "in"));
    let url = format!("https://{}", fog.agent("kid").https());
    eventually("the child's status", || {
        mf2c(&["status", "--url", &url, "--insecure"]).expect(0).out.contains("takes no changes now, as when its disk")
    });
    eventually("the child's event", || {
        states(&fog, "kid").iter().any(|it| it.starts_with("takes no changes now: nothing"))
    });
    // It has no room to say so otherwise; what it says afterwards is about what lasted that long.
    eventually("the leader's log", || fog.agent("lead").log().contains("changes of other agents wait"));
    assert!(fog.document("lead", &during).is_null());
    std::fs::remove_file(ballast).unwrap();
    fog.reaches("lead", &during);
    eventually("the end", || trouble("kid").is_empty() && trouble("lead").is_empty());
    eventually("the child's event", || states(&fog, "kid").iter().any(|it| it == "takes changes again"));
    eventually("the leader's", || {
        states(&fog, "lead").iter().any(|it| it.starts_with("took no changes of others for"))
    });
}

#[test]
fn everybody_has_one_line_at_each_level_with_a_name_and_nobody_two() {
    let fog = three_levels();
    let sees = |at: &str| -> Vec<(String, String)> {
        let agents = fog.area(at)["agents"].clone();
        let text = |agent: &Value, name: &str| agent[name].as_str().unwrap_or_default().to_owned();
        agents.as_array().into_iter().flatten().map(|agent| (text(agent, "name"), text(agent, "role"))).collect()
    };
    let own = |all: &[(&str, &str)]| -> Vec<(String, String)> {
        all.iter().map(|(name, role)| ((*name).to_owned(), (*role).to_owned())).collect()
    };
    for (at, all) in [
        ("cloud", own(&[("cloud", "leader"), ("lead", "leader"), ("kid", "agent")])),
        ("lead", own(&[("cloud", "above"), ("lead", "leader"), ("kid", "agent")])),
        ("kid", own(&[("lead", "leader"), ("kid", "agent")])),
    ] {
        eventually(&format!("{at} shows {all:?}"), || sees(at) == all);
    }
    for name in ["cloud", "lead", "kid"] {
        let log = fog.agent(name).log();
        assert!(!log.contains("ignored a revocation list"), "{log}");
    }
    let url = format!("https://{}", fog.agent("cloud").https());
    let members = mf2c(&["query", "area-member", "--url", &url, "--insecure", "--as", "internal ADMIN"]);
    let members = members.expect(0).out;
    assert!(members.starts_with("NAME") && members.contains("kid") && members.contains("LASTCONTACT"), "{members}");
}

#[test]
fn commands_about_agents_say_what_is_wrong_before_they_say_anything_else() {
    let mut fog = three_levels();
    eventually("the child", || line(&fog, "lead", "kid")["status"] == "connected");
    eventually("a full mandate", || fog.area("lead")["mandate"] == "full");
    let said = refused(&fog, "lead", &["area", "lead", "cloud"], 2);
    assert!(said.contains("is the agent above, of the area sky") && !said.contains("handing"), "{said}");
    let said = refused(&fog, "lead", &["area", "lead", "nobody"], 4);
    assert!(said.contains("there is no `nobody` in this area"), "{said}");
    let said = refused(&fog, "lead", &["area", "lead", "lead"], 5);
    assert!(said.contains("leads the area already"), "{said}");
    for role in ["lead", "backup"] {
        let said = refused(&fog, "lead", &["area", role, "kid"], 5);
        assert!(said.contains("`area.backup = false`"), "{said}");
    }
    eventually("the child at the cloud", || !line(&fog, "cloud", "kid").is_null());
    // The leader decides, wherever it is asked.
    let said = refused(&fog, "kid", &["area", "backup", "kid"], 1);
    assert!(said.contains("the leader refuses"), "{said}");
    let said = refused(&fog, "cloud", &["area", "lead", "kid"], 2);
    assert!(said.contains("is an agent of the area pier, not of sky"), "{said}");
    let said = refused(&fog, "lead", &["area", "extra"], 2);
    assert!(said.contains("extra") && said.contains("lead|backup|agent|forget"), "{said}");
    // One device begins as another: all of these are made of hexadecimal digits.
    fog.add("kid-2", "lead");
    let devices = [fog.device("kid"), fog.device("kid-2")];
    let said = refused(&fog, "lead", &["ca", "revoke", "--device", "kid-3"], 4);
    assert!(said.contains("kid-3"), "{said}");
    let gone = fog.told("lead", &["ca", "revoke", "--device", &devices[0][..16]]);
    assert!(!gone.is_empty());
    let gone = fog.told("lead", &["ca", "revoke", "--device", "kid-2"]);
    assert!(!gone.is_empty());
    let valid = |device: &str| {
        let found = fog.agent("lead").send(
            "GET",
            &format!("certificate?$filter=device='{device}'%20and%20state='VALID'"),
            None,
        );
        found.expect(200).json()["count"].as_u64()
    };
    assert_eq!(devices.map(|device| valid(&device)), [Some(0), Some(0)]);
}

#[test]
fn an_agent_that_is_never_to_be_a_backup_is_none_and_the_area_waits_for_its_leader() {
    let mut fog = Fog::new();
    fog.found("one", "pier");
    fog = fog.with("MF2C_AREA_BACKUP", "false");
    fog.add("never", "one");
    fog = fog.with("MF2C_AREA_BACKUP", "true");
    fog.add("two", "one");
    eventually("the one backup", || line(&fog, "one", "two")["role"] == "backup" && fog.role("two") == "backup");
    assert_eq!((fog.role("never").as_str(), &line(&fog, "one", "never")["role"]), ("agent", &"agent".into()));
    let backups = fog.area("one")["backups"].clone();
    assert_eq!(backups.as_array().map(Vec::len), Some(1), "{backups}");
    assert!(!fog.data_dir("never").join("ca/area.key").exists());
    // Whoever is lost, it does not lead.
    let id = fog.put("one", "before");
    fog.reaches("two", &id);
    fog.kill("one");
    eventually("the backup leads", || fog.role("two") == "leader");
    eventually("and is followed", || fog.leader("never") == fog.leader("two"));
    fog.kill("two");
    let after = fog.put("never", "alone");
    assert_eq!(fog.role("never"), "agent");
    assert!(fog.document("never", &id).is_null(), "it never had what is the area's");
    fog.start("two");
    fog.reaches("two", &after);
    assert_ne!(fog.role("never"), "leader");
}

/// `mf2c area --watch` in a pipe.
fn watch(fog: &Fog, name: &str) -> Following {
    Following::begin(&["area", "--watch", "--data-dir", fog.data_dir(name).to_str().unwrap()])
}

#[test]
fn watching_in_a_pipe_tells_each_change_on_a_line_and_goes_on_while_the_agent_is_away() {
    let mut fog = three_levels();
    let watch = watch(&fog, "lead");
    watch.waits_for(&["area pier", "term"]);
    watch.waits_for(&["kid (", "agent", "connected"]);
    fog.kill("kid");
    watch.waits_for(&["kid (", "disconnected"]);
    fog.kill("lead");
    watch.waits_for(&["no agent runs"]);
    fog.start("lead");
    fog.start("kid");
    eventually("the child again", || {
        let printed = watch.printed();
        let last = printed.lines().rev().find(|line| line.contains("kid ("));
        last.is_some_and(|line| line.contains(", connected"))
    });
    let count = watch.printed().lines().count();
    assert!(count < 40, "a line for each change, not for each second: {count}");
}

#[test]
fn what_becomes_of_agents_is_told_by_events_once_each() {
    let mut fog = three_levels();
    eventually("that it has joined", || states(&fog, "lead").iter().any(|state| state == "joined"));
    fog.kill("kid");
    eventually("that it is missed", || states(&fog, "lead").iter().any(|state| state == "disconnected"));
    fog.start("kid");
    eventually("that it is back", || states(&fog, "lead").iter().any(|state| state == "connected"));
    let told = states(&fog, "lead");
    for state in ["joined", "disconnected", "connected"] {
        assert_eq!(told.iter().filter(|told| *told == state).count(), 1, "{state}: {told:?}");
    }
    assert!(told.iter().any(|state| state.starts_with("leads in term")), "{told:?}");
    eventually("it is known above", || {
        states(&fog, "cloud").iter().any(|state| state.starts_with("the area pier is led by"))
    });
}
