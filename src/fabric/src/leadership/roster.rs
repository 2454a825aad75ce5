//! Who has a seat in the consensus of an area. The consensus agrees on this and on nothing else.

use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::area::standing::AreaPeer;
use serde::{Deserialize, Serialize};

/// The most seats of an area.
pub(super) const MOST_SEATS: usize = 16;
/// The longest address, in bytes.
pub(super) const LONGEST_ADDRESS: usize = 300;

/// The number of an agent in the consensus. It is another one in each life of its store: one that has lost its store does
/// not remember how it voted, so it must not vote again under the same number (vector P12).
#[must_use]
pub fn seat_number(agent: &SpiffeId, incarnation: u64) -> u64 {
    xxhash_rust::xxh3::xxh3_64(format!("{agent} {incarnation}").as_bytes()).max(1)
}

/// What a seat is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum SeatKind {
    /// An agent of the area: its leader or a backup.
    Agent,
    /// The agent above, which has a vote and never leads.
    Witness,
    /// It counts until the consensus has let it go.
    Leaving,
}

/// One seat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Seat {
    /// See [`seat_number`].
    pub(super) number: u64,
    pub(super) peer: AreaPeer,
    pub(super) kind: SeatKind,
}

/// All seats, in the order in which their agents take over.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Roster {
    pub(super) seats: Vec<Seat>,
    /// Who is above.
    pub(super) upper: Option<AreaPeer>,
    /// Agents that shall not be backups where others can.
    #[serde(default)]
    pub(super) retired: Vec<SpiffeId>,
    /// The term in which the area was founded that these seats are of: of two foundations the later one counts.
    #[serde(default)]
    pub(super) founded: u64,
}

impl Roster {
    pub(super) fn seat(&self, number: u64) -> Option<&Seat> {
        self.seats.iter().find(|seat| seat.number == number)
    }

    /// The agents of the area, without the one of number `leader`.
    pub(super) fn backups(&self, leader: u64) -> Vec<AreaPeer> {
        self.agents().filter(|seat| seat.number != leader).map(|seat| seat.peer.clone()).collect()
    }

    pub(super) fn agents(&self) -> impl Iterator<Item = &Seat> {
        self.seats.iter().filter(|seat| seat.kind == SeatKind::Agent)
    }

    /// The place of an agent in the line, from 0.
    pub(super) fn rank(&self, number: u64) -> Option<usize> {
        self.agents().position(|seat| seat.number == number)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        // It has no maps and no borrowed parts: writing it to memory cannot fail.
        rmp_serde::to_vec(self).unwrap_or_default()
    }

    /// None where it is no roster, or one that nobody would make.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let roster: Self = rmp_serde::from_slice(bytes).ok()?;
        let short = |peer: &AreaPeer| peer.address.len() <= LONGEST_ADDRESS;
        let good = roster.seats.len() <= MOST_SEATS
            && roster.retired.len() <= MOST_SEATS
            && roster.seats.iter().all(|seat| seat.number != 0 && short(&seat.peer))
            && roster.upper.as_ref().is_none_or(short);
        good.then_some(roster)
    }
}
