//! Words beside the streams, and how far a sink is behind as both ends know.

use std::time::Duration;

use mf2c_domain::id::ResourceId;

use super::super::beside::{Claim, Home, Homes, Near, Stamp, Term};
use super::super::sink::{self, Sink};
use super::super::source::{self, Source};
use super::super::words::{Lag, StreamMessage};
use super::super::{Bounds, Point};
use super::model::Model;
use crate::wire::{Message, Notice, decode, encode};

#[test]
fn words_beside_the_streams_are_read_back_as_they_were_written() {
    let claim = Claim { area: "pier".into(), since: 1 << 41, key: vec![7; 32].into(), signature: vec![8; 64].into() };
    let homes = vec![
        Home { origin: vec![1; 16].into(), area: "pier".into(), claim: Some(claim) },
        Home { origin: vec![2; 16].into(), area: "quay".into(), claim: None },
    ];
    let words = [
        StreamMessage::Homes(Homes { of: homes }),
        StreamMessage::Near(Near { of: vec![vec![1; 16].into()], hops: 1 }),
        StreamMessage::Term(Term { term: 7 }),
        StreamMessage::Stamp(Stamp { incarnation: 1, sequence: 2, time: 3 }),
        StreamMessage::Lag(Lag { changes: 3, millis: 4 }),
    ];
    for word in words {
        let message = Message::Notice(Notice::Stream(word));
        assert_eq!(decode(&encode(&message, 1 << 16).unwrap()[4..]), Ok(message));
    }
}

#[test]
fn a_claim_signs_the_store_the_area_and_the_time_and_no_two_of_them_are_mistaken_for_each_other() {
    let message = Claim::message(&[1; 16], "a1", 7);
    assert_ne!(message, Claim::message(&[2; 16], "a1", 7));
    assert_ne!(message, Claim::message(&[1; 16], "a2", 7));
    assert_ne!(message, Claim::message(&[1; 16], "a1", 8));
}

#[test]
fn both_ends_know_how_far_the_sink_is_behind() {
    let (mut below, above) = (Model::new(1), Model::new(2));
    let id = ResourceId::parse("service/a").unwrap();
    for value in 0..20 {
        below.write(&id, Some(("n", value)));
    }
    let bounds = Bounds { window_changes: 8, ..Bounds::default() };
    let (mut source, mut sink) = (Source::new(bounds, 1, 1, below.newest()), Sink::new(bounds));
    let at = Duration::from_secs;
    assert_eq!(source.backlog(&below), None, "nobody has said what he has");
    let offer = source.step(source::Event::Owe(below.owed(false)), at(0), &below);
    for effect in offer {
        let source::Effect::Send(said) = effect else { continue };
        sink.step(sink::Event::Heard(said), at(1), &above);
    }
    let judged = sink.step(sink::Event::Judged(1, Ok(vec![Ok(())])), at(1), &above);
    assert_eq!(sink.lag(at(4), &above), (20, at(3)), "by the offer");
    let follows = judged.into_iter().filter_map(|effect| match effect {
        sink::Effect::Send(said) => Some(said),
        _ => None,
    });
    for said in follows {
        source.step(source::Event::Heard(said), at(5), &below);
    }
    let backlog = source.backlog(&below).unwrap();
    assert_eq!((backlog.changes, backlog.behind), (20, 0), "{backlog:?}");
    assert!(source.is_followed() && !source.is_even());
    assert_eq!(source.acknowledged_points().next(), Some((below.own, Point { incarnation: 1, sequence: 0 })));
    // What the source says counts from when it was said.
    sink.step(sink::Event::Heard(StreamMessage::Lag(Lag { changes: 30, millis: 9000 })), at(5), &above);
    assert_eq!(sink.lag(at(6), &above), (30, at(10)));
    sink.step(sink::Event::Heard(StreamMessage::Lag(Lag { changes: 0, millis: 0 })), at(7), &above);
    assert_eq!(sink.lag(at(8), &above).0, 20);
}
