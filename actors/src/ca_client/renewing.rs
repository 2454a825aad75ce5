//! New certificates in place of old ones, in time, and with patience where it fails.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use mf2c_domain::area::role::MemberRole;
use mf2c_domain::area::upkeep::Failure;
use mf2c_fabric::wire::{Answer, Ask, Bytes, Code, Enrolled, Proof, WireError};
use mf2c_pki::area::AgentKey;

use super::actor::{ask_own, expected};
use super::arrival::{Arrival, failed};
use super::member::REVOKED;
use super::{CaClient, CaClientError};
use crate::ports::LinkError;

/// What people can do where an agent cannot help itself.
const JOIN_AGAIN: &str = "join again with a new token (`mf2c token create` at the leader, `mf2c join TOKEN` here)";

type Asked = std::pin::Pin<Box<dyn Future<Output = Result<Enrolled, CaClientError>>>>;

impl CaClient {
    /// The first certificate of the own authority, as soon as what is on its way has come.
    pub(super) fn obtain(&mut self, ctx: &mut Context<Self>) {
        if !self.busy {
            let obtained = self.renew(false).map(|(), client, ctx| client.plan(ctx));
            ctx.spawn(obtained);
        }
    }

    /// Asks for a new certificate with a new key: of the own authority, over the link, or with a proof of the old key
    /// where that has expired.
    pub(super) fn renew(&mut self, has_expired: bool) -> ResponseActFuture<Self, ()> {
        let (key, asked) = match self.ask_for_certificate(has_expired) {
            Ok(asked) => asked,
            Err(error) => {
                self.not_renewed(&error);
                return Box::pin(actix::fut::ready(()));
            }
        };
        self.busy = true;
        let (role, address) = match &self.member {
            Some(member) => (member.role, member.address.clone()),
            None => (MemberRole::Leader, String::new()),
        };
        // An own authority names this agent as the leader; who is above it stays who it was.
        let leader = self.above().map(|(_, leader)| leader).filter(|_| self.leads);
        let leader = self.pinned.as_ref().map(|pinned| pinned.id.clone()).or(leader);
        let arrived = asked.into_actor(self).then(move |enrolled, client, _| match enrolled {
            Ok(enrolled) => client.accept(Arrival { key, enrolled, role, address, leader, is_join: false }),
            Err(error) => Box::pin(actix::fut::err(error)),
        });
        Box::pin(arrived.map(|arrived, client, _| {
            client.busy = false;
            client.waiting.clear();
            if let Err(error) = arrived {
                client.not_renewed(&error);
            }
        }))
    }

    fn ask_for_certificate(&self, has_expired: bool) -> Result<(AgentKey, Asked), CaClientError> {
        let membership = self.credentials.membership();
        let key = AgentKey::generate().map_err(failed)?;
        // Names are for the authority to fill in.
        let request = key.request(None, &self.settings.device).map_err(failed)?;
        let mut names = self.settings.names.clone();
        if self.leads {
            let (authority, find) = (self.authority.clone(), Arc::clone(&self.settings.own_names));
            let asked = async move {
                names.extend(tokio::task::spawn_blocking(move || find()).await.unwrap_or_default());
                enrolled(ask_own(authority, Ask::Renew { request: Bytes(request), names }).await?)
            };
            return Ok((key, Box::pin(asked)));
        }
        let (address, leader) = self.above().ok_or(LinkError::NoMembership)?;
        let membership = membership.ok_or(LinkError::NoMembership)?;
        if !has_expired {
            let asked = self.transport.ask(Ask::Renew { request: Bytes(request), names });
            return Ok((key, Box::pin(async { enrolled(asked.await?) })));
        }
        let signature = Bytes(membership.key.prove(&request).map_err(failed)?);
        let proof = Proof { certificate: Bytes(membership.certificate.clone()), signature };
        let ask = Ask::RenewExpired { request: Bytes(request), names, proof };
        let asked = self.transport.renew_expired(address, self.credentials.trust(), leader, ask);
        Ok((key, Box::pin(async { Ok(asked.await?) })))
    }

    /// Plans the next attempt, and tells what is wrong: in the log where it is something else than the last time.
    fn not_renewed(&mut self, error: &CaClientError) {
        let (now, elapsed) = (self.world.clock.now(), self.world.clock.elapsed());
        let Some(member) = &mut self.member else {
            tracing::error!(%error, "the area's authority made no certificate for this agent; it is asked again");
            return self.area.failed(elapsed, &*self.world.entropy);
        };
        member.upkeep.failed(kind(error), now, elapsed, &*self.world.entropy);
        if kind(error) != Failure::Final && member.trouble.as_deref() == Some(REVOKED) {
            // That nobody answers at this moment does not change it.
            return;
        }
        member.tell(describe(error, member.upkeep.has_expired(now)));
    }

    /// Whether this answer means that only people can help, such as that the certificate is revoked; it is told then.
    pub(super) fn is_unwelcome(&mut self, error: &CaClientError) -> bool {
        let now = self.world.clock.now();
        let is_final = kind(error) == Failure::Final;
        if let Some(member) = self.member.as_mut().filter(|_| is_final) {
            member.upkeep.give_up();
            member.tell(describe(error, member.upkeep.has_expired(now)));
            member.is_unwelcome = true;
        }
        is_final
    }

    /// A look that finds a first certificate missing.
    pub(super) fn is_without(&self) -> bool {
        self.leads && self.member.is_none() && self.area.is_due(self.world.clock.elapsed())
    }
}

fn enrolled(answer: Answer) -> Result<Enrolled, CaClientError> {
    expected(answer, |answer| if let Answer::Enrolled(enrolled) = answer { Some(enrolled) } else { None })
}

fn kind(error: &CaClientError) -> Failure {
    match error {
        CaClientError::Link(LinkError::Untrusted { .. }) => Failure::Final,
        CaClientError::Link(LinkError::Refused(WireError { code, retry_after, .. })) => match code {
            Code::Auth
            | Code::Forbidden
            | Code::Revoked
            | Code::TokenInvalid
            | Code::TokenUsed
            | Code::TokenExpired => Failure::Final,
            Code::Busy => Failure::Busy(Duration::from_millis(retry_after.unwrap_or_default())),
            _ => Failure::Passing,
        },
        _ => Failure::Passing,
    }
}

fn describe(error: &CaClientError, has_expired: bool) -> String {
    match (error, kind(error)) {
        // The same words whoever says so, so that it is told once.
        (CaClientError::Link(LinkError::Refused(WireError { code: Code::Revoked, .. })), _) => REVOKED.to_owned(),
        (CaClientError::Link(LinkError::Untrusted { .. }), _) => {
            format!("{error}; if the roots of the area have changed while this agent was away, {JOIN_AGAIN}")
        }
        (_, Failure::Final) if has_expired => {
            format!("the certificate has expired, and a new one is {error}; {JOIN_AGAIN}")
        }
        (_, Failure::Final) => format!("the area does not serve this agent any more: {error}"),
        _ => error.to_string(),
    }
}
