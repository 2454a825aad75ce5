//! What the actors need of the world, given to them at start.

use std::sync::Arc;

use mf2c_domain::entropy::Entropy;
use mf2c_domain::time::Clock;

/// Time and randomness: the machine's in production, seeded ones in the simulation.
#[derive(Clone)]
pub struct World {
    /// Wall-clock and monotonic time.
    pub clock: Arc<dyn Clock>,
    /// Random bytes.
    pub entropy: Arc<dyn Entropy>,
}
