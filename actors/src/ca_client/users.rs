//! Certificates for users of this agent: good here and nowhere else, and only as long as their document is here.

use actix::prelude::*;
use mf2c_domain::area::spiffe::Subject;
use mf2c_fabric::wire::{Answer, Ask, Bytes};
use mf2c_pki::area::{PeerIdentity, Request, certificate_pem};
use mf2c_store::StoreError;

use super::actor::{ask_own, expected};
use super::arrival::failed;
use super::{CaClient, CaClientError, CertifyUser, UserCertificate};
use crate::certificate_authority::document_of_user;
use crate::ports::LinkError;
use crate::resource_store::AddResource;

impl CaClient {
    pub(super) fn certify_user(
        &mut self,
        certify: CertifyUser,
    ) -> ResponseActFuture<Self, Result<UserCertificate, CaClientError>> {
        if self.credentials.membership().is_none() {
            return Box::pin(actix::fut::err(LinkError::NoMembership.into()));
        }
        let CertifyUser { name, request, ttl } = certify;
        let key_pem = match Request::from_der(&request) {
            Ok(request) => request.public_key_pem(),
            Err(error) => return Box::pin(actix::fut::err(CaClientError::Unusable(error.to_string()))),
        };
        let ask = Ask::CertifyUser { request: Bytes(request), name: name.clone(), ttl };
        let asked = if self.leads { Box::pin(ask_own(self.authority.clone(), ask)) } else { self.transport.ask(ask) };
        let asked = asked.into_actor(self).then(move |answer, client, _| {
            let taken = client.take_certificate(answer, &name, key_pem);
            async { taken?.await }.into_actor(client)
        });
        Box::pin(asked)
    }

    /// Checks and records what came.
    fn take_certificate(
        &self,
        answer: Result<Answer, LinkError>,
        name: &str,
        key_pem: String,
    ) -> Result<impl Future<Output = Result<UserCertificate, CaClientError>> + use<>, CaClientError> {
        let pick = |answer| if let Answer::User { certificate } = answer { Some(certificate.0) } else { None };
        let certificate = expected(answer?, pick)?;
        let peer = PeerIdentity::of(&certificate).map_err(failed)?;
        let own = self.credentials.membership().ok_or(LinkError::NoMembership)?;
        let is_ours = matches!(&peer.id.subject, Subject::User { device, name: named, .. }
            if *device == self.settings.device && named == name)
            && peer.id.area() == own.own.id.area();
        if !is_ours {
            let reason = format!("the certificate that came names {}, expected the user {name} of this agent", peer.id);
            return Err(CaClientError::Unusable(reason));
        }
        let document = document_of_user(&certificate, key_pem, &*self.world.entropy).map_err(failed)?;
        let trust = self.credentials.trust();
        let pem = |all: &[Vec<u8>]| all.iter().map(|der| certificate_pem(der)).collect::<String>();
        let made = UserCertificate {
            id: document.id().to_string(),
            chain: certificate_pem(&certificate) + &pem(trust.intermediates()),
            roots: pem(trust.roots()),
            until: peer.not_after,
        };
        let writer = self.writer.clone();
        Ok(async move {
            match writer.send(AddResource(document)).await.map_err(failed)? {
                // The authority of this agent has recorded it already.
                Ok(_) | Err(StoreError::Conflict { .. }) => Ok(made),
                Err(error) => Err(failed(error)),
            }
        })
    }
}
