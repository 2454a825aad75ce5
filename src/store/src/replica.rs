//! Changes of other agents: how they come in, and how a follower finds what it lacks.
//!
//! An **origin** is an agent's store ([`NodeId`]); an **incarnation** is one life of it; a **sequence** numbers the changes of
//! one life that travel ([`mf2c_domain::resource::TypeSpec::travels`]), from 1 and without holes. A change that does not travel
//! has the sequence 0. A **position** is a place in this store's own log, which holds the changes of all origins as they came.

use std::collections::BTreeMap;

use mf2c_domain::id::ResourceId;
use mf2c_domain::time::HybridTime;
use serde_json::{Map, Value};

use crate::record::NodeId;

/// How far a store has come with one origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Progress {
    /// Whose changes.
    pub origin: NodeId,
    /// Which life of it.
    pub incarnation: u64,
    /// The newest change of it that is here.
    pub sequence: u64,
}

/// A snapshot of an origin of which a part is here.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partial {
    /// Of which life of the origin.
    pub incarnation: u64,
    /// The origin's newest sequence when the snapshot began.
    pub at: u64,
    /// The last key of the part that is here.
    pub key: String,
}

/// One change of another agent.
#[derive(Debug, Clone, PartialEq)]
pub struct Incoming {
    /// Its number among the origin's changes.
    pub sequence: u64,
    /// When, by the origin's clock. It is not absorbed where it is too far ahead.
    pub time: HybridTime,
    /// The resource.
    pub id: ResourceId,
    /// What was done.
    pub content: Content,
}

impl Incoming {
    /// About how many bytes of documents it makes; what a patch leaves as it is, is not known.
    pub(crate) fn size(&self) -> usize {
        match &self.content {
            Content::Whole(body) => body.len(),
            Content::Patch(_) => USUAL_DOCUMENT,
            Content::Deleted => 0,
        }
    }
}

/// The size of a document that is patched often, in bytes.
const USUAL_DOCUMENT: usize = 1024;

/// What a change of another agent did.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// The whole document, as the origin stores it.
    Whole(Vec<u8>),
    /// Top-level attributes that differ from the revision before it.
    Patch(Patch),
    /// There is none any more.
    Deleted,
}

/// A difference between two revisions of one document. `updated` follows from the change's time and is no part of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Patch {
    /// Attributes to set.
    pub changed: Map<String, Value>,
    /// Attributes to remove.
    pub removed: Vec<String>,
    /// [`fingerprint`] of the document that must come out.
    pub sum: u64,
}

/// Changes of one origin in order, without holes: all that travel with `after < sequence <= upto`, but for those that a later
/// one of the same document made superfluous.
#[derive(Debug, Clone, PartialEq)]
pub struct Inflow {
    /// Whose changes.
    pub origin: NodeId,
    /// Which life of it.
    pub incarnation: u64,
    /// What kind of flow it is.
    pub kind: InflowKind,
    /// The changes.
    pub changes: Vec<Incoming>,
}

/// See [`Inflow::kind`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InflowKind {
    /// What follows on what is here.
    Tail {
        /// The sequence before the first change; it must be the one that is here, or an earlier one.
        after: u64,
        /// The sequence that is here afterwards.
        upto: u64,
    },
    /// Part of all documents of the origin, in the order of their ids. What is here of the origin between the keys and not
    /// among the changes is removed, unless it is newer than `at`.
    Snapshot {
        /// The origin's newest sequence when the snapshot began.
        at: u64,
        /// The last key of the part before; none at the beginning.
        after_key: Option<String>,
        /// The last key that this part covers; none at the end of the snapshot, and then `at` is the sequence that is here.
        upto_key: Option<String>,
    },
    /// Documents that were found to differ. Nothing else is removed; each counts in [`Applied::changed`].
    Repair {
        /// The origin's sequence that the documents are of; it must be the one that is here.
        at: u64,
        /// Ids that the origin does not have.
        gone: Vec<ResourceId>,
    },
}

/// What became of an [`Inflow`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// How far this store has come with the origin.
    pub progress: Progress,
    /// Documents that are different now.
    pub changed: usize,
    /// Changes that were here already.
    pub skipped: usize,
    /// Documents whose patch did not fit: the whole document must be sent. The flow ends before the first of them.
    pub misfits: Vec<ResourceId>,
}

/// Why an [`Inflow`] was not applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InflowError {
    /// Something before it is missing.
    #[error("changes up to {here} are here, and the next ones follow on {after}")]
    Gap {
        /// What is here.
        here: u64,
        /// What they follow on.
        after: u64,
    },
    /// It is of another life of the origin than what is here; only a snapshot replaces a life.
    #[error("what is here is of another life of the origin's store")]
    OtherLife {
        /// The incarnation that is here.
        here: u64,
    },
    /// At one and the same number of the origin's life, a later revision of a document is here than the origin has: it has
    /// gone back in time and gone on differently. Nothing of the repair is taken; only a new life puts it right.
    #[error("a later revision of {id} is here than its origin has, which has gone back in time")]
    Forked {
        /// The document.
        id: String,
    },
    /// The origin is this store itself.
    #[error("these are changes of this agent itself")]
    Own,
    /// A document is no document, is of a type that does not travel, or belongs to another origin.
    #[error("{id} cannot be taken over: {reason}")]
    Refused {
        /// The id.
        id: String,
        /// Why.
        reason: String,
    },
}

/// Where a follower of this store's log must begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// It has all that it wants of what is at this position and before it.
    pub position: u64,
    /// Origins of which the log no longer holds all that the follower lacks, or whose life is another: it takes a snapshot.
    pub snapshots: Vec<NodeId>,
    /// Origins of which the follower has more than is here: this store has gone back in time, or the follower is wrong.
    pub ahead: Vec<NodeId>,
}

/// A document of one origin, for a snapshot or a repair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replica {
    /// Its id.
    pub id: ResourceId,
    /// The number of the change that made it so.
    pub sequence: u64,
    /// When.
    pub time: HybridTime,
    /// The whole document without what is observed here.
    pub body: Vec<u8>,
}

/// What anti-entropy compares: the documents of one origin at one sequence, in 256 buckets by [`bucket`] of the id, each the
/// exclusive or of [`fingerprint`]s mixed with ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest {
    /// At which point.
    pub progress: Progress,
    /// 256 of them.
    pub buckets: Vec<u64>,
}

/// The digests of several origins.
pub type Digests = BTreeMap<NodeId, Digest>;

/// The number of the bucket of an id.
#[must_use]
pub fn bucket(id: &ResourceId) -> u8 {
    (xxhash_rust::xxh3::xxh3_64(id.as_str().as_bytes()) & 0xff) as u8
}

/// What two copies of a document must agree on: a hash of its JSON without the attributes that are observed.
#[must_use]
pub fn fingerprint(id: &ResourceId, body: &[u8]) -> u64 {
    crate::top_level::sum(id, body)
}
