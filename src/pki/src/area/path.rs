//! The path from a certificate to a root, and what X.509 has no words for: that an area's authority names its own area
//! alone, and that neither it nor the certificate is revoked.

use std::cell::RefCell;
use std::time::Duration;

use mf2c_domain::area::spiffe::Subject;
use mf2c_domain::time::Timestamp;
use rustls::pki_types::{CertificateDer, UnixTime};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, Error, KeyUsage, VerifiedPath};

use super::peer::seconds;
use super::{PeerIdentity, Trust, TrustError};

/// The most certificates that a peer may show: its own, those of its authority, and roots.
const LONGEST_CHAIN: usize = 10;

/// What was found on the way.
#[derive(Default)]
struct Found {
    /// The authority whose path was good.
    authority: Option<PeerIdentity>,
    /// Why the first path that had all its signatures was still refused.
    refusal: Option<TrustError>,
}

/// See [`Trust::check`].
pub(super) fn check(
    trust: &Trust,
    chain: &[CertificateDer<'_>],
    as_server: bool,
    strict: bool,
    now: Timestamp,
) -> Result<PeerIdentity, TrustError> {
    let broken = |reason: &str| TrustError::Broken(reason.to_owned());
    let (own, others) = chain.split_first().ok_or_else(|| broken("none was shown"))?;
    if chain.len() > LONGEST_CHAIN {
        return Err(broken("its chain is longer than 10 certificates"));
    }
    let mut peer = PeerIdentity::of(own).map_err(|error| broken(&error.to_string()))?;
    if !matches!(peer.id.subject, Subject::Agent { .. } | Subject::User { .. }) {
        return Err(TrustError::Use(format!("it names {}, expected an agent or a user", peer.id)));
    }
    let end_entity = EndEntityCert::try_from(own).map_err(|error| broken(&error.to_string()))?;
    let shown = others.iter().map(|der| CertificateDer::from(der.as_ref()));
    let known = trust.intermediates().iter().map(|der| CertificateDer::from(der.as_slice()));
    let mut intermediates: Vec<_> = known.collect();
    for der in shown {
        if !intermediates.contains(&der) {
            intermediates.push(der);
        }
    }
    let usage = if as_server { KeyUsage::server_auth() } else { KeyUsage::client_auth() };
    let found = RefCell::new(Found::default());
    let judge = |path: &VerifiedPath<'_>| {
        let mut found = found.borrow_mut();
        match judge(trust, &peer, path, now) {
            Ok(authority) => found.authority = Some(authority),
            Err(refusal) => {
                found.refusal.get_or_insert(refusal);
                return Err(Error::CertRevoked);
            }
        }
        Ok(())
    };
    let at = UnixTime::since_unix_epoch(Duration::from_millis(now.millis()));
    let verified = end_entity.verify_for_usage(
        ALL_VERIFICATION_ALGS,
        &trust.anchors,
        &intermediates,
        at,
        usage,
        None,
        Some(&judge),
    );
    let verified = verified.map(drop);
    let found = found.into_inner();
    verified.map_err(|error| found.refusal.unwrap_or_else(|| reason(&error, &peer)))?;
    let authority = found.authority.ok_or_else(|| broken("no path was found"))?;
    peer.issuer = authority.key_id();
    peer.authority = Some(authority.serial);
    if trust.revokes(&peer.issuer, &peer.serial) {
        return Err(TrustError::Revoked(peer.serial));
    }
    if strict {
        trust.check_fresh(&peer.issuer, now)?;
    }
    Ok(peer)
}

/// Whether a path with good signatures, dates and uses is one of ours; the area's authority on it.
fn judge(
    trust: &Trust,
    peer: &PeerIdentity,
    path: &VerifiedPath<'_>,
    now: Timestamp,
) -> Result<PeerIdentity, TrustError> {
    let mut between = path.intermediate_certificates();
    let (Some(authority), None) = (between.next(), between.next()) else {
        return Err(TrustError::Broken("expected exactly one authority between it and the root".to_owned()));
    };
    let authority =
        PeerIdentity::of(&authority.der()).map_err(|error| TrustError::Broken(format!("its authority: {error}")))?;
    let is_area = matches!(authority.id.subject, Subject::Area { .. });
    let same = authority.id.area() == peer.id.area() && authority.id.trust_domain == peer.id.trust_domain;
    if !is_area || !same || !trust.covers(&authority.id) {
        return Err(TrustError::ForeignName(peer.id.to_string()));
    }
    let key = &path.anchor().subject_public_key_info;
    let mut roots = trust.anchors.iter().zip(&trust.known_roots);
    let root = roots.find(|(anchor, _)| anchor.subject_public_key_info == *key).map(|(_, root)| root);
    let root = root.ok_or(TrustError::UnknownAuthority)?;
    if root.not_after <= now {
        return Err(TrustError::Expired(root.not_after));
    }
    if root.not_before > now {
        return Err(TrustError::NotYetValid(root.not_before));
    }
    if trust.revokes(&root.key_id(), &authority.serial) {
        return Err(TrustError::Revoked(authority.serial));
    }
    Ok(authority)
}

/// What the library's words mean.
fn reason(error: &Error, peer: &PeerIdentity) -> TrustError {
    let at = |time: &UnixTime| seconds(i64::try_from(time.as_secs()).unwrap_or(i64::MAX));
    match error {
        Error::CertExpired { not_after, .. } => TrustError::Expired(at(not_after)),
        Error::CertNotValidYet { not_before, .. } => TrustError::NotYetValid(at(not_before)),
        Error::UnknownIssuer
        | Error::InvalidSignatureForPublicKey
        | Error::UnsupportedSignatureAlgorithmContext(_)
        | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => TrustError::UnknownAuthority,
        Error::NameConstraintViolation => TrustError::ForeignName(format!("hosts beside {}", peer.id)),
        Error::RequiredEkuNotFoundContext(_) | Error::CaUsedAsEndEntity => TrustError::Use(error.to_string()),
        other => TrustError::Broken(other.to_string()),
    }
}
