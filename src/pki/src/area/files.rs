//! Where authorities and memberships live: `ca/` and `member/` in the data directory. Keys have mode 0600; looser ones are
//! refused.
//!
//! A key and what belongs to it change together although they are two files: the second is written whole as `.pending`
//! first, then the key, then the second takes its name. Who finds a `.pending` file that belongs to the key takes that.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use mf2c_domain::area::role::MemberRole;
use mf2c_domain::area::spiffe::{SpiffeId, Subject};
use mf2c_domain::time::Timestamp;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, pem::PemObject as _};

use super::peer::hex;
use super::pem::{self, block};
use super::{AgentKey, AreaError, Authority, ListError, Membership, PeerIdentity, Rank, Trust};
use crate::PkiError;
use crate::files::{make_private_folder, read_up_to, write_private};

/// Certificates and keys have a few kilobytes.
const MAX_SMALL: u64 = 1 << 20;
/// What is believed may hold long revocation lists.
const MAX_TRUST: u64 = 128 << 20;

/// The content of a text file, none where there is no such file. A file with a private key must be its owner's alone.
fn read(path: &Path, most: u64, secret: bool) -> Result<Option<String>, PkiError> {
    let (bytes, mode) = match read_up_to(path, most) {
        Err(PkiError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    if secret && mode & 0o077 != 0 {
        return Err(PkiError::KeyExposed { path: path.to_owned(), mode });
    }
    let invalid = |_| PkiError::Read { path: path.to_owned(), source: io::ErrorKind::InvalidData.into() };
    String::from_utf8(bytes).map(Some).map_err(invalid)
}

/// Gives a file its name, and makes that last.
fn rename(folder: &Path, from: &Path, to: &Path) -> Result<(), PkiError> {
    let done = fs::rename(from, to).and_then(|()| fs::File::open(folder)).and_then(|folder| folder.sync_all());
    done.map_err(|source| PkiError::Write { path: to.to_owned(), source })
}

fn remove(path: &Path) -> Result<(), PkiError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(PkiError::Write { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

fn no_certificate(path: &Path, reason: impl ToString) -> PkiError {
    PkiError::NoCertificate { path: path.to_owned(), reason: reason.to_string() }
}

fn certificates(path: &Path, text: &str) -> Result<Vec<Vec<u8>>, PkiError> {
    let all = CertificateDer::pem_slice_iter(text.as_bytes()).map(|one| one.map(|der| der.to_vec()));
    all.collect::<Result<_, _>>().map_err(|error| no_certificate(path, error))
}

/// `ca/`: `root.key`, `root.pem`, `area.key`, `area.pem`, and `previous-root.key`, `previous-root.pem` while roots change.
/// A root's key may be taken away, to be kept where no network is; its certificate stays.
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

    /// The authority of the given rank; none if its key or its certificate is not here.
    ///
    /// # Errors
    /// Where files cannot be read, or others may read the key.
    pub fn load(&self, rank: Rank) -> Result<Option<Authority>, PkiError> {
        self.load_named(name(rank))
    }

    /// The certificates of the authority of the given rank, also where its key has been taken away.
    ///
    /// # Errors
    /// Where files cannot be read.
    pub fn certificates(&self, rank: Rank) -> Result<Vec<Vec<u8>>, PkiError> {
        let path = self.path(name(rank), "pem");
        read(&path, MAX_SMALL, false)?.map_or(Ok(Vec::new()), |text| certificates(&path, &text))
    }

    /// Keeps an authority: key and certificates together, or neither.
    ///
    /// # Errors
    /// Where files cannot be written.
    pub fn save(&self, rank: Rank, authority: &Authority) -> Result<(), PkiError> {
        self.save_named(name(rank), authority)
    }

    /// The root before the present one, while both are believed.
    ///
    /// # Errors
    /// As [`AuthorityFiles::load`].
    pub fn load_previous_root(&self) -> Result<Option<Authority>, PkiError> {
        self.load_named("previous-root")
    }

    /// Keeps the root that another takes the place of.
    ///
    /// # Errors
    /// As [`AuthorityFiles::save`].
    pub fn save_previous_root(&self, authority: &Authority) -> Result<(), PkiError> {
        self.save_named("previous-root", authority)
    }

    /// Forgets the root before the present one.
    ///
    /// # Errors
    /// Where files cannot be removed.
    pub fn remove_previous_root(&self) -> Result<(), PkiError> {
        ["pending", "pem", "key"].iter().try_for_each(|kind| remove(&self.path("previous-root", kind)))
    }

    /// What an authority notes down besides: `authority.json`; none where there is no such file.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn load_state(&self) -> Result<Option<Vec<u8>>, PkiError> {
        Ok(read(&self.path("authority", "json"), MAX_TRUST, false)?.map(String::into_bytes))
    }

    /// Keeps what an authority notes down, whole and synced.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn save_state(&self, json: &[u8]) -> Result<(), PkiError> {
        make_private_folder(&self.folder)?;
        write_private(&self.folder, &self.path("authority", "json"), json)
    }

    fn path(&self, name: &str, kind: &str) -> PathBuf {
        self.folder.join(format!("{name}.{kind}"))
    }

    fn load_named(&self, name: &str) -> Result<Option<Authority>, PkiError> {
        let (path, key_path) = (self.path(name, "pem"), self.path(name, "key"));
        let Some(key) = read(&key_path, MAX_SMALL, true)? else { return Ok(None) };
        let pending = read(&self.path(name, "pending"), MAX_SMALL, false)?;
        if let Some(authority) = pending.and_then(|pending| Authority::from_pem(&key, &pending).ok()) {
            return Ok(Some(authority));
        }
        let Some(text) = read(&path, MAX_SMALL, false)? else { return Ok(None) };
        Authority::from_pem(&key, &text).map(Some).map_err(|error| no_certificate(&path, error))
    }

    fn save_named(&self, name: &str, authority: &Authority) -> Result<(), PkiError> {
        make_private_folder(&self.folder)?;
        let pending = self.path(name, "pending");
        let text: String = authority.certificates().iter().map(|der| block(pem::CERTIFICATE, der)).collect();
        write_private(&self.folder, &pending, text.as_bytes())?;
        write_private(&self.folder, &self.path(name, "key"), authority.key_pem().as_bytes())?;
        rename(&self.folder, &pending, &self.path(name, "pem"))
    }
}

fn name(rank: Rank) -> &'static str {
    match rank {
        Rank::Root => "root",
        Rank::Area => "area",
    }
}

/// A membership as it was found on disk.
#[derive(Debug)]
pub struct Stored {
    /// The certificate with its key.
    pub membership: Membership,
    /// Whom it believes.
    pub trust: Trust,
    /// What it was admitted as.
    pub role: MemberRole,
    /// Where the leader listens: host and port.
    pub address: String,
    /// Revocation lists that were left out or are past their end.
    pub refused: Vec<ListError>,
}

/// `member/`: `agent.pem` (key, certificate, leader, role) and `trust.pem` (roots, the area's authority, revocation lists).
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

    fn paths(&self) -> (PathBuf, PathBuf, PathBuf) {
        (self.folder.join("agent.pem"), self.folder.join("trust.pem"), self.folder.join("trust.pending"))
    }

    /// The membership and what it believes; none if there is none here. An expired certificate is no error.
    ///
    /// # Errors
    /// Where files cannot be read, or others may read the key.
    pub fn load(&self, now: Timestamp) -> Result<Option<Stored>, PkiError> {
        let (agent, trust, pending) = self.paths();
        let Some(text) = read(&agent, MAX_SMALL, true)? else { return Ok(None) };
        let no_key = |error: AreaError| PkiError::NoKey { path: agent.clone(), reason: error.to_string() };
        let key = AgentKey::from_pem(&text).map_err(no_key)?;
        let certificate = certificates(&agent, &text)?.into_iter().next();
        let certificate = certificate.ok_or_else(|| no_certificate(&agent, "it has no such block"))?;
        let own = PeerIdentity::of(&certificate).map_err(|error| no_certificate(&agent, error))?;
        if own.key != key.hash() {
            return Err(no_certificate(&agent, "it is for another key"));
        }
        let said = |what: &str| {
            line(&text, what).ok_or_else(|| no_certificate(&agent, format!("the line `{what}: ` is missing or wrong")))
        };
        let leader = said("leader")?.parse().map_err(|error| no_certificate(&agent, error))?;
        let role = said("role")?.parse().map_err(|error: String| no_certificate(&agent, error))?;
        let address = said("address")?.to_owned();
        let pending = read(&pending, MAX_TRUST, false)?;
        let pending = pending.filter(|text| line(text, "key") == Some(&hex(&own.key)));
        let believed = match pending {
            Some(text) => Some(text),
            None => read(&trust, MAX_TRUST, false)?,
        };
        let believed = believed.ok_or_else(|| no_certificate(&trust, "there is no such file"))?;
        let (trust, refused) = read_trust(&trust, &believed, now)?;
        let membership = Membership { key, certificate, own, leader };
        Ok(Some(Stored { membership, trust, role, address, refused }))
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
        make_private_folder(&self.folder)?;
        let (agent_path, trust_path, pending) = self.paths();
        let address: String = address.chars().filter(|c| !c.is_control()).collect();
        let head = "This agent's key and its certificate in the area. Made and renewed by the agent: do not edit.\n";
        let facts = format!("leader: {leader}\nrole: {role}\naddress: {address}\n");
        let agent = [head, &facts, &key.to_pem(), &block(pem::CERTIFICATE, certificate)].concat();
        let text = trust_text(trust, &format!("key: {}\n", hex(&key.hash())));
        write_private(&self.folder, &pending, text.as_bytes())?;
        write_private(&self.folder, &agent_path, agent.as_bytes())?;
        rename(&self.folder, &pending, &trust_path)
    }

    /// Keeps what is believed, without touching the certificate.
    ///
    /// # Errors
    /// Where files cannot be written.
    pub fn save_trust(&self, trust: &Trust) -> Result<(), PkiError> {
        make_private_folder(&self.folder)?;
        let (_, trust_path, pending) = self.paths();
        write_private(&self.folder, &trust_path, trust_text(trust, "").as_bytes())?;
        // What a crash has left would be taken for newer.
        remove(&pending)
    }
}

/// What follows `what: ` in a line before the first block.
fn line<'a>(text: &'a str, what: &str) -> Option<&'a str> {
    let head = text.lines().take_while(|line| !line.starts_with("-----"));
    head.filter_map(|line| line.split_once(": ")).find(|(name, _)| *name == what).map(|(_, value)| value)
}

fn trust_text(trust: &Trust, facts: &str) -> String {
    let head = "Whom this agent believes: roots, authorities of its area, revocation lists. Do not edit.\n";
    let mut text = format!("{head}sequence: {}\n{facts}", trust.sequence());
    for der in trust.roots().iter().chain(trust.intermediates()) {
        text.push_str(&block(pem::CERTIFICATE, der));
    }
    for der in trust.lists() {
        text.push_str(&block(pem::REVOCATION_LIST, &der));
    }
    text
}

fn read_trust(path: &Path, text: &str, now: Timestamp) -> Result<(Trust, Vec<ListError>), PkiError> {
    let sequence = line(text, "sequence").and_then(|number| number.parse().ok());
    let sequence = sequence.ok_or_else(|| no_certificate(path, "the line `sequence: ` is missing or wrong"))?;
    let is_root = |der: &Vec<u8>| PeerIdentity::of(der).is_ok_and(|it| it.id.subject == Subject::Root);
    let (roots, others) = certificates(path, text)?.into_iter().partition(is_root);
    let lists = CertificateRevocationListDer::pem_slice_iter(text.as_bytes()).map(|one| one.map(|der| der.to_vec()));
    let lists = lists.collect::<Result<_, _>>().map_err(|error| no_certificate(path, error))?;
    Trust::new(sequence, roots, others, lists, now).map_err(|error| no_certificate(path, error))
}
