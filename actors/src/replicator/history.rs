//! The store as the state machines of a stream see it.

use std::collections::BTreeMap;
use std::sync::Arc;

use mf2c_domain::id::ResourceId;
use mf2c_domain::time::HybridTime;
use mf2c_fabric::replication::pack::{Entry, Kind};
use mf2c_fabric::replication::sink::{Body, Change, Flow, Here, Partial};
use mf2c_fabric::replication::source::{Beginning, Fault, Held, History, Page};
use mf2c_fabric::replication::{Digest, Origin, Point};
use mf2c_store::record::ChangeKind;
use mf2c_store::replica::{self, Content, Incoming, Inflow, InflowKind, Patch, Progress, Replica};
use mf2c_store::{Changes, Store};

/// What is read of the store.
#[derive(Clone)]
pub(super) struct Shelf(pub(super) Arc<Store>);

pub(super) fn point(progress: Progress) -> Point {
    Point { incarnation: progress.incarnation, sequence: progress.sequence }
}

fn fault(error: &dyn std::fmt::Display) -> Fault {
    Fault(error.to_string())
}

fn held(replica: Replica) -> Held {
    Held { id: replica.id, sequence: replica.sequence, time: replica.time.bits(), body: replica.body }
}

fn entry(change: &mf2c_store::Change) -> Entry {
    Entry {
        position: change.position,
        origin: change.origin,
        incarnation: change.incarnation,
        sequence: change.sequence,
        time: change.time.bits(),
        id: change.id.clone(),
        kind: match change.kind {
            ChangeKind::Created => Kind::Created,
            ChangeKind::Edited => Kind::Edited,
            ChangeKind::Deleted => Kind::Deleted,
        },
        document: Arc::clone(&change.document),
        differs: change.differs.clone(),
    }
}

impl History for Shelf {
    fn progress_of(&self, origin: &Origin) -> Option<Point> {
        self.0.progress_of(origin).map(point)
    }

    fn start_for(&self, have: &[(Origin, Point)]) -> Result<Beginning, Fault> {
        let have: Vec<Progress> = have
            .iter()
            .map(|(origin, at)| Progress { origin: *origin, incarnation: at.incarnation, sequence: at.sequence })
            .collect();
        let start = self.0.start_for(&have).map_err(|error| fault(&error))?;
        Ok(Beginning { position: start.position, snapshots: start.snapshots, ahead: start.ahead })
    }

    fn page(&self, after: u64, limit: usize, bytes: usize) -> Result<Page, Fault> {
        match self.0.changes_within(after, limit, bytes).map_err(|error| fault(&error))? {
            Changes::Next(changes) => Ok(Page::Entries(changes.iter().map(|change| entry(change)).collect())),
            Changes::Trimmed { .. } => Ok(Page::Trimmed),
        }
    }

    fn held(&self, origin: &Origin, after: Option<&str>, bytes: usize) -> Result<(Vec<Held>, bool), Fault> {
        let (replicas, last) = self.0.replicas(origin, after, bytes).map_err(|error| fault(&error))?;
        Ok((replicas.into_iter().map(held).collect(), last))
    }

    fn held_in(&self, origin: &Origin, bucket: u8) -> Result<Vec<Held>, Fault> {
        let replicas = self.0.replicas_in(origin, &[bucket]).map_err(|error| fault(&error))?;
        Ok(replicas.into_iter().map(held).collect())
    }

    fn sum(&self, id: &ResourceId, body: &[u8]) -> u64 {
        replica::fingerprint(id, body)
    }
}

impl Here for Shelf {
    fn progress_of(&self, origin: &Origin) -> Option<Point> {
        self.0.progress_of(origin).map(point)
    }

    fn partial_of(&self, origin: &Origin) -> Option<Partial> {
        let partial = self.0.partial_of(origin)?;
        Some(Partial { at: Point { incarnation: partial.incarnation, sequence: partial.at }, key: partial.key })
    }

    fn ids_in(&self, origin: &Origin, bucket: u8) -> Vec<ResourceId> {
        // Where they cannot be read nothing is removed; the next comparison finds it.
        let replicas = self.0.replicas_in(origin, &[bucket]).unwrap_or_default();
        replicas.into_iter().map(|replica| replica.id).collect()
    }
}

/// What the documents of these origins come to.
pub(super) fn digests(store: &Store, of: &[Origin]) -> Result<BTreeMap<Origin, Digest>, Fault> {
    let digests = store.digests(of).map_err(|error| fault(&error))?;
    let digest = |digest: replica::Digest| Digest { at: point(digest.progress), buckets: digest.buckets };
    Ok(digests.into_iter().map(|(origin, found)| (origin, digest(found))).collect())
}

/// A flow as the store takes it.
pub(super) fn inflow(origin: Origin, incarnation: u64, flow: Flow, changes: Vec<Change>) -> Inflow {
    let kind = match flow {
        Flow::Tail { after, upto } => InflowKind::Tail { after, upto },
        Flow::Snapshot { at, after, upto } => InflowKind::Snapshot { at, after_key: after, upto_key: upto },
        Flow::Repair { at, gone } => InflowKind::Repair { at, gone },
    };
    let incoming = |change: Change| Incoming {
        sequence: change.sequence,
        time: HybridTime::from_bits(change.time),
        id: change.id,
        content: match change.body {
            Body::Whole(body) => Content::Whole(body),
            Body::Patch { changed, removed, sum } => Content::Patch(Patch { changed, removed, sum }),
            Body::Deleted => Content::Deleted,
        },
    };
    Inflow { origin, incarnation, kind, changes: changes.into_iter().map(incoming).collect() }
}
