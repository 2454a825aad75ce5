//! What leadership must not forget, on disk: one state for each area, under its own key. Of several states the newest is
//! enough, and one at a time is written.

use std::collections::BTreeMap;
use std::sync::Arc;

use mf2c_fabric::leadership::Memory;
use mf2c_store::Store;

/// The key of an area's state in the store.
#[must_use]
pub fn state_key(area: &str) -> String {
    format!("raft/{area}")
}

/// Finds states again in the agent's store.
pub struct StoreMemory(pub Arc<Store>);

impl Memory for StoreMemory {
    fn recall(&self, area: &str) -> Result<Option<Vec<u8>>, String> {
        self.0.state(&state_key(area)).map_err(|error| error.to_string())
    }
}

/// States on their way to the disk.
#[derive(Default)]
pub(super) struct Keeper {
    areas: BTreeMap<String, Waiting>,
}

#[derive(Default)]
struct Waiting {
    writing: bool,
    next: Option<(u64, Vec<u8>)>,
}

impl Keeper {
    /// Another state is to be kept. It can be written at once where it is given back.
    pub(super) fn add(&mut self, area: &str, number: u64, state: Vec<u8>) -> Option<(u64, Vec<u8>)> {
        let waiting = self.areas.entry(area.to_owned()).or_default();
        waiting.next = Some((number, state));
        Self::take(waiting)
    }

    /// A state was written, or could not be and comes back. What is to be written next is given back.
    pub(super) fn done(&mut self, area: &str, failed: Option<(u64, Vec<u8>)>) -> Option<(u64, Vec<u8>)> {
        let waiting = self.areas.get_mut(area)?;
        waiting.writing = false;
        if failed.is_some() && waiting.next.is_none() {
            waiting.next = failed;
        }
        let next = Self::take(waiting);
        if next.is_none() {
            self.areas.remove(area);
        }
        next
    }

    fn take(waiting: &mut Waiting) -> Option<(u64, Vec<u8>)> {
        if waiting.writing {
            return None;
        }
        let next = waiting.next.take();
        waiting.writing = next.is_some();
        next
    }
}
