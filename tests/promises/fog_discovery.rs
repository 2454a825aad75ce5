//! Members that find each other again when addresses change, and whom forged beacons lead nowhere. Everything stays on this
//! machine: whoever takes links on 127.0.0.1 speaks there only. Each test has a group of its own.
//!
//! Proves over real TLS: D1, D2, D3 of the cluster's vectors.

use std::io::Read as _;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mf2c_domain::area::beacon::{Beacon, Role};
use mf2c_tests::{Fog, eventually, mf2c, mf2c_with};
use serde_json::Value;

/// A leader and a child, with beacons in a group of this port, ten each second, or without.
fn pair(group: Option<u16>) -> Fog {
    let mut fog = Fog::new().with("MF2C_AREA_BACKUP", "false");
    if let Some(port) = group {
        fog = beacons(fog, port);
    }
    fog.found("lead", "pier");
    fog.add("kid", "lead");
    fog
}

fn beacons(fog: Fog, port: u16) -> Fog {
    fog.with("MF2C_DISCOVERY_BEACON", "true")
        .with("MF2C_DISCOVERY_GROUP", &format!("239.255.46.40:{port}"))
        .with("MF2C_DISCOVERY_INTERVAL", "100ms")
}

fn known(fog: &Fog, name: &str) -> Vec<Value> {
    let ran = mf2c(&["discover", "-o", "json", "--data-dir", fog.data_dir(name).to_str().unwrap()]);
    serde_json::from_str::<Value>(&ran.out).ok().and_then(|list| list.as_array().cloned()).unwrap_or_default()
}

#[test]
fn d1_where_no_beacon_is_heard_the_address_that_is_written_down_leads_to_the_leader() {
    let mut fog = pair(None);
    let before = fog.put("kid", "before");
    fog.reaches("lead", &before);
    fog.kill("lead");
    fog.moves("lead");
    fog.start("lead");
    let waits = fog.put("kid", "waits");
    fog.kill("kid");
    let written = fog.link("lead").to_owned();
    fog.set("kid", "LEADER_DC", &written);
    fog.start("kid");
    fog.reaches("lead", &waits);
}

/// An area whose leader and backup were all replaced, `three` leads now, while `kid` was away, which knows none of them.
fn replaced(mut fog: Fog) -> Fog {
    fog.set("kid", "MF2C_AREA_BACKUP", "false");
    fog.found("one", "pier");
    fog.add("two", "one");
    fog.add("kid", "one");
    fog.backed_up("one", &["two"]);
    eventually("that it knows the backup", || fog.area("kid")["backups"].as_array().map(Vec::len) == Some(1));
    fog.kill("kid");
    fog.add("three", "one");
    fog.backed_up("one", &["two", "three"]);
    fog.kill("two");
    fog.add("four", "one");
    fog.backed_up("one", &["three", "four"]);
    let heir = fog.device("three");
    let _ = fog.told("one", &["area", "lead", &heir]);
    assert_eq!(fog.leader_of(&["one", "three", "four"]), "three");
    fog.kill("one");
    eventually("the mandate of a majority", || fog.area("three")["mandate"] == "full");
    fog
}

/// Waits until it follows the leader that it never knew.
fn is_found(fog: &Fog) {
    eventually("the leader that it never knew", || fog.leader("kid") == fog.leader("three"));
    let late = fog.put("kid", "late");
    fog.reaches("three", &late);
    assert_eq!(fog.role("kid"), "agent");
}

#[test]
fn who_was_away_while_leader_and_backups_were_replaced_finds_the_area_by_the_listed_address() {
    let mut fog = replaced(Fog::new());
    let written = fog.link("three").to_owned();
    fog.set("kid", "LEADER_DC", &written);
    fog.start("kid");
    is_found(&fog);
}

#[test]
fn who_was_away_while_leader_and_backups_were_replaced_finds_the_area_by_its_beacons() {
    let mut fog = replaced(beacons(Fog::new(), 46_154));
    fog.start("kid");
    is_found(&fog);
}

#[test]
fn d1_who_joins_with_a_token_of_an_address_that_does_not_answer_is_let_in_at_the_listed_one_by_the_same_leader_alone() {
    let mut fog = Fog::new();
    fog.found("lead", "pier");
    fog.found("stranger", "harbour");
    let made = || fog.told("lead", &["token", "create"]).trim().rsplit_once('@').unwrap().0.to_owned();
    let (good, lost) = (made(), made());
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (name, listed, token) in [("kid", "lead", good), ("lost", "stranger", lost)] {
        let listed = fog.link(listed).to_owned();
        fog.set(name, "LEADER_DC", &listed);
        fog.start(name);
        let data_dir = fog.data_dir(name);
        let place = ["--data-dir", data_dir.to_str().unwrap()];
        let token = format!("{token}@{nobody}");
        let ran = mf2c(&[&["join", &token], &place[..]].concat());
        if name == "kid" {
            assert_eq!(ran.code, Some(0), "{}", ran.err);
        } else {
            assert_ne!(ran.code, Some(0));
            assert!(ran.err.contains("is not to be trusted"), "{}", ran.err);
        }
    }
    eventually("the child's leader", || fog.leader("kid") == fog.leader("lead"));
}

#[test]
fn a_leader_that_comes_back_at_another_address_is_found_by_its_beacons() {
    let mut fog = pair(Some(46_151));
    let before = fog.put("kid", "before");
    fog.reaches("lead", &before);
    fog.kill("lead");
    fog.moves("lead");
    let waits = fog.put("kid", "waits");
    fog.start("lead");
    fog.reaches("lead", &waits);
    let link = fog.link("lead").to_owned();
    eventually("the new address", || fog.area("kid")["leader"]["address"] == link.as_str());
}

#[test]
fn d2_who_follows_a_forged_beacon_finds_out_by_the_certificate_and_stays_what_it_was() {
    let port = 46_152;
    let mut fog = pair(Some(port));
    let before = fog.put("kid", "before");
    fog.reaches("lead", &before);
    let leader = fog.leader("kid");
    // A trap that answers everybody with something that is no TLS.
    let trap = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = trap.local_addr().unwrap();
    let caught = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&caught);
    std::thread::spawn(move || {
        for mut victim in trap.incoming().flatten() {
            count.fetch_add(1, Ordering::SeqCst);
            let _ = std::io::Write::write_all(&mut victim, b"come in, here is your leader\n");
            let _ = victim.read(&mut [0; 64]);
        }
    });
    let device = fog.device("lead");
    let said = Beacon { term: Some(99), role: Some(Role::Leader), area: Some("pier".to_owned()), ..Beacon::default() };
    let forged = Beacon { port: Some(at.port()), holds: Some(60), ..said }.of_device(&device).to_datagram().unwrap();
    let shout = || {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let group: SocketAddr = ([239, 255, 46, 40], port).into();
        let _ = socket.send_to(&forged, group);
    };
    eventually("that the forged beacon is heard", || {
        shout();
        known(&fog, "kid").iter().any(|it| it["term"] == 99)
    });
    fog.kill("lead");
    eventually("a call at the trap", || {
        shout();
        caught.load(Ordering::SeqCst) > 0
    });
    let waits = fog.put("kid", "waits");
    fog.start("lead");
    fog.reaches("lead", &waits);
    assert_eq!((fog.role("kid"), fog.leader("kid")), ("agent".to_owned(), leader));
    eventually("the true leader's term", || fog.area("kid")["term"] == fog.area("lead")["term"]);
    assert!(fog.area("kid")["term"].as_u64() < Some(99));
}

#[test]
fn d3_of_two_leaders_that_are_heard_the_own_ones_comes_first_and_strangers_all_see_the_same_order() {
    let port = 46_153;
    let mut fog = beacons(Fog::new().with("MF2C_AREA_BACKUP", "false"), port);
    fog.found("cloud", "sky");
    for (leader, area, kid) in [("lead-a", "a1", "kid-a"), ("lead-b", "a2", "kid-b")] {
        fog.found_below(leader, area, "cloud");
        fog.add(kid, leader);
    }
    for (kid, leader) in [("kid-a", "lead-a"), ("kid-b", "lead-b")] {
        let device = fog.device(leader);
        eventually("all three leaders, the own one first", || {
            let leaders: Vec<Value> = known(&fog, kid).into_iter().filter(|it| it["role"] == "leader").collect();
            leaders.len() == 3 && leaders[0]["device"] == device.as_str()
        });
    }
    let nowhere = tempfile::tempdir().unwrap();
    let listened = || {
        let group = format!("239.255.46.40:{port}");
        let words = ["discover", "--listen", "1s", "-o", "json", "--data-dir", nowhere.path().to_str().unwrap()];
        let ran = mf2c_with(&[("MF2C_DISCOVERY_GROUP", &group)], &words).expect(0);
        let list: Vec<Value> = serde_json::from_str(&ran.out).unwrap();
        let leaders = list.iter().filter(|it| it["role"] == "leader");
        leaders.map(|it| it["area"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    // A leader may come into another term between two looks, which changes its place for everybody.
    eventually("two strangers who see all three in the same order", || {
        let first = listened();
        first.len() == 3 && listened() == first
    });
}
