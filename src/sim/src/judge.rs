//! What must hold whatever happens, looked at all the time: who leads, what is forgotten, in which order changes come.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::time::Duration;

use mf2c_domain::area::standing::{Mandate, Standing};
use mf2c_store::Store;

use crate::fleet::Fleet;
use crate::host::Host;
use crate::invariants::Tap;
use crate::reign::{Reign, Troubles};

/// Something that must never be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// When it was seen.
    pub at: Duration,
    /// Which promise is broken.
    pub promise: &'static str,
    /// How.
    pub what: String,
}

/// See the module.
pub struct Judge {
    fleet: Fleet,
    /// Who led with a full mandate in each term of an area.
    terms: BTreeMap<(String, u64), usize>,
    /// Who leads with a full mandate now, by area.
    full: BTreeMap<String, BTreeSet<usize>>,
    standings: Vec<Standing>,
    taps: Vec<Tap>,
    /// The first breach.
    pub breach: Option<Breach>,
    /// Promises that were looked at.
    pub checks: u64,
    /// Changes that were seen at replicas.
    pub seen: u64,
    /// Changes of leaders with full mandates, the first of each area among them.
    pub elections: u64,
    /// How each area was led.
    pub reigns: Vec<Reign>,
    /// What may be the reason for a takeover.
    pub troubles: Troubles,
}

impl Judge {
    /// Nothing has happened yet.
    #[must_use]
    pub fn new(fleet: Fleet, election: Duration) -> Self {
        let hosts = fleet.len();
        Self {
            reigns: vec![Reign::default(); fleet.areas()],
            troubles: Troubles::new(election),
            fleet,
            terms: BTreeMap::new(),
            full: BTreeMap::new(),
            standings: vec![Standing::default(); hosts],
            taps: (0..hosts).map(|_| Tap::default()).collect(),
            breach: None,
            checks: 0,
            seen: 0,
            elections: 0,
        }
    }

    /// A promise is broken. The first one counts.
    pub fn broken(&mut self, at: Duration, promise: &'static str, what: String) {
        self.breach.get_or_insert(Breach { at, promise, what });
    }

    /// How an agent stands from now on.
    pub fn stands(&mut self, at: Duration, host: usize, standing: &Standing) {
        self.checks += 1;
        let area = self.fleet.area_name(host);
        if let Some(known) = self.standings.get_mut(host) {
            known.clone_from(standing);
        }
        let full = standing.leads() && standing.mandate == Mandate::Full;
        if !full {
            self.full.entry(area).or_default().remove(&host);
            return self.note_reign(at, host);
        }
        let first = *self.terms.entry((area.clone(), standing.term)).or_insert_with(|| {
            self.elections += 1;
            host
        });
        if first != host {
            let what = format!("agents {first} and {host} both led {area} in term {}", standing.term);
            self.broken(at, "one leader a term", what);
        }
        let now = self.full.entry(area.clone()).or_default();
        now.insert(host);
        if now.len() > 1 {
            let what = format!("agents {now:?} lead {area} with full mandates at the same time");
            self.broken(at, "one full mandate at a time", what);
        }
        self.note_reign(at, host);
    }

    /// Who leads the area of this host may have changed.
    fn note_reign(&mut self, at: Duration, host: usize) {
        let Some(area) = self.fleet.area_of(host) else { return };
        let leads = |host: usize| self.standings.get(host).is_some_and(Standing::leads);
        let anybody = self.fleet.hosts_of(area).any(leads);
        let full = self.full.get(&self.fleet.area_name(host)).and_then(|hosts| hosts.first()).copied();
        let full = full.map(|leader| (leader, self.voters(leader)));
        if let Some(reign) = self.reigns.get_mut(area) {
            reign.see(at, anybody, full, &self.troubles);
        }
    }

    /// Who votes together with a leader, as far as its standing tells.
    fn voters(&self, leader: usize) -> BTreeSet<usize> {
        let Some(standing) = self.standings.get(leader) else { return BTreeSet::new() };
        let mut voters: BTreeSet<usize> =
            standing.backups.iter().take(2).filter_map(|backup| self.fleet.host_of(&backup.id)).collect();
        voters.insert(leader);
        if voters.len() == 2 {
            voters.extend(standing.upper.as_ref().and_then(|upper| self.fleet.host_of(&upper.id)));
        }
        voters
    }

    /// The agent is gone, or stands still: what it believed is of no consequence.
    pub fn is_out(&mut self, at: Duration, host: usize) {
        let area = self.fleet.area_name(host);
        self.full.entry(area).or_default().remove(&host);
        if let Some(known) = self.standings.get_mut(host) {
            *known = Standing::default();
        }
        self.note_reign(at, host);
    }

    /// How an agent stands, as it was last heard.
    #[must_use]
    pub fn standing(&self, host: usize) -> Option<&Standing> {
        self.standings.get(host)
    }

    /// Who leads an area, if anybody does: with a full mandate rather than without one.
    #[must_use]
    pub fn leader(&self, area: usize) -> Option<usize> {
        let full = self.fleet.hosts_of(area).next().map(|host| self.fleet.area_name(host));
        let full = full.and_then(|area| self.full.get(&area)).and_then(|hosts| hosts.first()).copied();
        let leads = |host: &usize| self.standings.get(*host).is_some_and(Standing::leads);
        full.or_else(|| self.fleet.hosts_of(area).find(leads))
    }

    /// How many agents lead with a full mandate now.
    #[must_use]
    pub fn leaders(&self, area: &str) -> usize {
        self.full.get(area).map_or(0, BTreeSet::len)
    }

    /// An agent has started again: what was acknowledged is still there.
    pub fn has_restarted(&mut self, at: Duration, host: &Host, store: &Store) {
        self.checks += 1;
        let acknowledged = host.ledger.borrow().newest;
        let here = store.counters().position.load(Ordering::Relaxed);
        if here < acknowledged {
            let what = format!(
                "agent {} acknowledged change {acknowledged}, and after a restart its store ends with {here}",
                host.number
            );
            self.broken(at, "acknowledged writes survive", what);
        }
        if let Some(tap) = self.taps.get_mut(host.number) {
            // A change that was committed and not yet seen is no concern; one that was seen must be there.
            if here < tap.position() {
                let (number, seen) = (host.number, tap.position());
                let what = format!("agent {number} had committed change {seen}, and its store ends with {here}");
                self.broken(at, "acknowledged writes survive", what);
            }
        }
    }

    /// Follows what came into a store since the last look.
    pub fn follow(&mut self, at: Duration, host: usize, store: &Store) {
        let Some(tap) = self.taps.get_mut(host) else { return };
        let seen = tap.follow(store);
        self.seen += seen.changes;
        self.checks += seen.looks;
        if let Some(wrong) = seen.wrong {
            self.broken(at, "in the order of the origin, and once", format!("agent {host} {wrong}"));
        }
    }
}
