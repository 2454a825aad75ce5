//! Leases: those that have ended are removed.

use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use mf2c_domain::time::Timestamp;

use super::documents::{LEASE, Lease, read};
use super::{KeeperParts, Left, forget};

/// So many are removed at a time.
const TOGETHER: usize = 64;

/// Removes what has ended of this agent's; how long it is until the next one ends.
pub(super) async fn tend(parts: &KeeperParts) -> (Left, Option<Duration>) {
    let now = parts.world.clock.now();
    let (mut ended, mut next) = (vec![], None::<Timestamp>);
    for document in parts.store.all(LEASE) {
        if document.origin().is_some() {
            continue;
        }
        let Some(end) = read::<Lease>(&parts.store, &document).and_then(|lease| lease.end()) else { continue };
        if end <= now {
            ended.push(document);
        } else {
            next = Some(next.map_or(end, |known| known.min(end)));
        }
    }
    let removed = ended.into_iter().map(|document| async move { forget(parts, &document).await });
    let left =
        stream::iter(removed).buffer_unordered(TOGETHER).fold(Left::Nothing, |all, one| async move { all.max(one) });
    let wait = next.and_then(|next| u64::try_from(next.nanos() - now.nanos()).ok()).map(Duration::from_nanos);
    (left.await, wait)
}
