//! `WebhookDispatcher`: tells webhooks of changes, each in the order of the log and at least once.
//!
//! What a webhook has not been told yet is not kept here: its queue is the change log behind its cursor. The cursor is
//! stored now and then; what was told since is told again after a crash, with the same `webhook-id`.

mod failure;
mod scan;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix::prelude::*;
use mf2c_domain::caller::Caller;
use mf2c_domain::id::ResourceId;
use mf2c_domain::time::Timestamp;
use mf2c_domain::webhook::Webhook;
use mf2c_domain::webhook::attempt::{Answer, Verdict, pause, verdict};
use mf2c_domain::webhook::signature::seconds;
use mf2c_store::engine::EngineError;
use mf2c_store::{Document, Store};
use serde_json::json;
use tokio::sync::watch;

use crate::ports::{WebhookRequest, WebhookTransport, World};
use crate::resource_store::{EditResource, KeepCursors, ResourceStore};
use crate::supervisor::DeathNotice;
use failure::GivenUp;
use scan::{Follower, Found, Letter, Origin, Scanned, Slots};

/// The most deliveries on their way at a time.
const IN_FLIGHT: usize = 16;
/// Pause between two stores of the cursors.
const SAVE_EVERY: Duration = Duration::from_secs(1);
/// Pause after a failure of the store.
const STORE_PAUSE: Duration = Duration::from_secs(1);
/// What the names of our cursors begin with.
const CURSORS: &str = "webhook/";

/// What the dispatcher is told at start.
#[derive(Debug, Clone, Copy)]
pub struct WebhookSettings {
    /// How often a delivery is tried before it is given up.
    pub attempts: u32,
    /// The pause after the first attempt; it doubles from one attempt to the next.
    pub first_pause: Duration,
}

/// What the dispatcher has done since the start of the agent.
#[derive(Debug, Default)]
pub struct WebhookCounters {
    /// Deliveries that have arrived.
    pub delivered: AtomicU64,
    /// Deliveries that were given up.
    pub given_up: AtomicU64,
    /// How many changes the active webhook that is furthest behind has not been told of, or passed over, yet.
    pub queue: AtomicU64,
}

/// See the module.
pub struct WebhookDispatcher {
    store: Arc<Store>,
    writer: Addr<ResourceStore>,
    transport: Arc<dyn WebhookTransport>,
    world: World,
    settings: WebhookSettings,
    counters: Arc<WebhookCounters>,
    hooks: HashMap<String, Hook>,
    feed: watch::Receiver<u64>,
    /// Whether a scan is under way, and whether another must follow it.
    scanning: bool,
    again: bool,
    in_flight: usize,
    served: u64,
    /// Whether the next store of the cursors is planned.
    saving: bool,
    _notice: DeathNotice,
}

/// One webhook.
struct Hook {
    webhook: Arc<Webhook>,
    revision: u64,
    /// Everything up to here is settled.
    cursor: u64,
    /// The cursor that is stored.
    saved: Option<u64>,
    served: u64,
    /// Whether a delivery is on its way, or its failure being stored.
    busy: bool,
    trouble: Option<Trouble>,
    /// Deliveries given up since the start.
    given_up: usize,
}

/// A delivery that has failed and is tried again.
#[derive(Clone, Copy)]
struct Trouble {
    /// Where the webhook stands: what follows is what has failed.
    cursor: u64,
    attempts: u32,
    first: Timestamp,
    /// When the next attempt is due, on the clock that never goes back.
    not_before: Duration,
}

/// Looks for what there is to do.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Look;

impl WebhookDispatcher {
    /// A dispatcher of the webhooks in `store`.
    #[must_use]
    pub fn new(
        store: Arc<Store>,
        writer: Addr<ResourceStore>,
        transport: Arc<dyn WebhookTransport>,
        world: World,
        settings: WebhookSettings,
        counters: Arc<WebhookCounters>,
        notice: DeathNotice,
    ) -> Self {
        let feed = store.subscribe();
        Self {
            store,
            writer,
            transport,
            world,
            settings,
            counters,
            hooks: HashMap::new(),
            feed,
            scanning: false,
            again: false,
            in_flight: 0,
            served: 0,
            saving: false,
            _notice: notice,
        }
    }

    fn await_feed(&self, ctx: &mut Context<Self>) {
        let mut feed = self.feed.clone();
        let news = async move { feed.changed().await.is_ok().then_some(feed) };
        ctx.spawn(news.into_actor(self).map(|feed, dispatcher, ctx| {
            // Without a feed the agent is stopping.
            if let Some(feed) = feed {
                dispatcher.feed = feed;
                dispatcher.look(ctx);
                dispatcher.await_feed(ctx);
            }
        }));
    }

    /// Takes over webhooks that are new, changed or gone. `kept` holds the stored cursors at the start.
    fn take_over(&mut self, kept: &HashMap<String, u64>, ctx: &mut Context<Self>) {
        let documents = self.store.all("webhook");
        for document in &documents {
            let name = document.id.name();
            if self.hooks.get(name).is_some_and(|hook| hook.revision == document.revision) {
                continue;
            }
            let Some(webhook) = read(&self.store, document) else { continue };
            let cursor = kept.get(name).copied();
            let hook = self.hooks.entry(name.to_owned()).or_insert_with(|| Hook {
                webhook: Arc::clone(&webhook),
                revision: 0,
                cursor: cursor.unwrap_or(document.born),
                saved: cursor,
                served: 0,
                busy: false,
                trouble: None,
                given_up: 0,
            });
            (hook.webhook, hook.revision) = (webhook, document.revision);
            // Whoever has changed it may have mended it.
            hook.trouble = None;
        }
        let known = documents.iter().filter(|document| self.hooks.contains_key(document.id.name())).count();
        if self.hooks.len() > known {
            let store = Arc::clone(&self.store);
            let gone = |name: &String| store.get(&format!("webhook/{name}")).is_none();
            let gone: Vec<String> = self.hooks.keys().filter(|name| gone(name)).cloned().collect();
            self.forget(gone, ctx);
        }
    }

    fn forget(&mut self, gone: Vec<String>, ctx: &mut Context<Self>) {
        for name in gone {
            self.hooks.remove(&name);
            let (store, writer) = (Arc::clone(&self.store), self.writer.clone());
            let cursor = vec![(format!("{CURSORS}{name}"), None)];
            ctx.spawn(
                async move {
                    failure::forget(name, store, writer.clone()).await;
                    let _ = writer.send(KeepCursors(cursor)).await;
                }
                .into_actor(self),
            );
        }
    }

    /// Looks through the log for those webhooks to which nothing is on its way.
    fn look(&mut self, ctx: &mut Context<Self>) {
        if self.scanning {
            self.again = true;
            return;
        }
        self.take_over(&HashMap::new(), ctx);
        self.measure();
        let elapsed = self.world.clock.elapsed();
        let idle = self.hooks.iter().filter(|(_, hook)| hook.webhook.is_active && !hook.busy);
        let followers: Vec<Follower> = idle
            .map(|(name, hook)| Follower {
                name: name.clone(),
                webhook: Arc::clone(&hook.webhook),
                cursor: hook.cursor,
                is_due: hook.trouble.is_none_or(|trouble| trouble.not_before <= elapsed),
                served: hook.served,
            })
            .collect();
        if followers.is_empty() {
            return;
        }
        let mut taken = HashMap::new();
        for hook in self.hooks.values().filter(|hook| hook.busy) {
            *taken.entry(hook.webhook.owner.clone()).or_default() += 1;
        }
        let slots = Slots { free: IN_FLIGHT.saturating_sub(self.in_flight), taken };
        let (store, now) = (Arc::clone(&self.store), self.world.clock.now());
        self.scanning = true;
        let scan = tokio::task::spawn_blocking(move || scan::scan(&store, now, followers, slots));
        ctx.spawn(scan.into_actor(self).map(|scanned, dispatcher, ctx| {
            dispatcher.scanning = false;
            match scanned {
                Ok(scanned) => dispatcher.found(scanned, ctx),
                Err(error) => tracing::error!(%error, "looking for news for webhooks failed"),
            }
        }));
    }

    fn found(&mut self, scanned: Result<Scanned, EngineError>, ctx: &mut Context<Self>) {
        let scanned = match scanned {
            Ok(scanned) => scanned,
            Err(error) => {
                tracing::warn!(%error, "the change log cannot be read for webhooks; it is tried again");
                ctx.run_later(STORE_PAUSE, |dispatcher, ctx| dispatcher.look(ctx));
                return;
            }
        };
        for (name, found) in scanned.found {
            let Some(hook) = self.hooks.get_mut(&name) else { continue };
            match found {
                Found::Settled(cursor) | Found::Waits(cursor) => hook.cursor = cursor,
                Found::Due(cursor, letter) => {
                    hook.cursor = cursor;
                    self.deliver(name, letter, ctx);
                }
            }
        }
        self.plan_save(ctx);
        self.measure();
        if std::mem::take(&mut self.again) || scanned.more {
            ctx.notify(Look);
        }
    }

    fn deliver(&mut self, name: String, letter: Letter, ctx: &mut Context<Self>) {
        let Some(hook) = self.hooks.get_mut(&name) else { return };
        self.served += 1;
        self.in_flight += 1;
        (hook.busy, hook.served) = (true, self.served);
        let now = self.world.clock.now();
        let request = WebhookRequest {
            url: hook.webhook.url.clone(),
            id: letter.event.clone(),
            timestamp: seconds(now),
            signature: hook.webhook.key.sign(&letter.event, now, &letter.body),
            body: letter.body.clone(),
        };
        let answer = self.transport.deliver(request);
        ctx.spawn(answer.into_actor(self).map(move |answer, dispatcher, ctx| {
            dispatcher.in_flight -= 1;
            dispatcher.answered(name, letter, answer, now, ctx);
            ctx.notify(Look);
        }));
    }

    fn answered(&mut self, name: String, letter: Letter, answer: Answer, began: Timestamp, ctx: &mut Context<Self>) {
        let verdict = verdict(answer);
        if verdict == Verdict::Delivered {
            self.counters.delivered.fetch_add(1, Ordering::Relaxed);
        }
        if let Origin::Failure(id, attempts) = &letter.origin {
            return self.tried_again(name, id.clone(), *attempts, verdict, ctx);
        }
        let Some(hook) = self.hooks.get_mut(&name) else { return };
        let none = Trouble { cursor: hook.cursor, attempts: 0, first: began, not_before: Duration::ZERO };
        let trouble = hook.trouble.filter(|trouble| trouble.cursor == hook.cursor).unwrap_or(none);
        let attempts = trouble.attempts + 1;
        match verdict {
            Verdict::Delivered => self.settle(&name, letter.position, ctx),
            Verdict::Gone => self.pause_webhook(name, ctx),
            Verdict::Again { after, .. } if attempts < self.settings.attempts => {
                hook.busy = false;
                self.try_later(&name, Trouble { attempts, ..trouble }, after, ctx);
            }
            Verdict::Again { reason, .. } | Verdict::Never { reason } => {
                self.give_up(name, letter, &reason, Trouble { attempts, ..trouble }, ctx);
            }
        }
    }

    /// Everything up to `position` is done for the webhook.
    fn settle(&mut self, name: &str, position: u64, ctx: &mut Context<Self>) {
        let Some(hook) = self.hooks.get_mut(name) else { return };
        hook.busy = false;
        hook.trouble = None;
        hook.cursor = position;
        self.plan_save(ctx);
    }

    fn try_later(&mut self, name: &str, trouble: Trouble, asked: Option<Duration>, ctx: &mut Context<Self>) {
        let mut chance = [0];
        self.world.entropy.fill(&mut chance);
        let pause = pause(trouble.attempts, self.settings.first_pause, asked, chance[0]);
        let Some(hook) = self.hooks.get_mut(name) else { return };
        hook.trouble = Some(Trouble { not_before: self.world.clock.elapsed() + pause, ..trouble });
        // A little later, so that the clock has passed the moment too.
        ctx.run_later(pause + Duration::from_millis(1), |dispatcher, ctx| dispatcher.look(ctx));
    }

    /// Puts a delivery into the list of failures, and goes on with the next.
    fn give_up(&mut self, name: String, letter: Letter, reason: &str, trouble: Trouble, ctx: &mut Context<Self>) {
        tracing::warn!(webhook = name, event = letter.event, reason, "a delivery was given up");
        let Some(acl) = self.store.get(&format!("webhook/{name}")).map(|document| (*document.acl).clone()) else {
            // It is gone, and its failures with it.
            return;
        };
        let given_up =
            GivenUp { webhook: &name, letter: &letter, reason, attempts: trouble.attempts, first: trouble.first };
        let Some(new) = failure::document(&given_up, acl, &self.world) else {
            return self.settle(&name, letter.position, ctx);
        };
        let look = self.hooks.get_mut(&name).is_some_and(|hook| {
            hook.given_up += 1;
            hook.given_up % failure::ROOM == 1
        });
        let kept = failure::keep(new, name.clone(), look, Arc::clone(&self.store), self.writer.clone());
        ctx.spawn(kept.into_actor(self).map(move |kept, dispatcher, ctx| {
            match kept {
                Ok(()) => {
                    dispatcher.counters.given_up.fetch_add(1, Ordering::Relaxed);
                    dispatcher.settle(&name, letter.position, ctx);
                    dispatcher.save(ctx);
                }
                Err(error) => {
                    tracing::warn!(webhook = name, %error, "a failed delivery cannot be noted; it is tried again");
                    if let Some(hook) = dispatcher.hooks.get_mut(&name) {
                        hook.busy = false;
                    }
                    dispatcher.try_later(&name, trouble, None, ctx);
                }
            }
            ctx.notify(Look);
        }));
    }

    /// The receiver answers 410: it wants no more. What it has not been told stays in the log.
    fn pause_webhook(&mut self, name: String, ctx: &mut Context<Self>) {
        tracing::info!(webhook = name, "the receiver answered 410; the webhook is paused");
        let changes = json!({"state": "PAUSED", "reason": "the receiver answered 410 Gone"});
        let Ok(id) = ResourceId::new("webhook", &name) else { return };
        let changes = changes.as_object().cloned().unwrap_or_default();
        let edit = EditResource { id, changes, removed: Vec::new(), if_match: None, by: Caller::agent() };
        let edited = self.writer.send(edit);
        ctx.spawn(edited.into_actor(self).map(move |edited, dispatcher, ctx| {
            let Some(hook) = dispatcher.hooks.get_mut(&name) else { return };
            hook.busy = false;
            if !matches!(edited, Ok(Ok(_))) {
                let (first, not_before) = (Timestamp::default(), Duration::ZERO);
                let trouble = Trouble { cursor: hook.cursor, attempts: 1, first, not_before };
                dispatcher.try_later(&name, trouble, None, ctx);
            }
            ctx.notify(Look);
        }));
    }

    fn tried_again(&self, name: String, id: ResourceId, attempts: u64, verdict: Verdict, ctx: &mut Context<Self>) {
        let outcome = match verdict {
            Verdict::Delivered => Ok(()),
            Verdict::Gone => Err("it answered 410".to_owned()),
            Verdict::Again { reason, .. } | Verdict::Never { reason } => Err(reason),
        };
        let noted = failure::tried_again(id, outcome, attempts, self.world.clock.now(), self.writer.clone());
        ctx.spawn(noted.into_actor(self).map(move |(), dispatcher, ctx| {
            if let Some(hook) = dispatcher.hooks.get_mut(&name) {
                hook.busy = false;
            }
            ctx.notify(Look);
        }));
    }

    fn plan_save(&mut self, ctx: &mut Context<Self>) {
        let dirty = self.hooks.values().any(|hook| hook.saved != Some(hook.cursor));
        if dirty && !self.saving {
            self.saving = true;
            ctx.run_later(SAVE_EVERY, |dispatcher, ctx| {
                dispatcher.saving = false;
                dispatcher.save(ctx);
            });
        }
    }

    /// Stores the cursors that have moved.
    fn save(&mut self, ctx: &mut Context<Self>) {
        let moved = self.hooks.iter().filter(|(_, hook)| hook.saved != Some(hook.cursor));
        let moved: Vec<(String, u64)> = moved.map(|(name, hook)| (name.clone(), hook.cursor)).collect();
        if moved.is_empty() {
            return;
        }
        let cursors = moved.iter().map(|(name, cursor)| (format!("{CURSORS}{name}"), Some(*cursor))).collect();
        let kept = self.writer.send(KeepCursors(cursors));
        ctx.spawn(kept.into_actor(self).map(move |kept, dispatcher, ctx| {
            if matches!(kept, Ok(Ok(()))) {
                for (name, cursor) in moved {
                    if let Some(hook) = dispatcher.hooks.get_mut(&name) {
                        hook.saved = Some(cursor);
                    }
                }
            }
            dispatcher.plan_save(ctx);
        }));
    }

    fn measure(&self) {
        let newest = *self.feed.borrow();
        let active = self.hooks.values().filter(|hook| hook.webhook.is_active);
        let behind = active.map(|hook| newest.saturating_sub(hook.cursor)).max().unwrap_or(0);
        self.counters.queue.store(behind, Ordering::Relaxed);
    }
}

fn read(store: &Store, document: &Document) -> Option<Arc<Webhook>> {
    let body = store.body(document).ok()??;
    let webhook = Webhook::read(&body);
    if webhook.is_none() {
        tracing::debug!(id = %document.id, "the webhook cannot be read; nothing is sent to it");
    }
    webhook.map(Arc::new)
}

impl Actor for WebhookDispatcher {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let kept = self.store.cursors(CURSORS).unwrap_or_else(|error| {
            tracing::warn!(%error, "the cursors of webhooks cannot be read; they begin anew");
            Vec::new()
        });
        let kept: HashMap<String, u64> =
            kept.into_iter().filter_map(|(name, at)| Some((name.strip_prefix(CURSORS)?.to_owned(), at))).collect();
        self.take_over(&kept, ctx);
        // What was deleted while nobody looked.
        let lost = kept.keys().filter(|name| !self.hooks.contains_key(*name));
        let lost = lost.filter(|name| self.store.get(&format!("webhook/{name}")).is_none());
        let lost = lost.map(|name| (format!("{CURSORS}{name}"), None)).collect();
        let orphans = failure::orphans(&self.store, |name| self.store.get(&format!("webhook/{name}")).is_some());
        let writer = self.writer.clone();
        ctx.spawn(
            async move {
                let _ = writer.send(KeepCursors(lost)).await;
                failure::delete(orphans, &writer).await;
            }
            .into_actor(self),
        );
        self.await_feed(ctx);
        self.look(ctx);
    }
}

impl Handler<Look> for WebhookDispatcher {
    type Result = ();

    fn handle(&mut self, _: Look, ctx: &mut Context<Self>) {
        self.look(ctx);
    }
}
