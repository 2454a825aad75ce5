//! What wakes the assessor: the change log, the standing, the clock, and stored findings.

use std::sync::atomic::Ordering;
use std::time::Duration;

use actix::prelude::*;

use super::writing::STORE_PAUSE;
use super::{Scope, SlaAssessor, Wake};

/// The wall clock may be set: it is looked at again after so long at the latest.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

impl SlaAssessor {
    /// Ends every handler: reads, and plans when to wake next.
    pub(super) fn go_on(&mut self, ctx: &mut Context<Self>) {
        if self.may_read() {
            self.read_page(ctx);
        }
        self.let_time_pass(ctx);
        self.plan_refresh(ctx);
        self.answer();
        self.measure();
        let now = self.world.clock.elapsed();
        let wall = self.world.clock.now().nanos();
        let is_time = self.has_caught_up() && self.due.first().is_some_and(|(due, _)| *due <= wall);
        if self.may_read() || is_time {
            // The rest as soon as others have had their turn.
            if !std::mem::replace(&mut self.notified, true) {
                ctx.notify(Wake);
            }
            return;
        }
        let due = self.due.first().filter(|_| self.has_caught_up()).map(|(due, _)| {
            let pause = u64::try_from((due - wall).max(0)).unwrap_or(u64::MAX);
            // A little later, so that the clock has passed the moment too.
            now + (Duration::from_nanos(pause) + Duration::from_millis(1)).min(LOOK_AGAIN)
        });
        if let Some(at) = due.into_iter().chain(self.not_before).min() {
            self.wake_at(at, ctx);
        }
    }

    fn wake_at(&mut self, at: Duration, ctx: &mut Context<Self>) {
        if let Some((planned, timer)) = self.wake {
            if planned <= at {
                return;
            }
            ctx.cancel_future(timer);
        }
        let pause = at.saturating_sub(self.world.clock.elapsed());
        let timer = ctx.run_later(pause, |assessor, ctx| {
            assessor.wake = None;
            assessor.go_on(ctx);
        });
        self.wake = Some((at, timer));
    }

    fn measure(&self) {
        self.counters.lag.store(self.behind(), Ordering::Relaxed);
        self.counters.position.store(self.pages.settled, Ordering::Relaxed);
        self.counters.queue.store(self.pages.waiting as u64, Ordering::Relaxed);
    }

    /// How much it has not read yet.
    pub(super) fn behind(&self) -> u64 {
        let backlogs: usize = self.backlogs.iter().map(|backlog| backlog.documents.len()).sum();
        self.feed.borrow().saturating_sub(self.read) + backlogs as u64
    }

    fn await_feed(&self, ctx: &mut Context<Self>) {
        let mut feed = self.feed.clone();
        let news = async move { feed.changed().await.is_ok().then_some(feed) };
        ctx.spawn(news.into_actor(self).map(|feed, assessor, ctx| {
            // Without a feed the agent is stopping.
            if let Some(feed) = feed {
                assessor.feed = feed;
                assessor.go_on(ctx);
                assessor.await_feed(ctx);
            }
        }));
    }

    fn await_standing(&self, ctx: &mut Context<Self>) {
        let mut standings = self.standings.clone();
        let news = async move { standings.changed().await.is_ok().then_some(standings) };
        ctx.spawn(news.into_actor(self).map(|standings, assessor, ctx| {
            if let Some(standings) = standings {
                assessor.standings = standings;
                assessor.look_around();
                assessor.go_on(ctx);
                assessor.await_standing(ctx);
            }
        }));
    }

    /// Reads what is stored, again and again until it can be read.
    fn begin(&mut self, ctx: &mut Context<Self>) {
        if let Err(error) = self.load() {
            tracing::warn!(%error, "what agreements there are cannot be read; it is tried again");
            ctx.run_later(STORE_PAUSE, Self::begin);
            return;
        }
        self.loaded = true;
        self.look_around();
        self.await_feed(ctx);
        self.await_standing(ctx);
        self.go_on(ctx);
    }

    fn look_around(&mut self) {
        let standing = self.standings.borrow_and_update().clone();
        let before = std::mem::replace(&mut self.standing, standing);
        self.counters.scope.store(self.scope() as u8, Ordering::Relaxed);
        if self.standing.leads() && !before.leads() {
            self.take_over(before);
        }
    }
}

impl SlaAssessor {
    fn scope(&self) -> Scope {
        match self.standing.area() {
            _ if self.standing.leads() => Scope::Area,
            None => Scope::Everything,
            Some(_) => Scope::Own,
        }
    }
}

impl Actor for SlaAssessor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.feed.mark_unchanged();
        self.begin(ctx);
    }
}

impl Handler<Wake> for SlaAssessor {
    type Result = ();

    fn handle(&mut self, _: Wake, ctx: &mut Context<Self>) {
        self.notified = false;
        self.go_on(ctx);
    }
}
