//! Whatever a peer says on a stream, neither end panics, and neither keeps more than its bounds.

#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use mf2c_domain::id::ResourceId;
use mf2c_fabric::replication::sink::{self, Here, Partial, Sink};
use mf2c_fabric::replication::source::{self, Beginning, Fault, Held, History, Owed, Page, Source};
use mf2c_fabric::replication::{Bounds, Origin, Point};
use mf2c_fabric::wire::{Decoder, Message, Notice};

/// A store with nothing in it but a life.
struct Empty;

const LIFE: Point = Point { incarnation: 1, sequence: 5 };

impl History for Empty {
    fn progress_of(&self, _: &Origin) -> Option<Point> {
        Some(LIFE)
    }
    fn start_for(&self, have: &[(Origin, Point)]) -> Result<Beginning, Fault> {
        Ok(Beginning { position: 0, snapshots: have.iter().map(|(origin, _)| *origin).collect(), ahead: vec![] })
    }
    fn page(&self, _: u64, _: usize, _: usize) -> Result<Page, Fault> {
        Ok(Page::Entries(vec![]))
    }
    fn held(&self, _: &Origin, _: Option<&str>, _: usize) -> Result<(Vec<Held>, bool), Fault> {
        Ok((vec![], true))
    }
    fn held_in(&self, _: &Origin, _: u8) -> Result<Vec<Held>, Fault> {
        Ok(vec![])
    }
    fn sum(&self, _: &ResourceId, _: &[u8]) -> u64 {
        0
    }
}

impl Here for Empty {
    fn progress_of(&self, _: &Origin) -> Option<Point> {
        None
    }
    fn partial_of(&self, _: &Origin) -> Option<Partial> {
        None
    }
    fn ids_in(&self, _: &Origin, _: u8) -> Vec<ResourceId> {
        vec![]
    }
}

fuzz_target!(|data: &[u8]| {
    let bounds = Bounds::default();
    let (mut source, mut sink) = (Source::new(bounds, 1, 1, 0), Sink::new(bounds));
    let owed = Owed { origin: [1; 16], at: LIFE, device: String::new() };
    source.step(source::Event::Owe(vec![owed]), Duration::ZERO, &Empty);
    let mut decoder = Decoder::new(1 << 20);
    decoder.feed(data);
    let mut now = Duration::ZERO;
    while let Ok(Some(message)) = decoder.next() {
        let Message::Notice(Notice::Stream(message)) = message else { continue };
        now += Duration::from_secs(1);
        source.step(source::Event::Heard(message.clone()), now, &Empty);
        let mut effects = sink.step(sink::Event::Heard(message), now, &Empty);
        while let Some(effect) = effects.pop() {
            let event = match effect {
                sink::Effect::Judge(generation, origins) => {
                    sink::Event::Judged(generation, Ok(origins.iter().map(|_| Ok(())).collect()))
                }
                sink::Effect::Apply { ticket, .. } => sink::Event::Applied(ticket, sink::Outcome::Done(vec![])),
                _ => continue,
            };
            effects.extend(sink.step(event, now, &Empty));
        }
        sink.step(sink::Event::Tick, now, &Empty);
    }
    assert!(source.on_the_way() <= u64::from(bounds.window_bytes) + 4096);
});
