//! Readers on a real store in memory, with a clock that the tests move.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use mf2c_domain::caller::Caller;
use mf2c_domain::entropy::Entropy;
use mf2c_domain::resource;
use mf2c_domain::time::{Clock, Timestamp};
use mf2c_store::engine::MemoryEngine;
use mf2c_store::{Command, NewDocument, Store, StoreOptions, Writer};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::ask::Ask;
use super::reader::Reader;
use super::{EventSettings, Events};
use crate::caller::StillAllowed;
use crate::front::Departure;

const PATIENCE: Duration = Duration::from_secs(20);

/// Stands still until it is moved.
#[derive(Default)]
struct Hands(AtomicU64);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_560_000_000_000) // 2019-06-08
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }
}

struct Counting(AtomicU64);

impl Entropy for Counting {
    fn fill(&self, buffer: &mut [u8]) {
        for part in buffer.chunks_mut(8) {
            part.copy_from_slice(&self.0.fetch_add(1, Ordering::Relaxed).to_le_bytes()[..part.len()]);
        }
    }
}

struct World {
    clock: Arc<Hands>,
    entropy: Counting,
    writer: Writer,
    events: Arc<Events>,
}

impl World {
    fn new(readers: usize) -> Self {
        let (clock, entropy) = (Arc::new(Hands::default()), Counting(AtomicU64::new(1)));
        let engine = Arc::new(MemoryEngine::new());
        let (store, writer) = Store::open(engine, StoreOptions::default(), clock.clone(), &entropy).unwrap();
        let settings = EventSettings { heartbeat: Duration::from_secs(15), readers, readers_per_source: 2 };
        let events = Events::start(store, clock.clone(), settings);
        Self { clock, entropy, writer, events }
    }

    fn reader_while(&self, still_allowed: StillAllowed) -> Reader {
        let caller = Caller::agent();
        let ask = Ask::read("types=service", None, &caller).unwrap();
        let place = self.events.place(v4(1)).unwrap();
        Reader::new(place, ask, caller, still_allowed, Departure::default())
    }

    fn reader(&self) -> Reader {
        self.reader_while(Box::new(|| true))
    }

    /// Adds a service with a description of so many bytes.
    fn add(&mut self, size: usize) {
        let body = json!({
            "name": "s", "exec": "e", "exec_type": "docker", "agent_type": "normal", "description": "x".repeat(size),
        });
        let Value::Object(body) = body else { unreachable!() };
        let spec = resource::find("service").unwrap();
        let draft = spec.prepare_add(body, self.clock.now(), &self.entropy).unwrap();
        let new = NewDocument::new(spec, draft, &Caller::agent(), &self.entropy).unwrap();
        assert!(self.writer.execute(vec![Command::Add(Box::new(new))]).iter().all(Result::is_ok));
    }
}

fn v4(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

async fn next(reader: &mut Reader) -> Option<bytes::Bytes> {
    timeout(PATIENCE, reader.next()).await.expect("something comes in time")
}

/// The next whole event, from the pieces in which it comes, and how many those were.
async fn event(reader: &mut Reader) -> (String, usize) {
    let (mut text, mut pieces) = (String::new(), 0);
    while !text.ends_with("\n\n") {
        let piece = next(reader).await.expect("the stream goes on");
        assert!(piece.len() <= 16 << 10);
        text += std::str::from_utf8(&piece).unwrap();
        pieces += 1;
    }
    (text, pieces)
}

fn described(event: &str) -> (u64, usize) {
    let data = event.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
    let data: Value = serde_json::from_str(data).unwrap();
    (data["position"].as_u64().unwrap(), data["resource"]["description"].as_str().map_or(0, str::len))
}

#[actix_rt::test]
async fn a_large_event_comes_in_pieces_and_whole() {
    let mut world = World::new(9);
    let mut reader = world.reader();
    assert!(event(&mut reader).await.0.contains("event: ready"));
    world.add(100_000);
    world.add(3);
    let (text, pieces) = event(&mut reader).await;
    assert_eq!((described(&text), pieces), ((1, 100_000), 7));
    assert_eq!(described(&event(&mut reader).await.0), (2, 3));
}

#[actix_rt::test]
async fn a_reader_who_falls_out_of_the_ring_within_an_event_gets_the_rest_from_the_log() {
    let mut world = World::new(9);
    let (mut slow, mut quick) = (world.reader(), world.reader());
    event(&mut slow).await;
    event(&mut quick).await;
    world.add(500_000);
    let first = next(&mut slow).await.unwrap();
    assert_eq!(described(&event(&mut quick).await.0), (1, 500_000));
    // More than the ring holds.
    for number in 2..=25 {
        world.add(900_000);
        assert_eq!(described(&event(&mut quick).await.0), (number, 900_000));
    }
    let (rest, _) = event(&mut slow).await;
    let whole = String::from_utf8(first.to_vec()).unwrap() + &rest;
    assert_eq!(described(&whole), (1, 500_000));
    for number in 2..=25 {
        assert_eq!(described(&event(&mut slow).await.0), (number, 900_000));
    }
    world.add(1);
    assert_eq!((described(&event(&mut slow).await.0), described(&event(&mut quick).await.0)), ((26, 1), (26, 1)));
}

#[actix_rt::test]
async fn whose_right_has_ended_gets_no_more() {
    let mut world = World::new(9);
    let allowed = Arc::new(AtomicBool::new(true));
    let asked = Arc::clone(&allowed);
    let mut reader = world.reader_while(Box::new(move || asked.load(Ordering::Relaxed)));
    event(&mut reader).await;
    world.clock.0.fetch_add(2000, Ordering::Relaxed);
    world.add(1);
    assert_eq!(described(&event(&mut reader).await.0), (1, 1));
    allowed.store(false, Ordering::Relaxed);
    world.clock.0.fetch_add(2000, Ordering::Relaxed);
    world.add(1);
    assert_eq!(next(&mut reader).await, None);
}

#[actix_rt::test]
async fn who_has_left_or_whose_agent_stops_gets_no_more_and_gives_back_his_place() {
    let world = World::new(1);
    let mut reader = world.reader();
    event(&mut reader).await;
    assert!(world.events.place(v4(2)).is_err());
    world.events.close();
    assert_eq!(next(&mut reader).await, None);
    drop(reader);
    assert!(world.events.place(v4(2)).is_ok());
}

#[actix_rt::test]
async fn one_source_takes_only_some_of_the_places_and_gives_them_back() {
    let world = World::new(10);
    let network = |host: u16| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, host]);
    let held: Vec<_> = (1..=2).map(|host| world.events.place(network(host)).unwrap()).collect();
    assert!(world.events.place(network(3)).is_err(), "another address of the same network");
    assert!(world.events.place(v4(1)).is_ok(), "another source");
    drop(held);
    assert!(world.events.sources().is_empty(), "nothing is kept of who has left");
    assert!(world.events.place(network(3)).is_ok());
}
