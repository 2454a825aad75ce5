//! What a peer may ask and tell on a link, from where it stands. What it gets is decided by who answers.

use mf2c_fabric::wire::hello::Scope;
use mf2c_fabric::wire::{Ask, AuthorityTrust, Code, Notice, PROTOCOL_VERSION, WireError};

use super::registry::Peer;

/// Notices that are taken between two signs of life from a peer that does not lead us: each costs signatures to check.
const NOTICES: u32 = 16;

/// Whether a peer may ask this over its link at all.
pub(super) fn may_ask(peer: &Peer, ask: &Ask) -> Result<(), WireError> {
    let forbidden = |text: &str| Err(WireError::new(Code::Forbidden, text));
    match (peer.agreement.scope, ask) {
        (_, Ask::Unknown) => Err(of_a_later_version()),
        (_, Ask::Enrol { .. } | Ask::RenewExpired { .. }) => {
            forbidden("who has a certificate renews it: enrolment is for those who have none")
        }
        (Scope::Area, _) | (_, Ask::Bundle | Ask::Trust { .. } | Ask::CertifyArea { .. } | Ask::Renew { .. }) => Ok(()),
        (Scope::Certification, _) => forbidden("a leader of another area is served with certificates and trust alone"),
    }
}

/// Whether an agent without a certificate may ask this.
pub(super) fn may_ask_unknown(ask: &Ask) -> Result<(), WireError> {
    match ask {
        Ask::Bundle | Ask::Enrol { .. } | Ask::RenewExpired { .. } => Ok(()),
        Ask::Unknown => Err(of_a_later_version()),
        _ => Err(WireError::new(Code::Forbidden, "this is for members: join first, with a token")),
    }
}

fn of_a_later_version() -> WireError {
    let text = format!(
        "this agent does not know the question, it speaks version {PROTOCOL_VERSION}: ask something else, or update it"
    );
    WireError::new(Code::Version, text)
}

/// What is taken of a notice. Roots and authorities come from above; from below, revocation lists alone, which are signed.
pub(super) fn notice(peer: &Peer, notice: Notice, since_ping: u32) -> Option<Notice> {
    match notice {
        Notice::Unknown | Notice::Stream(_) | Notice::Leadership(_) => None,
        notice if !peer.accepted => Some(notice),
        _ if since_ping > NOTICES => None,
        Notice::Trust(trust) if trust.lists.is_empty() => None,
        Notice::Trust(AuthorityTrust { lists, .. }) => {
            Some(Notice::Trust(AuthorityTrust { lists, ..AuthorityTrust::default() }))
        }
    }
}
