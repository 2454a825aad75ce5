//! Where authorities and memberships live: `ca/` and `member/` in the data directory. Keys have mode 0600; looser ones are
//! refused.

use std::path::{Path, PathBuf};

use mf2c_domain::area::role::MemberRole;
use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::time::Timestamp;

use super::{AgentKey, Authority, Membership, Trust};
use crate::PkiError;

/// `ca/`: `root.key`, `root.pem`, `area.key`, `area.pem`, `previous-root.pem` while roots change.
#[derive(Debug, Clone)]
pub struct AuthorityFiles {
    folder: PathBuf,
}

impl AuthorityFiles {
    /// Below a data directory.
    #[must_use]
    pub fn new(data_dir: &Path) -> Self {
        Self { folder: data_dir.join("ca") }
    }

    /// The authority of the given rank; none if there is none here.
    ///
    /// # Errors
    /// Where files cannot be read, or others may read the key.
    pub fn load(&self, rank: super::Rank) -> Result<Option<Authority>, PkiError> {
        let _ = (&self.folder, rank);
        todo!()
    }

    /// Keeps an authority: the key first, each file whole and synced.
    ///
    /// # Errors
    /// Where files cannot be written.
    pub fn save(&self, rank: super::Rank, authority: &Authority) -> Result<(), PkiError> {
        let _ = (rank, authority);
        todo!()
    }
}

/// `member/`: `agent.key`, `agent.pem`, `trust.bin` and `area.json` (leader, role).
#[derive(Debug, Clone)]
pub struct MemberFiles {
    folder: PathBuf,
}

impl MemberFiles {
    /// Below a data directory.
    #[must_use]
    pub fn new(data_dir: &Path) -> Self {
        Self { folder: data_dir.join("member") }
    }

    /// The membership and what it believes; none if there is none here. An expired certificate is no error.
    ///
    /// # Errors
    /// Where files cannot be read, or others may read the key.
    #[expect(clippy::type_complexity, reason = "SKELETON: make it a struct `Stored`")]
    pub fn load(&self, now: Timestamp) -> Result<Option<(Membership, Trust, MemberRole, String)>, PkiError> {
        let _ = (&self.folder, now);
        todo!()
    }

    /// Keeps a membership: a crash at any moment leaves the old or the new one, never a key without its certificate.
    ///
    /// # Errors
    /// Where files cannot be written.
    pub fn save(
        &self,
        key: &AgentKey,
        certificate: &[u8],
        trust: &Trust,
        leader: &SpiffeId,
        role: MemberRole,
        address: &str,
    ) -> Result<(), PkiError> {
        let _ = (key, certificate, trust, leader, role, address);
        todo!()
    }

    /// Keeps what is believed, without touching the certificate.
    ///
    /// # Errors
    /// Where files cannot be written.
    pub fn save_trust(&self, trust: &Trust) -> Result<(), PkiError> {
        let _ = trust;
        todo!()
    }
}
