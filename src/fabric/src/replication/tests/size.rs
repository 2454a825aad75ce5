//! How many bytes an update is on the wire, and that words are read back as they were written.

use mf2c_domain::id::ResourceId;
use serde_json::{Value, json};

use super::super::dictionary::Speaker;
use super::super::pack::{Entry, Kind, content};
use super::super::words::*;
use crate::wire::{Message, Notice, decode, encode};

/// A sample of a machine as it is stored, with the attributes that the type demands.
fn sample() -> Value {
    json!({
        "id": "device-dynamic/5f0c9f1e-53c5-4d2b-9d1c-5f6a7b8c9d0e",
        "resourceURI": "http://schemas.dmtf.org/cimi/2/DeviceDynamic",
        "created": "2026-11-22T07:00:00.123Z", "updated": "2026-11-22T07:10:00.456Z",
        "acl": {"owner": {"principal": "ADMIN", "type": "ROLE"}, "rules": [{"principal": "ADMIN", "type": "ROLE", "right": "ALL"}]},
        "device": {"href": "device/5f0c9f1e-53c5-4d2b-9d1c-5f6a7b8c9d0e"},
        "ramFree": 2_048.515_625, "ramFreePercent": 51.234_567, "storageFree": 102_400.75, "storageFreePercent": 71.25,
        "cpuFreePercent": 93.456_789, "powerRemainingStatus": "60.75", "powerRemainingStatusSeconds": "3817",
        "powerPlugged": true, "ethernetAddress": "192.168.1.35", "wifiAddress": "192.168.1.36",
        "ethernetThroughputInfo": ["123456789", "987654321", "1234567", "7654321", "0", "0", "0", "0"],
        "wifiThroughputInfo": ["123456789", "987654321", "1234567", "7654321", "0", "0", "0", "0"],
        "actuatorInfo": "none", "status": "connected",
    })
}

fn frame(differs: &[&str], words: &mut Speaker, number: u32, sequence: u64) -> usize {
    let id = ResourceId::parse("device-dynamic/5f0c9f1e-53c5-4d2b-9d1c-5f6a7b8c9d0e").unwrap();
    let entry = Entry {
        position: 9,
        origin: [7; 16],
        incarnation: 1 << 50,
        sequence,
        time: 1_795_331_400_456 << 16,
        id: id.clone(),
        kind: Kind::Edited,
        document: serde_json::to_vec(&sample()).unwrap().into(),
        differs: Some(differs.iter().map(|name| (*name).to_owned()).collect()),
    };
    let word = words.say(id.as_str());
    let content = content(entry, false, words, |_, _| u64::MAX - 5);
    assert!(matches!(content, Content::Patch { .. }));
    let items = vec![Item { step: 1, time: 1_795_331_400_456 << 16, id: word, content }];
    let run = Run { origin: 999, after: sequence - 1, span: 1, items };
    let batch = Batch { stream: 70_000, number, runs: vec![run] };
    let cost = batch.cost().bytes;
    let message = Message::Notice(Notice::Stream(StreamMessage::Batch(batch)));
    let frame = encode(&message, 1 << 20).unwrap();
    assert_eq!(decode(&frame[4..]), Ok(message));
    assert!(cost.abs_diff(frame.len() as u64) < 60, "reckoned {cost}, was {}", frame.len());
    frame.len()
}

#[test]
fn an_update_of_four_numbers_of_a_machine_is_less_than_200_bytes_with_its_frame() {
    let mut words = Speaker::default();
    // The dictionary is full of other machines.
    (0..15_000).for_each(|number| drop(words.say(&format!("device-dynamic/{number}"))));
    let four = ["ramFree", "ramFreePercent", "storageFreePercent", "cpuFreePercent", "updated"];
    let first = frame(&four, &mut words, 70_001, 5_000_000_000);
    let next = frame(&four, &mut words, 70_002, 5_000_000_001);
    assert!(next < 140, "{next} bytes");
    assert!(first < 260, "{first} bytes, with all names for the first time");
    // Also where the names are said for the first time and the machine was named before.
    let mut fresh = Speaker::default();
    drop(fresh.say("device-dynamic/5f0c9f1e-53c5-4d2b-9d1c-5f6a7b8c9d0e"));
    let named = frame(&four, &mut fresh, 2, 2);
    assert!(named < 200, "{named} bytes");
}

#[test]
fn a_whole_update_of_texts_and_numbers_is_less_than_200_bytes_too() {
    let mut words = Speaker::default();
    let all = ["ramFree", "cpuFreePercent", "powerRemainingStatus", "ethernetThroughputInfo"];
    frame(&all, &mut words, 1, 1);
    let next = frame(&all, &mut words, 2, 2);
    assert!(next < 200, "{next} bytes");
}

#[test]
fn a_word_of_a_later_version_is_passed_over() {
    let message = Message::Notice(Notice::Stream(StreamMessage::Ack(Ack { stream: 1, number: 2 })));
    let mut frame = encode(&message, 1 << 20).unwrap();
    let at = frame.windows(3).position(|window| window == b"ack").unwrap();
    frame[at..at + 3].copy_from_slice(b"new");
    assert_eq!(decode(&frame[4..]), Ok(Message::Notice(Notice::Stream(StreamMessage::Unknown))));
}
