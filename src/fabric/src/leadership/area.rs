//! What this agent knows of one area: who leads it, and its part in the consensus if it has one.

use std::time::Duration;

use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::area::standing::AreaPeer;
use serde::{Deserialize, Serialize};

use super::event::Effect;
use super::group::{Group, Outcome, Posted};
use super::log::{KeptLog, Log};
use super::roster::{Roster, Seat, SeatKind};
use super::settings::Settings;

/// The form of what is kept. A later one is not read.
const FORMAT: u8 = 1;
/// Each life of an area's consensus begins its log far behind the one before, so that whoever remembers that one takes the
/// new state.
const LIFE: u32 = 20;

/// The newest leadership that is known.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Known {
    pub(super) term: u64,
    pub(super) leader: Option<AreaPeer>,
    /// Whether it said that a majority consents.
    pub(super) full: bool,
    pub(super) backups: Vec<AreaPeer>,
    pub(super) upper: Option<AreaPeer>,
    /// See [`super::LeadClaim::heirs`].
    #[serde(default)]
    pub(super) heirs: Vec<AreaPeer>,
    /// See [`super::LeadClaim::founded`].
    #[serde(default)]
    pub(super) founded: u64,
}

/// What is kept of an area.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    format: u8,
    /// The number of the own seat: that of another life of the store is not taken up.
    seat: u64,
    known: Known,
    log: Option<KeptLog>,
}

/// See the module.
pub(super) struct Area {
    pub(super) name: String,
    pub(super) seat: u64,
    pub(super) known: Known,
    pub(super) group: Option<Group>,
    numbers: u64,
    /// The numbers under which the group's states were kept, as area's number and group's number.
    pending: Vec<(u64, u64)>,
    settings: Settings,
    witness: bool,
}

impl Area {
    /// An area of which nothing is known but what was kept.
    ///
    /// # Errors
    /// Why what was kept cannot be used.
    pub(super) fn restore(
        name: &str,
        seat: u64,
        witness: bool,
        kept: Option<&[u8]>,
        settings: &Settings,
        now: Duration,
    ) -> Result<Self, String> {
        let mut area = Self {
            name: name.to_owned(),
            seat,
            known: Known::default(),
            group: None,
            numbers: 0,
            pending: vec![],
            settings: settings.clone(),
            witness,
        };
        let Some(kept) = kept else { return Ok(area) };
        let kept: Kept = rmp_serde::from_slice(kept).map_err(|error| error.to_string())?;
        if kept.format != FORMAT {
            return Err(format!("it is of form {}, this program reads form {FORMAT}", kept.format));
        }
        area.known = kept.known;
        if let Some(log) = kept.log {
            if kept.seat == seat {
                let log = Log::restore(&log).ok_or("the log of the consensus contradicts itself")?;
                area.group = Some(area.take_part(log, now)?);
            } else {
                area.known.term = area.known.term.max(log.term());
            }
        }
        Ok(area)
    }

    fn take_part(&self, log: Log, now: Duration) -> Result<Group, String> {
        Group::new(self.seat, log, self.witness, &self.settings, now).map_err(|error| error.to_string())
    }

    /// Begins the consensus with this agent alone, in a term above all that is known.
    pub(super) fn begin(&mut self, own: AreaPeer, upper: Option<AreaPeer>, above: u64, now: Duration) {
        let term = self.known.term.max(above) + 1;
        let seat = Seat { number: self.seat, peer: own, kind: SeatKind::Agent };
        let roster = Roster { seats: vec![seat], upper, retired: vec![], founded: term };
        let log = Log::begin(term << LIFE, term, vec![self.seat], roster);
        self.group = self.take_part(log, now).ok();
    }

    /// The consensus, which begins without knowledge where there is none yet.
    pub(super) fn joined(&mut self, now: Duration) -> Option<&mut Group> {
        if self.group.is_none() {
            self.group = self.take_part(Log::empty(), now).ok();
        }
        self.group.as_mut()
    }

    /// Goes on from what was kept, under later numbers.
    pub(super) fn resume(&mut self, restored: Self) {
        let numbers = self.numbers;
        *self = restored;
        self.numbers = numbers;
    }

    /// Keeps what is known.
    pub(super) fn keep(&mut self) -> Effect {
        self.numbers += 1;
        let kept = Kept {
            format: FORMAT,
            seat: self.seat,
            known: self.known.clone(),
            log: self.group.as_ref().map(Group::to_keep),
        };
        let state = rmp_serde::to_vec_named(&kept).unwrap_or_default();
        Effect::Keep { area: self.name.clone(), number: self.numbers, state }
    }

    /// What came of the last step: messages to send, and a state to keep before others are sent.
    pub(super) fn pump(&mut self, now: Duration, effects: &mut Vec<Effect>) -> Outcome {
        let Some(group) = self.group.as_mut() else { return Outcome::default() };
        let outcome = group.pump(now);
        if let Some(keep) = outcome.keep {
            effects.push(self.keep());
            self.pending.push((self.numbers, keep));
        }
        outcome
    }

    /// A state is on disk: what waited for it can be sent.
    pub(super) fn kept(&mut self, number: u64) -> Vec<Posted> {
        let ready = self.pending.iter().filter(|(ours, _)| *ours <= number).map(|(_, theirs)| *theirs).max();
        self.pending.retain(|(ours, _)| *ours > number);
        match (ready, self.group.as_mut()) {
            (Some(ready), Some(group)) => group.kept(ready),
            _ => vec![],
        }
    }

    /// Whether the area's agents know this one as one that may lead.
    pub(super) fn knows(&self, agent: &SpiffeId) -> bool {
        let is = |peer: &AreaPeer| peer.id == *agent;
        let seated = |group: &Group| group.roster().agents().any(|seat| is(&seat.peer));
        self.known.leader.as_ref().is_some_and(is)
            || self.known.backups.iter().any(is)
            || self.group.as_ref().is_some_and(seated)
    }
}
