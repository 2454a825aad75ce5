//! What a source reads: the log of changes and the documents that the store holds.

use mf2c_domain::id::ResourceId;

use super::super::pack::Entry;
use super::super::{Origin, Point};

/// What a store cannot read now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the store cannot be read: {0}")]
pub struct Fault(pub String);

/// Where somebody who lacks something must begin to read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Beginning {
    /// He has all that he wants up to this position of the log.
    pub position: u64,
    /// Origins of which the log does not hold all that he lacks.
    pub snapshots: Vec<Origin>,
    /// Origins of which he has more than is here.
    pub ahead: Vec<Origin>,
}

/// A page of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Page {
    /// The entries behind a position.
    Entries(Vec<Entry>),
    /// The log begins only later.
    Trimmed,
}

/// A document of an origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Its id.
    pub id: ResourceId,
    /// The origin's change that made it so.
    pub sequence: u64,
    /// When: a hybrid time.
    pub time: u64,
    /// The document.
    pub body: Vec<u8>,
}

/// What a source reads.
pub trait History {
    /// How far it has come with an origin.
    fn progress_of(&self, origin: &Origin) -> Option<Point>;
    /// Where somebody who has this must begin.
    ///
    /// # Errors
    /// [`Fault`]
    fn start_for(&self, have: &[(Origin, Point)]) -> Result<Beginning, Fault>;
    /// The log behind a position: at most so many entries, and bytes of documents but for a first one that is larger.
    ///
    /// # Errors
    /// [`Fault`]
    fn page(&self, after: u64, limit: usize, bytes: usize) -> Result<Page, Fault>;
    /// Documents of an origin in the order of their ids, about so many bytes, and whether they are the last.
    ///
    /// # Errors
    /// [`Fault`]
    fn held(&self, origin: &Origin, after: Option<&str>, bytes: usize) -> Result<(Vec<Held>, bool), Fault>;
    /// The documents of an origin in one bucket.
    ///
    /// # Errors
    /// [`Fault`]
    fn held_in(&self, origin: &Origin, bucket: u8) -> Result<Vec<Held>, Fault>;
    /// What a document comes to.
    fn sum(&self, id: &ResourceId, body: &[u8]) -> u64;
}
