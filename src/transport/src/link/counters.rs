//! What the links count, for the agent's metrics and for who looks for trouble.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// Why a connection did not become a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// HTTP without TLS.
    PlainHttp,
    /// Something else that is not TLS.
    NotTls,
    /// A version of TLS, or ciphers, that are not spoken here.
    TlsVersion,
    /// No protocol of ours was asked for.
    NoAlpn,
    /// No certificate was shown.
    NoCertificate,
    /// A certificate of an authority that is not known here.
    UnknownAuthority,
    /// A certificate past its end.
    Expired,
    /// A certificate before its beginning: the clocks differ.
    NotYetValid,
    /// A revoked certificate.
    Revoked,
    /// A certificate that is wrong in another way.
    BadCertificate,
    /// The caller did not believe the certificate of this agent.
    Distrusted,
    /// It took too long.
    Timeout,
    /// It went away before it was known.
    Gone,
    /// It made place for a newcomer, because too many were only half open.
    Crowded,
    /// This agent belongs to no area, so it has nothing to show.
    NoMembership,
    /// The handshake failed otherwise.
    Handshake,
    /// The first frame was no Hello, or did not agree with the certificate or with us.
    Hello,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::PlainHttp,
        Self::NotTls,
        Self::TlsVersion,
        Self::NoAlpn,
        Self::NoCertificate,
        Self::UnknownAuthority,
        Self::Expired,
        Self::NotYetValid,
        Self::Revoked,
        Self::BadCertificate,
        Self::Distrusted,
        Self::Timeout,
        Self::Gone,
        Self::Crowded,
        Self::NoMembership,
        Self::Handshake,
        Self::Hello,
    ];

    /// The word for it in logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PlainHttp => "plain_http",
            Self::NotTls => "not_tls",
            Self::TlsVersion => "tls_version",
            Self::NoAlpn => "no_alpn",
            Self::NoCertificate => "no_certificate",
            Self::UnknownAuthority => "unknown_authority",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::Revoked => "revoked",
            Self::BadCertificate => "bad_certificate",
            Self::Distrusted => "distrusted",
            Self::Timeout => "timeout",
            Self::Gone => "gone",
            Self::Crowded => "crowded",
            Self::NoMembership => "no_membership",
            Self::Handshake => "handshake",
            Self::Hello => "hello",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What was counted up to a moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LinkCounters {
    /// Links that are open now, whoever opened them.
    pub open: u64,
    /// Connections whose other end is not yet known.
    pub half_open: u64,
    /// Links that were opened, in all.
    pub opened: u64,
    /// Connections that were taken from listeners, in all.
    pub accepted: u64,
    /// Connections that did not become links, by reason; reasons without any are left out.
    pub refused: BTreeMap<Refusal, u64>,
    /// Frames that came.
    pub frames_in: u64,
    /// Frames that went out.
    pub frames_out: u64,
    /// Bytes of frames that came.
    pub bytes_in: u64,
    /// Bytes of frames that went out.
    pub bytes_out: u64,
    /// Links that were closed because the peer took nothing, or answered nothing.
    pub stalled: u64,
}

/// The running counters.
#[derive(Debug, Default)]
pub(super) struct Counting {
    pub(super) opened: AtomicU64,
    pub(super) accepted: AtomicU64,
    pub(super) frames_in: AtomicU64,
    pub(super) frames_out: AtomicU64,
    pub(super) bytes_in: AtomicU64,
    pub(super) bytes_out: AtomicU64,
    pub(super) stalled: AtomicU64,
    refused: [AtomicU64; Refusal::ALL.len()],
}

/// One more.
pub(super) fn count(counter: &AtomicU64) {
    add(counter, 1);
}

/// So many more.
pub(super) fn add(counter: &AtomicU64, more: usize) {
    counter.fetch_add(more as u64, Ordering::Relaxed);
}

impl Counting {
    /// A connection was refused.
    pub(super) fn refuse(&self, reason: Refusal) {
        if let Some(counter) = self.refused.get(reason as usize) {
            count(counter);
        }
    }

    /// Everything as it is now.
    pub(super) fn read(&self, open: usize, half_open: usize) -> LinkCounters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let refused = Refusal::ALL.into_iter().zip(self.refused.iter().map(read));
        LinkCounters {
            open: open as u64,
            half_open: half_open as u64,
            opened: read(&self.opened),
            accepted: read(&self.accepted),
            refused: refused.filter(|(_, number)| *number > 0).collect(),
            frames_in: read(&self.frames_in),
            frames_out: read(&self.frames_out),
            bytes_in: read(&self.bytes_in),
            bytes_out: read(&self.bytes_out),
            stalled: read(&self.stalled),
        }
    }
}
