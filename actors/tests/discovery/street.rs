//! A street where everybody hears everybody, and houses on it: agents that stand as a test says.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix::prelude::*;
use mf2c_actors::discovery::ports::{Beacons, HeardDatagram, Wifi, WifiAnswer, WifiScan};
use mf2c_actors::discovery::{Discovery, DiscoverySettings, Sightings, Surroundings};
use mf2c_actors::ports::{AreaNet, Introduction, LinkAnswer, LinkError, SendError, World};
use mf2c_domain::area::beacon::Beacon;
use mf2c_domain::area::sighting::Sighting;
use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::area::standing::{AreaPeer, AreaRole, Standing};
use mf2c_domain::area::wifi::FoundLeader;
use mf2c_domain::entropy::Entropy;
use mf2c_domain::time::{Clock, Timestamp};
use mf2c_fabric::wire::{Answer, Ask, Notice, WireError};
use tokio::sync::watch;
use tokio::time::Instant;

pub(crate) const ROOT: [u8; 32] = [7; 32];

pub(crate) fn id(area: &str, device: &str) -> SpiffeId {
    format!("spiffe://test.internal/area/{area}/agent/{device}").parse().unwrap()
}

pub(crate) fn peer(area: &str, device: &str, address: &str) -> AreaPeer {
    AreaPeer { id: id(area, device), address: address.to_owned() }
}

/// Runs a test in a time of its own, which passes as fast as nobody has anything to do.
pub(crate) fn simulated(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(tokio::task::LocalSet::new().run_until(test));
}

/// The time of the test's runtime, which stands still unless all wait.
struct Time(Instant);

impl Clock for Time {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + i64::try_from(self.elapsed().as_millis()).unwrap())
    }
    fn elapsed(&self) -> Duration {
        self.0.elapsed() + Duration::from_secs(1)
    }
}

struct Dice(Mutex<u64>);

impl Entropy for Dice {
    fn fill(&self, buffer: &mut [u8]) {
        let mut state = self.0.lock().unwrap();
        for byte in buffer {
            *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (*state >> 56) as u8;
        }
    }
}

#[derive(Default)]
struct Houses {
    listeners: Vec<(usize, Recipient<HeardDatagram>)>,
    spoken: Vec<String>,
    count: usize,
}

#[derive(Clone)]
pub(crate) struct Street {
    houses: Arc<Mutex<Houses>>,
    world: World,
}

impl Street {
    pub(crate) fn new() -> Self {
        let world = World { clock: Arc::new(Time(Instant::now())), entropy: Arc::new(Dice(Mutex::new(42))) };
        Self { houses: Arc::default(), world }
    }

    /// Lets time pass, and everybody who is woken do his work.
    pub(crate) async fn pass(&self, time: Duration) {
        tokio::time::timeout(time, std::future::pending::<()>()).await.unwrap_err();
    }

    pub(crate) fn shout(&self, datagram: &[u8], source: SocketAddr) {
        let houses = self.houses.lock().unwrap();
        for (_, listener) in &houses.listeners {
            // What is too much for somebody is lost to him.
            let _ = listener.try_send(HeardDatagram { bytes: datagram.to_owned(), source });
        }
    }

    pub(crate) fn spoken(&self, device: &str) -> usize {
        self.houses.lock().unwrap().spoken.iter().filter(|it| *it == device).count()
    }

    pub(crate) fn silence(&self, house: &House) {
        house.voice.muted.store(true, Ordering::Relaxed);
    }
}

struct Voice {
    street: Street,
    number: usize,
    muted: AtomicBool,
}

impl Beacons for Voice {
    fn open(&self, to: Recipient<HeardDatagram>) -> io::Result<()> {
        self.street.houses.lock().unwrap().listeners.push((self.number, to));
        Ok(())
    }

    fn tell(&self, datagram: &[u8]) {
        if self.muted.load(Ordering::Relaxed) {
            return;
        }
        let device = Beacon::from_datagram(datagram).unwrap().device().unwrap();
        self.street.houses.lock().unwrap().spoken.push(device);
        self.street.shout(datagram, ([127, 0, 0, 1], 46040).into());
    }

    fn close(&self) {
        self.street.houses.lock().unwrap().listeners.retain(|(number, _)| *number != self.number);
    }
}

#[derive(Default)]
struct Hints {
    passed: Mutex<Vec<(String, String)>>,
    /// Who was called to be the leader, and in which term.
    visited: Mutex<Vec<(String, u64)>>,
}

impl AreaNet for Hints {
    fn keep(&self, _: Vec<AreaPeer>) {}

    fn introduce(&self, _: Introduction) {}

    fn send(&self, _: u64, _: &Notice) -> Result<(), SendError> {
        Err(SendError::Gone)
    }

    fn ask_over(&self, _: u64, _: Ask, _: Duration) -> LinkAnswer<Answer> {
        Box::pin(std::future::ready(Err(LinkError::NoMembership)))
    }

    fn close(&self, _: u64, _: WireError) {}

    fn hint(&self, id: &SpiffeId, address: String) {
        self.passed.lock().unwrap().push((id.to_string(), address));
    }

    fn visit(&self, address: String, term: u64) -> LinkAnswer<()> {
        self.visited.lock().unwrap().push((address.clone(), term));
        Box::pin(std::future::ready(Err(LinkError::Unreachable { address, reason: "nobody".to_owned() })))
    }
}

pub(crate) struct House {
    pub(crate) actor: Addr<Discovery>,
    standing: watch::Sender<Standing>,
    hints: Arc<Hints>,
    voice: Arc<Voice>,
    card: Arc<Card>,
}

/// A Wi-Fi card that writes down what it is told, and hears one leader.
struct Card(Mutex<Vec<String>>);

impl Card {
    fn done<T: Send + 'static>(&self, what: String, answer: T) -> WifiAnswer<T> {
        self.0.lock().unwrap().push(what);
        Box::pin(std::future::ready(Ok(answer)))
    }
}

impl Wifi for Card {
    fn scan(&self, interface: &str) -> WifiAnswer<WifiScan> {
        let beacon = Beacon {
            port: Some(8444),
            area: Some("a1".to_owned()),
            term: Some(9),
            root: Some(ROOT),
            ..Beacon::default()
        };
        let leader =
            FoundLeader { bssid: String::new(), signal: None, values: String::new(), beacon: beacon.of_device("ee") };
        self.done(format!("scan {interface}"), WifiScan { card: String::new(), leaders: vec![leader] })
    }

    fn broadcast(&self, interface: &str, _: u16, said: Beacon) -> WifiAnswer<()> {
        self.done(format!("broadcast {interface} term {}", said.term.unwrap()), ())
    }

    fn end_broadcast(&self) -> WifiAnswer<()> {
        self.done("end".to_owned(), ())
    }

    fn join(&self, _: &str, _: &str) -> WifiAnswer<()> {
        self.done("join".to_owned(), ())
    }

    fn leave(&self) -> WifiAnswer<()> {
        self.done("leave".to_owned(), ())
    }

    fn is_connected(&self) -> WifiAnswer<bool> {
        self.done("connected".to_owned(), false)
    }

    fn stations(&self) -> WifiAnswer<Vec<String>> {
        self.done("stations".to_owned(), vec![])
    }

    fn own_address(&self) -> WifiAnswer<Option<Ipv4Addr>> {
        self.done("address".to_owned(), None)
    }

    fn serve_addresses(&self, _: &str) -> WifiAnswer<()> {
        self.done("addresses".to_owned(), ())
    }

    fn end_addresses(&self) -> WifiAnswer<()> {
        self.done("no addresses".to_owned(), ())
    }
}

impl House {
    pub(crate) fn new(street: &Street, area: &str, device: &str, role: AreaRole) -> Self {
        Self::with(street, DiscoverySettings::default(), area, device, role)
    }

    pub(crate) fn with(street: &Street, settings: DiscoverySettings, area: &str, device: &str, role: AreaRole) -> Self {
        let standing = Standing { own: Some(id(area, device)), role, term: 7, ..Standing::default() };
        Self::start(street, settings, standing, false)
    }

    /// With a Wi-Fi card.
    pub(crate) fn with_card(street: &Street, area: &str, device: &str, role: AreaRole) -> Self {
        let standing = Standing { own: Some(id(area, device)), role, term: 7, ..Standing::default() };
        Self::start(street, DiscoverySettings::default(), standing, true)
    }

    /// A member of no area.
    pub(crate) fn alone(street: &Street) -> Self {
        Self::start(street, DiscoverySettings::default(), Standing::default(), false)
    }

    fn start(street: &Street, settings: DiscoverySettings, standing: Standing, has_card: bool) -> Self {
        let number = {
            let mut houses = street.houses.lock().unwrap();
            houses.count += 1;
            houses.count
        };
        let voice = Arc::new(Voice { street: street.clone(), number, muted: AtomicBool::new(false) });
        let (sender, receiver) = watch::channel(standing);
        let card = Arc::new(Card(Mutex::new(vec![])));
        let hints = Arc::new(Hints::default());
        let around = Surroundings {
            world: street.world.clone(),
            standing: receiver,
            roots: Arc::new(|| vec![ROOT]),
            bound: Arc::new(|| Some(([127, 0, 0, 1], 8444).into())),
            net: Arc::clone(&hints) as Arc<dyn AreaNet>,
            beacons: Some(Arc::clone(&voice) as Arc<dyn Beacons>),
            mdns: None,
            wifi: Some(("wlan0".to_owned(), Arc::clone(&card) as Arc<dyn Wifi>)).filter(|_| has_card),
            works: Arc::new(AtomicBool::new(true)),
        };
        let discovery = Discovery::new(settings, around);
        Self { actor: discovery.start(), standing: sender, hints, voice, card }
    }

    /// Who is near, the best first.
    pub(crate) async fn near(&self) -> Vec<Sighting> {
        self.actor.send(Sightings).await.unwrap()
    }

    pub(crate) fn standing(&self) -> Standing {
        self.standing.borrow().clone()
    }

    pub(crate) fn becomes(&self, role: AreaRole, term: u64) {
        self.standing.send_modify(|standing| (standing.role, standing.term) = (role, term));
    }

    /// Its leader is not heard of any more.
    pub(crate) fn is_orphaned(&self, is_orphaned: bool) {
        self.standing.send_modify(|standing| standing.degraded = is_orphaned);
    }

    pub(crate) fn is_led_by(&self, leader: AreaPeer) {
        self.standing.send_modify(|standing| standing.leader = Some(leader));
    }

    pub(crate) fn leaves(&self) {
        self.standing.send_replace(Standing::default());
    }

    pub(crate) fn hints(&self) -> Vec<(String, String)> {
        self.hints.passed.lock().unwrap().clone()
    }

    /// What its Wi-Fi card was told.
    pub(crate) fn card(&self) -> Vec<String> {
        self.card.0.lock().unwrap().clone()
    }

    pub(crate) fn visited(&self) -> Vec<(String, u64)> {
        self.hints.visited.lock().unwrap().clone()
    }
}
