//! How far those are behind who cannot be reached now: what they lacked when they last were, and what was added since.

use std::collections::BTreeMap;

use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::area::standing::Standing;
use mf2c_domain::time::HybridTime;
use mf2c_fabric::replication::source::Source;

use super::Flow;
use super::actor::Replicator;
use super::judge::Due;
use super::links::Ends;

/// What a peer lacked when its stream ended.
#[derive(Debug, Clone)]
pub(super) struct Left {
    /// Changes that it had not acknowledged.
    behind: u64,
    /// When the oldest that it lacks was made, in milliseconds since 1970; none where it lacks none yet.
    oldest: Option<u64>,
    /// How many changes there were in all of what is owed to it.
    at: u64,
    due: Due,
    /// The node of its own store, which is not owed to it.
    theirs: Vec<u8>,
}

/// By SPIFFE ID. Only those are remembered to whom something is owed: a leader, or backups and the agent above.
pub(super) type Away = BTreeMap<SpiffeId, Left>;

/// To whom something is owed.
fn owed_to(standing: &Standing) -> Vec<SpiffeId> {
    let own = standing.own.as_ref();
    let peers = match standing.leads() {
        true => standing.backups.iter().chain(&standing.upper).collect::<Vec<_>>(),
        false => standing.leader.iter().collect(),
    };
    peers.into_iter().map(|peer| peer.id.clone()).filter(|id| Some(id) != own).collect()
}

/// How old what was made then is now.
fn age(now: u64, then: Option<u64>) -> u64 {
    then.map_or(0, |then| now.saturating_sub(then))
}

impl Replicator {
    /// A link has ended: what its peer lacks is remembered.
    pub(super) fn remember_away(&mut self, ends: &Ends) {
        let Some(source) = ends.source.as_ref().filter(|source| source.is_followed()) else { return };
        let (behind, oldest) = source.behind();
        let theirs = ends.link.hello.origin.0.clone();
        let left = Left {
            behind,
            oldest: oldest.map(|time| HybridTime::from_bits(time).wall().millis()),
            at: self.changes_owed(ends.due, &theirs),
            due: ends.due,
            theirs,
        };
        self.away.insert(ends.link.peer.id.clone(), left);
    }

    /// Something was added: from now on those are behind who were not.
    pub(super) fn note_away(&mut self) {
        if self.away.values().all(|left| left.oldest.is_some()) {
            return;
        }
        let now = self.world.clock.now().millis();
        let mut away = std::mem::take(&mut self.away);
        for left in away.values_mut().filter(|left| left.oldest.is_none()) {
            if left.behind > 0 || self.changes_owed(left.due, &left.theirs) > left.at {
                left.oldest = Some(now);
            }
        }
        self.away = away;
    }

    /// Roles may have changed: to others nothing is owed any more.
    pub(super) fn forget_away(&mut self) {
        let owed = owed_to(&self.standing);
        self.away.retain(|id, _| owed.contains(id));
    }

    /// How many changes there are in all of what is owed.
    fn changes_owed(&self, due: Due, theirs: &[u8]) -> u64 {
        let own = || self.store.progress_of(&self.own).map_or(0, |progress| progress.sequence);
        match due {
            Due::Nothing => 0,
            Due::Own => own(),
            Due::All => {
                let others = self.store.progress().into_iter();
                let others = others.filter(|progress| progress.origin != self.own && progress.origin != *theirs);
                others.map(|progress| progress.sequence).sum::<u64>().saturating_add(own())
            }
        }
    }

    /// What a peer lacks that does not follow now; none where that is not known.
    pub(super) fn behind_away(&self, peer: &SpiffeId, now: u64) -> Option<(u64, u64)> {
        let left = self.away.get(peer)?;
        let added = self.changes_owed(left.due, &left.theirs).saturating_sub(left.at);
        Some((left.behind.saturating_add(added), age(now, left.oldest)))
    }

    /// The streams that should be there and are not.
    pub(super) fn flows_away(&self, now: u64) -> Vec<Flow> {
        let has_source = |id: &SpiffeId| {
            let mut links = self.links.values();
            links.any(|ends| ends.link.peer.id == *id && ends.source.is_some())
        };
        let missing = owed_to(&self.standing).into_iter().filter(|id| !has_source(id));
        let flow = |id: SpiffeId| {
            let known = self.behind_away(&id, now);
            let (behind, behind_millis) = known.unwrap_or_default();
            Flow {
                peer: id.to_string(),
                outgoing: true,
                behind,
                behind_millis,
                known: known.is_some(),
                ..Flow::default()
            }
        };
        missing.map(flow).collect()
    }

    /// What the sink of a source lacks: changes, for how many milliseconds, and whether that is known.
    pub(super) fn behind_of(&self, peer: &SpiffeId, source: &Source, now: u64) -> (u64, u64, bool) {
        if source.is_followed() {
            let (behind, oldest) = source.behind();
            return (behind, age(now, oldest.map(|time| HybridTime::from_bits(time).wall().millis())), true);
        }
        let known = self.behind_away(peer, now);
        let (behind, millis) = known.unwrap_or_default();
        (behind, millis, known.is_some())
    }
}
