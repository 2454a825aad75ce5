//! What every link of an agent shares, whatever its connection is made of.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use mf2c_actors::ports::{LinkReply, LinkService, World};
use mf2c_domain::time::Timestamp;
use mf2c_fabric::wire::{Ask, Code, WireError};
use mf2c_pki::area::PeerIdentity;
use tokio::time::Instant;

use super::LinkLimits;
use super::counters::Counting;

/// Time, bounds, counters, and who answers.
pub(super) struct Base {
    pub(super) world: World,
    pub(super) limits: LinkLimits,
    pub(super) counting: Counting,
    pub(super) service: OnceLock<Arc<dyn LinkService>>,
    /// When the links began, for stamps that fit into a number.
    began: Instant,
}

impl Base {
    pub(super) fn new(world: World, limits: LinkLimits) -> Self {
        Self { world, limits, counting: Counting::default(), service: OnceLock::new(), began: ahead(Duration::ZERO) }
    }

    /// Answers a question of a peer within `within`.
    pub(super) fn answer(
        &self,
        ask: Ask,
        peer: Option<Arc<PeerIdentity>>,
        source: IpAddr,
        within: Duration,
    ) -> LinkReply {
        let Some(service) = self.service.get() else {
            let busy = WireError::new(Code::Busy, "this agent is starting: come back in a second");
            let busy = WireError { retry_after: Some(1000), ..busy };
            return Box::pin(async { Err(busy) });
        };
        let reply = service.answer(ask, peer, source);
        let within = within.min(self.limits.answer);
        Box::pin(async move {
            let late = |_| WireError::new(Code::Busy, "the answer took too long: come back later");
            tokio::time::timeout(within, reply).await.map_err(late)?
        })
    }

    /// An instant of the timers as milliseconds since the links began.
    pub(super) fn stamp(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.began).as_millis()).unwrap_or(u64::MAX)
    }

    /// How long until an instant of the wall clock; zero if it has passed.
    pub(super) fn until(&self, end: Timestamp) -> Duration {
        let left = end.nanos() - self.world.clock.now().nanos();
        u64::try_from(left).map_or(if left < 0 { Duration::ZERO } else { Duration::MAX }, Duration::from_nanos)
    }
}

/// The instant of the runtime's own clock so far ahead. Timers run by it, so that a test can run them faster than time.
pub(super) fn ahead(by: Duration) -> Instant {
    tokio::time::sleep(by).deadline()
}
