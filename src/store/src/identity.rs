//! Who this store is: the node's identity, which life of the store this is, and where its log begins.

use mf2c_domain::entropy::Entropy;
use mf2c_domain::time::HybridTime;
use serde::{Deserialize, Serialize};

use crate::engine::{Batch, Engine, EngineError, RESTORE_ADVICE, Space};
use crate::record::NodeId;

const KEY: &[u8] = b"identity";

/// Kept in the store from its first start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The node, for ever.
    pub node: NodeId,
    /// Random; another after the store was restored from a backup, because then its history has forked.
    pub incarnation: u64,
    /// The position before the first change of the log, while the log is empty.
    pub base: u64,
    /// The hybrid time that goes with it.
    pub time: HybridTime,
}

impl Identity {
    /// A new identity.
    #[must_use]
    pub fn random(entropy: &dyn Entropy) -> Self {
        let mut node = [0; 16];
        entropy.fill(&mut node);
        Self { node, incarnation: random_incarnation(entropy), base: 0, time: HybridTime::default() }
    }

    /// The node as a name in resource ids: a UUID's 32 digits in their usual groups.
    #[must_use]
    pub fn name(&self) -> String {
        let digits: String = self.node.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{}-{}-{}-{}-{}", &digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..])
    }

    /// Reads the identity from the engine, or makes one and stores it.
    pub(crate) fn load_or_make(engine: &dyn Engine, entropy: &dyn Entropy) -> Result<Self, EngineError> {
        if let Some(bytes) = engine.get(Space::Meta, KEY)? {
            return serde_json::from_slice(&bytes).map_err(|error| EngineError::Damaged {
                file: "meta".into(),
                offset: 0,
                what: format!("the identity of the store cannot be read: {error}"),
                advice: RESTORE_ADVICE,
            });
        }
        let identity = Self::random(entropy);
        let mut batch = Batch::default();
        identity.put(&mut batch);
        engine.commit(batch)?;
        Ok(identity)
    }

    /// Adds the identity to a batch.
    pub(crate) fn put(&self, batch: &mut Batch) {
        batch.put(Space::Meta, KEY, serde_json::to_vec(self).unwrap_or_default());
    }
}

/// Below 2^53, so that every JSON reader takes it as it is.
pub(crate) fn random_incarnation(entropy: &dyn Entropy) -> u64 {
    let mut bytes = [0; 8];
    entropy.fill(&mut bytes);
    u64::from_le_bytes(bytes) >> 12 | 1
}
