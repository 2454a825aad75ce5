//! What wakes the provider: the change log, and those who ask.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use mf2c_domain::caller::Caller;
use mf2c_domain::id::ResourceId;
use mf2c_sla::qos::category;
use mf2c_store::engine::EngineError;
use parking_lot::Mutex;
use serde_json::{Map, Value};

use super::facts::Service;
use super::feed::{self, CURSOR, Loaded, News, PAGE, Read};
use super::{CheckDevices, CheckQos, Look, QosAnswer, QosError, QosProvider};
use crate::resource_store::{DeleteResource, EditResource, KeepCursors};

/// Pause after the log could not be read.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// What a reading in another place has found.
type Slot<T> = Arc<Mutex<Option<Result<T, EngineError>>>>;

impl QosProvider {
    fn await_feed(&self, ctx: &mut Context<Self>) {
        let mut feed = self.feed.clone();
        let news = async move { feed.changed().await.is_ok().then_some(feed) };
        ctx.spawn(news.into_actor(self).map(|feed, provider, ctx| {
            // Without a feed the agent is stopping.
            if let Some(feed) = feed {
                provider.feed = feed;
                provider.look(ctx);
                provider.await_feed(ctx);
            }
        }));
    }

    /// Does something with the store where it holds up nobody, and goes on with what it found.
    fn elsewhere<T: Send + 'static>(
        &mut self,
        work: impl FnOnce() -> Result<T, EngineError> + Send + 'static,
        then: impl FnOnce(&mut Self, T, &mut Context<Self>) + 'static,
        ctx: &mut Context<Self>,
    ) {
        let slot: Slot<T> = Arc::default();
        let filled = Arc::clone(&slot);
        let done = self.workshop.work(Box::new(move || *filled.lock() = Some(work())));
        self.reading = true;
        ctx.spawn(done.into_actor(self).map(move |(), provider, ctx| {
            provider.reading = false;
            let found = slot.lock().take();
            match found {
                Some(Ok(found)) => then(provider, found, ctx),
                Some(Err(error)) => {
                    tracing::warn!(%error, "the store cannot be read for the quality of services; it is tried again");
                    ctx.run_later(STORE_PAUSE, |provider, ctx| provider.look(ctx));
                }
                // The agent is stopping.
                None => {}
            }
        }));
    }

    /// Reads on, as far as there is something to read.
    fn look(&mut self, ctx: &mut Context<Self>) {
        if self.reading {
            return;
        }
        let (store, cursor, newest) = (Arc::clone(&self.store), self.cursor, *self.feed.borrow());
        if !self.loaded {
            return self.elsewhere(move || feed::load(&store, newest), Self::begin, ctx);
        }
        if let Some(backlog) = &mut self.backlog {
            let some: Vec<(u64, ResourceId)> = backlog.left.drain(..PAGE.min(backlog.left.len())).collect();
            let until = backlog.until;
            if some.is_empty() {
                self.backlog = None;
            }
            self.elsewhere(move || Ok(feed::read_late(&store, some, until)), Self::found, ctx);
        } else if cursor < newest {
            self.elsewhere(move || feed::read(&store, cursor, newest), Self::found, ctx);
        }
    }

    fn begin(&mut self, loaded: Loaded, ctx: &mut Context<Self>) {
        self.models = loaded.models.into_iter().collect();
        (self.cursor, self.saved, self.loaded) = (loaded.cursor, loaded.cursor, true);
        if !loaded.is_kept {
            // Before any model is: where one begins is not to be guessed after a crash.
            let kept = self.writer.send(KeepCursors(vec![(CURSOR.to_owned(), Some(self.cursor))]));
            ctx.spawn(kept.into_actor(self).map(|_, _, _| ()));
        }
        self.take(loaded.news, ctx);
        self.look(ctx);
    }

    fn found(&mut self, read: Read, ctx: &mut Context<Self>) {
        match read {
            Read::Page(news, last) => {
                self.take(news, ctx);
                self.cursor = last;
            }
            Read::Anew(news, backlog) => {
                self.index = super::Index::default();
                self.backlog = Some(backlog);
                self.take(news, ctx);
            }
        }
        self.plan_save(ctx);
        // The rest is read as soon as others have had their turn.
        if self.backlog.is_some() || self.cursor < *self.feed.borrow() {
            ctx.notify(Look);
        }
    }

    fn take(&mut self, news: Vec<News>, ctx: &mut Context<Self>) {
        let mut wanted: BTreeMap<String, usize> = BTreeMap::new();
        for news in news {
            match news {
                News::Instance(id, instance) => self.index.set(id, instance),
                News::Service(id, Some(service), true) => self.categorise(id, service, ctx),
                News::Service(_, Some(_), false) => {}
                News::Service(id, None, _) => self.forget(&id, ctx),
                News::Report(position, report) => {
                    wanted.extend(self.enforce(&report).map(|agents| (report.instance.clone(), agents)));
                    self.learn(&report, position);
                }
                News::Violation(position, violation) => self.blame(violation, position),
            }
        }
        self.tell_instances(wanted, ctx);
    }

    /// Keeps the category of one of this agent's services. Of a service about which no number is known, what a client says counts.
    fn categorise(&self, id: ResourceId, service: Service, ctx: &mut Context<Self>) {
        let found = u64::from(category(service.leanings, self.settings.high));
        if service.leanings.is_known() && found != service.category {
            self.edit(id, "category", found.into(), ctx);
        }
    }

    /// Sets one attribute of a document. Where that fails the next change of it brings another try.
    pub(super) fn edit(&self, id: ResourceId, name: &'static str, value: Value, ctx: &mut Context<Self>) {
        let changes: Map<String, Value> = [(name.to_owned(), value)].into_iter().collect();
        let by = Caller::agent();
        let edit = EditResource { id: id.clone(), changes, removed: Vec::new(), if_match: None, by };
        ctx.spawn(self.writer.send(edit).into_actor(self).map(move |edited, _, _| {
            if let Ok(Err(error)) = edited {
                tracing::warn!(%id, name, %error, "an attribute cannot be kept up to date");
            }
        }));
    }

    /// A service is gone, and what was learned of it with it.
    fn forget(&mut self, service: &ResourceId, ctx: &mut Context<Self>) {
        let known = self.models.remove(service.as_str()).is_some();
        let Some(id) = self.document_of(service.as_str()).filter(|id| known && self.store.get(id.as_str()).is_some())
        else {
            return;
        };
        let delete = DeleteResource { id: id.clone(), if_match: None, by: Caller::agent() };
        ctx.spawn(self.writer.send(delete).into_actor(self).map(move |deleted, _, _| {
            if let Ok(Err(error)) = deleted {
                tracing::warn!(%id, %error, "what was learned of a service that is gone cannot be deleted");
            }
        }));
    }
}

impl Actor for QosProvider {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.feed.mark_unchanged();
        self.await_feed(ctx);
        self.look(ctx);
    }
}

impl Handler<Look> for QosProvider {
    type Result = ();

    fn handle(&mut self, _: Look, ctx: &mut Context<Self>) {
        self.look(ctx);
    }
}

impl Handler<CheckQos> for QosProvider {
    type Result = Result<QosAnswer, QosError>;

    fn handle(&mut self, CheckQos(instance): CheckQos, ctx: &mut Context<Self>) -> Self::Result {
        let answer = self.check(&instance);
        self.plan_save(ctx);
        answer
    }
}

impl Handler<CheckDevices> for QosProvider {
    type Result = MessageResult<CheckDevices>;

    fn handle(&mut self, check: CheckDevices, _: &mut Context<Self>) -> Self::Result {
        MessageResult(self.kept_away(&check.service, &check.devices, check.needed))
    }
}
