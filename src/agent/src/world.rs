//! The real clock and the real randomness: the only place that asks the machine for them.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use mf2c_actors::ports::World;
use mf2c_domain::entropy::Entropy;
use mf2c_domain::time::{Clock, Timestamp};

/// The machine's clock.
struct MachineClock {
    started: Instant,
}

impl Clock for MachineClock {
    #[expect(clippy::disallowed_methods, reason = "this is the port's real end")]
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_nanos(i128::try_from(since_epoch.as_nanos()).unwrap_or(i128::MAX))
    }

    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

/// The operating system's random numbers.
struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        if let Err(error) = getrandom::fill(buffer) {
            // Guessable identifiers would be worse than no agent.
            tracing::error!(%error, "the operating system gives no random numbers; ending the process");
            std::process::abort();
        }
    }
}

/// The world as it is.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the port's real end")]
pub fn real() -> World {
    World { clock: Arc::new(MachineClock { started: Instant::now() }), entropy: Arc::new(SystemEntropy) }
}
