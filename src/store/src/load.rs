//! Reads and checks everything at start: every record's checksum, a log without holes, and that both agree.

use std::collections::{HashMap, VecDeque};
use std::ops::ControlFlow;
use std::sync::Arc;

use mf2c_domain::acl::Acl;
use mf2c_domain::id::ResourceId;
use mf2c_domain::time::HybridTime;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::catalog::{Catalog, Published, Row};
use crate::document::{Body, Document};
use crate::engine::{Engine, EngineError, RESTORE_ADVICE, Space};
use crate::identity::Identity;
use crate::record::{ChangeKind, ChangeRecord, DocumentRecord, NodeId};
use crate::store::StoreOptions;

/// What the writer goes on from.
pub(crate) struct Loaded {
    pub(crate) node: NodeId,
    pub(crate) incarnation: u64,
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
    identity: &Identity,
) -> Result<Loaded, EngineError> {
    let log = read_log(engine, options, identity)?;
    if let Some(acknowledged) = engine.acknowledged().filter(|acknowledged| *acknowledged > log.position) {
        let what =
            format!("the change log ends with change {}, but change {acknowledged} was acknowledged", log.position);
        return Err(damaged(options, "changes", what));
    }
    let mut documents = Documents { options, resident: 0, acls: HashMap::new(), found: Vec::new(), unknown: 0 };
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
    let Documents { mut found, resident, .. } = documents;
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
    Ok(Loaded {
        node: identity.node,
        incarnation: identity.incarnation,
        base: identity.base,
        position: log.position,
        time: log.time,
        log: log.sizes,
        resident,
    })
}

struct Log {
    position: u64,
    time: HybridTime,
    sizes: VecDeque<u32>,
    /// The newest change of each id in the log, and whether it left a document.
    newest: HashMap<Box<str>, (u64, bool)>,
}

fn damaged(options: &StoreOptions, space: &str, what: String) -> EngineError {
    EngineError::Damaged { file: options.name.join(space), offset: 0, what, advice: RESTORE_ADVICE }
}

fn read_log(engine: &dyn Engine, options: &StoreOptions, identity: &Identity) -> Result<Log, EngineError> {
    let mut log = Log { position: identity.base, time: identity.time, sizes: VecDeque::new(), newest: HashMap::new() };
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

impl Log {
    fn take(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        let position = key.try_into().map(u64::from_be_bytes).map_err(|_| "a change has no position".to_owned())?;
        let record = ChangeRecord::decode(key, value).map_err(|error| format!("change {position}: {error}"))?;
        if !self.sizes.is_empty() && position != self.position + 1 {
            return Err(format!("changes {} to {} are missing", self.position + 1, position - 1));
        }
        self.position = position;
        self.time = self.time.max(record.time);
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
    resident: u64,
    acls: HashMap<Box<str>, Arc<Acl>>,
    found: Vec<Arc<Document>>,
    unknown: usize,
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
        self.found.push(Arc::new(Document { id, born, revision, acl, body, row: Row::default() }));
        Ok(())
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
