//! A certificate that has come: checked, kept, and shown from then on.

use std::sync::Arc;

use actix::prelude::*;
use mf2c_domain::area::role::MemberRole;
use mf2c_domain::area::spiffe::{SpiffeId, Subject};
use mf2c_domain::area::token::JoinToken;
use mf2c_domain::area::upkeep::Upkeep;
use mf2c_fabric::wire::Enrolled;
use mf2c_pki::area::{AgentKey, Membership, PeerIdentity, Trust};

use super::member::Member;
use super::trusting::{News, merge, read};
use super::{CaClient, CaClientError, Join, MembershipView};
use crate::ports::{AuthorityTransport, EnrolAsk, LinkError};

/// A certificate, and what it was asked for.
pub(super) struct Arrival {
    pub(super) key: AgentKey,
    pub(super) enrolled: Enrolled,
    pub(super) role: MemberRole,
    pub(super) address: String,
    /// Who leads this agent, if not who is named in the answer.
    pub(super) leader: Option<SpiffeId>,
    /// Whether what was believed before counts no longer.
    pub(super) is_join: bool,
}

/// Joins where the token says, or at the address that the operator has listed where nobody is there who is believed: the token
/// names the root and the leader, so that the secret goes to no other at either place. Answered with the address.
async fn enrol_at(
    transport: Arc<dyn AuthorityTransport>,
    token: JoinToken,
    elsewhere: Option<String>,
    ask: EnrolAsk,
) -> Result<(Enrolled, String), LinkError> {
    let address = token.address.clone();
    let failure = match (transport.enrol(token.clone(), ask.clone()).await, &elsewhere) {
        (Err(failure @ (LinkError::Unreachable { .. } | LinkError::Untrusted { .. })), Some(_)) => failure,
        (enrolled, _) => return enrolled.map(|enrolled| (enrolled, address)),
    };
    let Some(elsewhere) = elsewhere else { return Err(failure) };
    tracing::info!(%failure, address = elsewhere, "joining at the address that is listed: the one of the token is of no use");
    match transport.enrol(JoinToken { address: elsewhere.clone(), ..token }, ask).await {
        Ok(enrolled) => Ok((enrolled, elsewhere)),
        Err(LinkError::Unreachable { .. }) => Err(failure),
        Err(other) => Err(other),
    }
}

impl CaClient {
    pub(super) fn join(&mut self, join: Join) -> ResponseActFuture<Self, Result<MembershipView, CaClientError>> {
        match self.may_join() {
            Ok(()) => self.enrol(join),
            Err(error @ CaClientError::Member(_)) if !self.leads => {
                // Whether it is still welcome is known to the leader before anybody here hears of it.
                self.busy = true;
                let asked = self.ask_for_news();
                Box::pin(asked.into_actor(self).then(|news, client, _| {
                    client.busy = false;
                    match news.map_err(|refusal| client.is_unwelcome(&refusal)) {
                        Err(true) => client.enrol(join),
                        _ => Box::pin(actix::fut::err(error)),
                    }
                }))
            }
            Err(error) => Box::pin(actix::fut::err(error)),
        }
    }

    fn enrol(&mut self, join: Join) -> ResponseActFuture<Self, Result<MembershipView, CaClientError>> {
        let made = AgentKey::generate().and_then(|key| Ok((key.request(None, &self.settings.device)?, key)));
        let (request, key) = match made {
            Ok(made) => made,
            Err(error) => return Box::pin(actix::fut::err(failed(error))),
        };
        self.busy = true;
        let (device, names) = (self.settings.device.clone(), self.settings.names.clone());
        let Join { token, role } = join;
        let elsewhere = self.settings.leader.clone().filter(|address| *address != token.address);
        let ask = EnrolAsk { request, role, device, area: None, names };
        let asked = enrol_at(Arc::clone(&self.transport), token, elsewhere, ask);
        let joined = asked.into_actor(self).then(move |enrolled, client, _| match enrolled {
            Ok((enrolled, address)) => {
                let role = enrolled.role;
                client.accept(Arrival { key, enrolled, role, address, leader: None, is_join: true })
            }
            Err(error) => Box::pin(actix::fut::err(error.into())),
        });
        let settled = joined.then(|joined, client, _| {
            client.busy = false;
            // Where this agent is to lead an area, it gets its authority now, or at one of the next looks.
            let tended = if joined.is_ok() { client.tend_area() } else { Box::pin(actix::fut::ready(())) };
            tended.map(|(), _, _| joined)
        });
        Box::pin(settled.map(|joined, client, ctx| {
            client.plan(ctx);
            joined?;
            client.view().ok_or_else(|| CaClientError::Failed("the membership is gone".to_owned()))
        }))
    }

    /// A membership that is of use is not thrown away.
    fn may_join(&self) -> Result<(), CaClientError> {
        if self.busy {
            return Err(CaClientError::Failed("a certificate is being asked for already: try again".to_owned()));
        }
        let Some(membership) = self.credentials.membership() else { return Ok(()) };
        let now = self.world.clock.now();
        let of_no_use = self.credentials.trust().is_revoked(&membership.own)
            || self.member.as_ref().is_none_or(|member| member.upkeep.may_be_replaced(now));
        if self.leads || !of_no_use {
            return Err(CaClientError::Member(membership.own.id.area().unwrap_or_default().to_owned()));
        }
        Ok(())
    }

    /// Checks, keeps and shows a certificate. Links to whom it does not concern stay open.
    pub(super) fn accept(&mut self, arrival: Arrival) -> ResponseActFuture<Self, Result<(), CaClientError>> {
        let (role, address, is_join) = (arrival.role, arrival.address.clone(), arrival.is_join);
        let pinned = self.pinned.clone();
        let (membership, trust) = match self.check(arrival) {
            Ok(checked) => checked,
            Err(error) => return Box::pin(actix::fut::err(error)),
        };
        let (files, to) = (Arc::clone(&self.files), address.clone());
        let before = self.credentials.trust();
        let kept = tokio::task::spawn_blocking(move || {
            let Membership { key, certificate, leader, .. } = &membership;
            let kept = files.lock().save(key, certificate, &trust, leader, role, &to);
            (membership, trust, kept)
        });
        Box::pin(kept.into_actor(self).map(move |kept, client, ctx| {
            let (membership, trust, kept) = kept.map_err(failed)?;
            // A certificate that could not be written down is of use as long as this agent runs.
            if let Err(error) = kept {
                if client.member.is_none() {
                    return Err(failed(error));
                }
                tracing::error!(%error, "the new certificate could not be kept; after a restart the old one is shown");
            }
            let known = client.credentials.trust();
            if is_join {
                client.pinned = None;
            }
            let has_moved = client.pinned != pinned;
            client.show(membership, trust, role, address)?;
            if has_moved && !is_join {
                client.keep_member(ctx);
            }
            if !Arc::ptr_eq(&before, &known) {
                // What was revoked while the disk was busy stays revoked: that has been taken over, and is kept too.
                client.save_trust(ctx);
            }
            Ok(())
        }))
    }

    fn check(&self, arrival: Arrival) -> Result<(Membership, Trust), CaClientError> {
        let Arrival { key, enrolled, leader, is_join, .. } = arrival;
        let unusable =
            |reason: String| CaClientError::Unusable(format!("the certificate that came is not usable: {reason}"));
        let now = self.world.clock.now();
        let certificate = enrolled.certificate.0;
        let own = PeerIdentity::of(&certificate).map_err(|error| unusable(error.to_string()))?;
        if own.key != key.hash() {
            return Err(unusable("it is for another key than the one that was sent".to_owned()));
        }
        if !matches!(&own.id.subject, Subject::Agent { device, .. } if *device == self.settings.device) {
            return Err(unusable(format!("it names {}, expected the device {}", own.id, self.settings.device)));
        }
        let leader = match leader {
            Some(leader) => leader,
            None => enrolled.leader.parse().map_err(|error| unusable(format!("its leader has no name: {error}")))?,
        };
        let trust = if is_join {
            read(enrolled.trust, now)?
        } else {
            let known = self.credentials.trust();
            merge(&known, enrolled.trust, News::All, now, &self.forged)?.unwrap_or_else(|| Trust::clone(&known))
        };
        let chain = std::iter::once(&certificate).chain(trust.intermediates());
        let chain: Vec<_> = chain.map(|der| der.as_slice().into()).collect();
        trust.check(&chain, true, false, now).map_err(|error| unusable(error.to_string()))?;
        Ok((Membership { key, certificate, own, leader }, trust))
    }

    fn show(
        &mut self,
        membership: Membership,
        trust: Trust,
        role: MemberRole,
        address: String,
    ) -> Result<(), CaClientError> {
        let PeerIdentity { id, serial, not_before, not_after, .. } = membership.own.clone();
        let leader = membership.leader.clone();
        self.credentials.install(membership, trust).map_err(failed)?;
        let upkeep = Upkeep::new(not_before, not_after, self.world.clock.elapsed(), &*self.world.entropy);
        tracing::info!(%id, %serial, until = %not_after, renews = %upkeep.renews(), "showing a new certificate");
        // Whom it follows may have changed while the certificate was on its way.
        let (role, leader, address) = match (&self.pinned, &self.member) {
            (Some(above), Some(member)) => (member.role, above.id.clone(), above.address.clone()),
            _ => (role, leader, address),
        };
        let member = Member { role, leader, address, upkeep, trouble: None, is_unwelcome: false };
        let was_led = self.above();
        self.member = Some(member);
        let led = self.above();
        if was_led != led {
            self.transport.lead_to(led);
        }
        self.transport.close_unbelieved();
        if self.leads {
            self.transport.open_door();
        }
        self.waiting.clear();
        Ok(())
    }
}

pub(super) fn failed(error: impl std::fmt::Display) -> CaClientError {
    CaClientError::Failed(error.to_string())
}
