//! Policies and categorisation of the original: everybody on this machine may read, roles change only with authority.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::discovery::door_of;
use mf2c_tests::{Agent, Answer, Start, agent_binary, curl, eventually, mf2c, run};

const BASE: &str = "/api/v2/resource-management/policies";

fn agent() -> Agent {
    Start::new().environment("MF2C_LEGACY_POLICIES", "127.0.0.1:0").agent()
}

/// Asks by curl, perhaps as an administrator.
fn ask(agent: &Agent, admin: bool, path: &str, body: Option<&str>) -> Answer {
    let (url, user) = (format!("https://{}{path}", agent.https()), format!("admin:{}", agent.admin_password()));
    let mut arguments = vec!["-k", &url];
    if admin {
        arguments.extend(["-u", &user]);
    }
    if let Some(body) = body {
        arguments.extend(["-H", "content-type: application/json", "-d", body]);
    }
    curl(arguments)
}

#[test]
fn whoever_shows_nothing_may_read_and_changes_nothing() {
    let agent = agent();
    let before = ask(&agent, false, &format!("{BASE}/leaderinfo"), None).expect(200).json();
    for key in ["imLeader", "imBackup", "imCloud"] {
        assert_eq!(before[key], false, "{key}");
    }
    // P10.
    for call in ["roleChange/agent", "roleChange/leader", "roleChange/backup", "startAgent", "startAreaResilience"] {
        ask(&agent, false, &format!("{BASE}/{call}"), None).expect(401);
    }
    for call in ["keepalive", "reelection"] {
        ask(&agent, false, &format!("{BASE}/{call}"), Some(r#"{"deviceID": "x"}"#)).expect(401);
    }
    assert_eq!(ask(&agent, false, &format!("{BASE}/leaderinfo"), None).json(), before);
}

#[test]
fn calls_answer_with_the_statuses_and_keys_of_the_original() {
    let agent = agent();
    // G12 and G11, of an agent that is no member of an area.
    ask(&agent, false, &format!("{BASE}/roleChange/king"), None).expect(404);
    let refused = ask(&agent, true, &format!("{BASE}/roleChange/leader"), None).expect(403).json();
    assert_eq!((&refused["imLeader"], &refused["imBackup"]), (&false.into(), &false.into()));
    let named = Some(r#"{"deviceID": "x"}"#);
    assert_eq!(ask(&agent, true, &format!("{BASE}/keepalive"), named).expect(405).json()["backupPriority"], -3);
    assert_eq!(ask(&agent, true, &format!("{BASE}/reelection"), named).expect(401).json()["deviceID"], "x");
    assert_eq!(ask(&agent, true, &format!("{BASE}/startAgent"), None).expect(403).json()["started"], true);
    ask(&agent, true, &format!("{BASE}/keepalive"), Some("[]")).expect(400);
    ask(&agent, true, &format!("{BASE}/else"), None).expect(404);
    let health = ask(&agent, false, &format!("{BASE}/healthcheck"), None).expect(400).json();
    assert_eq!(health["health"], "ORANGE");
    let keys = "health startup startup_time status API discovery identification cau-client res-cat area-resilience vpn-client \
                deviceIP leaderIP cloudIP deviceID backupElected leaderfound JOIN-MYIP wifi-iface agent-resource";
    for key in keys.split_whitespace() {
        assert!(health.get(key).is_some(), "{key}");
    }
    for path in ["/rm/components".to_owned(), format!("{BASE}/rm/components")] {
        let components = ask(&agent, false, &path, None).expect(200).json();
        for key in "started running modules discovery identification cau_client categorization policies \
                    discovery_description leader_discovery_description"
            .split_whitespace()
        {
            assert!(components.get(key).is_some(), "{key}");
        }
    }
}

#[test]
fn where_discovery_is_on_and_cannot_work_the_health_says_so() {
    // An address that no card of this machine has (RFC 5737).
    let start = Start::new().environment("MF2C_DISCOVERY_BEACON", "true");
    let agent = start.environment("MF2C_DISCOVERY_INTERFACE", "192.0.2.7").agent();
    let health = || ask(&agent, false, &format!("{BASE}/healthcheck"), None).json();
    assert_eq!(
        (&health()["discovery"], &health()["wifi-iface"]),
        (&true.into(), &false.into()),
        "nothing is opened yet"
    );
    let _ = mf2c(&["ca", "init", "--data-dir", agent.data_dir().to_str().unwrap()]).expect(0);
    eventually("that it is told", || health()["discovery"] == false);
    eventually("what else the colour needs", || health()["leaderfound"] == true);
    let colour = health()["health"].clone();
    assert!(colour == "ORANGE" || colour == "YELLOW", "it is young for a minute: {colour}");
}

#[test]
fn categorisation_answers_at_its_own_door_and_changes_nothing_for_strangers() {
    let agent = Start::new().environment("MF2C_LEGACY_CATEGORISATION", "127.0.0.1:0").agent();
    let at = door_of(&agent, "legacy.categorisation");
    let url = |call: &str| format!("http://{at}/api/v1/resource-management/categorization/{call}");
    let user = format!("admin:{}", agent.admin_password());
    for (method, call) in [("GET", "start/"), ("POST", "start/"), ("GET", "leader-switch/")] {
        let body = ["-X", method, "-d", r#"{"deviceID": "x"}"#];
        let _ = curl([&body[..], &[&url(call)]].concat()).expect(401);
        let told = curl([&body[..], &["-u", &user, &url(call)]].concat()).expect(200).json();
        match call {
            "start/" => assert_eq!(told["error"], true, "as the original's second start"),
            _ => assert_eq!((&told["error"], &told["isLeader"]), (&false.into(), &false.into())),
        }
    }
    assert_eq!(curl([&url("run")]).expect(200).json()["running"], true);
    let _ = curl(["-X", "DELETE", &url("run")]).expect(405);
    let _ = curl([&url("else")]).expect(404);
}

#[test]
fn a_password_that_is_sent_along_leaves_no_session_behind() {
    let agent = agent();
    ask(&agent, true, &format!("{BASE}/leaderinfo"), None).expect(200);
    let sessions = agent.send_as(Some("root ADMIN"), "GET", "session?$last=0", None).expect(200).json();
    assert_eq!(sessions["count"], 0);
    let answer = curl(["-k", "-u", "admin:wrong-password", &format!("https://{}{BASE}/leaderinfo", agent.https())]);
    assert!([401, 403].contains(&answer.status), "{}", answer.status);
}

#[test]
fn the_examples_of_the_page_about_policies_work() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/policies.md")).unwrap();
    let blocks = page.split("\n```sh\n").skip(1).map(|block| block.split_once("\n```").unwrap().0);
    let agent = agent();
    let script = blocks.collect::<Vec<_>>().join("\n").replace("127.0.0.1:8443", agent.https());
    let folder = tempfile::tempdir().unwrap();
    let mut path = vec![agent_binary().parent().unwrap().to_owned()];
    path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    let mut bash = Command::new("bash");
    bash.args(["-euc", &script]).current_dir(folder.path()).env_clear();
    bash.env("PATH", std::env::join_paths(path).unwrap()).env("PASSWORD", agent.admin_password());
    let said = run(bash).expect(0).out;
    assert!(said.contains("imCloud") && said.contains("ORANGE") && said.contains("cau_client"), "{said}");
}
