//! What a peer may ask and tell on a link, from where it stands. What it gets is decided by who answers.

use mf2c_fabric::wire::hello::Scope;
use mf2c_fabric::wire::{Ask, AuthorityTrust, Code, Notice, PROTOCOL_VERSION, WireError};

use super::registry::Peer;

/// Notices of trust that are taken within a quarter of a minute from a peer that does not lead us: each costs signatures to
/// check.
const NOTICES: u32 = 16;

/// Whether a peer may ask this over its link at all.
pub(super) fn may_ask(peer: &Peer, ask: &Ask) -> Result<(), WireError> {
    let forbidden = |text: &str| Err(WireError::new(Code::Forbidden, text));
    let leads = peer.identity.unit == "leader";
    match (peer.agreement.scope, ask) {
        (_, Ask::Unknown) => Err(of_a_later_version()),
        (_, Ask::Enrol { .. } | Ask::RenewExpired { .. }) => {
            forbidden("who has a certificate renews it: enrolment is for those who have none")
        }
        (Scope::Area, Ask::KeepAuthority(_)) if !leads => {
            forbidden("the keys of the area's authority come from the agent that leads the area, and from nobody else")
        }
        (Scope::Area, _) | (_, Ask::Bundle | Ask::Trust { .. } | Ask::Probe { .. }) => Ok(()),
        (Scope::Certification | Scope::Founding, Ask::CertifyArea { .. } | Ask::Renew { .. }) => Ok(()),
        // From above: edits of what is below it.
        (Scope::Certification, Ask::Propose(_)) if leads && !peer.accepted => Ok(()),
        // From above as well, and from below what finds no place there: the lifecycle manager tells them apart.
        (Scope::Certification, Ask::Work(_)) if leads => Ok(()),
        (Scope::Certification, _) => forbidden("a leader of another area is served with certificates and trust alone"),
        (Scope::Founding, _) => forbidden("who is to found an area gets its authority here, and nothing else"),
        (Scope::Backup, _) => forbidden("a backup of another area speaks of leadership alone: its leader asks"),
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

/// What is to be done with a notice.
#[derive(Debug, PartialEq)]
pub(super) enum Heard {
    /// News of trust, for who cares for the certificate.
    Trust(Notice),
    /// A word on a stream or on who leads.
    Word(Notice),
    /// Nothing.
    Nothing,
}

/// What is taken of a notice; `lately` counts those of trust. Roots and authorities come from above; from below, revocation
/// lists alone, which are signed. Streams are bounded by their credits, and whom to believe about leadership is for those who
/// hear it: they know more than the certificate says.
pub(super) fn notice(peer: &Peer, notice: Notice, lately: u32) -> Heard {
    match notice {
        Notice::Unknown => Heard::Nothing,
        Notice::Stream(_) | Notice::Leadership(_) if peer.agreement.scope == Scope::Founding => Heard::Nothing,
        notice @ (Notice::Stream(_) | Notice::Leadership(_)) => Heard::Word(notice),
        Notice::Trust(_) if peer.agreement.scope == Scope::Backup => Heard::Nothing,
        notice @ Notice::Trust(_) if !peer.accepted && peer.identity.unit == "leader" => Heard::Trust(notice),
        Notice::Trust(_) if lately > NOTICES => Heard::Nothing,
        Notice::Trust(trust) if trust.lists.is_empty() => Heard::Nothing,
        Notice::Trust(AuthorityTrust { lists, .. }) => {
            Heard::Trust(Notice::Trust(AuthorityTrust { lists, ..AuthorityTrust::default() }))
        }
    }
}
