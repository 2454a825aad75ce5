//! Leading without a majority: when a backup cannot be elected, and nobody hears of the leader, it keeps the area together
//! and decides nothing (`cluster.md` (g.5)).

use std::time::Duration;

use mf2c_domain::area::spiffe::SpiffeId;

use super::council::Council;
use super::event::Effect;

/// So many are asked about a leader that is silent.
const ASKED: usize = 8;
/// The time for their answers.
const ANSWER: Duration = Duration::from_secs(1);

/// How far a suspicion has come.
#[derive(Debug, Default)]
pub(super) struct Suspicion {
    /// When others were asked.
    asked: Option<Duration>,
    /// Somebody has heard of the leader; not before this time is it suspected again.
    refuted: Duration,
}

impl Suspicion {
    pub(super) fn clear(&mut self) {
        self.asked = None;
    }
}

impl Council {
    /// Suspects a leader that is silent, asks others, and takes care of the area in the end.
    pub(super) fn suspect(&mut self, effects: &mut Vec<Effect>) {
        if self.founds(effects) {
            return;
        }
        let (now, due) = (self.now, self.suspicion_due());
        let Some(own) = &mut self.own else { return };
        let Some(due) = due else {
            own.suspicion.clear();
            return;
        };
        if now < due {
            return;
        }
        let Some(leader) = own.area.known.leader.as_ref().map(|leader| leader.id.clone()) else { return };
        match own.suspicion.asked {
            None => {
                own.suspicion.asked = Some(now);
                // An agent that led itself before it was started anew asks nobody.
                let ask = leader != own.membership.own;
                let others = self.links.iter().filter(|(_, link)| ask && link.facts.peer != leader);
                let probes = others.take(ASKED).map(|(link, _)| Effect::Probe { of: leader.clone(), through: *link });
                effects.extend(probes);
            }
            Some(asked) if now >= asked + ANSWER => {
                own.suspicion.clear();
                own.caretaker = true;
                // What was heard of the leader before counts no more.
                own.claimed = now;
                let area = &own.area.name;
                effects.push(Effect::Tell(format!("nobody hears of {leader}: this agent takes care of `{area}`")));
            }
            Some(_) => {}
        }
    }

    /// An answer has come: someone who hears the leader lifts the suspicion.
    pub(super) fn probed(&mut self, of: &SpiffeId, ago: Option<Duration>) {
        let (now, patience) = (self.now, self.settings.suspicion);
        let Some(own) = &mut self.own else { return };
        let leads = own.area.known.leader.as_ref().is_some_and(|leader| leader.id == *of);
        if leads && ago.is_some_and(|ago| ago < patience) && own.suspicion.asked.is_some() {
            own.suspicion.clear();
            own.suspicion.refuted = now;
        }
    }

    /// When this agent has reason to doubt the leader, or to act on its doubts.
    fn suspicion_due(&self) -> Option<Duration> {
        let own = self.own.as_ref()?;
        let group = own.area.group.as_ref()?;
        let leader = own.area.known.leader.as_ref()?;
        let mine = leader.id == own.membership.own;
        if !mine && !own.area.known.backups.iter().any(|backup| backup.id == own.membership.own) {
            return None;
        }
        let rank = group.roster().rank(own.area.seat)?;
        if own.caretaker || group.elected() {
            return None;
        }
        // Those further back in the line leave it to those before them.
        let wait = self.settings.suspicion + ANSWER * 2 * u32::try_from(rank.saturating_sub(1)).unwrap_or(0);
        let due = group.contact() + wait;
        Some(due.max(own.suspicion.refuted + self.settings.suspicion / 2))
    }

    pub(super) fn suspicion_wake(&self) -> Option<Duration> {
        let own = self.own.as_ref()?;
        if own.caretaker && own.area.group.is_none() {
            return Some(self.founding_due(own.began));
        }
        let due = self.suspicion_due()?;
        Some(own.suspicion.asked.map_or(due, |asked| due.max(asked + ANSWER)))
    }

    /// When an agent with an authority and without a memory may found its area's consensus: when those who are there had
    /// the time to tell it of another leader, and longer where they know of a term.
    fn founding_due(&self, began: Duration) -> Duration {
        let others = self.links.values().any(|link| self.is_of_area(&link.facts) && link.facts.term > 0);
        began + self.settings.settle * if others { 5 } else { 1 }
    }

    fn founds(&mut self, effects: &mut Vec<Effect>) -> bool {
        let now = self.now;
        let Some(own) = self.own.as_ref().filter(|own| own.caretaker && own.area.group.is_none()) else { return false };
        if now < self.founding_due(own.began) {
            return true;
        }
        let above = self.highest_told();
        if let Some(own) = &mut self.own {
            let (me, upper) = (own.me(), own.upper());
            own.area.begin(me, upper, above, now);
            let keep = own.area.keep();
            effects.push(keep);
        }
        true
    }

    /// The highest term that agents of the area tell. One that a peer merely says is no reason to jump beyond all bounds.
    pub(super) fn highest_told(&self) -> u64 {
        let terms = self.links.values().filter(|link| self.is_of_area(&link.facts)).map(|link| link.facts.term);
        terms.filter(|term| *term < 1 << 32).max().unwrap_or(0)
    }
}
