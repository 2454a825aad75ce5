//! `ContainerKeeper`: carries out what clients of Flocker's control API have configured.
//!
//! What is wanted stands in `flocker-container` and `flocker-dataset` documents before the client is answered. The keeper brings the
//! rest to that: it makes a service and launches it on the one device, moves it, removes it, and has volumes made and removed. It
//! keeps nothing but documents: after a crash it finds everything again, and a launch that is repeated is the same launch.
//!
//! It looks after the documents of its own agent only.

mod containers;
mod datasets;
pub mod documents;
mod leases;
pub mod nodes;
mod service;

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use mf2c_domain::caller::Caller;
use mf2c_store::{Changes, Document, IfMatch, Store, StoreError};
use tokio::sync::watch;

use crate::lifecycle_manager::LifecycleManager;
use crate::ports::World;
use crate::resource_store::{DeleteResource, ResourceStore};
use crate::supervisor::DeathNotice;

/// What was not possible is tried again after so long.
const AGAIN: Duration = Duration::from_secs(5);
/// What is waited for is looked at after so long.
const SOON: Duration = Duration::from_millis(500);
/// Even if nothing is known to come, what ends by itself is looked for after so long: clocks are set.
const SELDOM: Duration = Duration::from_secs(600);
/// Changes that are read at a time.
const PAGE: usize = 512;
/// Bytes of them.
const PAGE_BYTES: usize = 1 << 20;
/// The types whose changes matter here.
const KINDS: [&str; 6] =
    [documents::CONTAINER, documents::DATASET, documents::LEASE, "service-instance", "device", "user"];

/// The way to the lifecycle manager; none while it is built anew.
pub type Manager = Arc<dyn Fn() -> Option<Addr<LifecycleManager>> + Send + Sync>;

/// What the keeper works with.
#[derive(Clone)]
pub struct KeeperParts {
    /// The committed documents.
    pub store: Arc<Store>,
    /// Their one writer.
    pub writer: Addr<ResourceStore>,
    /// Who runs services.
    pub manager: Manager,
    /// Time and randomness.
    pub world: World,
    /// Whether users without an account count, as the operator may say.
    pub trusts_any_user: bool,
}

/// What is left after a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Left {
    Nothing,
    /// Something was not possible.
    Stuck,
    /// Something is under way.
    UnderWay,
}

/// See the module.
pub struct ContainerKeeper {
    parts: KeeperParts,
    feed: watch::Receiver<u64>,
    /// Everything up to here is read.
    read: u64,
    /// Whether a pass is under way, and whether another must follow it.
    working: bool,
    again: bool,
    /// Whether datasets that are known to be there are asked for: once after each start.
    unsure: bool,
    /// The next look that is waited for.
    wake: Option<SpawnHandle>,
    _notice: DeathNotice,
}

impl ContainerKeeper {
    /// A keeper of what the store in `parts` holds.
    #[must_use]
    pub fn new(parts: KeeperParts, notice: DeathNotice) -> Self {
        let feed = parts.store.subscribe();
        Self { parts, feed, read: 0, working: false, again: false, unsure: true, wake: None, _notice: notice }
    }

    fn await_feed(&self, ctx: &mut Context<Self>) {
        let mut feed = self.feed.clone();
        let news = async move { feed.changed().await.is_ok().then_some(feed) };
        ctx.spawn(news.into_actor(self).map(|feed, keeper, ctx| {
            // Without a feed the agent is stopping.
            if let Some(feed) = feed {
                keeper.feed = feed;
                if keeper.matters() {
                    keeper.look(ctx);
                }
                keeper.await_feed(ctx);
            }
        }));
    }

    /// Whether what is new in the log matters here.
    fn matters(&mut self) -> bool {
        let newest = *self.feed.borrow();
        let changes = self.parts.store.changes_within(self.read, PAGE, PAGE_BYTES);
        self.read = newest;
        match changes {
            Ok(Changes::Next(changes)) => {
                let all = changes.last().is_none_or(|last| last.position >= newest);
                !all || changes.iter().any(|change| KINDS.contains(&change.id.kind()))
            }
            Ok(Changes::Trimmed { .. }) | Err(_) => true,
        }
    }

    /// Looks for what there is to do.
    fn look(&mut self, ctx: &mut Context<Self>) {
        if std::mem::replace(&mut self.working, true) {
            self.again = true;
            return;
        }
        let (parts, unsure) = (self.parts.clone(), std::mem::take(&mut self.unsure));
        let pass = async move {
            // Those that have ended keep nothing from being removed or started.
            let (leases, end) = leases::tend(&parts).await;
            let datasets = datasets::tend(&parts, unsure).await;
            (leases.max(datasets).max(containers::tend(&parts).await), end)
        };
        ctx.spawn(pass.into_actor(self).map(|(left, end), keeper, ctx| {
            keeper.working = false;
            if std::mem::take(&mut keeper.again) {
                return keeper.look(ctx);
            }
            let pause = match left {
                Left::Nothing => None,
                Left::Stuck => Some(AGAIN),
                Left::UnderWay => Some(SOON),
            };
            let end = end.map(|end| end.clamp(SOON, SELDOM));
            let soonest = pause.into_iter().chain(end).min();
            // One look is waited for, however many passes there were.
            let wake = soonest.map(|pause| ctx.run_later(pause, Self::look));
            if let Some(before) = std::mem::replace(&mut keeper.wake, wake) {
                let _ = ctx.cancel_future(before);
            }
        }));
    }
}

/// Removes a document, unless it has become another one meanwhile.
async fn forget(parts: &KeeperParts, document: &Document) -> Left {
    let only = IfMatch::OneOf(vec![parts.store.tag(document)]);
    let delete = DeleteResource { id: document.id.clone(), if_match: Some(only), by: Caller::agent() };
    match parts.writer.send(delete).await.unwrap_or(Err(StoreError::Stopping)) {
        Ok(_) | Err(StoreError::NotFound { .. } | StoreError::Stopping) => Left::Nothing,
        Err(error) => {
            tracing::warn!(id = %document.id, %error, "what has ended cannot be removed; it is tried again");
            Left::Stuck
        }
    }
}

impl Actor for ContainerKeeper {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.feed.mark_unchanged();
        self.read = *self.feed.borrow();
        self.await_feed(ctx);
        self.look(ctx);
    }
}
