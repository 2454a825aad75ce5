//! Authorities: the root, and the one of an area. They sign; what may be signed is decided elsewhere.

use std::fmt;
use std::time::Duration;

use mf2c_domain::area::spiffe::{SpiffeId, Subject, check_trust_domain};
use mf2c_domain::entropy::Entropy;
use mf2c_domain::time::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
    PublicKeyData as _, RevokedCertParams, SanType, SerialNumber,
};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use thiserror::Error;
use time::OffsetDateTime;

use super::key::{read_pair, request, short};
use super::peer::{PeerIdentity, key_id, sha256};
use super::{Request, Serial, names};

/// The life of a root.
pub const ROOT_LIFE: Duration = Duration::from_secs(3650 * 86_400);
/// The life of an area's authority.
pub const AREA_LIFE: Duration = Duration::from_secs(90 * 86_400);
/// The usual life of an agent's certificate.
pub const LEAF_LIFE: Duration = Duration::from_secs(86_400);
/// How far a certificate is dated back, for clocks that are behind.
pub const BACKDATED: Duration = Duration::from_secs(300);

/// What an authority is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rank {
    /// Signs the authorities of areas.
    Root,
    /// Signs agents and users of one area.
    Area,
}

/// What shall stand in a certificate.
#[derive(Debug, Clone)]
pub struct Profile {
    /// The one URI among the subject alternative names. Its DNS name is added for agents.
    pub id: SpiffeId,
    /// The organisational unit: `agent`, `leader`, `founder`, `user`.
    pub unit: &'static str,
    /// Host names and addresses besides, for servers.
    pub names: Vec<String>,
    /// Whether it may be shown by a server (agents) besides by a client (everybody).
    pub server: bool,
    /// How long it holds from now on.
    pub life: Duration,
}

/// A certificate that was signed.
#[derive(Debug, Clone)]
pub struct Issued {
    /// DER.
    pub der: Vec<u8>,
    /// Its serial number.
    pub serial: Serial,
    /// From when it holds.
    pub not_before: Timestamp,
    /// Until when it holds; never longer than its authority.
    pub not_after: Timestamp,
}

/// A key pair that signs certificates, with its own certificates: one, or one for each root while roots change.
pub struct Authority {
    id: SpiffeId,
    issuer: Issuer<'static, KeyPair>,
    certificates: Vec<Vec<u8>>,
    validity: (Timestamp, Timestamp),
    /// The host names that it may vouch for; none where its certificate says nothing of it.
    domains: Option<Vec<String>>,
}

/// Shows whom it names, never the key.
impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("id", &self.id).field("key_id", &self.key_id()).finish_non_exhaustive()
    }
}

/// Why nothing was signed.
#[derive(Debug, Error)]
pub enum AreaError {
    /// A name that cannot stand in a certificate, or not in one of this authority.
    #[error("`{name}` cannot stand in a certificate of this authority: {reason}")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The authority itself has expired or is not yet valid.
    #[error("the authority's own certificate holds from {from} to {until}: renew it, or set the clock")]
    Expired {
        /// Its beginning.
        from: Timestamp,
        /// Its end.
        until: Timestamp,
    },
    /// A key or certificate that cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// The cryptography failed.
    #[error("failed to sign: {0}")]
    Sign(String),
}

impl AreaError {
    pub(super) fn sign(error: rcgen::Error) -> Self {
        Self::Sign(error.to_string())
    }

    fn name(name: &impl ToString, reason: &str) -> Self {
        Self::Name { name: name.to_string(), reason: reason.to_owned() }
    }
}

impl Authority {
    /// A new self-signed root for a trust domain.
    ///
    /// # Errors
    /// [`AreaError`].
    pub fn new_root(trust_domain: &str, now: Timestamp, entropy: &dyn Entropy) -> Result<Self, AreaError> {
        check_trust_domain(trust_domain).map_err(|error| AreaError::name(&trust_domain, &error.to_string()))?;
        let id = SpiffeId { trust_domain: trust_domain.to_owned(), subject: Subject::Root };
        let mut root = Self::new(id)?;
        let validity = (back(now), after(now, ROOT_LIFE)?);
        let params = authority_params(&root.id, 1, &Serial::random(entropy), validity)?;
        let certificate = params.self_signed(root.issuer.key()).map_err(AreaError::sign)?;
        root.set_certificates(vec![certificate.der().to_vec()])?;
        Ok(root)
    }

    /// A new key for an area's authority, with no certificate yet. Its request goes to [`Authority::certify_area`].
    ///
    /// # Errors
    /// [`AreaError`].
    pub fn new_area(id: &SpiffeId) -> Result<Self, AreaError> {
        if !matches!(id.subject, Subject::Area { .. }) {
            return Err(AreaError::name(id, "expected the name of an area"));
        }
        Self::new(id.clone())
    }

    fn new(id: SpiffeId) -> Result<Self, AreaError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(AreaError::sign)?;
        Ok(Self::with_key(id, key))
    }

    fn with_key(id: SpiffeId, key: KeyPair) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = distinguished(&subject(&id));
        params.key_usages = SIGNS.to_vec();
        let nothing = (Timestamp::default(), Timestamp::default());
        Self { id, issuer: Issuer::new(params, key), certificates: Vec::new(), validity: nothing, domains: None }
    }

    /// From PEM: the key and its certificates.
    ///
    /// # Errors
    /// Where they cannot be read or do not belong together.
    pub fn from_pem(key: &str, certificates: &str) -> Result<Self, AreaError> {
        let key = read_pair(key)
            .map_err(|error| AreaError::Unreadable(format!("no private key of an authority: {error}")))?;
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificates.as_bytes()).collect();
        let none = |reason: &str| AreaError::Unreadable(format!("no certificate of an authority: {reason}"));
        let certificates = certificates.map_err(|error| none(&error.to_string()))?;
        let first = certificates.first().ok_or_else(|| none("expected a PEM block `CERTIFICATE`"))?;
        let id = PeerIdentity::of(first).map_err(|error| none(&error.to_string()))?.id;
        if !matches!(id.subject, Subject::Root | Subject::Area { .. }) {
            return Err(none(&format!("it names {id}")));
        }
        let mut authority = Self::with_key(id, key);
        authority.set_certificates(certificates.into_iter().map(|one| one.to_vec()).collect())?;
        Ok(authority)
    }

    /// The key in PEM. It goes into a file of its owner and nowhere else.
    #[must_use]
    pub fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// The request for a certificate of this authority's own key, in DER.
    ///
    /// # Errors
    /// [`AreaError`].
    pub fn request(&self) -> Result<Vec<u8>, AreaError> {
        request(self.issuer.key(), Some(&self.id), self.id.area().unwrap_or(&self.id.trust_domain))
    }

    /// Its certificates in DER, the newest first.
    #[must_use]
    pub fn certificates(&self) -> &[Vec<u8>] {
        &self.certificates
    }

    /// Takes other certificates for the same key.
    ///
    /// # Errors
    /// Where one is for another key or is none.
    pub fn set_certificates(&mut self, certificates: Vec<Vec<u8>>) -> Result<(), AreaError> {
        let wrong = |reason: String| AreaError::Unreadable(format!("no certificate of this authority: {reason}"));
        let key = sha256(&self.issuer.key().subject_public_key_info());
        let mut read = Vec::with_capacity(certificates.len());
        for der in certificates {
            let peer = PeerIdentity::of(&der).map_err(|error| wrong(error.to_string()))?;
            if peer.key != key {
                return Err(wrong("it is for another key".to_owned()));
            }
            if peer.id != self.id {
                return Err(wrong(format!("it names {}, expected {}", peer.id, self.id)));
            }
            // What it signs names it by these very bytes.
            if !names::is_subject(&der, &subject(&self.id)) {
                return Err(wrong("its subject is not written as this program writes it".to_owned()));
            }
            read.push((peer.not_before, peer.not_after, der));
        }
        read.sort_by_key(|(from, ..)| std::cmp::Reverse(*from));
        let (from, until, newest) = read.first().ok_or_else(|| wrong("expected at least one".to_owned()))?;
        self.validity = (*from, *until);
        self.domains = names::permitted(newest);
        self.certificates = read.into_iter().map(|(.., der)| der).collect();
        Ok(())
    }

    /// Whom its certificate names.
    #[must_use]
    pub fn id(&self) -> &SpiffeId {
        &self.id
    }

    /// The key identifier that stands in what it signs, in lower-case hexadecimal.
    #[must_use]
    pub fn key_id(&self) -> String {
        key_id(&sha256(&self.issuer.key().subject_public_key_info()))
    }

    /// The validity of its newest certificate.
    #[must_use]
    pub fn validity(&self) -> (Timestamp, Timestamp) {
        self.validity
    }

    /// Whether this host name or address may stand in what it signs.
    #[must_use]
    pub fn vouches_for(&self, name: &str) -> bool {
        let address = name.parse::<std::net::IpAddr>().is_ok();
        address || names::allowed_host(&name.to_ascii_lowercase(), self.domains.as_deref()).is_ok()
    }

    /// As a root: the certificate of an area's authority, path length 0, which may vouch for host names below `domains`,
    /// for `localhost`, for `mf2c.internal`, and for addresses.
    ///
    /// # Errors
    /// [`AreaError`].
    pub fn certify_area(
        &self,
        request: &Request,
        id: &SpiffeId,
        domains: &[String],
        serial: Serial,
        now: Timestamp,
    ) -> Result<Issued, AreaError> {
        let area = matches!(id.subject, Subject::Area { .. });
        if !area || id.trust_domain != self.id.trust_domain || self.id.subject != Subject::Root {
            return Err(AreaError::name(id, "expected an area of the root's trust domain"));
        }
        let validity = self.period(now, AREA_LIFE)?;
        let mut params = authority_params(id, 0, &serial, validity)?;
        params.name_constraints = Some(names::constraints(domains)?);
        self.sign(&params, request, serial, validity)
    }

    /// As an area's authority: a certificate for an agent or a user of this area.
    ///
    /// # Errors
    /// [`AreaError`].
    pub fn issue(
        &self,
        request: &Request,
        profile: &Profile,
        serial: Serial,
        now: Timestamp,
    ) -> Result<Issued, AreaError> {
        let id = &profile.id;
        // What programs show of a certificate, and what clients of testbeds look for: the device, or the user himself.
        let common_name = match (&id.subject, &self.id.subject) {
            (Subject::Agent { area, device: name }, Subject::Area { area: own })
            | (Subject::User { area, name, .. }, Subject::Area { area: own })
                if area == own && id.trust_domain == self.id.trust_domain =>
            {
                name
            }
            _ => return Err(AreaError::name(id, &format!("expected an agent or user below {}", self.id))),
        };
        let validity = self.period(now, profile.life)?;
        let mut params = plain_params(&serial, validity)?;
        params.distinguished_name = distinguished(&[
            (DnType::CommonName, short(common_name)),
            (DnType::OrganizationalUnitName, profile.unit.to_owned()),
        ]);
        params.subject_alt_names = vec![uri(id)?];
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        if profile.server {
            params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
            params.subject_alt_names.extend(names::of_server(id, &profile.names, self.domains.as_deref())?);
        }
        self.sign(&params, request, serial, validity)
    }

    /// From five minutes ago until `life` from now, but not beyond the own end.
    fn period(&self, now: Timestamp, life: Duration) -> Result<(Timestamp, Timestamp), AreaError> {
        let (from, until) = self.validity;
        if now < from || now >= until {
            return Err(AreaError::Expired { from, until });
        }
        Ok((back(now), after(now, life)?.min(until)))
    }

    fn sign(
        &self,
        params: &CertificateParams,
        request: &Request,
        serial: Serial,
        (not_before, not_after): (Timestamp, Timestamp),
    ) -> Result<Issued, AreaError> {
        let certificate = params.signed_by(request, &self.issuer).map_err(AreaError::sign)?;
        Ok(Issued { der: certificate.der().to_vec(), serial, not_before, not_after })
    }

    /// A revocation list in DER (RFC 5280, 5) that holds until `next_update`.
    ///
    /// # Errors
    /// [`AreaError`].
    pub fn revocation_list(
        &self,
        number: u64,
        revoked: &[(Serial, Timestamp)],
        now: Timestamp,
        next_update: Timestamp,
    ) -> Result<Vec<u8>, AreaError> {
        let digits = Serial::from_bytes(&number.to_be_bytes());
        let entry = |(serial, at): &(Serial, Timestamp)| {
            Ok(RevokedCertParams {
                serial_number: SerialNumber::from_slice(serial.bytes()),
                revocation_time: moment(*at)?,
                reason_code: None,
                invalidity_date: None,
            })
        };
        let params = CertificateRevocationListParams {
            this_update: moment(now)?,
            next_update: moment(next_update)?,
            crl_number: SerialNumber::from_slice(digits.bytes()),
            issuing_distribution_point: None,
            revoked_certs: revoked.iter().map(entry).collect::<Result<_, AreaError>>()?,
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).map(|list| list.der().to_vec()).map_err(AreaError::sign)
    }
}

/// What the key of an authority may do.
const SIGNS: [KeyUsagePurpose; 2] = [KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];

/// The subject of an authority. It follows from its name alone, so that the certificates by two roots agree in it.
fn subject(id: &SpiffeId) -> Vec<(DnType, String)> {
    let domain = short(&id.trust_domain);
    match id.area() {
        None => vec![(DnType::CommonName, domain), (DnType::OrganizationalUnitName, "root".to_owned())],
        Some(area) => vec![
            (DnType::CommonName, area.to_owned()),
            (DnType::OrganizationalUnitName, "area".to_owned()),
            (DnType::OrganizationName, domain),
        ],
    }
}

fn distinguished(parts: &[(DnType, String)]) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    for (kind, value) in parts {
        name.push(kind.clone(), value.as_str());
    }
    name
}

fn uri(id: &SpiffeId) -> Result<SanType, AreaError> {
    Ok(SanType::URI(id.to_string().try_into().map_err(AreaError::sign)?))
}

fn plain_params(serial: &Serial, (from, until): (Timestamp, Timestamp)) -> Result<CertificateParams, AreaError> {
    let mut params = CertificateParams::default();
    params.serial_number = Some(SerialNumber::from_slice(serial.bytes()));
    (params.not_before, params.not_after) = (moment(from)?, moment(until)?);
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn authority_params(
    id: &SpiffeId,
    path_length: u8,
    serial: &Serial,
    validity: (Timestamp, Timestamp),
) -> Result<CertificateParams, AreaError> {
    let mut params = plain_params(serial, validity)?;
    params.distinguished_name = distinguished(&subject(id));
    params.subject_alt_names = vec![uri(id)?];
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(path_length));
    params.key_usages = SIGNS.to_vec();
    Ok(params)
}

/// Certificates know whole seconds.
fn whole(nanos: i128) -> Timestamp {
    Timestamp::from_nanos(nanos.div_euclid(1_000_000_000) * 1_000_000_000)
}

fn nanos(life: Duration) -> i128 {
    i128::try_from(life.as_nanos()).unwrap_or(i128::MAX)
}

fn back(now: Timestamp) -> Timestamp {
    whole(now.nanos().saturating_sub(nanos(BACKDATED)).max(0))
}

fn after(now: Timestamp, life: Duration) -> Result<Timestamp, AreaError> {
    let end = now.nanos().checked_add(nanos(life)).map(whole);
    end.ok_or_else(|| AreaError::Sign(format!("the clock shows {now}, which no certificate can hold")))
}

fn moment(at: Timestamp) -> Result<OffsetDateTime, AreaError> {
    let moment = OffsetDateTime::from_unix_timestamp_nanos(at.nanos()).ok().filter(|moment| moment.year() >= 1950);
    moment.ok_or_else(|| AreaError::Sign("no certificate can hold a time before 1950 or after 9999".to_owned()))
}
