//! What the agent is a member of. The certificate itself is in `Credentials`; here is what is done about it.

use mf2c_domain::area::role::MemberRole;
use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::area::upkeep::Upkeep;
use mf2c_pki::Fingerprint;
use mf2c_pki::area::{Membership, PeerIdentity, certificate_pem};

use super::{CaClient, MembershipView};
use crate::ports::World;

/// What its people are told where the area has shut this agent out.
pub(super) const REVOKED: &str = "the certificate of this agent has been revoked: join again with a new token that names this \
                                  device (`mf2c token create --device ID` at the leader, `mf2c join TOKEN` here)";

/// See the module.
#[derive(Debug)]
pub struct Member {
    pub(super) role: MemberRole,
    /// Who leads this agent; itself, where it has a root of its own.
    pub(super) leader: SpiffeId,
    /// Where the leader is called.
    pub(super) address: String,
    pub(super) upkeep: Upkeep,
    /// What is wrong and what to do.
    pub(super) trouble: Option<String>,
    /// Whether that is what came of a question for news; the next one that goes well ends it.
    pub(super) is_unwelcome: bool,
}

impl Member {
    /// For a membership of an earlier start.
    #[must_use]
    pub fn kept(membership: &Membership, role: MemberRole, address: String, world: &World) -> Self {
        let PeerIdentity { not_before, not_after, .. } = membership.own;
        let upkeep = Upkeep::at_start(not_before, not_after, world.clock.elapsed(), &*world.entropy);
        Self { role, leader: membership.leader.clone(), address, upkeep, trouble: None, is_unwelcome: false }
    }

    /// Says what is wrong: in the log where it is something else than the last time.
    pub(super) fn tell(&mut self, trouble: String) {
        if self.trouble.as_ref() == Some(&trouble) {
            tracing::debug!(trouble, "the membership is in trouble");
        } else {
            tracing::warn!(trouble, "the membership is in trouble; it is tried again");
        }
        self.trouble = Some(trouble);
        self.is_unwelcome = false;
    }

    /// The leader is there, believed, and answers.
    pub(super) fn is_welcome(&mut self) {
        if std::mem::take(&mut self.is_unwelcome) {
            tracing::info!("the membership is in trouble no longer");
            self.trouble = None;
            self.upkeep.take_heart();
        }
    }

    /// Whom to call, unless this agent is at the top.
    pub(super) fn above(&self, own: Option<&Membership>) -> Option<(String, SpiffeId)> {
        let is_top = own.is_some_and(|own| own.own.id == self.leader);
        (!is_top).then(|| (self.address.clone(), self.leader.clone()))
    }
}

impl CaClient {
    /// Whom to call, if anybody.
    pub(super) fn above(&self) -> Option<(String, SpiffeId)> {
        self.member.as_ref()?.above(self.credentials.membership().as_deref())
    }

    pub(super) fn view(&self) -> Option<MembershipView> {
        let (member, membership) = (self.member.as_ref()?, self.credentials.membership()?);
        let (own, trust) = (&membership.own, self.credentials.trust());
        let revoked = trust.is_revoked(own).then(|| REVOKED.to_owned());
        let expired = member
            .upkeep
            .has_expired(self.world.clock.now())
            .then(|| format!("the certificate of this agent expired at {}: a new one is asked for", own.not_after));
        let digest = |root: &Vec<u8>| Fingerprint::of(&root.as_slice().into()).to_string();
        Some(MembershipView {
            roots: trust.roots().iter().map(|root| digest(root).replace(':', "").to_lowercase()).collect(),
            roots_pem: trust.roots().iter().map(|root| certificate_pem(root)).collect(),
            id: own.id.to_string(),
            area: own.id.area().unwrap_or_default().to_owned(),
            role: member.role,
            leader: member.leader.to_string(),
            address: member.address.clone(),
            serial: own.serial.to_string(),
            until: own.not_after,
            renews: member.upkeep.renews(),
            trouble: revoked.or_else(|| member.trouble.clone()).or(expired),
        })
    }
}
