//! Makes a self-signed certificate for an agent that has no other.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use mf2c_domain::time::Timestamp;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, SanType,
};
use time::{Duration, OffsetDateTime};

use crate::PkiError;

/// A day back, so that a client whose clock is behind accepts the certificate.
const BACKDATED: Duration = Duration::days(1);

/// The longest validity that every common client accepts for a leaf certificate (Apple HT210176).
const VALID_FOR: Duration = Duration::days(825);

/// A new pair as PEM texts: certificate, private key.
pub(crate) struct PemPair {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// Makes a P-256 pair for this machine and the `names` given, each a DNS name or an IP address.
pub(crate) fn make(names: &[String], host: Option<&str>, now: Timestamp) -> Result<PemPair, PkiError> {
    let failed = |source| PkiError::Make { source };
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(failed)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "mf2c agent");
    params.subject_alt_names = subject_alt_names(names, host)?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let (from, until) = validity(now).ok_or(PkiError::Clock { now })?;
    (params.not_before, params.not_after) = (from, until);
    let certificate = params.self_signed(&key).map_err(failed)?;
    Ok(PemPair { certificate: certificate.pem(), key: key.serialize_pem() })
}

fn validity(now: Timestamp) -> Option<(OffsetDateTime, OffsetDateTime)> {
    let now = OffsetDateTime::from_unix_timestamp_nanos(now.nanos()).ok()?;
    Some((now.checked_sub(BACKDATED)?, now.checked_add(VALID_FOR)?))
}

fn subject_alt_names(names: &[String], host: Option<&str>) -> Result<Vec<SanType>, PkiError> {
    let mut all = vec![
        dns_name("localhost")?,
        SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        SanType::IpAddress(IpAddr::V6(Ipv6Addr::LOCALHOST)),
    ];
    // The machine's own name was not chosen for this: where it cannot stand in a certificate, it is left out.
    all.extend(host.and_then(|host| dns_name(host).ok()));
    for name in names {
        all.push(match name.parse::<IpAddr>() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => dns_name(name)?,
        });
    }
    let mut unique = Vec::with_capacity(all.len());
    for name in all {
        if !unique.contains(&name) {
            unique.push(name);
        }
    }
    Ok(unique)
}

pub(crate) fn dns_name(name: &str) -> Result<SanType, PkiError> {
    let bad = || PkiError::BadName { name: name.to_owned() };
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_*".contains(&byte))
    };
    if name.len() > 253 || !name.split('.').all(label) {
        return Err(bad());
    }
    Ok(SanType::DnsName(name.try_into().map_err(|_| bad())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_a_space_is_refused_by_name() {
        let refused = make(&["two words".to_owned()], None, Timestamp::from_millis(0));
        assert!(matches!(refused, Err(PkiError::BadName { name }) if name == "two words"));
    }

    #[test]
    fn an_odd_host_name_is_left_out_and_repeated_names_stand_once() {
        let names = ["localhost".to_owned(), "fog.example".to_owned(), "10.0.0.7".to_owned()];
        let all = subject_alt_names(&names, Some("my host")).unwrap();
        assert_eq!(all.len(), 5, "{all:?}");
    }

    #[test]
    fn a_clock_out_of_range_is_an_error() {
        assert!(matches!(make(&[], None, Timestamp::from_nanos(i128::MAX)), Err(PkiError::Clock { .. })));
    }
}
