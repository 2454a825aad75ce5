//! The authority of an area that this agent leads below another one: asked for after joining as a leader, and again when
//! its certificate ages or the roots change.

use actix::prelude::*;
use mf2c_domain::area::role::MemberRole;
use mf2c_domain::area::upkeep::LOOK_EVERY;
use mf2c_fabric::wire::{Answer, Ask, Bytes};
use mf2c_pki::area::{AgentKey, Authority, certificate_pem};

use super::actor::expected;
use super::arrival::failed;
use super::trusting::whole;
use super::{CaClient, CaClientError};
use crate::certificate_authority::{AdoptArea, AreaRequest, TakeAreaCertificates};

impl CaClient {
    /// Does what is due for the authority of the own area.
    pub(super) fn tend_area(&mut self) -> ResponseActFuture<Self, ()> {
        let elapsed = self.world.clock.elapsed();
        let Some(member) = self.member.as_ref().filter(|_| self.area.is_due(elapsed) && !self.busy) else {
            return Box::pin(actix::fut::ready(()));
        };
        if self.above().is_none() || (member.role != MemberRole::Leader && !self.leads) {
            return Box::pin(actix::fut::ready(()));
        }
        self.area.begin(elapsed, LOOK_EVERY);
        let tended = if self.leads { self.refresh_area() } else { self.found_area() };
        Box::pin(tended.map(|tended, client, _| match tended {
            Ok(()) => client.area.succeeded(),
            Err(error) => {
                tracing::warn!(%error, "the authority of this agent's area is not certified; it is tried again");
                client.area.failed(client.world.clock.elapsed(), &*client.world.entropy);
            }
        }))
    }

    /// A new key, certified by the authority above, and then a certificate of the own authority for this agent.
    fn found_area(&mut self) -> ResponseActFuture<Self, Result<(), CaClientError>> {
        // Which area it will be is known above, and stands in the certificate: the request names none.
        let made = AgentKey::generate().and_then(|key| Ok((key.request(None, &self.settings.device)?, key)));
        let (request, key) = match made {
            Ok(made) => made,
            Err(error) => return Box::pin(actix::fut::err(failed(error))),
        };
        let asked = self.transport.ask(Ask::CertifyArea { request: Bytes(request) });
        let (to, device) = (self.authority.clone(), self.settings.device.clone());
        let trust = whole(&self.credentials.trust());
        let founded = async move {
            let pem: String = certificates(asked.await?)?.iter().map(|der| certificate_pem(der)).collect();
            let authority = Authority::from_pem(&key.to_pem(), &pem).map_err(failed)?;
            let adopt = AdoptArea { authority, device, trust };
            let view = to.send(adopt).await.map_err(failed)?.map_err(failed)?;
            tracing::info!(area = view.area, until = %view.area_until, "this agent is the authority of its area");
            Ok(())
        };
        self.busy = true;
        Box::pin(founded.into_actor(self).then(|founded: Result<(), CaClientError>, client, _| {
            client.busy = false;
            if let Err(error) = founded {
                return Box::pin(actix::fut::err(error)) as ResponseActFuture<Self, _>;
            }
            client.leads = true;
            // What does not come now is asked for again soon: until then this agent is of no area.
            Box::pin(client.renew(false).map(|(), client, _| {
                client.redress = client.is_dressed_wrong();
                Ok(())
            }))
        }))
    }

    /// Other certificates for the key that is there, if they are needed.
    fn refresh_area(&mut self) -> ResponseActFuture<Self, Result<(), CaClientError>> {
        let (authority, transport) = (self.authority.clone(), self.transport.clone());
        let refreshed = async move {
            let Some(request) = authority.send(AreaRequest).await.map_err(failed)? else { return Ok(()) };
            let answer = transport.ask(Ask::CertifyArea { request: Bytes(request) }).await?;
            authority.send(TakeAreaCertificates(certificates(answer)?)).await.map_err(failed)?.map_err(failed)
        };
        Box::pin(refreshed.into_actor(self))
    }
}

fn certificates(answer: Answer) -> Result<Vec<Vec<u8>>, CaClientError> {
    let all =
        expected(answer, |answer| if let Answer::Area { certificates } = answer { Some(certificates) } else { None })?;
    Ok(all.into_iter().map(|certificate| certificate.0).collect())
}
