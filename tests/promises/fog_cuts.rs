//! Cables that are really pulled: agents on hosts of their own in network namespaces, where some do not reach others, or reach
//! them and get no answer. Nothing that was acknowledged is lost, no term has two leaders, and all agree afterwards.
//!
//! Proves over real TLS: R2, R5, R18, P3, P4, P5, P11, P14 of the cluster's vectors. Where no namespaces may be made, it says
//! so and proves nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use mf2c_tests::{Fog, eventually, let_pass};
use serde_json::{Value, json};

const ALL: [&str; 4] = ["one", "two", "three", "four"];

/// Who was seen to lead with a full mandate in which term. Two of one term are never seen, whenever they are looked at.
#[derive(Default)]
struct Terms(BTreeMap<u64, String>);

impl Terms {
    /// Looks at all of them: who leads with a full mandate in the latest term.
    fn look<'n>(&mut self, fog: &Fog, names: &[&'n str]) -> Option<&'n str> {
        let mut latest = None;
        for name in names {
            let area = fog.area(name);
            if area["role"] == "leader" && area["mandate"] == "full" {
                let term = area["term"].as_u64().unwrap();
                let first = self.0.entry(term).or_insert_with(|| (*name).to_owned());
                assert_eq!(first, name, "two lead in term {term}");
                latest = latest.max(Some((term, *name)));
            }
        }
        latest.map(|(_, name)| name)
    }

    /// Waits until one of these leads with a full mandate.
    fn leader<'n>(&mut self, fog: &Fog, names: &[&'n str]) -> &'n str {
        let mut found = None;
        eventually("a leader with a full mandate", || {
            found = self.look(fog, names);
            found.is_some()
        });
        found.unwrap()
    }

    /// Waits until all of these follow one of them that has a full mandate.
    fn agreed<'n>(&mut self, fog: &Fog, names: &[&'n str]) -> &'n str {
        let mut found = None;
        eventually("that all agree on a leader", || {
            found = self.look(fog, names);
            found.is_some_and(|leader| {
                let id = fog.leader(leader);
                fog.role(leader) == "leader" && names.iter().all(|name| fog.leader(name) == id)
            })
        });
        found.unwrap()
    }
}

/// `one` leads, `two` and `three` are its backups, `four` is an agent where it is wanted.
fn area(agents: usize) -> Option<(Fog, Terms)> {
    // A busy machine is not to be taken for a cut cable.
    let mut fog =
        Fog::apart(&ALL[..agents])?.with("MF2C_AREA_ELECTION_TIMEOUT", "3s").with("MF2C_AREA_DISCONNECTED_AFTER", "1s");
    fog.set("four", "MF2C_AREA_BACKUP", "false");
    fog.found("one", "pier");
    for name in &ALL[1..agents] {
        fog.add(name, "one");
    }
    fog.backed_up("one", &["two", "three"]);
    let mut terms = Terms::default();
    assert_eq!(terms.agreed(&fog, &ALL[..agents]), "one");
    Some((fog, terms))
}

/// A leader and a child that is no backup.
fn pair() -> Option<Fog> {
    let mut fog =
        Fog::apart(&["lead", "kid"])?.with("MF2C_AREA_BACKUP", "false").with("MF2C_AREA_DISCONNECTED_AFTER", "1s");
    fog.found("lead", "pier");
    fog.add("kid", "lead");
    Some(fog)
}

fn all_reach(fog: &Fog, name: &str, ids: &[String]) {
    for id in ids {
        fog.reaches(name, id);
    }
}

#[test]
fn p3_a_leader_whose_cable_is_pulled_stops_leading_before_another_leads_and_brings_back_what_it_took() {
    let Some((mut fog, mut terms)) = area(3) else { return };
    let before = fog.put("one", "before");
    fog.net().unplug("one");
    let new = terms.leader(&fog, &["two", "three"]);
    // Whoever was first to lead is fenced by now.
    assert_ne!(fog.area("one")["mandate"], "full");
    assert!(fog.area(new)["term"].as_u64() > fog.area("one")["term"].as_u64());
    let other = if new == "two" { "three" } else { "two" };
    // Everybody takes writes all the while (R1).
    let written = [before, fog.put("one", "on the lonely side"), fog.put(other, "on the other side")];
    fog.reaches(new, &written[2]);
    fog.net().plug("one");
    let leader = terms.agreed(&fog, &ALL[..3]);
    assert_ne!(leader, "one");
    all_reach(&fog, leader, &written);
    eventually("the role of an ordinary member", || ["agent", "backup"].contains(&fog.role("one").as_str()));
}

#[test]
fn p4_of_two_halves_at_most_one_leads_fully_both_take_writes_and_they_become_one() {
    let Some((mut fog, mut terms)) = area(4) else { return };
    fog.net().part(&["one", "two"]);
    // One half has a majority of leader and backups; the other has a backup that takes care.
    eventually("the degraded half", || {
        terms.look(&fog, &ALL);
        let three = fog.area("three");
        three["role"] == "leader" && three["mandate"] == "degraded"
    });
    assert_eq!(terms.agreed(&fog, &["one", "two"]), "one");
    eventually("who is left without a leader finds the one that takes care", || {
        fog.leader("four") == fog.leader("three")
    });
    let written: Vec<String> = ALL.iter().map(|name| fog.put(name, &format!("at {name}"))).collect();
    fog.reaches("one", &written[1]);
    fog.reaches("three", &written[3]);
    assert!(fog.document("one", &written[3]).is_null(), "the halves are apart");
    fog.net().heal();
    let leader = terms.agreed(&fog, &ALL);
    all_reach(&fog, leader, &written);
}

#[test]
fn p5_a_cut_between_leader_and_backup_alone_changes_no_leader() {
    let Some((mut fog, mut terms)) = area(4) else { return };
    let (term, two) = (fog.area("one")["term"].clone(), fog.device("two"));
    fog.net().lose("one", "two");
    fog.net().lose("two", "one");
    eventually("that the leader misses the backup", || fog.status("one", &two) == "disconnected");
    let waits = fog.put("two", "not yet");
    // Far longer than it takes to replace a leader.
    for _ in 0..60 {
        // Where the machine is busy its mandate may be gone for a moment; nobody else has one.
        assert!(terms.look(&fog, &ALL).is_none_or(|leader| leader == "one"));
        assert_ne!(fog.role("two"), "leader");
        let_pass(Duration::from_millis(100));
    }
    fog.net().heal();
    fog.reaches("one", &waits);
    assert_eq!(terms.agreed(&fog, &ALL), "one");
    assert_eq!(fog.area("one")["term"], term);
}

#[test]
fn a_leader_that_hears_all_and_is_heard_by_nobody_is_replaced_and_steps_down() {
    let Some((mut fog, mut terms)) = area(3) else { return };
    fog.net().lose("one", "two");
    fog.net().lose("one", "three");
    let new = terms.leader(&fog, &["two", "three"]);
    assert_ne!(fog.area("one")["mandate"], "full");
    let written = [fog.put("one", "said to nobody"), fog.put(new, "said by another")];
    fog.net().heal();
    let leader = terms.agreed(&fog, &ALL[..3]);
    all_reach(&fog, leader, &written);
}

#[test]
fn a_leader_that_is_heard_and_hears_nobody_is_replaced_and_steps_down() {
    let Some((mut fog, mut terms)) = area(3) else { return };
    fog.net().lose("two", "one");
    fog.net().lose("three", "one");
    let new = terms.leader(&fog, &["two", "three"]);
    assert_ne!(fog.area("one")["mandate"], "full");
    let written = [fog.put("one", "without an answer"), fog.put(new, "said by another")];
    fog.net().heal();
    let leader = terms.agreed(&fog, &ALL[..3]);
    all_reach(&fog, leader, &written);
}

#[test]
fn p11_a_cable_that_is_loose_costs_few_elections_and_no_write() {
    let Some((mut fog, mut terms)) = area(3) else { return };
    let first = fog.area("one")["term"].as_u64().unwrap();
    let mut written = vec![];
    // As long as the vector says, which is longer than a leader is waited for; then as short as a loose plug.
    let pauses = [5000, 5000, 500, 500, 500, 500];
    for (round, pause) in pauses.map(Duration::from_millis).into_iter().enumerate() {
        fog.net().unplug("one");
        written.extend(ALL[..3].iter().map(|name| fog.put(name, &format!("round {round} at {name}"))));
        let_pass(pause);
        fog.net().plug("one");
        let_pass(pause);
        terms.look(&fog, &ALL[..3]);
    }
    let leader = terms.agreed(&fog, &ALL[..3]);
    all_reach(&fog, leader, &written);
    let last = fog.area(leader)["term"].as_u64().unwrap();
    assert!(last - first <= 6 && terms.0.len() <= 1 + 3, "{first} to {last}: {:?}", terms.0);
}

#[test]
fn p14_an_old_leader_that_comes_back_terms_later_leads_no_more_and_brings_what_it_could_not_send() {
    let Some((mut fog, mut terms)) = area(3) else { return };
    let old = fog.area("one")["term"].as_u64().unwrap();
    fog.net().unplug("one");
    let unsent = fog.put("one", "never sent");
    fog.kill("one");
    fog.net().plug("one");
    let new = terms.leader(&fog, &["two", "three"]);
    let mut written = vec![unsent, fog.put(new, "of the next leader")];
    // The lead goes from hand to hand while it is away.
    let next = if new == "two" { "three" } else { "two" };
    fog.backed_up(new, &[next]);
    let device = fog.device(next);
    fog.told(new, &["area", "lead", &device]);
    assert_eq!(terms.agreed(&fog, &["two", "three"]), next);
    written.push(fog.put(new, "of the time after"));
    fog.reaches(next, &written[2]);
    let term = fog.area(next)["term"].as_u64().unwrap();
    assert!(term >= old + 2, "{old} to {term}");
    fog.start("one");
    assert_eq!(terms.agreed(&fog, &ALL[..3]), next);
    all_reach(&fog, next, &written);
    assert_eq!(fog.area(next)["term"], term, "nobody had to choose again");
    assert_eq!(fog.document("one", &written[0])["name"], "never sent");
}

#[test]
fn r2_twenty_edits_behind_a_cut_arrive_in_order_and_no_more_of_them_than_were_made() {
    let Some(mut fog) = pair() else { return };
    let id = fog.agent("kid").send("POST", "device-dynamic", Some(&dynamic(0).to_string())).expect(201).id();
    fog.reaches("lead", &id);
    let kid = fog.device("kid");
    fog.net().unplug("kid");
    eventually("that the child is missed", || fog.status("lead", &kid) == "disconnected");
    for free in 1..=20 {
        fog.agent("kid").send("PUT", &id, Some(&json!({"ramFree": f64::from(free)}).to_string())).expect(200);
    }
    let came = |fog: &Fog| fog.agent("lead").metric("mf2c_replication_changes_total{direction=\"in\"}");
    let before = came(&fog);
    assert_eq!(fog.document("lead", &id)["ramFree"], 0.0, "nothing is lost from what is there (R18)");
    fog.net().plug("kid");
    let mut newest = 0.0;
    eventually("the last state", || {
        let free = fog.document("lead", &id)["ramFree"].as_f64().unwrap();
        assert!(free >= newest, "{free} after {newest}");
        newest = free;
        newest == 20.0
    });
    eventually("the status of before", || fog.status("lead", &kid) == "connected");
    // The child also says that it was away and is back, in documents of its own.
    let came = came(&fog) - before;
    assert!(came <= 24, "{came} changes came");
    let plain = |name: &str| without_operations(fog.document(name, &id));
    assert_eq!(plain("lead"), plain("kid"));
    assert_eq!(fog.agent("lead").metric("mf2c_replication_repaired_total"), 0);
}

/// What each agent says may be done differs; the rest does not.
fn without_operations(mut document: Value) -> Value {
    document.as_object_mut().map(|document| document.remove("operations"));
    document
}

fn dynamic(free: u32) -> Value {
    let number = f64::from(free);
    json!({
        "device": {"href": "device/some"}, "ramFree": number, "ramFreePercent": number, "storageFree": number,
        "storageFreePercent": number, "cpuFreePercent": number, "powerRemainingStatus": "unlimited",
        "powerRemainingStatusSeconds": "unlimited", "powerPlugged": true, "ethernetAddress": "a", "wifiAddress": "b",
        "ethernetThroughputInfo": [], "wifiThroughputInfo": [], "actuatorInfo": "none"
    })
}

#[test]
fn r5_what_a_leader_applied_and_never_acknowledged_is_sent_again_and_applied_once() {
    let Some(mut fog) = pair() else { return };
    let first = fog.put("kid", "first");
    fog.reaches("lead", &first);
    let place = fog.place("lead");
    // Whatever the leader says from now on is lost, and so is its acknowledgement.
    fog.net().lose("lead", "kid");
    let id = fog.put("kid", "applied");
    fog.reaches("lead", &id);
    fog.agent("kid").send("PUT", &id, Some(r#"{"description":"edited"}"#)).expect(200);
    fog.kill("lead");
    fog.net().heal();
    fog.start("lead");
    eventually("the edit", || fog.document("lead", &id)["description"] == "edited");
    assert_eq!(fog.count("lead", ""), 2);
    let kid = fog.device("kid");
    eventually("that nothing is left to send", || {
        let agents = fog.area("lead")["agents"].clone();
        agents.as_array().unwrap().iter().any(|agent| agent["device"] == kid.as_str() && agent["behind"] == 0)
    });
    // As the leader's own log tells: it was added once.
    let told = fog.since("lead", &place);
    let added = told.iter().filter(|event| event["change"] == "created" && event["id"] == id.as_str()).count();
    assert_eq!(added, 1, "{told:?}");
}
