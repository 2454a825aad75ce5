//! What the change log tells: how workloads are, what instances shall do, who can be reached, what owners lend.

use std::collections::BTreeSet;
use std::time::Duration;

use actix::prelude::*;
use mf2c_lifecycle::AgentStatus;
use mf2c_store::{Change, ChangeKind, Changes};
use serde::Deserialize;

use super::LifecycleManager;
use super::parcel::Desired;
use super::run::Record;

/// Changes that are read at a time: the thread is not held for longer.
const PAGE: usize = 512;
/// Bytes of them.
const PAGE_BYTES: usize = 1 << 20;
/// Pause after the log could not be read.
const LOG_PAUSE: Duration = Duration::from_secs(1);

/// What a page of the log makes necessary.
#[derive(Default)]
struct News {
    instances: BTreeSet<String>,
    /// Those that may be of the agent that led before.
    placements: BTreeSet<String>,
    /// Whether agents have come or gone, or devices were opened or closed.
    all: bool,
    owner: bool,
    device: bool,
}

#[derive(Deserialize)]
struct Wanted {
    #[serde(default)]
    desired: Option<Desired>,
}

impl LifecycleManager {
    /// Reads what is new, page by page.
    pub(super) fn catch_up(&mut self, ctx: &mut Context<Self>) {
        if self.read >= *self.feed.borrow() {
            return;
        }
        let mut news = News::default();
        match self.store.changes_within(self.read, PAGE, PAGE_BYTES) {
            Ok(Changes::Next(changes)) => {
                for change in &changes {
                    self.changed_document(change, &mut news);
                    self.read = change.position;
                }
                if changes.is_empty() {
                    self.read = *self.feed.borrow();
                }
            }
            Ok(Changes::Trimmed { .. }) => {
                self.read = *self.feed.borrow();
                news = News { all: true, owner: true, device: true, ..News::default() };
            }
            Err(error) => {
                tracing::warn!(%error, "the change log cannot be read for services; it is tried again");
                ctx.run_later(LOG_PAUSE, Self::catch_up);
                return;
            }
        }
        self.act_on(news, ctx);
        if self.read < *self.feed.borrow() {
            // The rest as soon as others have had their turn.
            ctx.spawn(async {}.into_actor(self).map(|(), manager, ctx| manager.catch_up(ctx)));
        }
    }

    fn changed_document(&mut self, change: &Change, news: &mut News) {
        let own = change.id.name() == self.node_name;
        match change.id.kind() {
            "workload" => {
                let Some(name) = instance_of(change.id.name()) else { return };
                self.remember_failure(name, change);
                if self.charges.contains_key(name) {
                    news.instances.insert(name.to_owned());
                }
            }
            "service-instance" => {
                let name = change.id.name();
                let Some(charge) = self.charges.get_mut(name) else { return };
                let wanted = match change.body() {
                    Some(body) => serde_json::from_slice::<Wanted>(body).ok().and_then(|said| said.desired),
                    None if change.kind == ChangeKind::Deleted => Some(Desired::Deleted),
                    None => None,
                };
                charge.unsaved |= !charge.plan.seen;
                charge.plan.seen = true;
                charge.wish(wanted);
                news.instances.insert(name.to_owned());
            }
            "placement" if self.standing.leads() && change.body().is_some() => {
                news.placements.insert(change.id.as_str().to_owned());
            }
            "area-member" => news.all = true,
            "device" => {
                (news.all, news.device) = (true, news.device || own);
            }
            "sharing-model" | "user-profile" => news.owner = true,
            "device-dynamic" if own => news.owner = true,
            _ => {}
        }
    }

    /// A device that cannot run a service is not the first choice for a while.
    fn remember_failure(&mut self, name: &str, change: &Change) {
        let Some(record) = change.body().and_then(Record::read) else { return };
        let Some(charge) = self.charges.get_mut(name) else { return };
        let key = (record.index, record.generation);
        if record.status() != AgentStatus::Error {
            charge.failed.remove(&key);
        } else if charge.failed.insert(key) {
            self.failures.note(&record.service, &record.device_id, self.world.clock.now());
        }
    }

    fn act_on(&mut self, news: News, ctx: &mut Context<Self>) {
        if self.standing.leads() && (news.all || !news.placements.is_empty()) {
            // Who has come back may still hold what was taken over from it.
            let which = (!news.all).then_some(&news.placements);
            self.take_charge(which, ctx);
        }
        let names: Vec<String> = if news.all {
            // Who has come back is asked at once.
            self.charges.values_mut().for_each(|charge| charge.not_before = Duration::ZERO);
            self.charges.keys().cloned().collect()
        } else {
            news.instances.into_iter().collect()
        };
        for name in names {
            self.reconcile(&name, ctx);
        }
        if news.owner {
            self.mind_the_owner(ctx);
        }
        if news.device {
            self.advertise(ctx);
        }
    }
}

/// The instance in the name of a workload: `<instance>-<index>-<generation>`.
fn instance_of(name: &str) -> Option<&str> {
    let (rest, _) = name.rsplit_once('-')?;
    Some(rest.rsplit_once('-')?.0)
}
