//! Answers what other agents ask and tell, by way of the actors.

use std::net::IpAddr;
use std::sync::Arc;

use actix::Addr;
use mf2c_actors::ca_client::{CaClient, HearTrust};
use mf2c_actors::certificate_authority::{AnswerPeer, CertificateAuthority};
use mf2c_actors::ports::{LinkReply, LinkService};
use mf2c_fabric::wire::{Ask, Code, Notice, WireError};
use mf2c_pki::area::PeerIdentity;

/// See the module.
pub(super) struct Peers {
    pub(super) authority: Addr<CertificateAuthority>,
    pub(super) client: Addr<CaClient>,
}

impl LinkService for Peers {
    fn answer(&self, ask: Ask, peer: Option<Arc<PeerIdentity>>, source: IpAddr) -> LinkReply {
        let answered = self.authority.send(AnswerPeer { ask, peer, source });
        Box::pin(async move {
            answered
                .await
                .unwrap_or_else(|_| Err(WireError::new(Code::Busy, "this agent is stopping: ask it again later")))
        })
    }

    fn notice(&self, notice: Notice, peer: Arc<PeerIdentity>) {
        let Notice::Trust(trust) = notice else { return };
        let id = peer.id.clone();
        // Who talks faster than is listened to is not listened to; what was missed is asked for later.
        if self.client.try_send(HearTrust { trust, peer }).is_err() {
            tracing::debug!(peer = %id, "dropped news of trust: too many at once");
        }
    }
}
