//! The original's policies over HTTPS in an area of several agents: who leads, who keeps alive, who may change it.
//!
//! Proves: G11, G12, P8, P9, P10 of the cluster's vectors.

use mf2c_tests::{Answer, Fog, eventually};
use serde_json::{Value, json};

const BASE: &str = "/api/v2/resource-management/policies";

/// `one` leads, `two` and `three` are its backups, `four` is an agent.
fn area() -> Fog {
    let mut fog = Fog::new().with("MF2C_AREA_PROFILE", "lan");
    fog.found("one", "pier");
    for name in ["two", "three", "four"] {
        fog.add(name, "one");
        if name == "three" {
            fog.backed_up("one", &["two", "three"]);
        }
    }
    fog
}

fn ask(fog: &Fog, name: &str, admin: bool, call: &str, body: Option<&Value>) -> Answer {
    let agent = fog.agent(name);
    let (url, user) = (format!("https://{}{BASE}/{call}", agent.https()), format!("admin:{}", agent.admin_password()));
    let body = body.map(Value::to_string);
    let mut arguments = vec!["-k", &url];
    if admin {
        arguments.extend(["-u", &user]);
    }
    if let Some(body) = &body {
        arguments.extend(["-H", "content-type: application/json", "-d", body]);
    }
    agent.curl(arguments)
}

fn leads(fog: &Fog, name: &str) -> bool {
    ask(fog, name, false, "leaderinfo", None).expect(200).json()["imLeader"] == true
}

#[test]
fn g11_keepalives_get_a_place_or_the_reason_why_not() {
    let fog = area();
    let alive = |at: &str, device: &str| ask(&fog, at, true, "keepalive", Some(&json!({ "deviceID": device })));
    let (two, three, four) = (fog.device("two"), fog.device("three"), fog.device("four"));
    for at in ["two", "four"] {
        let answer = alive(at, &two).expect(405).json();
        assert_eq!((&answer["backupPriority"], &answer["deviceID"]), (&json!(-3), &json!(two)));
    }
    for device in [&four, "nobody"] {
        assert_eq!(alive("one", device).expect(403).json()["backupPriority"], -2, "{device}");
    }
    let mut places = [&two, &three].map(|device| alive("one", device).expect(200).json()["backupPriority"].as_i64());
    places.sort_unstable();
    assert_eq!(places, [Some(1), Some(2)]);
}

#[test]
fn g12_p9_p10_who_leads_is_changed_by_nobody_without_authority_and_nowhere_but_at_the_leader() {
    let fog = area();
    for (at, leads, backup) in [("one", true, false), ("two", false, true), ("four", false, false)] {
        let expected = (json!(leads), json!(backup));
        ask(&fog, at, true, "roleChange/king", None).expect(404);
        // A backup may ask its leader for it.
        if !backup {
            let refused = ask(&fog, at, true, "roleChange/leader", None).expect(403).json();
            assert_eq!((refused["imLeader"].clone(), refused["imBackup"].clone()), expected, "{at}");
        }
        // P10: nobody who shows nothing.
        for role in ["agent", "leader", "backup"] {
            assert!(
                [401, 403].contains(&ask(&fog, at, false, &format!("roleChange/{role}"), None).status),
                "{at} {role}"
            );
        }
        let info = ask(&fog, at, false, "leaderinfo", None).expect(200).json();
        assert_eq!((info["imLeader"].clone(), info["imBackup"].clone()), expected, "{at}");
    }
    let elect = |at: &str, device: &str| ask(&fog, at, true, "reelection", Some(&json!({ "deviceID": device })));
    elect("one", "nobody").expect(404);
    for at in ["two", "four"] {
        elect(at, &fog.device("four")).expect(401);
    }
    let four = json!({ "deviceID": fog.device("four") });
    assert!([401, 403].contains(&ask(&fog, "one", false, "reelection", Some(&four)).status));
    assert!(leads(&fog, "one"));
}

#[test]
fn p8_a_planned_re_election_makes_an_agent_the_leader_and_all_say_so() {
    let fog = area();
    let four = fog.device("four");
    // That nobody leads for less than a second is seen where time is simulated.
    let said = ask(&fog, "one", true, "reelection", Some(&json!({ "deviceID": four }))).expect(200).json();
    assert_eq!(said["deviceID"], json!(four));
    assert!(said["deviceIP"].as_str().is_some_and(|ip| ip.contains("127.0.0.1")), "{said}");
    eventually("that all say so", || {
        let told = ["one", "two", "three", "four"].map(|name| leads(&fog, name));
        told == [false, false, false, true]
    });
    assert_eq!(fog.leader_of(&["one", "two", "three", "four"]), "four");
    let id = fog.put("one", "still");
    fog.reaches("four", &id);
    // The leader gives up by the original's call, too.
    eventually("it gives up", || ask(&fog, "four", true, "roleChange/agent", None).status == 200);
    eventually("another leader", || {
        !leads(&fog, "four") && ["one", "two", "three"].iter().any(|name| leads(&fog, name))
    });
}
