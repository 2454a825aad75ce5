//! How changes get from an agent to those above it and beside it: two state machines without any I/O, the source of a stream
//! and its sink. Time comes in with each event; what shall be done comes back as effects (`cluster.md` (g.4)).
//!
//! A source **offers** what it has of which origins; the sink answers what it lacks and **follows** under a new stream number;
//! the source sends **batches** of changes, or **parts** of a snapshot where its log no longer holds what is lacking; the sink
//! **acknowledges** what is on its disk, and that is the source's credit for more. Everything in a stream is numbered: what
//! comes twice is passed over, and where something is missing the sink follows anew. When all is acknowledged, both compare
//! **digests** now and then, and repair what differs.

pub mod beside;
pub mod bounds;
pub mod cost;
pub mod dictionary;
pub mod pack;
pub mod sink;
pub mod source;
pub mod tuple;
pub mod words;

#[cfg(test)]
mod tests;

pub use bounds::Bounds;
pub use words::StreamMessage;

/// The node of a store: whose changes they are.
pub type Origin = [u8; 16];

/// How far somebody has come with one life of an origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Point {
    /// Which life of it; 0 where nothing of it is known.
    pub incarnation: u64,
    /// The newest change.
    pub sequence: u64,
}

/// What anti-entropy compares: an origin's documents at one point, in 256 buckets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest {
    /// At which point.
    pub at: Point,
    /// 256 sums.
    pub buckets: Vec<u64>,
}

impl Digest {
    /// One number for all of it.
    #[must_use]
    pub fn root(&self) -> u64 {
        let bytes: Vec<u8> = self.buckets.iter().flat_map(|sum| sum.to_le_bytes()).collect();
        xxhash_rust::xxh3::xxh3_64(&bytes)
    }
}
