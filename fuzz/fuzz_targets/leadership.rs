//! Whatever a voter of an area sends about its consensus, the leader that hears it goes on: nothing panics, also nothing
//! that is caught further up.

#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::area::standing::AreaPeer;
use mf2c_fabric::leadership::{
    Council, Effect, Event, LeadershipMessage, LinkFacts, Membership, Memory, Settings, seat_number,
};
use mf2c_fabric::wire::{Message, Notice, decode};

struct Nothing;

impl Memory for Nothing {
    fn recall(&self, _: &str) -> Result<Option<Vec<u8>>, String> {
        Ok(None)
    }
}

fn id(text: &str) -> SpiffeId {
    text.parse().expect("a name")
}

/// Lets something happen, with a disk that is always done at once.
fn step(council: &mut Council, event: Event, now: Duration) {
    let mut events = vec![event];
    while let Some(event) = events.pop() {
        for effect in council.step(event, now) {
            match effect {
                Effect::Keep { area, number, .. } => events.push(Event::Kept { area, number }),
                Effect::Tell(text) => assert!(!text.contains("contradicts"), "{text}"),
                _ => {}
            }
        }
    }
}

fn varint(mut number: u64, bytes: &mut Vec<u8>) {
    while number >= 0x80 {
        bytes.push((number & 0x7F) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fuzz_target!(|data: &[u8]| {
    let own = id("spiffe://d/area/a/agent/l");
    let others = [id("spiffe://d/area/a/agent/b"), id("spiffe://d/area/a/agent/c")];
    let mut now = Duration::from_secs(10);
    let mut council = Council::new(Settings::default(), 1, Box::new(Nothing));
    let above = AreaPeer { id: id("spiffe://d/area/z/agent/z"), address: "z:1".into() };
    let membership =
        Membership { own: own.clone(), admitted_by: Some(above), has_authority: true, address: Some("l:1".into()) };
    step(&mut council, Event::Membership(Some(membership)), now);
    for (link, peer) in (1..).zip(&others) {
        let facts = LinkFacts {
            number: link,
            peer: peer.clone(),
            leader: link == 1,
            incarnation: 1,
            term: 0,
            address: Some("x:1".into()),
        };
        step(&mut council, Event::LinkUp(facts), now);
    }
    for _ in 0..20 {
        now += Duration::from_millis(200);
        step(&mut council, Event::Tick, now);
    }
    for piece in data.split(|byte| *byte == 0xFF).take(64) {
        let Some((kind, bytes)) = piece.split_first() else { continue };
        let link = 1 + u64::from(kind & 1);
        now += Duration::from_millis(u64::from(*kind) * 4);
        let message = if kind & 2 == 0 {
            let mut message = bytes.to_vec();
            // Of fields that come twice the last ones count: it is from that peer and for this agent.
            message.push(0x10);
            varint(seat_number(&own, 1), &mut message);
            message.push(0x18);
            varint(seat_number(&others[link as usize - 1], 1), &mut message);
            LeadershipMessage::Raft {
                area: "a".into(),
                message: message.into(),
                stamp: u64::from(*kind) * 1000,
                founded: u64::from(*kind) % 3,
            }
        } else {
            let Ok(Message::Notice(Notice::Leadership(message))) = decode(bytes) else { continue };
            message
        };
        step(&mut council, Event::Heard { link, message }, now);
        step(&mut council, Event::Tick, now);
    }
});
