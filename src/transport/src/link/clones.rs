//! Who runs twice: each start of an agent names itself by a random number, and two that alternate are two processes with one
//! identity. A mere restart is none: the old number never comes back, and nothing is heard of the old process any more.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mf2c_domain::area::spiffe::SpiffeId;
use parking_lot::Mutex;
use tokio::time::Instant;
use tracing::warn;

use super::base::ahead;
use super::net::Net;
use super::registry::Link;

/// What an old process has left behind, such as a Hello on its way, has arrived after so long.
pub(super) const SETTLED: Duration = Duration::from_secs(10);
/// Pause between two words about one agent.
const EVERY: Duration = Duration::from_secs(60);
/// Starts that are remembered of one agent.
const STARTS: usize = 4;
/// Agents that are remembered.
const AGENTS: usize = 4096;

/// One start of an agent.
#[derive(Debug, Clone)]
struct Start {
    boot: u64,
    first: Instant,
    link: u64,
    address: SocketAddr,
}

#[derive(Debug)]
struct Seen {
    /// The one that was seen last is the last.
    starts: Vec<Start>,
    told: Option<Instant>,
    last: Instant,
}

/// The starts of the agents that have opened links.
#[derive(Debug, Default)]
pub(super) struct Clones(Mutex<BTreeMap<SpiffeId, Seen>>);

/// What a link that was opened says.
#[derive(Debug, PartialEq, Eq)]
enum Finding {
    /// Nothing unusual.
    Usual,
    /// Another process than before: the number of the link of the older one.
    Other(u64),
    /// A clone, at these addresses.
    Clone([SocketAddr; 2]),
}

impl Clones {
    fn note(&self, id: &SpiffeId, boot: u64, link: u64, address: SocketAddr, now: Instant) -> Finding {
        let mut agents = self.0.lock();
        if agents.len() >= AGENTS && !agents.contains_key(id) {
            let oldest = agents.iter().min_by_key(|(_, seen)| seen.last).map(|(id, _)| id.clone());
            oldest.map(|id| agents.remove(&id));
        }
        let seen = agents.entry(id.clone()).or_insert_with(|| Seen { starts: vec![], told: None, last: now });
        seen.last = now;
        let before = seen.starts.last().cloned();
        let known = seen.starts.iter().position(|start| start.boot == boot).map(|at| seen.starts.remove(at));
        let returned = known.is_some() && before.as_ref().is_some_and(|other| other.boot != boot);
        let first = known.map_or(now, |known| known.first);
        if seen.starts.len() >= STARTS {
            seen.starts.remove(0);
        }
        seen.starts.push(Start { boot, first, link, address });
        match before {
            Some(other) if returned && now >= other.first + SETTLED => Finding::Clone([other.address, address]),
            Some(other) if other.boot != boot => Finding::Other(other.link),
            _ => Finding::Usual,
        }
    }

    /// Whether it is time for a word about this agent.
    fn may_tell(&self, id: &SpiffeId, now: Instant) -> bool {
        let mut agents = self.0.lock();
        let Some(seen) = agents.get_mut(id) else { return false };
        let quiet = seen.told.is_none_or(|told| now >= told + EVERY);
        if quiet {
            seen.told = Some(now);
        }
        quiet
    }
}

/// Looks whether a link that was just opened is the one of a second process.
pub(super) fn look(net: &Arc<Net>, link: &Arc<Link>) {
    let (peer, boot) = (&link.peer, link.peer.hello.boot);
    // Who does not tell cannot be told apart.
    if boot == 0 {
        return;
    }
    let now = ahead(Duration::ZERO);
    match net.clones.note(&peer.identity.id, boot, link.number, peer.address, now) {
        Finding::Usual => {}
        Finding::Clone(addresses) => tell(net, &peer.identity.id, addresses),
        Finding::Other(older) => {
            let Some(older) = net.links.get(older) else { return };
            let (watching, newer) = (Arc::clone(net), Arc::clone(link));
            net.tasks.spawn(async move { watch(&watching, &older, &newer, now).await });
        }
    }
}

/// Waits until the older process must have gone silent, if it was only restarted.
async fn watch(net: &Arc<Net>, older: &Link, newer: &Link, opened: Instant) {
    let limits = &net.base.limits;
    let wait = SETTLED + limits.dead.max(limits.far_dead);
    tokio::select! {
        biased;
        () = older.ended() => {}
        () = newer.ended() => {}
        () = tokio::time::sleep_until(opened + wait) => {}
    }
    // Whoever was heard so long after the other had come is alive, even if its link has ended since.
    let settled = net.base.stamp(opened + SETTLED);
    let alive = |link: &Link| link.heard.load(std::sync::atomic::Ordering::Relaxed) >= settled;
    if alive(older) && alive(newer) {
        tell(net, &newer.peer.identity.id, [older.peer.address, newer.peer.address]);
    }
}

fn tell(net: &Net, id: &SpiffeId, addresses: [SocketAddr; 2]) {
    if !net.clones.may_tell(id, ahead(Duration::ZERO)) {
        return;
    }
    let [first, second] = addresses;
    warn!(peer = %id, %first, %second, "two processes show one identity: an agent was copied; stop one of them, and join it anew");
    if let Some(service) = net.base.service.get() {
        service.cloned(id, addresses);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> SpiffeId {
        "spiffe://d/area/a/agent/c1".parse().unwrap()
    }

    fn at(port: u16) -> SocketAddr {
        ([127, 0, 0, 1], port).into()
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_restarted_again_and_again_is_no_clone() {
        let clones = Clones::default();
        let mut now = ahead(Duration::ZERO);
        assert_eq!(clones.note(&id(), 1, 1, at(1), now), Finding::Usual);
        for start in 2..100 {
            now += Duration::from_secs(20);
            assert_eq!(clones.note(&id(), start, start, at(1), now), Finding::Other(start - 1));
            assert_eq!(clones.note(&id(), start, start, at(2), now), Finding::Usual, "a second link of the same");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_hello_that_was_overtaken_by_the_next_start_makes_no_clone() {
        let clones = Clones::default();
        let now = ahead(Duration::ZERO);
        clones.note(&id(), 1, 1, at(1), now);
        clones.note(&id(), 2, 2, at(1), now);
        assert_eq!(clones.note(&id(), 1, 3, at(1), now + Duration::from_secs(9)), Finding::Other(2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_that_comes_back_after_another_is_a_clone_and_named_once_a_minute() {
        let clones = Clones::default();
        let now = ahead(Duration::ZERO);
        clones.note(&id(), 1, 1, at(1), now);
        clones.note(&id(), 2, 2, at(2), now);
        assert_eq!(clones.note(&id(), 1, 3, at(1), now + SETTLED), Finding::Clone([at(2), at(1)]));
        assert!(clones.may_tell(&id(), now));
        assert!(!clones.may_tell(&id(), now + Duration::from_secs(59)));
        assert!(clones.may_tell(&id(), now + EVERY));
    }

    #[tokio::test(start_paused = true)]
    async fn few_agents_are_remembered() {
        let clones = Clones::default();
        let now = ahead(Duration::ZERO);
        for number in 0..AGENTS + 10 {
            let id = format!("spiffe://d/area/a/agent/c{number}").parse().unwrap();
            clones.note(&id, 1, 1, at(1), now + Duration::from_millis(number as u64));
        }
        assert_eq!(clones.0.lock().len(), AGENTS);
    }
}
