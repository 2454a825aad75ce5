//! One agent of the tests' world: its council, its disk, and what it was told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::area::standing::{AreaPeer, Standing};
use mf2c_fabric::leadership::{Council, Membership, Memory, RoleError};

use crate::world::What;

pub(crate) type Disk = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

pub(crate) struct Stored(pub(crate) Disk);

impl Memory for Stored {
    fn recall(&self, area: &str) -> Result<Option<Vec<u8>>, String> {
        Ok(self.0.lock().unwrap().get(area).cloned())
    }
}

/// One agent.
pub(crate) struct Node {
    pub(crate) id: SpiffeId,
    pub(crate) council: Option<Council>,
    pub(crate) disk: Disk,
    pub(crate) incarnation: u64,
    pub(crate) membership: Membership,
    pub(crate) keep: Vec<AreaPeer>,
    pub(crate) paused: bool,
    pub(crate) backlog: Vec<What>,
    pub(crate) standing: Standing,
    pub(crate) handed: Vec<SpiffeId>,
    pub(crate) told: Vec<String>,
    pub(crate) answers: BTreeMap<u64, Result<Box<Standing>, RoleError>>,
    pub(crate) wakes: BTreeSet<Duration>,
}

/// A link between two agents.
pub(crate) struct Wire {
    pub(crate) ends: (usize, usize),
    pub(crate) cut_since: Option<Duration>,
    pub(crate) up: bool,
}

impl Wire {
    pub(crate) fn has(&self, node: usize) -> bool {
        self.ends.0 == node || self.ends.1 == node
    }

    pub(crate) fn other(&self, node: usize) -> usize {
        if self.ends.0 == node { self.ends.1 } else { self.ends.0 }
    }
}
