//! `Contacts`: with which agents this one has links, and when it last had one: what an operator sees of peers of which no
//! leader tells, such as the own leader and the agent above.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mf2c_actors::leadership::NO_BACKUP;
use mf2c_actors::ports::OpenLink;
use mf2c_domain::area::name;
use mf2c_domain::area::presence::{Moment, Patience, Roll, Status};
use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::time::{Clock, Timestamp};
use parking_lot::Mutex;

/// Agents that are remembered; of those without a link the one that is away longest gives way.
const MOST: usize = 4096;

/// See the module.
pub(crate) struct Contacts {
    clock: Arc<dyn Clock>,
    patience: Patience,
    since: Duration,
    known: Mutex<Known>,
}

struct Known {
    roll: Roll,
    /// What the agents say of themselves, by SPIFFE ID.
    said: BTreeMap<String, Said>,
}

#[derive(Clone)]
struct Said {
    name: Option<String>,
    never_backup: bool,
}

/// What is known of one agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Contact {
    pub(crate) status: Status,
    /// When it was last in touch; none while it is, and where it never was since the start.
    pub(crate) last: Option<Timestamp>,
    /// What it calls itself.
    pub(crate) name: Option<String>,
    /// Whether it says that it is never to be a backup.
    pub(crate) never_backup: bool,
}

impl Contacts {
    pub(crate) fn new(clock: Arc<dyn Clock>, patience: Patience) -> Self {
        let known = Known { roll: Roll::new(patience), said: BTreeMap::new() };
        Self { since: clock.elapsed(), clock, patience, known: Mutex::new(known) }
    }

    fn now(&self) -> Moment {
        Moment { wall: self.clock.now(), elapsed: self.clock.elapsed() }
    }

    /// A link was opened.
    pub(super) fn opened(&self, link: &OpenLink) {
        let id = link.peer.id.to_string();
        let mut known = self.known.lock();
        if known.said.len() >= MOST && !known.said.contains_key(&id) && !known.make_room() {
            return;
        }
        known.roll.opened(&id, link.number);
        let features = &link.hello.features;
        let never_backup = features.iter().any(|feature| feature == NO_BACKUP);
        known.said.insert(id, Said { name: name::of_features(features).map(str::to_owned), never_backup });
    }

    /// A link has ended.
    pub(super) fn closed(&self, number: u64) {
        let now = self.now();
        self.known.lock().roll.closed(number, now);
    }

    /// What is known of an agent; none where it was never in touch.
    pub(crate) fn of(&self, id: &str) -> Option<Contact> {
        let mut known = self.known.lock();
        known.roll.advance(self.now());
        let presence = known.roll.get(id)?;
        let (status, last) = (presence.status(), presence.last_contact());
        let said = known.said.get(id)?.clone();
        Some(Contact { status, last, name: said.name, never_backup: said.never_backup })
    }

    /// How somebody stands who should be in touch: as [`Self::of`] says, or who was looked for in vain since the start.
    pub(crate) fn of_sought(&self, id: &SpiffeId) -> Contact {
        self.of(&id.to_string()).unwrap_or_else(|| {
            let since = self.clock.elapsed().saturating_sub(self.since);
            let long = since >= self.patience.unavailable_after;
            let status = if long { Status::Unavailable } else { Status::Disconnected };
            Contact { status, last: None, name: None, never_backup: false }
        })
    }
}

impl Known {
    /// Forgets the one that is away longest; whether there is one.
    fn make_room(&mut self) -> bool {
        let away = self.said.keys().filter_map(|id| Some((self.roll.get(id)?.last_contact()?, id)));
        let Some(longest) = away.min().map(|(_, id)| id.clone()) else { return false };
        self.said.remove(&longest);
        self.roll.forget(&longest);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use mf2c_fabric::wire::hello::Scope;
    use mf2c_fabric::wire::{Hello, TrustNews};
    use mf2c_pki::area::{PeerIdentity, Serial};

    use super::*;

    /// A clock that is set by hand, in milliseconds.
    #[derive(Default)]
    struct Hand(Mutex<u64>);

    impl Clock for Hand {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(1_700_000_000_000 + self.0.lock().cast_signed())
        }
        fn elapsed(&self) -> Duration {
            Duration::from_millis(*self.0.lock())
        }
    }

    fn link(number: u64, device: &str) -> OpenLink {
        let id: SpiffeId = format!("spiffe://d/area/pier/agent/{device}").parse().unwrap();
        let hello = Hello {
            v: vec![1],
            node: id.to_string(),
            area: "pier".into(),
            role: "agent".into(),
            term: 0,
            incarnation: 0,
            boot: 0,
            origin: vec![].into(),
            listen: String::new(),
            clock: 0,
            features: vec![name::as_feature(&format!("boat-{device}"))],
            max_frame: 1 << 20,
            trust: TrustNews::default(),
        };
        let now = Timestamp::from_millis(0);
        let peer = PeerIdentity {
            id,
            unit: "agent".into(),
            serial: Serial::from_bytes(&[1]),
            issuer: String::new(),
            authority: None,
            not_before: now,
            not_after: now,
            key: [0; 32],
        };
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        OpenLink { number, peer: Arc::new(peer), hello: Arc::new(hello), address, accepted: true, scope: Scope::Area }
    }

    #[test]
    fn who_is_lost_is_disconnected_then_unavailable_and_never_forgotten_for_that() {
        let hand = Arc::new(Hand::default());
        let contacts = Contacts::new(Arc::clone(&hand) as Arc<dyn Clock>, Patience::default());
        let one = link(1, "a1");
        let id = one.peer.id.clone();
        assert_eq!(contacts.of_sought(&id).status, Status::Disconnected, "it was never in touch");
        contacts.opened(&one);
        let here = contacts.of(&id.to_string()).unwrap();
        assert_eq!((here.status, here.last, here.name.as_deref()), (Status::Connected, None, Some("boat-a1")));
        *hand.0.lock() = 1000;
        contacts.closed(1);
        *hand.0.lock() = 7000;
        let lost = contacts.of_sought(&id);
        assert_eq!((lost.status, lost.last), (Status::Disconnected, Some(Timestamp::from_millis(1_700_000_001_000))));
        *hand.0.lock() = 602_000;
        assert_eq!(contacts.of_sought(&id).status, Status::Unavailable);
        assert_eq!(contacts.of_sought(&"spiffe://d/area/x/agent/y".parse().unwrap()).status, Status::Unavailable);
        contacts.opened(&link(2, "a1"));
        assert_eq!(contacts.of(&id.to_string()).unwrap().status, Status::Connected);
    }

    #[test]
    fn however_many_come_and_go_a_bounded_number_is_remembered_and_nobody_who_is_there_is_lost() {
        let contacts = Contacts::new(Arc::new(Hand::default()), Patience::default());
        contacts.opened(&link(1, "stays"));
        for number in 2..4500 {
            contacts.opened(&link(number, &format!("c{number}")));
            contacts.closed(number);
        }
        assert_eq!(contacts.known.lock().said.len(), MOST);
        assert!(contacts.of("spiffe://d/area/pier/agent/stays").is_some());
        assert!(contacts.of("spiffe://d/area/pier/agent/c4499").is_some());
    }
}
