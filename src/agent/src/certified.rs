//! What the API's front needs to know of a client's certificate.

use mf2c_domain::area::spiffe::{SpiffeId, Subject};
use mf2c_facade::front::CertifiedUser;
use mf2c_pki::area::PeerIdentity;

/// Whom a certificate in DER names that a handshake has let pass: a user of `own`, and nobody else.
#[must_use]
pub fn certified_user(der: &[u8], own: &SpiffeId) -> Option<CertifiedUser> {
    let peer = PeerIdentity::of(der).ok()?;
    let Subject::User { area, device, name } = peer.id.subject else { return None };
    let here = peer.id.trust_domain == own.trust_domain && Some(&*area) == own.area() && Some(&*device) == own.device();
    let key = peer.key.iter().map(|byte| format!("{byte:02x}")).collect();
    let serial = peer.serial.to_string();
    let (not_before, not_after) = (peer.not_before, peer.not_after);
    (here && peer.unit == "user").then_some(CertifiedUser { name, serial, key, not_before, not_after })
}
