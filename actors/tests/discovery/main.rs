//! Discovery among agents that share a street: what each says is heard by all others, and every hint is written down.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests say what went wrong by panicking")]

mod street;

use std::time::Duration;

use mf2c_actors::discovery::ports::HeardService;
use mf2c_actors::discovery::{DiscoverySettings, OwnBeacon, Sightings};
use mf2c_domain::area::beacon::{Beacon, Role};
use mf2c_domain::area::choice::{Wanted, choose};
use mf2c_domain::area::standing::AreaRole;
use street::{House, ROOT, Street, id, peer, simulated};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn agents_of_an_area_see_each_other_and_a_stranger_says_nothing() {
    simulated(async {
        let street = Street::new();
        let leader = House::new(&street, "a1", "aa", AreaRole::Leader);
        let child = House::new(&street, "a1", "bb", AreaRole::Agent);
        let stranger = House::alone(&street);
        street.pass(SECOND * 2).await;
        let seen = child.actor.send(Sightings).await.unwrap();
        assert_eq!(seen.len(), 1);
        let it = &seen[0];
        assert_eq!((it.device.as_str(), it.role, it.term, it.by), ("aa", Some(Role::Leader), 7, "beacon"));
        assert_eq!((it.area.as_deref(), it.root), (Some("a1"), Some(ROOT)));
        assert_eq!(it.address.as_deref(), Some("127.0.0.1:8444"));
        assert_eq!(leader.actor.send(Sightings).await.unwrap()[0].device, "bb");
        assert!(stranger.actor.send(Sightings).await.unwrap().is_empty());
        assert_eq!(stranger.actor.send(OwnBeacon).await.unwrap(), None);
    });
}

#[test]
fn a_leader_speaks_every_second_or_so_and_a_child_every_ten() {
    simulated(async {
        let street = Street::new();
        let _leader = House::new(&street, "a1", "aa", AreaRole::Leader);
        let _child = House::new(&street, "a1", "bb", AreaRole::Agent);
        street.pass(SECOND * 100).await;
        let (leader, child) = (street.spoken("aa"), street.spoken("bb"));
        assert!((90..=112).contains(&leader), "{leader}");
        assert!((9..=12).contains(&child), "{child}");
    });
}

#[test]
fn a_new_role_is_told_at_once_and_a_farewell_when_the_membership_ends() {
    simulated(async {
        let street = Street::new();
        let leader = House::new(&street, "a1", "aa", AreaRole::Agent);
        let child = House::new(&street, "a1", "bb", AreaRole::Agent);
        street.pass(SECOND * 2).await;
        leader.becomes(AreaRole::Leader, 8);
        street.pass(SECOND / 5).await;
        let seen = child.near().await;
        assert_eq!((seen[0].role, seen[0].term), (Some(Role::Leader), 8));
        leader.leaves();
        street.pass(SECOND / 5).await;
        assert!(child.near().await.is_empty());
    });
}

#[test]
fn who_is_silent_for_three_beacons_and_a_second_is_forgotten() {
    simulated(async {
        let street = Street::new();
        let leader = House::new(&street, "a1", "aa", AreaRole::Leader);
        let child = House::new(&street, "a1", "bb", AreaRole::Agent);
        street.pass(SECOND * 2).await;
        street.silence(&leader);
        street.pass(SECOND * 3).await;
        assert_eq!(child.near().await.len(), 1);
        street.pass(SECOND * 3).await;
        assert!(child.near().await.is_empty());
    });
}

#[test]
fn the_addresses_of_leader_and_backups_are_passed_on_once_and_those_of_others_are_not() {
    simulated(async {
        let street = Street::new();
        let child = House::new(&street, "a1", "bb", AreaRole::Agent);
        child.is_led_by(peer("a1", "aa", "10.9.9.9:1"));
        let _leader = House::new(&street, "a1", "aa", AreaRole::Leader);
        let _other = House::new(&street, "a1", "cc", AreaRole::Backup);
        street.pass(SECOND * 30).await;
        assert_eq!(child.hints(), [(id("a1", "aa").to_string(), "127.0.0.1:8444".to_owned())]);
    });
}

#[test]
fn d1_where_nothing_is_heard_the_listed_address_is_passed_on_for_the_leader() {
    simulated(async {
        let street = Street::new();
        let settings = DiscoverySettings {
            leader: Some("leader.example.org:8444".to_owned()),
            children: vec!["child.example.org:8444".to_owned()],
            ..DiscoverySettings::default()
        };
        let child = House::with(&street, settings, "a1", "bb", AreaRole::Agent);
        child.is_led_by(peer("a1", "aa", "10.9.9.9:1"));
        street.pass(SECOND / 5).await;
        assert_eq!(child.hints(), [(id("a1", "aa").to_string(), "leader.example.org:8444".to_owned())]);
        let seen = child.actor.send(Sightings).await.unwrap();
        let listed: Vec<_> = seen.iter().map(|it| (it.role, it.address.as_deref(), it.by)).collect();
        let expected = [
            (Some(Role::Leader), Some("leader.example.org:8444"), "list"),
            (Some(Role::Agent), Some("child.example.org:8444"), "list"),
        ];
        assert_eq!(listed, expected);
    });
}

#[test]
fn d2_a_forged_beacon_of_term_99_is_a_hint_beside_the_true_one_and_changes_neither_role_nor_term() {
    simulated(async {
        let street = Street::new();
        let child = House::new(&street, "a1", "bb", AreaRole::Agent);
        child.is_led_by(peer("a1", "aa", "10.9.9.9:1"));
        let _leader = House::new(&street, "a1", "aa", AreaRole::Leader);
        street.pass(SECOND * 2).await;
        let before = child.standing();
        let forged = Beacon { term: Some(99), role: Some(Role::Leader), port: Some(666), ..Beacon::default() };
        let forged = forged.of_device("aa").to_datagram().unwrap();
        street.shout(&forged, "10.6.6.6:46040".parse().unwrap());
        street.pass(SECOND / 5).await;
        assert_eq!(child.standing(), before);
        let hints: Vec<String> = child.hints().into_iter().map(|(_, address)| address).collect();
        assert_eq!(hints, ["127.0.0.1:8444", "10.6.6.6:666"], "links try both, and a certificate decides");
        // Many forgeries do not crowd out what was heard before.
        for number in 0..100 {
            street.shout(&forged, format!("10.6.6.{number}:46040").parse().unwrap());
        }
        street.pass(SECOND / 5).await;
        assert!(child.hints().len() <= 5, "{:?}", child.hints());
        // Nor does a forged farewell.
        let farewell = Beacon { holds: Some(0), port: Some(8444), ..Beacon::default() }.of_device("aa");
        street.shout(&farewell.to_datagram().unwrap(), "10.6.6.6:46040".parse().unwrap());
        street.pass(SECOND / 5).await;
        assert!(child.near().await.iter().any(|it| it.address.as_deref() == Some("127.0.0.1:8444")));
    });
}

#[test]
fn d3_of_two_leaders_the_one_of_the_own_area_stands_first_and_is_chosen() {
    simulated(async {
        let street = Street::new();
        let joiner = House::new(&street, "a1", "ff", AreaRole::Agent);
        let _one = House::new(&street, "a2", "aa", AreaRole::Leader);
        let _other = House::new(&street, "a1", "bb", AreaRole::Leader);
        street.pass(SECOND * 2).await;
        let seen = joiner.actor.send(Sightings).await.unwrap();
        assert_eq!(seen.iter().map(|it| it.device.as_str()).collect::<Vec<_>>(), ["bb", "aa"]);
        assert_eq!(choose(&seen, &Wanted { area: Some("a1"), roots: &[ROOT] }).unwrap().device, "bb");
        assert_eq!(choose(&seen, &Wanted::default()).unwrap().device, "aa");
    });
}

#[test]
fn d4_a_flood_fills_its_share_of_the_table_and_ends_with_it() {
    simulated(async {
        let street = Street::new();
        let child = House::new(&street, "a1", "bb", AreaRole::Agent);
        street.pass(SECOND).await;
        for number in 0..20_000u32 {
            let forged = Beacon { port: Some(1), ..Beacon::default() }.of_device(&format!("{number:08x}"));
            let source = [10, 0, (number >> 8 & 255) as u8, (number & 255) as u8];
            street.shout(&forged.to_datagram().unwrap(), (source, 46040).into());
            if number % 100 == 0 {
                street.pass(SECOND / 1000).await;
            }
        }
        street.pass(SECOND / 5).await;
        assert!(child.near().await.len() <= 1024);
        street.pass(SECOND * 6).await;
        assert!(child.near().await.is_empty());
    });
}

#[test]
fn services_of_mdns_come_and_go_by_their_names() {
    simulated(async {
        let street = Street::new();
        let child = House::new(&street, "a1", "bb", AreaRole::Agent);
        child.is_led_by(peer("a1", "aa", "10.9.9.9:1"));
        street.pass(SECOND / 5).await;
        let said = Beacon { role: Some(Role::Leader), ..Beacon::default() }.of_device("aa");
        let found = HeardService::Found { said: Box::new(said), addresses: vec!["10.0.0.5:8444".to_owned()] };
        child.actor.send(found).await.unwrap();
        assert_eq!(child.hints(), [(id("a1", "aa").to_string(), "10.0.0.5:8444".to_owned())]);
        assert_eq!(child.near().await[0].by, "mdns");
        child.actor.send(HeardService::Gone { instance: "aa".to_owned() }).await.unwrap();
        street.pass(SECOND / 5).await;
        assert!(child.near().await.is_empty());
    });
}

#[test]
fn who_has_lost_its_leader_calls_those_who_say_that_they_lead_its_area_and_the_listed_address_and_nobody_else() {
    simulated(async {
        let street = Street::new();
        let settings =
            DiscoverySettings { leader: Some("leader.example.org:8444".to_owned()), ..DiscoverySettings::default() };
        let child = House::with(&street, settings, "a1", "bb", AreaRole::Agent);
        child.is_led_by(peer("a1", "aa", "10.9.9.9:1"));
        let _new = House::new(&street, "a1", "cc", AreaRole::Leader);
        let _other = House::new(&street, "a2", "dd", AreaRole::Leader);
        street.pass(SECOND * 3).await;
        let before = child.visited();
        // Until it was led.
        let listed = ("leader.example.org:8444".to_owned(), 7);
        assert!(before.iter().all(|it| *it == listed), "{before:?}");
        child.is_orphaned(true);
        street.pass(SECOND * 3).await;
        let visited = child.visited().split_off(before.len());
        assert_eq!(visited, [listed, ("127.0.0.1:8444".to_owned(), 7)]);
        child.is_orphaned(false);
        let found = child.visited().len();
        street.pass(SECOND * 30).await;
        assert_eq!(child.visited().len(), found, "it has a leader");
    });
}

#[test]
fn a_flood_of_forged_leaders_makes_few_calls() {
    simulated(async {
        let street = Street::new();
        let child = House::new(&street, "a1", "bb", AreaRole::Agent);
        for number in 0..10_000u32 {
            let said = Beacon {
                role: Some(Role::Leader),
                area: Some("a1".to_owned()),
                term: Some(99),
                port: Some(1),
                root: Some(ROOT),
                holds: Some(60),
                ..Beacon::default()
            };
            let forged = said.of_device(&format!("{number:08x}")).to_datagram().unwrap();
            let source = [10, 0, (number >> 8 & 255) as u8, (number & 255) as u8];
            street.shout(&forged, (source, 46040).into());
            street.pass(SECOND / 1000).await;
        }
        let calls = child.visited().len();
        assert!((8..=12).contains(&calls), "{calls}");
    });
}

#[test]
fn the_network_of_a_leader_tells_its_term_and_ends_with_its_leadership_and_who_is_lost_listens() {
    simulated(async {
        let street = Street::new();
        let house = House::with_card(&street, "a1", "bb", AreaRole::Agent);
        house.is_led_by(peer("a1", "aa", "10.9.9.9:1"));
        street.pass(SECOND / 5).await;
        let before = house.card().len();
        house.becomes(AreaRole::Leader, 8);
        street.pass(SECOND / 5).await;
        house.becomes(AreaRole::Leader, 9);
        street.pass(SECOND / 5).await;
        house.becomes(AreaRole::Agent, 10);
        street.pass(SECOND / 5).await;
        let did = ["broadcast wlan0 term 8", "addresses", "broadcast wlan0 term 9", "addresses", "end"];
        assert_eq!(house.card().split_off(before), did);
        street.pass(SECOND * 200).await;
        assert_eq!(house.card().len(), before + did.len(), "it has a leader and hears nothing");
        house.is_orphaned(true);
        street.pass(SECOND).await;
        assert_eq!(house.card().last().map(String::as_str), Some("scan wlan0"));
        let heard = house.near().await;
        assert_eq!((heard[0].device.as_str(), heard[0].by), ("ee", "wifi"));
        street.pass(SECOND * 300).await;
        let scans = house.card().iter().filter(|it| *it == "scan wlan0").count();
        assert!((4..=7).contains(&scans), "{scans}");
    });
}
