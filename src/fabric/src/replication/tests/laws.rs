//! Nodes with model stores in a row, over links that break, lose, repeat and stall: they converge, in order, nothing twice.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use mf2c_domain::id::ResourceId;
use proptest::prelude::*;

use super::super::bounds::Bounds;
use super::super::sink::{self, Sink};
use super::super::source::{self, Source};
use super::super::words::{Content, StreamMessage};
use super::super::{Origin, StreamMessage as Message};
use super::model::Model;

/// One link from a lower node to a higher one, with what is on its way.
struct Link {
    source: Source,
    sink: Sink,
    up: VecDeque<Message>,
    down: VecDeque<Message>,
    /// Flows that are handed to the store and not yet applied.
    applying: VecDeque<(u64, Origin, u64, sink::Flow, Vec<sink::Change>)>,
    open: bool,
}

struct Row {
    stores: Vec<Model>,
    links: Vec<Link>,
    now: Duration,
    bounds: Bounds,
    seed: u64,
}

impl Row {
    fn new(nodes: u8, bounds: Bounds) -> Self {
        let stores: Vec<Model> = (0..nodes).map(|number| Model::new(number + 1)).collect();
        let links = (1..nodes).map(|_| Link::closed(bounds)).collect();
        Self { stores, links, now: Duration::ZERO, bounds, seed: 1 }
    }

    fn open(&mut self, at: usize) {
        self.seed += 1;
        let link = Link::closed(self.bounds);
        self.links[at] = Link { open: true, source: Source::new(self.bounds, 1, self.seed, 0), ..link };
        self.owe(at);
    }

    fn owe(&mut self, at: usize) {
        let newest = self.stores[at].newest();
        self.source(at, source::Event::Committed(newest));
        let owed = self.stores[at].owed(true);
        self.source(at, source::Event::Owe(owed));
    }

    fn source(&mut self, at: usize, event: source::Event) {
        let link = &mut self.links[at];
        let effects = link.source.step(event, self.now, &self.stores[at]);
        assert!(link.source.on_the_way() <= u64::from(self.bounds.window_bytes) + 4096, "more than the credit");
        for effect in effects {
            match effect {
                source::Effect::Send(message) => self.links[at].up.push_back(message),
                source::Effect::Digest(of) => {
                    let found = of.iter().filter_map(|origin| Some((*origin, self.stores[at].digest(origin)?)));
                    let found: BTreeMap<_, _> = found.collect();
                    self.source(at, source::Event::Digests(found));
                }
                source::Effect::Close(_) => self.links[at].open = false,
                source::Effect::Reconsider => {
                    let owed = self.stores[at].owed(true);
                    self.source(at, source::Event::Owe(owed));
                }
                source::Effect::Behind(_) | source::Effect::Held(_) | source::Effect::Refused { .. } => {}
            }
        }
    }

    fn sink(&mut self, at: usize, event: sink::Event) {
        let effects = self.links[at].sink.step(event, self.now, &self.stores[at + 1]);
        for effect in effects {
            match effect {
                sink::Effect::Send(message) => self.links[at].down.push_back(message),
                sink::Effect::Judge(generation, origins) => {
                    let verdicts = origins.iter().map(|_| Ok(())).collect();
                    self.sink(at, sink::Event::Judged(generation, Ok(verdicts)));
                }
                sink::Effect::Apply { ticket, origin, incarnation, flow, changes } => {
                    self.links[at].applying.push_back((ticket, origin, incarnation, flow, changes));
                }
                sink::Effect::Digest(of) => {
                    let store = &self.stores[at + 1];
                    let found = of.iter().filter_map(|origin| Some((*origin, store.digest(origin)?))).collect();
                    self.sink(at, sink::Event::Digests(found));
                }
                sink::Effect::Close(why) => panic!("an honest source was sent away: {why}"),
                sink::Effect::Refused(..) => {}
            }
        }
    }

    fn apply(&mut self, at: usize) -> bool {
        let Some((ticket, origin, incarnation, flow, changes)) = self.links[at].applying.pop_front() else {
            return false;
        };
        let outcome = self.stores[at + 1].apply(origin, incarnation, flow, changes);
        self.sink(at, sink::Event::Applied(ticket, outcome));
        if at + 1 < self.links.len() && self.links[at + 1].open {
            self.owe(at + 1);
        }
        true
    }

    /// Delivers what waits on a link, in its order. `lose` of it gets lost, or comes twice.
    fn deliver(&mut self, at: usize, fate: Fate) -> bool {
        let mut moved = false;
        if let Some(message) = self.links[at].up.pop_front() {
            moved = true;
            if fate != Fate::Lost || matches!(message, Message::Offer(_)) {
                let again = (fate == Fate::Twice).then(|| message.clone());
                self.sink(at, sink::Event::Heard(message));
                again.into_iter().for_each(|message| self.sink(at, sink::Event::Heard(message)));
            }
        }
        if let Some(message) = self.links[at].down.pop_front() {
            moved = true;
            self.source(at, source::Event::Heard(message));
        }
        moved
    }

    fn tick(&mut self) {
        for at in 0..self.links.len() {
            if self.links[at].source.wake().is_some_and(|wake| wake <= self.now) {
                self.source(at, source::Event::Tick);
            }
            if self.links[at].sink.wake().is_some_and(|wake| wake <= self.now) {
                self.sink(at, sink::Event::Tick);
            }
        }
    }

    /// Lets everything come to rest.
    fn settle(&mut self) {
        for _ in 0..400 {
            for at in 0..self.links.len() {
                if !self.links[at].open {
                    self.open(at);
                }
                let mut steps = 0;
                while self.deliver(at, Fate::Arrives) | self.apply(at) {
                    steps += 1;
                    assert!(steps < 100_000, "an endless talk");
                }
                self.owe(at);
            }
            self.now += Duration::from_secs(1);
            self.tick();
        }
    }

    fn write(&mut self, node: usize, name: u8, attribute: Option<u32>) {
        let kind = if name.is_multiple_of(2) { "device-dynamic" } else { "service" };
        let id = ResourceId::parse(&format!("{kind}/n{node}-{name}")).unwrap();
        let attributes = ["ramFree", "status", "name", "a-long-attribute-of-a-document"];
        let attribute = attribute.map(|value| (attributes[value as usize % 4], value));
        self.stores[node].write(&id, attribute);
        if node < self.links.len() && self.links[node].open {
            let newest = self.stores[node].newest();
            self.source(node, source::Event::Committed(newest));
        }
    }
}

impl Link {
    fn closed(bounds: Bounds) -> Self {
        let (source, sink) = (Source::new(bounds, 1, 1, 0), Sink::new(bounds));
        let (up, down) = (VecDeque::new(), VecDeque::new());
        Self { source, sink, up, down, applying: VecDeque::new(), open: false }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Arrives,
    Twice,
    Lost,
}

#[derive(Debug, Clone)]
enum Step {
    Write(usize, u8, Option<u32>),
    Deliver(usize, u8),
    Lose(usize),
    Repeat(usize),
    Apply(usize),
    Break(usize),
    Open(usize),
    /// The higher end dies: what was handed to it and not applied is gone.
    Crash(usize),
    Trim(usize, usize),
    Pass(u32),
    Damage(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let link = 0..2usize;
    prop_oneof![
        8 => (0..2usize, 0..12u8, prop::option::weighted(0.85, 0..1000u32)).prop_map(|(a, b, c)| Step::Write(a, b, c)),
        8 => (link.clone(), 1..20u8).prop_map(|(at, count)| Step::Deliver(at, count)),
        6 => link.clone().prop_map(Step::Apply),
        1 => link.clone().prop_map(Step::Lose),
        1 => link.clone().prop_map(Step::Repeat),
        1 => link.clone().prop_map(Step::Break),
        2 => link.clone().prop_map(Step::Open),
        1 => link.clone().prop_map(Step::Crash),
        1 => (link.clone(), 0..10usize).prop_map(|(at, keep)| Step::Trim(at, keep)),
        2 => (1..5000u32).prop_map(Step::Pass),
        1 => link.prop_map(Step::Damage),
    ]
}

impl Row {
    fn take(&mut self, step: Step) {
        match step {
            Step::Write(node, name, attribute) => self.write(node, name, attribute),
            Step::Deliver(at, count) => {
                let _ = (0..count).take_while(|_| self.deliver(at, Fate::Arrives)).count();
            }
            Step::Lose(at) => drop(self.deliver(at, Fate::Lost)),
            Step::Repeat(at) => drop(self.deliver(at, Fate::Twice)),
            Step::Apply(at) => drop(self.apply(at)),
            Step::Break(at) => self.links[at] = Link::closed(self.bounds),
            Step::Open(at) if !self.links[at].open => self.open(at),
            Step::Open(_) => {}
            Step::Crash(node) => {
                self.links[node] = Link::closed(self.bounds);
                if node + 1 < self.links.len() {
                    self.links[node + 1] = Link::closed(self.bounds);
                }
            }
            Step::Trim(node, keep) => self.stores[node].trim(keep),
            Step::Pass(millis) => {
                self.now += Duration::from_millis(millis.into());
                self.tick();
            }
            Step::Damage(at) => {
                let own = self.stores[at].own;
                let ids = self.stores[at + 1].of(&own);
                if let Some(id) = ids.keys().next()
                    && let Some((.., body)) = self.stores[at + 1].documents.get_mut(id)
                {
                    *body = br#"{"damaged":true}"#.to_vec();
                }
            }
        }
    }
}

fn small() -> Bounds {
    Bounds { window_changes: 8, window_bytes: 16 << 10, max_frame: 16 << 10, part: 100, ..Bounds::default() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_happens_on_the_way_all_converge_and_nothing_comes_twice_or_out_of_order(
        steps in prop::collection::vec(step(), 1..250)
    ) {
        let mut row = Row::new(3, small());
        for step in steps {
            row.take(step);
        }
        row.settle();
        for at in 0..2 {
            for origin in 0..=at {
                let own = row.stores[origin].own;
                prop_assert_eq!(row.stores[at + 1].of(&own), row.stores[origin].of(&own), "origin {} at {}", origin, at + 1);
                let sequence = |store: &Model| store.reached.get(&own).map_or(0, |at| at.sequence);
                prop_assert_eq!(sequence(&row.stores[at + 1]), sequence(&row.stores[origin]));
            }
        }
        for store in &row.stores {
            let mut last: BTreeMap<Origin, u64> = BTreeMap::new();
            for (origin, sequence) in &store.applied {
                prop_assert!(last.insert(*origin, *sequence).is_none_or(|before| before < *sequence));
            }
        }
    }
}

#[test]
fn only_what_may_coalesce_does_and_every_change_of_other_types_is_sent() {
    let mut row = Row::new(2, Bounds::default());
    for round in 0..50 {
        row.write(0, 0, Some(round));
        row.write(0, 1, Some(round));
    }
    row.open(0);
    let mut items = vec![];
    loop {
        if let Some(StreamMessage::Batch(batch)) = row.links[0].up.front() {
            items.extend(batch.runs.iter().flat_map(|run| run.items.clone()));
        }
        row.now += Duration::from_millis(1);
        row.tick();
        if !(row.deliver(0, Fate::Arrives) | row.apply(0)) {
            break;
        }
    }
    assert_eq!(items.len(), 51, "fifty of the service and one of the machine");
    assert!(items.iter().any(|item| matches!(item.content, Content::Patch { .. })));
}

#[test]
fn a_source_whose_sink_is_silent_keeps_no_more_than_its_credit_and_gives_up_after_30_s() {
    let mut row = Row::new(2, small());
    row.open(0);
    for _ in 0..4 {
        row.deliver(0, Fate::Arrives);
    }
    for round in 0..1000 {
        row.write(0, 1, Some(round));
    }
    assert!(row.links[0].up.len() <= 8);
    row.now += Duration::from_secs(31);
    row.tick();
    assert!(!row.links[0].open);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_word_of_a_stranger_makes_an_end_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        strange(&bytes);
    }
}

/// What a peer can say, made of any bytes.
fn strange(bytes: &[u8]) {
    use crate::wire::{Notice, decode};
    let mut row = Row::new(2, small());
    row.write(0, 1, Some(1));
    row.open(0);
    row.settle();
    let Ok(crate::wire::Message::Notice(Notice::Stream(message))) = decode(bytes) else { return };
    let _ = row.links[0].sink.step(sink::Event::Heard(message.clone()), row.now, &row.stores[1]);
    let _ = row.links[0].source.step(source::Event::Heard(message), row.now, &row.stores[0]);
}

#[test]
fn who_has_let_go_of_many_documents_gets_their_changes_in_a_few_rounds_and_not_one_by_one() {
    let mut row = Row::new(2, Bounds::default());
    let id = |name: u8| ResourceId::parse(&format!("service/long-{name}")).unwrap();
    // Long enough that a change is shorter than the document.
    let long = "a-long-attribute-of-a-document-".repeat(10);
    for name in 0..100 {
        row.stores[0].write(&id(name), Some((&long, 1)));
    }
    row.settle();
    // The sink lets go of them, and the source changes each while nobody listens.
    let gone: Vec<ResourceId> = row.stores[1].documents.keys().cloned().collect();
    assert_eq!(gone.len(), 100);
    gone.iter().for_each(|id| drop(row.stores[1].documents.remove(id)));
    row.links[0].open = false;
    for name in 0..100 {
        row.stores[0].write(&id(name), Some(("status", 2)));
    }
    row.open(0);
    let begun = row.now;
    while row.stores[1].documents.len() < 100 {
        while row.deliver(0, Fate::Arrives) | row.apply(0) {}
        row.now += Duration::from_millis(10);
        row.tick();
        assert!(row.now - begun < Duration::from_secs(1), "{} of 100 have come", row.stores[1].documents.len());
    }
    row.settle();
    assert_eq!(row.stores[0].documents.len(), row.stores[1].documents.len());
}
