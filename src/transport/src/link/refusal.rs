//! Why a handshake failed, in our own words, and how often that is written down.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use mf2c_actors::ports::LinkError;
use mf2c_fabric::wire::{Code, WireError};
use parking_lot::Mutex;
use rustls::{AlertDescription, CertificateError, Error};
use tracing::{debug, warn};

use super::Refusal;

/// One line a minute for each reason and source.
const EVERY: Duration = Duration::from_secs(60);
/// Reasons and sources that are remembered.
const REMEMBERED: usize = 1024;

/// The TLS library's error in an input or output error.
fn tls(error: &io::Error) -> Option<&Error> {
    error.get_ref().and_then(|inner| inner.downcast_ref::<Error>())
}

impl Refusal {
    /// What a failed handshake of a caller means.
    pub(super) fn of(error: &io::Error) -> Self {
        match tls(error) {
            None if error.kind() == io::ErrorKind::TimedOut => Self::Timeout,
            None => Self::Gone,
            Some(Error::PeerIncompatible(_)) => Self::TlsVersion,
            Some(Error::NoCertificatesPresented) => Self::NoCertificate,
            Some(Error::NoApplicationProtocol) => Self::NoAlpn,
            Some(Error::InvalidMessage(_)) => Self::NotTls,
            Some(Error::InvalidCertificate(error)) => Self::of_certificate(error),
            Some(Error::AlertReceived(alert)) if !matches!(alert, AlertDescription::ProtocolVersion) => {
                Self::Distrusted
            }
            Some(_) => Self::Handshake,
        }
    }

    fn of_certificate(error: &CertificateError) -> Self {
        match error {
            CertificateError::UnknownIssuer => Self::UnknownAuthority,
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Self::NotYetValid,
            CertificateError::Revoked => Self::Revoked,
            _ => Self::BadCertificate,
        }
    }

    /// What an operator should see without asking for details.
    fn is_grave(self) -> bool {
        matches!(
            self,
            Self::UnknownAuthority
                | Self::Expired
                | Self::NotYetValid
                | Self::Revoked
                | Self::BadCertificate
                | Self::Hello
        )
    }
}

/// What a failed handshake with somebody who was called means.
pub(super) fn of_called(address: &str, error: &io::Error) -> LinkError {
    let address = address.to_owned();
    let refused = |code, text: &str| LinkError::Refused(WireError::new(code, text));
    match tls(error) {
        Some(Error::InvalidCertificate(error)) => {
            let reason = match Refusal::of_certificate(error) {
                Refusal::UnknownAuthority => {
                    "no root that is known here vouches for its certificate; if the roots have changed, join again with a new token".to_owned()
                }
                Refusal::Expired => "its certificate has expired".to_owned(),
                Refusal::NotYetValid => {
                    "clock_skew: its certificate is not yet valid: compare the clocks of both machines".to_owned()
                }
                Refusal::Revoked => "its certificate has been revoked".to_owned(),
                _ => error.to_string(),
            };
            LinkError::Untrusted { address, reason }
        }
        Some(Error::AlertReceived(alert)) => match alert {
            AlertDescription::CertificateRevoked => {
                refused(Code::Revoked, "the certificate of this agent has been revoked: join again with a new token")
            }
            AlertDescription::CertificateExpired => refused(
                Code::Auth,
                "the certificate of this agent has expired, or is not yet valid by the peer's clock",
            ),
            AlertDescription::UnknownCA
            | AlertDescription::CertificateUnknown
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::AccessDenied
            | AlertDescription::DecryptError
            | AlertDescription::CertificateRequired => {
                refused(Code::Auth, "the peer does not believe the certificate of this agent")
            }
            AlertDescription::NoApplicationProtocol | AlertDescription::ProtocolVersion => {
                LinkError::Unreachable { address, reason: "no link of mf2c is served there".to_owned() }
            }
            alert => LinkError::Unreachable { address, reason: format!("the handshake was refused: {alert:?}") },
        },
        Some(Error::InvalidMessage(_)) => {
            LinkError::Unreachable { address, reason: "what answers there does not speak TLS".to_owned() }
        }
        _ => LinkError::Unreachable { address, reason: error.to_string() },
    }
}

/// Where somebody comes from, for counting: an address, or the network of 64 bits that one machine usually has.
pub(super) fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        address => address,
    }
}

/// Writes refusals down, not more than one a minute for each reason and source.
#[derive(Debug, Default)]
pub(super) struct Journal {
    written: Mutex<HashMap<(Refusal, IpAddr), Duration>>,
}

impl Journal {
    /// Writes one down if it is time; says whether it was.
    pub(super) fn write(&self, reason: Refusal, from: IpAddr, detail: &str, now: Duration) -> bool {
        let key = (reason, source(from));
        let mut written = self.written.lock();
        if written.len() >= REMEMBERED {
            written.retain(|_, at| *at + EVERY > now);
        }
        let due = written.get(&key).is_none_or(|at| *at + EVERY <= now);
        if !due || written.len() >= REMEMBERED {
            return false;
        }
        written.insert(key, now);
        drop(written);
        if reason.is_grave() {
            warn!(%reason, %from, detail, "a link was refused");
        } else {
            debug!(%reason, %from, detail, "a connection did not become a link");
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_written_once_a_minute_for_each_source() {
        let journal = Journal::default();
        let [one, two]: [IpAddr; 2] = [[127, 0, 0, 1].into(), [127, 0, 0, 2].into()];
        let write = |reason, from, at| journal.write(reason, from, "", Duration::from_secs(at));
        assert!(write(Refusal::Revoked, one, 0));
        assert!(!write(Refusal::Revoked, one, 59));
        assert!(write(Refusal::Expired, one, 59) && write(Refusal::Revoked, two, 59));
        assert!(write(Refusal::Revoked, one, 60));
    }

    #[test]
    fn many_sources_fill_no_memory() {
        let journal = Journal::default();
        for number in 0..5000 {
            journal.write(Refusal::Gone, IpAddr::V4(number.into()), "", Duration::ZERO);
        }
        assert_eq!(journal.written.lock().len(), REMEMBERED);
        let later = Duration::from_secs(60);
        assert!(journal.write(Refusal::Gone, [9, 9, 9, 9].into(), "", later));
        assert_eq!(journal.written.lock().len(), 1);
    }

    #[test]
    fn addresses_of_one_network_are_one_source() {
        let source = |text: &str| source(text.parse().unwrap());
        assert_eq!(source("::ffff:10.0.0.1"), source("10.0.0.1"));
        assert_ne!(source("10.0.0.1"), source("10.0.0.2"));
        assert_eq!(source("2001:db8::1"), source("2001:db8::ffff:2"));
        assert_ne!(source("2001:db8::1"), source("2001:db8:0:1::1"));
    }
}
