//! How often somebody may try: failures are counted by source and by name, and each attempt in flight counts as a failure
//! until it has succeeded, so that guesses made at the same time cannot pass the bound together.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use thiserror::Error;

use super::recent::Recent;

/// The longest part of a name that is told apart from others, in bytes.
const NAME: usize = 256;
/// An attempt that has not ended within this has been given up by whoever made it.
const GIVEN_UP: Duration = Duration::from_secs(60);

/// The bounds of a [`Throttle`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Failures that one source may make at once.
    pub burst: u32,
    /// After this pause a source may fail once more.
    pub refill: Duration,
    /// Failures in a row after which a name is locked.
    pub lock_after: u32,
    /// How long the first lock lasts; each further failure doubles it.
    pub lock_for: Duration,
    /// How long a lock lasts at most.
    pub lock_at_most: Duration,
    /// Failures are forgotten when nobody has tried a name for so long.
    pub forget_after: Duration,
    /// How many sources, names, and sources known for a name are remembered, each.
    pub memory: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            burst: 20,
            refill: Duration::from_secs(1),
            lock_after: 10,
            lock_for: Duration::from_secs(60),
            lock_at_most: Duration::from_secs(15 * 60),
            forget_after: Duration::from_secs(24 * 3600),
            memory: 10_000,
        }
    }
}

/// Refused for now: try again after this time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("too many failed attempts: wait {} s and try again", self.seconds())]
pub struct Wait(pub Duration);

impl Wait {
    /// Whole seconds, at least one, as `Retry-After` has them.
    #[must_use]
    pub fn seconds(self) -> u32 {
        u32::try_from(self.0.as_millis().div_ceil(1000)).unwrap_or(u32::MAX).max(1)
    }
}

/// Counts attempts. Time is what `Clock::elapsed` gives.
#[derive(Debug, Clone)]
pub struct Throttle {
    limits: Limits,
    sources: Recent<Source, Bucket>,
    names: Recent<String, Tries>,
    /// Sources that signed in as somebody lately, with their own failures since: others' do not lock them out.
    known: Recent<(String, Source), Tries>,
}

/// An IPv4 address, or the network of an IPv6 one: whoever has one address there has all of them.
type Source = IpAddr;

/// A bucket of allowed failures, as the time at which it will be full again.
#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    full_at: Duration,
}

/// The attempts on one name.
#[derive(Debug, Clone, Copy, Default)]
struct Tries {
    failures: u32,
    in_flight: u32,
    last: Duration,
    locked_until: Duration,
}

impl Throttle {
    /// One that remembers nothing yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let memory = limits.memory.max(1);
        Self { limits, sources: Recent::new(memory), names: Recent::new(memory), known: Recent::new(memory) }
    }

    /// Whether an attempt may be made. It is charged as a failure until [`Throttle::succeeded`] or
    /// [`Throttle::withdrawn`] gives it back; a refused attempt is charged nothing.
    ///
    /// # Errors
    /// [`Wait`] with the time after which the next attempt may be admitted.
    pub fn admit(&mut self, source: IpAddr, name: Option<&str>, now: Duration) -> Result<(), Wait> {
        self.may_try(source, name, now)?;
        let source = network(source);
        let bucket = self.sources.used(&source);
        bucket.full_at = bucket.full_at.max(now) + self.limits.refill;
        if let Some(name) = name.map(cut) {
            let key = (name, source);
            let limits = &self.limits;
            match self.known.get(&key) {
                Some(_) => self.known.used(&key).begin(limits, now),
                None => self.names.used(&key.0).begin(limits, now),
            }
        }
        Ok(())
    }

    /// Whether [`Throttle::admit`] would admit an attempt now; nothing is charged. What is known to be right without being
    /// tried is asked this, too: otherwise whoever is refused would learn by that whether he has guessed right.
    ///
    /// # Errors
    /// Those of [`Throttle::admit`].
    pub fn may_try(&self, source: IpAddr, name: Option<&str>, now: Duration) -> Result<(), Wait> {
        let source = network(source);
        let full = self.limits.refill * self.limits.burst;
        let bucket = self.sources.get(&source).map_or(now, |bucket| bucket.full_at.max(now)) + self.limits.refill;
        let mut wait = bucket.saturating_sub(now + full);
        if let Some(name) = name.map(cut) {
            let known = self.known.get(&(name.clone(), source));
            let tries = known.or_else(|| self.names.get(&name));
            wait = wait.max(tries.map_or(Duration::ZERO, |tries| tries.wait(&self.limits, now)));
        }
        if wait > Duration::ZERO { Err(Wait(wait)) } else { Ok(()) }
    }

    /// An admitted attempt failed: its charge stays, and the name may be locked now.
    pub fn failed(&mut self, source: IpAddr, name: Option<&str>, now: Duration) {
        let Some(name) = name.map(cut) else { return };
        let key = (name, network(source));
        let Some(known) = self.known.get_mut(&key) else {
            return self.names.used(&key.0).fail(&self.limits, now);
        };
        known.fail(&self.limits, now);
        // Who fails as often as a stranger may is treated as one.
        if known.failures >= self.limits.lock_after {
            let tries = *known;
            self.known.remove(&key);
            let name = self.names.used(&key.0);
            name.failures = name.failures.max(tries.failures);
            name.last = now;
            name.locked_until = name.locked_until.max(tries.locked_until);
        }
    }

    /// An admitted attempt succeeded: it costs nothing, its failures are forgotten, and the source is known for the name.
    ///
    /// Who was known already frees nobody but himself: a user who signs in again and again would give strangers as many
    /// new guesses.
    pub fn succeeded(&mut self, source: IpAddr, name: Option<&str>, now: Duration) {
        self.withdrawn(source, name);
        if let Some(name) = name.map(cut) {
            let key = (name, network(source));
            if self.known.get(&key).is_none() {
                self.names.remove(&key.0);
            }
            *self.known.used(&key) = Tries { last: now, ..Tries::default() };
        }
    }

    /// An admitted attempt was not carried out: it costs nothing.
    pub fn withdrawn(&mut self, source: IpAddr, name: Option<&str>) {
        let source = network(source);
        if let Some(bucket) = self.sources.get_mut(&source) {
            bucket.full_at = bucket.full_at.saturating_sub(self.limits.refill);
        }
        if let Some(key) = name.map(|name| (cut(name), source)) {
            let tries =
                if self.known.get(&key).is_some() { self.known.get_mut(&key) } else { self.names.get_mut(&key.0) };
            if let Some(tries) = tries {
                tries.in_flight = tries.in_flight.saturating_sub(1);
            }
        }
    }
}

impl Tries {
    fn wait(&self, limits: &Limits, now: Duration) -> Duration {
        if now >= self.last + limits.forget_after.max(limits.lock_at_most) {
            return Duration::ZERO;
        }
        if self.locked_until > now {
            return self.locked_until - now;
        }
        // After a lock one attempt at a time; before it, as many as failures are left.
        let left = limits.lock_after.saturating_sub(self.failures).max(1);
        if self.in_flight >= left && now < self.last + GIVEN_UP { Duration::from_secs(1) } else { Duration::ZERO }
    }

    fn begin(&mut self, limits: &Limits, now: Duration) {
        if now >= self.last + limits.forget_after.max(limits.lock_at_most) {
            *self = Self::default();
        }
        if now >= self.last + GIVEN_UP {
            self.failures = self.failures.saturating_add(std::mem::take(&mut self.in_flight));
        }
        self.in_flight += 1;
        self.last = now;
    }

    fn fail(&mut self, limits: &Limits, now: Duration) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.failures = self.failures.saturating_add(1);
        self.last = now;
        if let Some(further) = self.failures.checked_sub(limits.lock_after) {
            let lock = limits.lock_for.saturating_mul(1 << further.min(20)).min(limits.lock_at_most);
            self.locked_until = self.locked_until.max(now + lock);
        }
    }
}

/// What counts as one source: an IPv4 address, or the network of 64 bits of an IPv6 one.
#[must_use]
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

fn cut(name: &str) -> String {
    name[..name.floor_char_boundary(NAME)].to_owned()
}

#[cfg(test)]
#[path = "throttle_tests.rs"]
mod tests;
