//! Who leads the area changes: whom this agent renews at, whom it believes, and whether it certifies itself.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use mf2c_domain::area::role::MemberRole;
use mf2c_domain::area::standing::AreaPeer;
use mf2c_domain::area::upkeep::Pace;

use super::arrival::failed;
use super::trusting::whole;
use super::{CaClient, CaClientError, LeaderMoved, LeaveSeat, TakeSeat};
use crate::certificate_authority;
use crate::ports::LinkError;

/// The least time between two attempts to get the certificate that fits.
const REDRESS_EVERY: Duration = Duration::from_secs(1);

type Moved = ResponseActFuture<CaClient, Result<(), CaClientError>>;

impl CaClient {
    /// Another agent is to be asked from now on; none: this agent is at the top. The certificate stays.
    fn turn_to(
        &mut self,
        above: Option<AreaPeer>,
        role: Option<MemberRole>,
        ctx: &mut Context<Self>,
    ) -> Result<(), CaClientError> {
        let membership = self.credentials.membership().ok_or(LinkError::NoMembership)?;
        let own = membership.own.id.clone();
        let above = above.unwrap_or_else(|| AreaPeer { id: own, address: String::new() });
        let Some(member) = &mut self.member else {
            return Err(CaClientError::Failed("the first certificate is on its way: tell again".to_owned()));
        };
        let role = role.unwrap_or(member.role);
        let other = member.leader != above.id || member.address != above.address || member.role != role;
        let before = member.above(Some(&membership));
        member.leader.clone_from(&above.id);
        member.address.clone_from(&above.address);
        member.role = role;
        let now = member.above(Some(&membership));
        if other {
            tracing::info!(leader = %above.id, address = above.address, "who leads is another one");
            // What the one before has said counts for that one.
            member.trouble = None;
            member.upkeep.take_heart();
        }
        self.pinned = Some(above);
        if before != now {
            self.news = Pace::default();
            self.transport.lead_to(now);
        }
        if other {
            self.keep_member(ctx);
        }
        Ok(())
    }

    /// Writes down whom this agent follows, beside its certificate, one after the other.
    pub(super) fn keep_member(&mut self, ctx: &mut Context<Self>) {
        if self.keeping {
            self.unkept = true;
            return;
        }
        let (Some(member), Some(membership)) = (&self.member, self.credentials.membership()) else { return };
        self.keeping = true;
        let (files, trust) = (Arc::clone(&self.files), self.credentials.trust());
        let (role, address, leader) = (member.role, member.address.clone(), member.leader.clone());
        let kept = tokio::task::spawn_blocking(move || {
            files.lock().save(&membership.key, &membership.certificate, &trust, &leader, role, &address)
        });
        ctx.spawn(kept.into_actor(self).map(|kept, client, ctx| {
            client.keeping = false;
            if let Ok(Err(error)) = kept {
                tracing::error!(%error, "who leads could not be kept; after a restart the one before is asked first");
            }
            if std::mem::take(&mut client.unkept) {
                client.keep_member(ctx);
            }
            // What is believed may have changed while the disk was busy.
            client.save_trust(ctx);
        }));
    }

    /// Whether the own certificate says something else than what this agent is.
    pub(super) fn is_dressed_wrong(&self) -> bool {
        let Some(membership) = self.credentials.membership() else { return false };
        (membership.own.unit == "leader") != self.leads
    }

    /// Asks for the certificate that fits, as soon as nothing else is on its way.
    pub(super) fn dress(&mut self) -> ResponseActFuture<Self, ()> {
        let elapsed = self.world.clock.elapsed();
        if !self.redress || self.busy || !self.dressing.is_due(elapsed) {
            return Box::pin(actix::fut::ready(()));
        }
        if !self.is_dressed_wrong() {
            self.redress = false;
            return Box::pin(actix::fut::ready(()));
        }
        self.dressing.begin(elapsed, REDRESS_EVERY);
        Box::pin(self.renew(false).map(|(), client, _| {
            client.redress = client.is_dressed_wrong();
            let (elapsed, entropy) = (client.world.clock.elapsed(), Arc::clone(&client.world.entropy));
            if client.redress { client.dressing.failed(elapsed, &*entropy) } else { client.dressing.succeeded() }
        }))
    }

    fn take_seat(&mut self, upper: Option<AreaPeer>) -> Moved {
        if self.credentials.membership().is_none() {
            return Box::pin(actix::fut::err(LinkError::NoMembership.into()));
        }
        let taken = self.authority.send(certificate_authority::TakeSeat(whole(&self.credentials.trust())));
        Box::pin(taken.into_actor(self).then(|taken, client, ctx| {
            let seated = match taken.map_err(failed) {
                Ok(Ok(view)) => client.turn_to(upper, Some(MemberRole::Leader), ctx).map(|()| view),
                // It leads all the same, and asks the old leader for certificates, should that come back.
                Ok(Err(error)) => Err(failed(error)),
                Err(error) => Err(error),
            };
            match seated {
                Ok(view) => {
                    tracing::info!(area = view.area, until = %view.area_until, "this agent is the authority of its area now");
                    client.leads = true;
                    client.transport.open_door();
                    client.begin_dressing()
                }
                Err(error) => Box::pin(actix::fut::err(error)),
            }
        }))
    }

    fn leave_seat(&mut self, leader: AreaPeer) -> Moved {
        let left = self.authority.send(certificate_authority::LeaveSeat);
        Box::pin(left.into_actor(self).then(|left, client, ctx| {
            let left = left.map_err(failed).and_then(|left| left.map_err(failed));
            if let Err(error) = left {
                return Box::pin(actix::fut::err(error)) as Moved;
            }
            client.leads = false;
            match client.turn_to(Some(leader), Some(MemberRole::Agent), ctx) {
                Ok(()) => client.begin_dressing(),
                Err(error) => Box::pin(actix::fut::err(error)),
            }
        }))
    }

    fn begin_dressing(&mut self) -> Moved {
        self.redress = true;
        self.dressing = Pace::default();
        Box::pin(self.dress().map(|(), client, ctx| {
            client.plan(ctx);
            Ok(())
        }))
    }
}

impl Handler<LeaderMoved> for CaClient {
    type Result = Result<(), CaClientError>;

    fn handle(&mut self, LeaderMoved(leader): LeaderMoved, ctx: &mut Context<Self>) -> Self::Result {
        let own = self.credentials.membership().is_some_and(|membership| membership.own.id == leader.id);
        if self.leads || own {
            return Err(CaClientError::Failed("this agent leads its area: it leaves the seat first".to_owned()));
        }
        self.turn_to(Some(leader), None, ctx)
    }
}

impl Handler<TakeSeat> for CaClient {
    type Result = Moved;

    fn handle(&mut self, TakeSeat { upper }: TakeSeat, _: &mut Context<Self>) -> Self::Result {
        self.take_seat(upper)
    }
}

impl Handler<LeaveSeat> for CaClient {
    type Result = Moved;

    fn handle(&mut self, LeaveSeat(leader): LeaveSeat, _: &mut Context<Self>) -> Self::Result {
        self.leave_seat(leader)
    }
}
