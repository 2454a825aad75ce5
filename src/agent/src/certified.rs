//! What the API's front needs to know of a client's certificate.

use std::sync::Arc;

use mf2c_domain::area::spiffe::{SpiffeId, Subject};
use mf2c_facade::front::{Certified, CertifiedAgent, CertifiedUser};
use mf2c_pki::area::{PeerIdentity, sha1_key_id};

/// The organisational units of agents' certificates.
const AGENTS: [&str; 2] = ["agent", "leader"];

/// Whom a certificate in DER names that a handshake has let pass: a user of `own`, an agent of its area, or nobody.
#[must_use]
pub fn certified(der: &[u8], own: &SpiffeId) -> Option<Certified> {
    let peer = PeerIdentity::of(der).ok()?;
    let here = peer.id.trust_domain == own.trust_domain && peer.id.area().is_some() && peer.id.area() == own.area();
    match &peer.id.subject {
        Subject::User { device, name, .. } if here && peer.unit == "user" && Some(&**device) == own.device() => {
            let key = peer.key.iter().map(|byte| format!("{byte:02x}")).collect();
            let (name, serial) = (name.clone(), peer.serial.to_string());
            let (not_before, not_after) = (peer.not_before, peer.not_after);
            let key_id = sha1_key_id(der)?;
            Some(Certified::User(CertifiedUser { name, serial, key, key_id, not_before, not_after }))
        }
        Subject::Agent { .. } if here && AGENTS.contains(&peer.unit.as_str()) => {
            Some(Certified::Agent(CertifiedAgent { not_after: peer.not_after, id: Arc::new(peer.id) }))
        }
        _ => None,
    }
}
