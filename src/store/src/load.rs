//! Reads and checks everything at start: every record's checksum, a log without holes, and that both agree.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::ControlFlow;
use std::sync::Arc;

use mf2c_domain::acl::Acl;
use mf2c_domain::id::ResourceId;
use mf2c_domain::time::{HybridTime, Timestamp};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::catalog::{Catalog, Published, Row};
use crate::document::{Body, Document, Life, Source};
use crate::engine::{Engine, EngineError, RESTORE_ADVICE, Space};
use crate::identity::Identity;
use crate::origins::{self, Origins, Reached};
use crate::record::{ChangeKind, ChangeRecord, DocumentRecord, NodeId};
use crate::store::StoreOptions;

/// How far ahead another agent's clock may be to be believed (`cluster.md` (g.4)).
const MAX_AHEAD: std::time::Duration = std::time::Duration::from_secs(60);

/// What the writer goes on from.
pub(crate) struct Loaded {
    /// The position while the log is empty; it is empty only before the first change.
    pub(crate) base: u64,
    pub(crate) position: u64,
    pub(crate) time: HybridTime,
    pub(crate) log: VecDeque<u32>,
    pub(crate) resident: u64,
}

/// Fills the catalog from the engine.
pub(crate) fn load(
    engine: &dyn Engine,
    catalog: &Catalog,
    options: &StoreOptions,
    origins: &Origins,
    now: Timestamp,
) -> Result<Loaded, EngineError> {
    let identity = &*origins.identity();
    let log = read_log(engine, options, identity, now)?;
    if let Some(acknowledged) = engine.acknowledged().filter(|acknowledged| *acknowledged > log.position) {
        let what =
            format!("the change log ends with change {}, but change {acknowledged} was acknowledged", log.position);
        return Err(damaged(options, "changes", what));
    }
    let (acls, lives) = (HashMap::new(), BTreeMap::new());
    let (found, time, sequence) = (Vec::new(), log.time, log.sequence);
    let node = identity.node;
    let mut documents = Documents { options, node, resident: 0, acls, lives, found, unknown: 0, time, sequence };
    let mut fault = None;
    engine.scan(Space::Documents, &[], &mut |key, value| match documents.take(key, value, &log) {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => {
            fault = Some(error);
            ControlFlow::Break(())
        }
    })?;
    if let Some(fault) = fault {
        return Err(fault);
    }
    if documents.unknown > 0 {
        tracing::warn!(documents = documents.unknown, "kept documents of types that this version does not know");
    }
    documents.check_complete(&log)?;
    let Documents { mut found, resident, time, sequence, .. } = documents;
    publish_origins(engine, origins, sequence, log.made, &found)?;
    found.sort_unstable_by_key(|document| document.born);
    catalog.publish(
        found
            .iter()
            .map(|document| {
                // No column exists yet, so the body is not asked for.
                Published { old: None, new: Some((Arc::clone(document), &[])) }
            })
            .collect(),
    );
    Ok(Loaded { base: identity.base, position: log.position, time, log: log.sizes, resident })
}

/// What is known of all origins, and which documents are whose.
fn publish_origins(
    engine: &dyn Engine,
    origins: &Origins,
    sequence: u64,
    made: (u64, HybridTime),
    found: &[Arc<Document>],
) -> Result<(), EngineError> {
    let identity = origins.identity();
    let mut known = origins::read(engine)?;
    let own = known.entry(identity.node).or_default();
    let before = own.reached.unwrap_or_default();
    let sequence = sequence.max(before.sequence).max(identity.sequence);
    let made_at = |(of, time): (u64, HybridTime)| (of == sequence && of > identity.sequence).then_some(time);
    own.reached = Some(Reached {
        incarnation: identity.incarnation,
        sequence,
        time: made_at(made).or_else(|| made_at((before.sequence, before.time))).unwrap_or_default(),
        floor: identity.sequence,
    });
    let travels = |document: &&Arc<Document>| crate::document::travels(&document.id);
    let whose = |document: &Arc<Document>| document.origin().unwrap_or(identity.node);
    let come = found.iter().filter(travels).map(|document| (whose(document), &document.id));
    let moved = known.into_iter().map(|(origin, known)| (origin, Some(known))).collect();
    origins.publish(moved, come, std::iter::empty());
    Ok(())
}

struct Log {
    node: NodeId,
    now: Timestamp,
    position: u64,
    /// The newest of the own changes that travel.
    sequence: u64,
    /// The newest of them that is in the log, and when it was made.
    made: (u64, HybridTime),
    time: HybridTime,
    sizes: VecDeque<u32>,
    /// The newest change of each id in the log, and whether it left a document.
    newest: HashMap<Box<str>, (u64, bool)>,
}

fn damaged(options: &StoreOptions, space: &str, what: String) -> EngineError {
    EngineError::Damaged { file: options.name.join(space), offset: 0, what, advice: RESTORE_ADVICE }
}

fn read_log(
    engine: &dyn Engine,
    options: &StoreOptions,
    identity: &Identity,
    now: Timestamp,
) -> Result<Log, EngineError> {
    let (position, time, sequence) = (identity.base, identity.time, identity.sequence);
    let (sizes, newest) = (VecDeque::new(), HashMap::new());
    let made = (0, HybridTime::default());
    let mut log = Log { node: identity.node, now, position, sequence, made, time, sizes, newest };
    let mut fault = None;
    engine.scan(Space::Changes, &[], &mut |key, value| match log.take(key, value) {
        Ok(()) => ControlFlow::Continue(()),
        Err(what) => {
            fault = Some(damaged(options, "changes", what));
            ControlFlow::Break(())
        }
    })?;
    fault.map_or(Ok(log), Err)
}

/// The hybrid clock after another agent's time was seen: one that is too far ahead is not taken over (vector R13).
pub(crate) fn absorbed(own: HybridTime, other: HybridTime, now: Timestamp) -> HybridTime {
    if other.wall().nanos() > now.nanos() + MAX_AHEAD.as_nanos().cast_signed() { own } else { own.max(other) }
}

impl Log {
    fn take(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        let position = key.try_into().map(u64::from_be_bytes).map_err(|_| "a change has no position".to_owned())?;
        let record = ChangeRecord::decode(key, value).map_err(|error| format!("change {position}: {error}"))?;
        if !self.sizes.is_empty() && position != self.position + 1 {
            return Err(format!("changes {} to {} are missing", self.position + 1, position - 1));
        }
        self.position = position;
        if record.origin == self.node {
            self.time = self.time.max(record.time);
            self.sequence = self.sequence.max(record.sequence);
            if record.sequence > self.made.0 {
                self.made = (record.sequence, record.time);
            }
        } else {
            self.time = absorbed(self.time, record.time, self.now);
        }
        self.sizes.push_back(u32::try_from(value.len()).unwrap_or(u32::MAX));
        let newest = (position, record.kind != ChangeKind::Deleted);
        match self.newest.get_mut(record.id) {
            Some(known) => *known = newest,
            None => drop(self.newest.insert(record.id.into(), newest)),
        }
        Ok(())
    }
}

struct Documents<'a> {
    options: &'a StoreOptions,
    node: NodeId,
    resident: u64,
    acls: HashMap<Box<str>, Arc<Acl>>,
    lives: BTreeMap<(NodeId, u64), Arc<Life>>,
    found: Vec<Arc<Document>>,
    unknown: usize,
    time: HybridTime,
    sequence: u64,
}

#[derive(Deserialize)]
struct Guarded<'a> {
    #[serde(borrow)]
    acl: &'a RawValue,
}

impl Documents<'_> {
    fn take(&mut self, key: &[u8], value: &[u8], log: &Log) -> Result<(), EngineError> {
        let shown = String::from_utf8_lossy(key).into_owned();
        let fault = |what: String| damaged(self.options, "documents", format!("document {shown}: {what}"));
        let record = DocumentRecord::decode(key, value).map_err(|error| fault(error.to_string()))?;
        let id = ResourceId::parse(&shown).map_err(|error| fault(error.to_string()))?;
        let guarded: Guarded<'_> =
            serde_json::from_slice(record.body).map_err(|error| fault(format!("its JSON cannot be read: {error}")))?;
        if record.revision > log.position {
            return Err(fault(format!("it is of change {}, behind the end of the log", record.revision)));
        }
        match log.newest.get(&*shown) {
            Some((position, kept)) if !kept || *position != record.revision => {
                return Err(fault(format!("it is of change {}, but change {position} is newer", record.revision)));
            }
            None if record.revision + log.sizes.len() as u64 > log.position => {
                return Err(fault(format!("it is of change {}, which is one of another document", record.revision)));
            }
            _ => {}
        }
        let Some(spec) = mf2c_domain::resource::find(id.kind()) else {
            self.unknown += 1;
            return Ok(());
        };
        let acl = match self.acls.get(guarded.acl.get()) {
            Some(acl) => Arc::clone(acl),
            None => {
                let acl: Acl = serde_json::from_str(guarded.acl.get())
                    .map_err(|error| fault(format!("its access control list cannot be read: {error}")))?;
                let acl = Arc::new(acl);
                self.acls.insert(guarded.acl.get().into(), Arc::clone(&acl));
                acl
            }
        };
        let here = !spec.on_disk && self.resident + record.body.len() as u64 <= self.options.memory_budget;
        self.resident += if here { record.body.len() as u64 } else { 0 };
        let body = if here { Body::Here(record.body.into()) } else { Body::OnDisk };
        let (born, revision) = (record.born, record.revision);
        let source = self.source(&record);
        self.found.push(Arc::new(Document { id, born, revision, acl, source, body, row: Row::default() }));
        Ok(())
    }

    fn source(&mut self, record: &DocumentRecord<'_>) -> Source {
        let own = record.origin == self.node;
        if own {
            self.time = self.time.max(record.time);
            self.sequence = self.sequence.max(record.sequence);
        }
        let life = Life { origin: record.origin, incarnation: record.incarnation };
        let shared = || Arc::clone(self.lives.entry((life.origin, life.incarnation)).or_insert_with(|| Arc::new(life)));
        let theirs = (!record.theirs.is_empty()).then(|| record.theirs.into());
        Source { life: (!own).then(shared), sequence: record.sequence, time: record.time, theirs }
    }

    /// What the log says was left must be there.
    fn check_complete(&self, log: &Log) -> Result<(), EngineError> {
        let mut expected: HashMap<&str, u64> = log
            .newest
            .iter()
            .filter(|(id, (_, kept))| {
                *kept && ResourceId::parse(id).is_ok_and(|id| mf2c_domain::resource::find(id.kind()).is_some())
            })
            .map(|(id, (position, _))| (&**id, *position))
            .collect();
        for document in &self.found {
            expected.remove(document.id.as_str());
        }
        match expected.into_iter().min() {
            None => Ok(()),
            Some((id, position)) => {
                Err(damaged(self.options, "documents", format!("document {id} of change {position} is missing")))
            }
        }
    }
}
