//! What wakes the categoriser: links, the standing, the change log, the clock and those who send it word.

use actix::prelude::*;
use mf2c_domain::area::token::check_address;

use super::feed::READ_EVERY;
use super::members::{document_id, expected_name, member_name};
use super::{
    Categoriser, ChildrenAre, Cloned, ExpectChildren, LinkClosed, LinkOpened, MOST_EXPECTED, TROUBLE_LASTS, Wake,
};

impl Categoriser {
    /// Ends every handler: reads, writes what differs, and plans when to wake next.
    pub(super) fn go_on(&mut self, ctx: &mut Context<Self>) {
        self.let_time_pass(ctx);
        self.read(ctx);
        self.heed_all(ctx);
        self.work(ctx);
        let read = self.unread.then(|| self.read_at.map_or_else(Default::default, |last| last + READ_EVERY));
        let trouble = self.troubles.values().min().copied();
        let due = [self.roll.due(), self.leaders.due(), self.chores.next_turn(), read, trouble];
        let Some(due) = due.into_iter().flatten().min() else { return };
        if let Some((planned, timer)) = self.wake {
            if planned <= due {
                return;
            }
            ctx.cancel_future(timer);
        }
        let pause = due.saturating_sub(self.world.clock.elapsed());
        let timer = ctx.run_later(pause, |categoriser, ctx| {
            categoriser.wake = None;
            categoriser.go_on(ctx);
        });
        self.wake = Some((due, timer));
    }

    fn await_feed(&self, ctx: &mut Context<Self>) {
        let mut feed = self.feed.clone();
        let news = async move { feed.changed().await.is_ok().then_some(feed) };
        ctx.spawn(news.into_actor(self).map(|feed, categoriser, ctx| {
            // Without a feed the agent is stopping.
            if let Some(feed) = feed {
                categoriser.feed = feed;
                categoriser.unread = true;
                categoriser.go_on(ctx);
                categoriser.await_feed(ctx);
            }
        }));
    }

    fn await_standing(&self, ctx: &mut Context<Self>) {
        let mut standings = self.standings.clone();
        let news = async move { standings.changed().await.is_ok().then_some(standings) };
        ctx.spawn(news.into_actor(self).map(|standings, categoriser, ctx| {
            if let Some(standings) = standings {
                categoriser.standings = standings;
                categoriser.look_around(ctx);
                categoriser.await_standing(ctx);
            }
        }));
    }

    fn look_around(&mut self, ctx: &mut Context<Self>) {
        // What the log says of the documents here comes first.
        self.read_at = None;
        self.read(ctx);
        let standing = self.standings.borrow_and_update().clone();
        if standing != self.standing {
            self.stand(standing, ctx);
        }
        self.go_on(ctx);
    }
}

impl Actor for Categoriser {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.feed.mark_unchanged();
        self.build();
        self.await_feed(ctx);
        self.await_standing(ctx);
        self.look_around(ctx);
    }
}

impl Handler<Wake> for Categoriser {
    type Result = ();

    fn handle(&mut self, _: Wake, ctx: &mut Context<Self>) {
        self.go_on(ctx);
    }
}

impl Handler<LinkOpened> for Categoriser {
    type Result = ();

    fn handle(&mut self, LinkOpened(link): LinkOpened, ctx: &mut Context<Self>) {
        self.linked(&link, ctx);
        self.go_on(ctx);
    }
}

impl Handler<LinkClosed> for Categoriser {
    type Result = ();

    fn handle(&mut self, LinkClosed(number): LinkClosed, ctx: &mut Context<Self>) {
        self.unlinked(number);
        self.go_on(ctx);
    }
}

impl Handler<ExpectChildren> for Categoriser {
    type Result = ();

    fn handle(&mut self, ExpectChildren(addresses): ExpectChildren, ctx: &mut Context<Self>) {
        let before: Vec<String> = self.expected.waiting().cloned().collect();
        let good = |address: &String| check_address(address).is_ok();
        self.expected.expect(addresses.into_iter().filter(good).take(MOST_EXPECTED).collect());
        self.have_come();
        for address in before.iter().chain(self.expected.waiting()) {
            self.chores.add(&document_id(&expected_name(address), &self.own));
        }
        self.go_on(ctx);
    }
}

impl Handler<ChildrenAre> for Categoriser {
    type Result = ();

    fn handle(&mut self, ChildrenAre(resolved): ChildrenAre, ctx: &mut Context<Self>) {
        for (address, ips) in resolved {
            self.expected.resolve(&address, ips);
        }
        self.have_come();
        self.go_on(ctx);
    }
}

impl Handler<Cloned> for Categoriser {
    type Result = ();

    fn handle(&mut self, Cloned { agent, addresses }: Cloned, ctx: &mut Context<Self>) {
        let Some(name) = member_name(&agent) else { return };
        let Some(member) = self.members.get_mut(&name).filter(|member| member.id == agent) else { return };
        let [one, other] = addresses.map(|address| address.ip().to_canonical());
        let trouble = format!("two machines use its identity, at {one} and {other}: stop one, and let it join anew");
        let news = member.trouble.as_ref() != Some(&trouble);
        member.trouble = Some(trouble);
        self.troubles.insert(name.clone(), self.world.clock.elapsed() + TROUBLE_LASTS);
        if news && self.standing.leads() {
            let state = format!("two machines use this identity, at {one} and {other}");
            if let Some(state) = self.news.of(&format!("clone of {name}"), &state, self.world.clock.elapsed()) {
                self.tell(&document_id(&name, &self.own), &state, "critical", ctx);
            }
            self.review(&name);
        }
        self.go_on(ctx);
    }
}
