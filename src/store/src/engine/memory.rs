//! The engine of the simulation: everything in memory, and a crash that forgets what was not synced.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};

use parking_lot::Mutex;

use super::{Batch, Engine, EngineError, Scan, Space, Visit, Write};

type Key = (Space, Box<[u8]>);
type Table = BTreeMap<Key, Vec<u8>>;

/// Keeps all spaces in one ordered map.
#[derive(Debug, Default)]
pub struct MemoryEngine {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    table: Table,
    fault: Option<Fault>,
    broken: bool,
}

/// A fault that the engine meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The disk is full; nothing of the batch is kept.
    Full,
    /// The sync failed; the batch may be on disk all the same, as after a real failed sync.
    SyncFailed,
    /// The sync failed in the midst of the batch, of which nothing is found afterwards.
    Torn,
    /// Values cannot be read; commits are not hindered.
    ReadFailed,
}

impl MemoryEngine {
    /// An empty engine.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets the engine meet a fault until [`MemoryEngine::mend`].
    pub fn inject(&self, fault: Fault) {
        self.state.lock().fault = Some(fault);
    }

    /// Ends an injected fault.
    pub fn mend(&self) {
        self.state.lock().fault = None;
    }

    /// What a new process would find after a crash.
    #[must_use]
    pub fn after_crash(&self) -> Self {
        let state = self.state.lock();
        Self { state: Mutex::new(State { table: state.table.clone(), fault: None, broken: false }) }
    }
}

fn apply(table: &mut Table, batch: Batch) {
    for write in batch.writes {
        match write {
            Write::Put(space, key, value) => drop(table.insert((space, key), value)),
            Write::Delete(space, key) => drop(table.remove(&(space, key))),
        }
    }
}

fn scan(table: &Table, space: Space, from: &[u8], visit: Visit<'_>) {
    for ((found, key), value) in table.range((Bound::Included((space, from.into())), Bound::Unbounded)) {
        if *found != space || visit(key, value) == ControlFlow::Break(()) {
            break;
        }
    }
}

impl Scan for MemoryEngine {
    fn scan(&self, space: Space, from: &[u8], visit: Visit<'_>) -> Result<(), EngineError> {
        scan(&self.state.lock().table, space, from, visit);
        Ok(())
    }
}

struct Instant(Table);

impl Scan for Instant {
    fn scan(&self, space: Space, from: &[u8], visit: Visit<'_>) -> Result<(), EngineError> {
        scan(&self.0, space, from, visit);
        Ok(())
    }
}

impl Engine for MemoryEngine {
    fn commit(&self, batch: Batch) -> Result<(), EngineError> {
        let mut state = self.state.lock();
        let path = "memory".into();
        if state.broken {
            return Err(EngineError::Stopped { path, detail: "an earlier commit failed".to_owned() });
        }
        match state.fault {
            None | Some(Fault::ReadFailed) => {
                apply(&mut state.table, batch);
                Ok(())
            }
            Some(Fault::Full) => Err(EngineError::Full { path, detail: "injected".to_owned(), untouched: true }),
            Some(fault @ (Fault::SyncFailed | Fault::Torn)) => {
                if fault == Fault::SyncFailed {
                    apply(&mut state.table, batch);
                }
                state.broken = true;
                Err(EngineError::Io { action: "sync", path, source: std::io::Error::other("injected") })
            }
        }
    }

    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        let state = self.state.lock();
        if state.fault == Some(Fault::ReadFailed) {
            let source = std::io::Error::other("injected");
            return Err(EngineError::Io { action: "read", path: "memory".into(), source });
        }
        Ok(state.table.get(&(space, key.into())).cloned())
    }

    fn snapshot(&self) -> Result<Box<dyn Scan + Send>, EngineError> {
        Ok(Box::new(Instant(self.state.lock().table.clone())))
    }

    fn heal(&self) -> Result<(), EngineError> {
        let mut state = self.state.lock();
        let (path, detail) = ("memory".into(), "the fault lasts".to_owned());
        match state.fault {
            Some(Fault::Full) => Err(EngineError::Full { path, detail, untouched: true }),
            Some(Fault::SyncFailed | Fault::Torn) => Err(EngineError::Stopped { path, detail }),
            None | Some(Fault::ReadFailed) => {
                state.broken = false;
                Ok(())
            }
        }
    }

    fn close(&self) -> Result<(), EngineError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_engine_passes_the_conformance_suite() {
        let mut current = std::sync::Arc::new(MemoryEngine::new());
        super::super::conformance::suite(&mut || {
            current = std::sync::Arc::new(current.after_crash());
            current.clone()
        });
    }
}
