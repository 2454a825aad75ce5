//! Peers that are not what they should be, over real TLS with real certificates: of an older or a newer version, of another
//! area, and a member that lies.
//!
//! Proves over real TLS: F8, V11, V12, R23 of the cluster's vectors, and that later versions of the protocol can be spoken.

use mf2c_domain::area::standing::AreaPeer;
use mf2c_fabric::leadership::{LeadClaim, LeadershipMessage};
use mf2c_fabric::replication::StreamMessage;
use mf2c_fabric::replication::words::{Batch, Content, Item, Offer, Offered, Run, Word};
use mf2c_fabric::wire::{Ask, Code, Message, Notice, Proposed, RoleChange, Succession};
use mf2c_tests::{Fog, eventually};
use serde_json::{Value, json};

use crate::stranger::{Stranger, hello};

/// A leader and two children. The one called `liar` does not run: what a test does in its name is all that is heard of it.
fn area() -> Fog {
    // A busy machine is not to make the leader step back, which would begin a term.
    let mut fog = Fog::new().with("MF2C_AREA_BACKUP", "false").with("MF2C_AREA_PROFILE", "lan");
    fog.found("lead", "pier");
    fog.add("kid", "lead");
    fog.add("liar", "lead");
    fog
}

fn own_id(fog: &Fog, name: &str) -> String {
    fog.area(name)["id"].as_str().unwrap().to_owned()
}

/// The node of an agent's store, as its leader knows it: a UUID in 16 bytes.
fn node(fog: &Fog, device: &str) -> Vec<u8> {
    let mut node = String::new();
    eventually("the node of a member", || {
        let members = fog.agent("lead").send("GET", "area-member", None).expect(200).json();
        let found =
            members["areaMembers"].as_array().unwrap().iter().find(|member| member["device"] == device).cloned();
        node = found.and_then(|member| Some(member["node"].as_str()?.replace('-', ""))).unwrap_or_default();
        node.len() == 32
    });
    (0..16).map(|at| u8::from_str_radix(&node[2 * at..2 * at + 2], 16).unwrap()).collect()
}

fn said_hello(message: &Message) -> Option<()> {
    matches!(message, Message::Hello(_)).then_some(())
}

#[test]
fn peers_of_other_versions_are_told_what_is_spoken_and_one_that_speaks_it_besides_is_served() {
    let mut fog = area();
    let (id, data_dir, lead) = (own_id(&fog, "liar"), fog.data_dir("liar"), fog.link("lead").to_owned());
    fog.kill("liar");
    for versions in [&[0][..], &[2], &[3, 2], &[]] {
        let mut peer = Stranger::call(&lead, &data_dir);
        peer.say(&hello(&id, versions));
        let refused = peer.refused();
        assert_eq!(refused.code, Code::Version, "{versions:?}: {refused}");
        assert!(refused.msg.contains("supported: [1]"), "{refused}");
    }
    let mut peer = Stranger::call(&lead, &data_dir);
    let mut newer = hello(&id, &[2, 1]);
    newer["hello"]["features"] = json!(["telepathy"]);
    newer["hello"]["mood"] = json!({ "good": true });
    peer.say(&newer);
    peer.until("a Hello", said_hello);
    // What only the newer version knows is passed over, or refused by itself.
    peer.say(&json!({ "notice": { "song": { "verses": 3 } } }));
    peer.say(&json!({ "notice": { "stream": { "applause": { "loud": true } } } }));
    peer.say(&json!({ "request": { "id": 77, "deadline": 5000, "ask": { "weigh": { "of": "x" } } } }));
    let code = peer.until("the answer", |message| match message {
        Message::Reply { re: 77, result } => Some(result.clone().unwrap_err().code),
        _ => None,
    });
    assert_eq!(code, Code::Version);
    peer.say(&json!({ "ping": 5 }));
    peer.until("a sign of life", |message| (*message == Message::Pong(5)).then_some(()));
    // Its own agent is let in again, and everything is as before.
    drop(peer);
    fog.start("liar");
    let made = fog.put("liar", "after");
    fog.reaches("lead", &made);
}

#[test]
fn an_agent_of_another_area_and_one_that_gives_itself_out_for_another_are_refused_with_the_reason() {
    let mut fog = Fog::new().with("MF2C_AREA_BACKUP", "false");
    fog.found("lead", "pier");
    fog.found_below("next", "quay", "lead");
    fog.add("kid", "lead");
    fog.add("other", "next");
    let (pier, quay) = (fog.link("lead").to_owned(), own_id(&fog, "other"));
    let mut peer = Stranger::call(&pier, &fog.data_dir("other"));
    peer.say(&hello(&quay, &[1]));
    let refused = peer.refused();
    assert_eq!(refused.code, Code::Forbidden, "{refused}");
    assert!(refused.msg.contains("call the leader of `quay`"), "{refused}");
    // In the name of a member of the area, and of its leader, with the own certificate.
    for name in ["kid", "lead"] {
        let mut peer = Stranger::call(&pier, &fog.data_dir("other"));
        peer.say(&hello(&own_id(&fog, name), &[1]));
        assert_eq!(peer.refused().code, Code::Auth, "{name}");
    }
    // As a backup of its area it may speak of leadership, and of nothing else.
    let mut peer = Stranger::call(&pier, &fog.data_dir("other"));
    let mut backup = hello(&quay, &[1]);
    backup["hello"]["role"] = json!("backup");
    peer.say(&backup);
    peer.until("a Hello", said_hello);
    assert_eq!(peer.is_refused(Ask::CertifyArea { request: vec![].into() }), Code::Forbidden);
    assert_eq!(peer.is_refused(edit(&[0; 16], "user/admin")), Code::Forbidden);
}

/// An edit of somebody's document, as an administrator is said to want it.
fn edit(origin: &[u8], id: &str) -> Ask {
    Ask::Propose(Proposed {
        term: 99,
        id: id.to_owned(),
        origin: origin.to_vec().into(),
        changes: Some(br#"{"description":"mine now"}"#.to_vec().into()),
        removed: vec![],
        if_match: None,
        by: ("admin".to_owned(), true),
        made: None,
        key: id.to_owned(),
    })
}

fn offer(origin: &[u8], device: &str, incarnation: u64, sequence: u64) -> Notice {
    let offered = Offered { origin: origin.to_vec().into(), incarnation, sequence, device: device.to_owned() };
    Notice::Stream(StreamMessage::Offer(Offer {
        boot: 1,
        generation: 1,
        first: 0,
        origins: vec![offered],
        more: false,
    }))
}

fn batch(stream: u32, after: u64, id: &str, body: &Value) -> Notice {
    let content = Content::Whole(body.to_string().into_bytes().into());
    let item = Item { step: 1, time: 1, id: Word::New(id.to_owned()), content };
    let run = Run { origin: 0, after, span: 1, items: vec![item] };
    Notice::Stream(StreamMessage::Batch(Batch { stream, number: 1, runs: vec![run] }))
}

#[test]
fn r23_a_member_that_lies_writes_for_nobody_else_leads_nobody_and_learns_no_secret() {
    let mut fog = area();
    let made = fog.put("kid", "the kid's");
    fog.reaches("lead", &made);
    let (id, data_dir, lead) = (own_id(&fog, "liar"), fog.data_dir("liar"), fog.link("lead").to_owned());
    let (kid, liar) = (fog.device("kid"), fog.device("liar"));
    let (kids, liars) = (node(&fog, &kid), node(&fog, &liar));
    fog.kill("liar");
    let before = fog.document("lead", &made);
    let mut mine = before.clone();
    mine["description"] = json!("mine now");
    mine.as_object_mut().unwrap().remove("operations");

    // Another's store under the own name, or under the other's.
    for device in [&liar, &kid] {
        let mut peer = begun(&lead, &data_dir, &id);
        peer.tell(offer(&kids, device, u64::MAX, 1_000_000));
        let why = peer.until("a refusal", |message| match message {
            Message::Notice(Notice::Stream(StreamMessage::Refused(refused))) => Some(refused.why.code),
            Message::Notice(Notice::Stream(StreamMessage::Follow(follow))) if !follow.have.is_empty() => {
                panic!("it follows a store of another: {follow:?}")
            }
            Message::Close(error) => Some(error.code),
            _ => None,
        });
        assert_eq!(why, Code::Forbidden);
        peer.tell(batch(1, 1_000_000 - 1, &made, &mine));
    }
    // Another's document, a user, and a role in the own store.
    let foreign = ["user/mallory", "session/x", "configuration/x", made.as_str()];
    for foreign in foreign {
        let mut peer = begun(&lead, &data_dir, &id);
        peer.tell(offer(&liars, &liar, u64::MAX - 1, 1));
        let stream = peer.until("that it follows", |message| match message {
            Message::Notice(Notice::Stream(StreamMessage::Follow(follow))) => Some(follow.stream),
            _ => None,
        });
        peer.tell(batch(stream, 0, foreign, &mine));
        peer.until("a refusal", |message| match message {
            Message::Notice(Notice::Stream(StreamMessage::Refused(_) | StreamMessage::Follow(_))) => Some(()),
            Message::Close(_) => Some(()),
            _ => None,
        });
    }
    // What only leaders and backups may ask and tell.
    let mut peer = begun(&lead, &data_dir, &id);
    for (foreign, origin) in [(made.as_str(), &kids), ("user/admin", &node(&fog, &fog.device("lead")))] {
        assert_eq!(peer.is_refused(edit(origin, foreign)), Code::Forbidden, "{foreign}");
    }
    let term = fog.area("lead")["term"].as_u64().unwrap();
    assert!(term < 10, "no lie has raised it: {term}");
    let king = RoleChange { term, agent: id.clone(), role: "leader".into() };
    assert_eq!(peer.is_refused(Ask::ChangeRole(king)), Code::NotLeader);
    let keys = Succession { term: 99, key: vec![1].into(), certificates: vec![1].into(), state: vec![].into() };
    assert_eq!(peer.is_refused(Ask::KeepAuthority(keys)), Code::Forbidden);
    let authority = peer.is_refused(Ask::CertifyArea { request: vec![1].into() });
    assert_eq!(authority, Code::Forbidden);
    let me = AreaPeer { id: id.parse().unwrap(), address: "127.0.0.1:9".into() };
    let claim = full_claim(99, me);
    peer.tell(Notice::Leadership(LeadershipMessage::Lead(claim)));
    peer.say(&json!({ "ping": 6 }));
    peer.until("that it was heard", |message| matches!(message, Message::Pong(6) | Message::Close(_)).then_some(()));

    assert_eq!((fog.role("lead"), fog.area("lead")["term"].as_u64()), ("leader".to_owned(), Some(term)));
    assert_eq!(fog.document("lead", &made), before);
    assert!(fog.document("lead", "user/mallory").is_null());
    drop(peer);
    // The others have noticed nothing.
    let after = fog.put("kid", "after");
    fog.reaches("lead", &after);
    assert_eq!(fog.leader("kid"), own_id(&fog, "lead"));
}

/// Somebody says that it leads the area with a majority.
fn full_claim(term: u64, leader: AreaPeer) -> LeadClaim {
    let (backups, heirs) = (vec![], vec![]);
    LeadClaim { area: "pier".into(), term, leader, full: true, backups, upper: None, heirs, founded: term }
}

/// A link on which both have said who they are.
fn begun(lead: &str, data_dir: &std::path::Path, id: &str) -> Stranger {
    let mut peer = Stranger::call(lead, data_dir);
    peer.say(&hello(id, &[1]));
    peer.until("a Hello", said_hello);
    peer
}
