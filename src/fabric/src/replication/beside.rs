//! Words beside the streams, about their origins: to which area a store belongs and how it shows that, who is near again, and
//! of which term the leadership of the speaker is.

use super::Origin;
use super::tuple::as_tuple;
use crate::wire::Bytes;

/// What is signed in a [`Claim`], before the rest.
const CLAIM: &[u8] = b"mf2c store belongs to area 1\0";
/// After so many agents a [`Near`] is not handed on any more: it may go in circles.
pub const MOST_HOPS: u8 = 4;

/// How areas belong to origins that are offered after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Homes {
    /// Some of them; the others are not known.
    pub of: Vec<Home>,
}
as_tuple!(Homes { of });

/// Where a store belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// Its node: 16 bytes.
    pub origin: Bytes,
    /// The area by way of which it came to the speaker.
    pub area: String,
    /// What the store itself says.
    pub claim: Option<Claim>,
}
as_tuple!(Home { origin, area, claim });

/// A store says of itself which area it belongs to. Whoever heard it before under the same key knows that it is the same store;
/// of two claims the one with the higher `since` counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The area.
    pub area: String,
    /// Grows with each move of the store: milliseconds since 1970 when it was said first.
    pub since: u64,
    /// The public key of the store: Ed25519, 32 bytes.
    pub key: Bytes,
    /// Its signature of [`Claim::message`].
    pub signature: Bytes,
}
as_tuple!(Claim { area, since, key, signature });

impl Claim {
    /// What the store signs.
    #[must_use]
    pub fn message(origin: &Origin, area: &str, since: u64) -> Vec<u8> {
        [CLAIM, origin, &since.to_be_bytes(), area.as_bytes()].concat()
    }
}

/// What the sink has of the store that the speaker's peer itself is: should that have something else by the same number, it has gone
/// back in time, or was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Which life.
    pub incarnation: u64,
    /// The newest change.
    pub sequence: u64,
    /// Its hybrid time; 0 where that is not known.
    pub time: u64,
}
as_tuple!(Stamp { incarnation, sequence, time });

/// These stores can be reached by way of the speaker now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Near {
    /// Their nodes, 16 bytes each.
    pub of: Vec<Bytes>,
    /// How many agents have handed it on.
    pub hops: u8,
}
as_tuple!(Near { of, hops });

/// Of which term the leadership is under which the speaker offers what belongs to its area.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Term {
    /// The term.
    pub term: u64,
}
as_tuple!(Term { term });
