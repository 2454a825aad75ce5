//! The actor: speaks when it is time, keeps the table of who is near, passes hints on, and looks for a leader that is lost.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix::prelude::*;
use mf2c_domain::area::beacon::{Beacon, Role, dns_sd};
use mf2c_domain::area::choice::Wanted;
use mf2c_domain::area::search::{self, Search};
use mf2c_domain::area::sighting::Sighting;
use mf2c_domain::area::sightings;
use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::area::standing::{AreaRole, Standing};
use mf2c_domain::time::{HybridTime, Timestamp};

use super::ports::{HeardDatagram, HeardService};
use super::wifi::Air;
use super::{CALM, DiscoverySettings, OwnBeacon, Sightings, Surroundings};

/// The longest time that a beacon may ask to be remembered.
const LONGEST: Duration = Duration::from_secs(120);
/// How long one holds that does not say.
const UNTOLD: Duration = Duration::from_secs(4);
/// The pause before a network that could not be opened is tried again.
pub(super) const RETRY: Duration = Duration::from_secs(60);
/// The most addresses of one agent that are passed on; links remember few.
const MOST_HINTS: usize = 3;
/// The least pause between two looks at what has changed in the table: a flood changes it often.
const CALM_DOWN: Duration = Duration::from_millis(100);
/// Datagrams that wait. What is more is dropped.
const MAILBOX: usize = 256;

/// See [`super`].
pub struct Discovery {
    settings: DiscoverySettings,
    pub(super) around: Surroundings,
    pub(super) air: Air,
    table: sightings::Sightings,
    /// Whether the networks are open.
    is_open: bool,
    /// What was said last, without the time at which it was said.
    said: Option<Beacon>,
    /// The roots that are believed.
    roots: Vec<[u8; 32]>,
    /// Hints that were passed on and still hold, so that each is passed on once.
    passed: BTreeMap<SpiffeId, Vec<String>>,
    /// Where a leader that is lost was looked for, and whether somebody is being called.
    search: Search,
    is_calling: bool,
    /// Whether somebody came, went or says something else, and nothing was done about it yet.
    is_news: bool,
    next_news: Duration,
    timer: Option<SpawnHandle>,
    next_beacon: Duration,
    next_try: Duration,
}

impl Discovery {
    /// Does nothing yet.
    #[must_use]
    pub fn new(settings: DiscoverySettings, around: Surroundings) -> Self {
        Self {
            settings,
            around,
            air: Air::default(),
            table: sightings::Sightings::default(),
            is_open: false,
            said: None,
            roots: vec![],
            passed: BTreeMap::new(),
            search: Search::default(),
            is_calling: false,
            is_news: false,
            next_news: Duration::ZERO,
            timer: None,
            next_beacon: Duration::ZERO,
            next_try: Duration::ZERO,
        }
    }

    fn standing(&self) -> Standing {
        self.around.standing.borrow().clone()
    }

    pub(super) fn now(&self) -> Duration {
        self.around.world.clock.elapsed()
    }

    /// What this agent says of itself.
    pub(super) fn own(&self, standing: &Standing) -> Option<Beacon> {
        let own = standing.own.as_ref()?;
        let role = match standing.role {
            AreaRole::Leader if self.settings.is_cloud => Role::Cloud,
            AreaRole::Leader => Role::Leader,
            AreaRole::Backup => Role::Backup,
            AreaRole::Alone | AreaRole::Agent => Role::Agent,
        };
        let leads = standing.leads();
        let beacon = Beacon {
            service: self.settings.service.filter(|_| leads),
            reward: self.settings.reward.filter(|_| leads),
            urgency: self.settings.urgency.filter(|_| leads),
            term: Some(standing.term),
            area: own.area().map(str::to_owned),
            port: (self.around.bound)().map(|bound| bound.port()),
            root: self.roots.first().copied(),
            role: Some(role),
            holds: Some(holds(self.pause(standing.role))),
            ..Beacon::default()
        };
        Some(beacon.of_device(own.device()?))
    }

    /// The pause between two beacons.
    fn pause(&self, role: AreaRole) -> Duration {
        match role {
            AreaRole::Leader | AreaRole::Backup => self.settings.interval,
            AreaRole::Alone | AreaRole::Agent => self.settings.interval * CALM,
        }
    }

    /// That pause, changed by up to a tenth, so that agents that started together do not speak together for ever.
    fn jittered(&self, pause: Duration) -> Duration {
        let mut bytes = [0; 2];
        self.around.world.entropy.fill(&mut bytes);
        // 0.9 to 1.1 times the pause.
        pause.mul_f64(0.9 + f64::from(u16::from_le_bytes(bytes)) / f64::from(u16::MAX) / 5.0)
    }

    /// The standing has changed, or it is time: does whatever is due, and sets the alarm for what comes next.
    pub(super) fn work(&mut self, context: &mut Context<Self>) {
        let (standing, now) = (self.standing(), self.now());
        self.roots = (self.around.roots)();
        if standing.own.is_some() {
            self.open(now, context)
        } else {
            self.close()
        }
        let said = if self.is_open { self.own(&standing) } else { None };
        if said != self.said {
            if let Some(mdns) = &self.around.mdns {
                mdns.announce(said.clone());
            }
            // A new term, or another role, is told at once.
            self.next_beacon = now;
            self.said = said;
        }
        if self.around.beacons.is_some() && self.said.is_some() && self.next_beacon <= now {
            self.speak();
            self.next_beacon = now + self.jittered(self.pause(standing.role));
        }
        self.tend_wifi(&standing, now, context);
        self.table.expire(now);
        self.use_what_is_known(&standing, now, context);
        self.set_alarm(now, context);
    }

    fn use_what_is_known(&mut self, standing: &Standing, now: Duration, context: &mut Context<Self>) {
        self.is_news = false;
        self.next_news = now + CALM_DOWN;
        self.hint(standing);
        self.seek(standing, now, context);
    }

    /// Somebody came, went or says something else. What is new is used at once, if something was not used just now.
    fn news(&mut self, context: &mut Context<Self>) {
        let now = self.now();
        if !self.is_news {
            self.is_news = true;
            if self.next_news <= now {
                let standing = self.standing();
                self.use_what_is_known(&standing, now, context);
            }
            self.set_alarm(now, context);
        }
    }

    fn open(&mut self, now: Duration, context: &mut Context<Self>) {
        if self.is_open || self.next_try > now {
            return;
        }
        let beacons = self.around.beacons.as_ref().map_or(Ok(()), |it| it.open(context.address().recipient()));
        let mdns = self.around.mdns.as_ref().map_or(Ok(()), |it| it.open(context.address().recipient()));
        let opened = beacons.and(mdns);
        self.around.works.store(opened.is_ok(), Ordering::Relaxed);
        match opened {
            Ok(()) => self.is_open = true,
            Err(error) => {
                tracing::warn!(%error, "agents nearby cannot be discovered; it is tried again in a minute");
                self.next_try = now + RETRY;
            }
        }
    }

    /// Takes leave, and listens no more.
    fn close(&mut self) {
        self.around.works.store(true, Ordering::Relaxed);
        if std::mem::take(&mut self.is_open) {
            self.take_leave();
            self.around.beacons.iter().for_each(|beacons| beacons.close());
            self.around.mdns.iter().for_each(|mdns| mdns.close());
            self.table = sightings::Sightings::default();
            self.passed.clear();
        }
    }

    fn speak(&self) {
        let (Some(beacons), Some(said)) = (&self.around.beacons, &self.said) else { return };
        let time = HybridTime::default().next(self.around.world.clock.now());
        match (Beacon { said: Some(time), ..said.clone() }).to_datagram() {
            Ok(datagram) => beacons.tell(&datagram),
            Err(error) => tracing::debug!(%error, "no beacon"),
        }
    }

    fn take_leave(&mut self) {
        if let Some(said) = self.said.take() {
            self.said = Some(Beacon { holds: Some(0), ..said });
            self.speak();
            self.said = None;
            if let Some(mdns) = &self.around.mdns {
                mdns.announce(None);
            }
        }
    }

    /// Passes on where agents may be that are looked for: the leader and the backups. Of each a few addresses, those that
    /// were heard first and still are: whoever shouts later does not crowd them out.
    fn hint(&mut self, standing: &Standing) {
        let own = standing.own.as_ref();
        let wanted = standing.leader.iter().chain(&standing.backups).chain(&standing.upper);
        let mut passed = BTreeMap::new();
        for peer in wanted.filter(|peer| Some(&peer.id) != own) {
            let listed = self.settings.leader.iter().filter(|_| standing.is_led_by(&peer.id)).map(String::as_str);
            let heard = self.table.addresses_of(peer.id.device().unwrap_or_default());
            let now: Vec<&str> = listed.chain(heard).filter(|address| *address != peer.address).collect();
            let before = self.passed.remove(&peer.id).unwrap_or_default();
            let mut kept: Vec<String> = before.into_iter().filter(|it| now.contains(&it.as_str())).collect();
            for address in now {
                if kept.len() < MOST_HINTS && kept.iter().all(|it| it != address) {
                    tracing::debug!(id = %peer.id, address, "heard where an agent may be");
                    self.around.net.hint(&peer.id, address.to_owned());
                    kept.push(address.to_owned());
                }
            }
            passed.insert(peer.id.clone(), kept);
        }
        self.passed = passed;
    }

    /// Calls whoever may lead the area now, where nobody is there who does: all who led it may have been replaced while this
    /// agent was away. One call at a time, and few: anybody can say anything.
    fn seek(&mut self, standing: &Standing, now: Duration, context: &mut Context<Self>) {
        if !is_lost(standing) {
            self.search.reset();
            return;
        }
        if self.is_calling || now < self.search.next_call() {
            return;
        }
        // Links look for those by their names.
        let peers = || standing.leader.iter().chain(&standing.backups);
        let is_sought = |device: &str| {
            !device.is_empty() && peers().filter_map(|it| it.id.device()).any(|it| it.eq_ignore_ascii_case(device))
        };
        let known = self.list().into_iter().chain(self.listed_leader());
        let known: Vec<Sighting> = known.filter(|it| !is_sought(&it.device)).collect();
        // Who leads gives way to a later term alone.
        let term = standing.term + u64::from(standing.leads());
        let wanted = Wanted { area: standing.area(), roots: &self.roots };
        let Some(address) = self.search.next(&known, &wanted, term, now) else { return };
        self.is_calling = true;
        let called = self.around.net.visit(address.clone(), term).into_actor(self);
        context.spawn(called.map(move |called, discovery, context| {
            discovery.is_calling = false;
            if let Err(error) = called {
                tracing::debug!(address, %error, "who leads the area is not there");
            }
            discovery.work(context);
        }));
    }

    fn listed_leader(&self) -> Option<Sighting> {
        let address = self.settings.leader.clone()?;
        Some(Sighting::listed(address, Role::Leader, self.around.world.clock.now()))
    }

    fn set_alarm(&mut self, now: Duration, context: &mut Context<Self>) {
        if let Some(timer) = self.timer.take() {
            context.cancel_future(timer);
        }
        let speaks = self.said.is_some() && self.around.beacons.is_some();
        let retries = !self.is_open && self.next_try > now;
        let seeks = !self.is_calling && is_lost(&self.around.standing.borrow());
        let next = [
            speaks.then_some(self.next_beacon),
            retries.then_some(self.next_try),
            self.is_news.then_some(self.next_news),
            self.air.wake,
            seeks.then_some(self.search.next_call().max(now + search::BETWEEN)),
            // Not for each single one: a second later is soon enough.
            self.table.next_end().map(|end| end.max(now + Duration::from_secs(1))),
        ];
        if let Some(next) = next.into_iter().flatten().min() {
            let pause = next.saturating_sub(now).max(Duration::from_millis(1));
            self.timer = Some(context.run_later(pause, |discovery, context| discovery.work(context)));
        }
    }

    pub(super) fn hear(&mut self, sighting: Sighting, source: &str, holds: Duration, context: &mut Context<Self>) {
        let now = self.now();
        let was_empty = self.table.next_end().is_none();
        let is_news = {
            let standing = self.around.standing.borrow();
            let wanted = Wanted { area: standing.area(), roots: &self.roots };
            self.table.hear(sighting, source, holds, now, &wanted)
        };
        if is_news {
            self.news(context);
        } else if was_empty {
            self.set_alarm(now, context);
        }
    }

    fn list(&self) -> Vec<Sighting> {
        let standing = self.around.standing.borrow();
        self.table.list(&Wanted { area: standing.area(), roots: &self.roots })
    }

    pub(super) fn is_own(&self, device: &str) -> bool {
        let standing = self.around.standing.borrow();
        standing.own.as_ref().and_then(|own| own.device()).is_some_and(|own| own.eq_ignore_ascii_case(device))
    }
}

/// What a datagram says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// Who, and what he says.
    pub sighting: Sighting,
    /// Where it seems to come from.
    pub source: IpAddr,
    /// For how long it holds; nothing is a farewell.
    pub holds: Duration,
}

/// Reads a datagram heard now; none where it is no beacon, or names nobody.
#[must_use]
pub fn read(heard: &HeardDatagram, now: Timestamp) -> Option<Read> {
    let said = Beacon::from_datagram(&heard.bytes).ok()?;
    let source = heard.source.ip().to_canonical();
    let address = said.port.map(|port| SocketAddr::new(source, port).to_string());
    let holds = said.holds.map_or(UNTOLD, |holds| Duration::from_secs(holds.into())).min(LONGEST);
    Some(Read { sighting: Sighting::of(&said, address, "beacon", now)?, source, holds })
}

/// Whether an agent of an area hears of nobody who leads it with the consent of a majority.
pub(super) fn is_lost(standing: &Standing) -> bool {
    standing.own.is_some() && (standing.leader.is_none() || standing.degraded)
}

/// Three missed beacons and a second more, in whole seconds.
fn holds(pause: Duration) -> u16 {
    u16::try_from((pause * 3 + Duration::from_secs(1)).as_secs_f64().ceil() as u64).unwrap_or(u16::MAX)
}

impl Actor for Discovery {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.set_mailbox_capacity(MAILBOX);
        let (mut standing, own) = (self.around.standing.clone(), context.address().downgrade());
        actix::spawn(async move {
            while standing.changed().await.is_ok() {
                let Some(own) = own.upgrade() else { break };
                if own.send(Work).await.is_err() {
                    break;
                }
            }
        });
        self.work(context);
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        self.close();
    }
}

/// The standing has changed.
#[derive(Message)]
#[rtype(result = "()")]
struct Work;

impl Handler<Work> for Discovery {
    type Result = ();

    fn handle(&mut self, _: Work, context: &mut Self::Context) {
        self.work(context);
    }
}

impl Handler<HeardDatagram> for Discovery {
    type Result = ();

    fn handle(&mut self, heard: HeardDatagram, context: &mut Self::Context) {
        let now = self.around.world.clock.now();
        let Some(read) = read(&heard, now).filter(|_| self.is_open) else { return };
        let Read { sighting, source, holds } = read;
        if self.is_own(&sighting.device) {
            return;
        }
        if holds.is_zero() {
            if self.table.farewell(&sighting.device, "beacon", sighting.address.as_deref()) {
                self.news(context);
            }
            return;
        }
        self.hear(sighting, &source.to_string(), holds, context);
    }
}

impl Handler<HeardService> for Discovery {
    type Result = ();

    fn handle(&mut self, heard: HeardService, context: &mut Self::Context) {
        match heard {
            HeardService::Gone { instance } => {
                if self.table.farewell_of_name("mdns", |device| dns_sd::instance(device) == instance) {
                    self.news(context);
                }
            }
            HeardService::Found { said, addresses }
                if self.is_open && !self.is_own(&said.device().unwrap_or_default()) =>
            {
                let now = self.around.world.clock.now();
                for address in addresses.into_iter().take(MOST_HINTS) {
                    let source = address.rsplit_once(':').map_or(String::new(), |(host, _)| host.to_owned());
                    if let Some(sighting) = Sighting::of(&said, Some(address), "mdns", now) {
                        self.hear(sighting, &source, sightings::LONGEST, context);
                    }
                }
            }
            HeardService::Found { .. } => {}
        }
    }
}

impl Handler<Sightings> for Discovery {
    type Result = MessageResult<Sightings>;

    fn handle(&mut self, _: Sightings, _: &mut Self::Context) -> Self::Result {
        let now = self.around.world.clock.now();
        let children = self.settings.children.iter();
        let children = children.map(|address| Sighting::listed(address.clone(), Role::Agent, now));
        MessageResult(self.list().into_iter().chain(self.listed_leader()).chain(children).collect())
    }
}

impl Handler<OwnBeacon> for Discovery {
    type Result = MessageResult<OwnBeacon>;

    fn handle(&mut self, _: OwnBeacon, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.own(&self.standing()))
    }
}
