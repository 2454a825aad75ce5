//! Agents nearby: what members tell, what a forger and a flood do to them, and the original's door. Everything stays on
//! this machine: whoever takes links on 127.0.0.1 speaks there only. Each test has a group of its own.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use mf2c_domain::area::beacon::{Beacon, Role};
use mf2c_tests::{Agent, Answer, Start, curl, eventually, let_pass, mf2c, mf2c_with, timed};
use serde_json::Value;

/// Where the original's door to discovery is, with its port.
pub(crate) fn door(agent: &Agent) -> String {
    door_of(agent, "discovery.listen")
}

/// Where the door that this key opens is, with its port.
pub(crate) fn door_of(agent: &Agent, key: &str) -> String {
    let said = |line: &Value| line["door"].as_str() == Some(key);
    let address = |line: Value| Some(line["address"].as_str()?.to_owned());
    let mut found = None;
    eventually("the door", || {
        found = agent.log_lines().find(|line| said(line) || said(&line["fields"])).and_then(|line| {
            let line = if line["fields"].is_object() { line["fields"].clone() } else { line };
            address(line)
        });
        found.is_some()
    });
    found.unwrap()
}

fn place(agent: &Agent) -> &str {
    agent.data_dir().to_str().unwrap()
}

/// A leader whose beacons go to this port, ten each second.
fn leader(port: u16) -> Agent {
    let agent = Start::new()
        .environment("MF2C_LINK_LISTEN", "127.0.0.1:0")
        .environment("MF2C_DISCOVERY_GROUP", &format!("239.255.46.40:{port}"))
        .environment("MF2C_DISCOVERY_INTERVAL", "100ms")
        .environment("MF2C_DISCOVERY_BEACON", "true")
        .agent();
    let _ = mf2c(&["ca", "init", "--area", "harbour", "--data-dir", place(&agent)]).expect(0);
    agent
}

/// What a command without an agent hears in two seconds.
fn heard(port: u16) -> Vec<Value> {
    let nowhere = tempfile::tempdir().unwrap();
    let group = format!("239.255.46.40:{port}");
    let arguments = ["discover", "--listen", "2s", "-o", "json", "--data-dir", nowhere.path().to_str().unwrap()];
    let ran = mf2c_with(&[("MF2C_DISCOVERY_GROUP", &group)], &arguments).expect(0);
    serde_json::from_str::<Value>(&ran.out).unwrap().as_array().unwrap().clone()
}

/// What the agent has heard.
fn known(agent: &Agent) -> Vec<Value> {
    let ran = mf2c(&["discover", "-o", "json", "--data-dir", place(agent)]).expect(0);
    serde_json::from_str::<Value>(&ran.out).unwrap().as_array().unwrap().clone()
}

fn ear() -> UdpSocket {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()
}

/// A socket that shouts to a group on this machine. The system routes it by the address that it is bound to.
fn shout(socket: &UdpSocket, datagram: &[u8], port: u16) -> bool {
    let group: SocketAddr = ([239, 255, 46, 40], port).into();
    socket.send_to(datagram, group).is_ok()
}

/// How many datagrams to this port the system has dropped because nobody read them, as Linux counts (proc(5), `/proc/net/udp`).
fn unread(port: u16) -> u64 {
    let table = fs::read_to_string("/proc/net/udp").unwrap();
    let local = format!(":{port:04X}");
    let sockets = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    let ours = sockets.filter(|socket| socket.get(1).is_some_and(|address| address.ends_with(&local)));
    ours.filter_map(|socket| socket.last()?.parse::<u64>().ok()).sum()
}

fn forged(device: &str) -> Vec<u8> {
    let said = Beacon {
        term: Some(99),
        role: Some(Role::Leader),
        area: Some("harbour".to_owned()),
        port: Some(666),
        holds: Some(60),
        ..Beacon::default()
    };
    said.of_device(device).to_datagram().unwrap()
}

#[test]
fn a_leader_is_heard_with_its_area_term_port_and_root_and_takes_leave() {
    let port = 46_141;
    let mut agent = leader(port);
    let shown = mf2c(&["ca", "show", "-o", "json", "--data-dir", place(&agent)]).expect(0).out;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let mut found = vec![];
    eventually("a beacon", || {
        found = heard(port);
        found.iter().any(|it| it["role"] == "leader")
    });
    let it = &found[0];
    assert_eq!((&it["area"], &it["by"]), (&"harbour".into(), &"beacon".into()));
    assert_eq!(it["root"], shown["authority"]["roots"][0]);
    assert_eq!(it["address"], shown["listens"]);
    let _ = agent.stop("TERM");
    assert!(heard(port).is_empty());
}

#[test]
fn beacons_can_be_switched_off() {
    let port = 46_142;
    let agent = Start::new()
        .environment("MF2C_LINK_LISTEN", "127.0.0.1:0")
        .environment("MF2C_DISCOVERY_GROUP", &format!("239.255.46.40:{port}"))
        .environment("MF2C_DISCOVERY_INTERVAL", "100ms")
        .environment("MF2C_DISCOVERY_BEACON", "false")
        .agent();
    let _ = mf2c(&["ca", "init", "--data-dir", place(&agent)]).expect(0);
    assert!(heard(port).is_empty());
}

#[test]
fn d2_a_forged_beacon_is_listed_and_changes_neither_role_nor_term() {
    let port = 46_143;
    let agent = leader(port);
    let socket = ear();
    eventually("the forged beacon in the list", || {
        let _ = shout(&socket, &forged("aa"), port);
        known(&agent).iter().any(|it| it["device"] == "aa" && it["term"] == 99)
    });
    eventually("the agent's own word", || {
        let own = heard(port);
        own.iter().any(|it| it["role"] == "leader" && it["device"] != "aa" && it["term"] != 99)
    });
}

/// How long beacons flood an agent.
const FLOOD: Duration = Duration::from_secs(5);

#[test]
fn d4_a_flood_of_forged_beacons_leaves_the_list_bounded_and_the_agent_as_it_was() {
    let port = 46_144;
    let agent = leader(port);
    let own = || {
        let shown = mf2c(&["ca", "show", "-o", "json", "--data-dir", place(&agent)]).expect(0).out;
        let shown: Value = serde_json::from_str(&shown).unwrap();
        assert_eq!((&shown["authority"]["area"], &shown["membership"]["role"]), (&"harbour".into(), &"leader".into()));
        shown
    };
    let before = own();
    eventually("the agent listens", || !heard(port).is_empty());
    let spent = |work: &dyn Fn()| {
        let before = agent.processor_time();
        let ((), took) = timed(work);
        (agent.processor_time() - before, took)
    };
    let (idle, _) = spent(&|| let_pass(FLOOD));
    let socket = ear();
    let (dropped, sent) = (unread(port), 10_000 * u128::from(FLOOD.as_secs()));
    let flood: Vec<_> = (0..sent).map(|it| forged(&format!("{it:08x}"))).collect();
    let (flooded, took) = spent(&|| {
        for part in flood.chunks(100) {
            part.iter().for_each(|it| assert!(shout(&socket, it, port), "it is sent"));
            // Ten thousand in a second, but for the time that sending takes.
            let_pass(Duration::from_millis(10));
        }
    });
    let share = flooded.saturating_sub(idle).as_secs_f64() / took.as_secs_f64() * 100.0;
    println!("a flood of {sent} in {took:?} cost {share:.2} % of a core ({flooded:?}, {idle:?} without)");
    // What nobody reads costs nobody anything: 64 in a quarter of a second are looked at, and some hundred wait.
    let looked_at = 64 * (took.as_millis() / 250 + 2);
    assert!(
        u128::from(unread(port) - dropped) + looked_at + sent / 10 > sent,
        "{} of {sent} in {took:?}",
        unread(port) - dropped
    );
    let mut listed = vec![];
    eventually("a forged beacon in the list", || {
        listed = known(&agent);
        listed.iter().any(|it| it["term"] == 99)
    });
    assert!(listed.len() <= 1024, "{}", listed.len());
    assert_eq!(own(), before);
}

#[test]
fn the_lists_of_the_guide_come_from_the_environment_or_a_file_and_are_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(".env");
    fs::write(&file, "# mF2C\nCHILDREN_DC=host1:1;[::1]:2\nLEADER_DC=nobody:1\n").unwrap();
    let agent = Start::new()
        .environment("LEADER_DC", "10.0.0.5:8444")
        .environment("MF2C_DISCOVERY_ENV_FILE", file.to_str().unwrap())
        .agent();
    let listed = known(&agent);
    let shown: Vec<(&str, &str)> =
        listed.iter().map(|it| (it["role"].as_str().unwrap(), it["address"].as_str().unwrap())).collect();
    assert_eq!(shown, [("leader", "10.0.0.5:8444"), ("agent", "host1:1"), ("agent", "[::1]:2")]);
}

fn with_door() -> (Agent, String) {
    let agent = Start::new().environment("MF2C_DISCOVERY_LISTEN", "127.0.0.1:0").agent();
    let door = format!("http://{}/api/v1/resource-management/discovery", door(&agent));
    (agent, door)
}

fn ask(door: &str, method: &str, path: &str, admin: bool, body: Option<&str>) -> Answer {
    let url = format!("{door}{path}");
    let mut arguments = vec!["-X", method, &url];
    if admin {
        arguments.extend(["-H", "slipstream-authn-info: internal ADMIN"]);
    }
    if let Some(body) = body {
        arguments.extend(["-d", body]);
    }
    curl(arguments)
}

#[test]
fn nobody_but_an_administrator_changes_anything_at_the_door() {
    let (_agent, door) = with_door();
    let join = r#"{"interface": "wlan0", "bssid": "02:00:00:00:01:00"}"#;
    let dhcp = r#"{"interface_name": "wlan0"}"#;
    let broadcast =
        r#"{"broadcast_frequency": "100", "interface_name": "wlan0", "config_file": "x", "leader_id": "aa"}"#;
    for (method, path, body, status) in [
        ("POST", "/broadcast/", Some(broadcast), 409),
        ("PUT", "/broadcast/", None, 501),
        ("GET", "/scan/wlan0", None, 501),
        ("POST", "/join/", Some(join), 501),
        ("PUT", "/join/", None, 501),
        ("GET", "/watch/", None, 501),
        ("PUT", "/watch/", None, 200),
        ("GET", "/watch_agent_side/?key=start", None, 200),
        ("POST", "/dhcp/", Some(dhcp), 501),
        ("PUT", "/dhcp/", None, 501),
    ] {
        let refused = ask(&door, method, path, false, body).expect(401);
        assert!(refused.json()["message"].as_str().unwrap().contains("administrators"), "{method} {path}");
        let answer = ask(&door, method, path, true, body);
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
    }
}

#[test]
fn the_door_answers_with_the_keys_of_the_original_and_says_what_is_wrong() {
    let (_agent, door) = with_door();
    assert!(ask(&door, "GET", "/", false, None).expect(200).json()["message"].is_string());
    let scan = ask(&door, "GET", "/scan/wlan0", true, None).expect(501).json();
    assert!(scan["error_message"].as_str().unwrap().contains("discovery.wifi"), "{scan}");
    assert!(scan["found_leaders"].as_array().unwrap().is_empty() && scan["used_mac"] == "");
    let away = ask(&door, "GET", "/watch_agent_side/", false, None).expect(200).json();
    assert_eq!(away, serde_json::json!({"DISCONNECTED": false}));
    let address = ask(&door, "GET", "/my_ip/", false, None).expect(501).json();
    assert_eq!(address["IP_address"], "");
    for (body, missing) in [("{}", "broadcast_frequency"), (r#"{"broadcast_frequency": 100}"#, "interface_name")] {
        let wrong = ask(&door, "POST", "/broadcast/", true, Some(body)).expect(400).json();
        assert!(wrong["message"].as_str().unwrap().contains(missing), "{wrong}");
    }
    for frequency in ["14", "65535", "\"x\""] {
        let body = format!(
            r#"{{"broadcast_frequency": {frequency}, "interface_name": "w", "config_file": "", "leader_id": "a"}}"#
        );
        let wrong = ask(&door, "POST", "/broadcast/", true, Some(&body)).expect(400).json();
        assert!(wrong["message"].as_str().unwrap().contains("15 to 65534"), "{wrong}");
    }
    let _ = ask(&door, "POST", "/join/", true, Some("not json")).expect(400);
    let _ = ask(&door, "DELETE", "/join/", true, None).expect(405);
    let _ = ask(&door, "GET", "/nothing/", true, None).expect(404);
}
