//! Identities on disk: `tls/server.pem` and `tls/server.key` in the data directory, or two files of the user's.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::Path,
};

use mf2c_domain::time::Timestamp;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};

use crate::{PkiError, ServerIdentity, identity::not_after, selfsigned};

/// Certificate and key files hold a few kilobytes; more than this is something else.
const MAX_FILE: u64 = 1 << 20;

/// Where an identity came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// It was on disk.
    Loaded,
    /// There was none: a self-signed one was made.
    Created,
    /// The one on disk had expired: a new self-signed one was made in its place.
    Renewed,
}

/// The identity in `data_dir/tls/`; a self-signed one is made where there is none, or where the one there has expired.
///
/// A new certificate is for `localhost`, the loopback addresses, the machine's host name and the `names` given, and is
/// valid for 825 days from `now`.
///
/// # Errors
/// Where files cannot be read or written, do not hold a pair, or others may read the key.
pub fn load_or_create(data_dir: &Path, names: &[String], now: Timestamp) -> Result<(ServerIdentity, Origin), PkiError> {
    let folder = data_dir.join("tls");
    let (cert_path, key_path) = (folder.join("server.pem"), folder.join("server.key"));
    let origin = if !exists(&cert_path)? || !exists(&key_path)? {
        Origin::Created
    } else if read_chain(&cert_path)?.first().and_then(not_after).is_some_and(|end| end <= now) {
        Origin::Renewed
    } else {
        return Ok((load(&cert_path, &key_path)?, Origin::Loaded));
    };
    let pair = selfsigned::make(names, host_name().as_deref(), now)?;
    make_private_folder(&folder)?;
    // The key goes first: a crash between the two leaves no certificate, or an expired one, and the next start begins anew.
    write_private(&folder, &key_path, pair.key.as_bytes())?;
    write_private(&folder, &cert_path, pair.certificate.as_bytes())?;
    Ok((load(&cert_path, &key_path)?, origin))
}

/// The identity in two PEM files: the chain, own certificate first, and the private key, which only its owner may use.
///
/// # Errors
/// Where a file cannot be read, holds something else, is not one half of a pair, or others may read the key.
pub fn load(cert_path: &Path, key_path: &Path) -> Result<ServerIdentity, PkiError> {
    let chain = read_chain(cert_path)?;
    let (text, mode) = read(key_path)?;
    if mode & 0o077 != 0 {
        return Err(PkiError::KeyExposed { path: key_path.to_owned(), mode });
    }
    let key = PrivateKeyDer::from_pem_slice(&text)
        .map_err(|error| PkiError::NoKey { path: key_path.to_owned(), reason: error.to_string() })?;
    ServerIdentity::new(chain, key)
}

pub(crate) fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, PkiError> {
    let bad = |reason: String| PkiError::NoCertificate { path: path.to_owned(), reason };
    let (text, _) = read(path)?;
    let chain = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|error| bad(error.to_string()))?;
    if chain.is_empty() {
        return Err(bad("it has no such block".to_owned()));
    }
    Ok(chain)
}

/// The content of a file and its permission bits, both of the same open file.
fn read(path: &Path) -> Result<(Vec<u8>, u32), PkiError> {
    read_up_to(path, MAX_FILE)
}

/// The same with another bound; what is beyond is not read.
pub(crate) fn read_up_to(path: &Path, most: u64) -> Result<(Vec<u8>, u32), PkiError> {
    let failed = |source| PkiError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let about = file.metadata().map_err(failed)?;
    let mut content = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(file, most), &mut content).map_err(failed)?;
    Ok((content, about.mode() & 0o7777))
}

pub(crate) fn exists(path: &Path) -> Result<bool, PkiError> {
    path.try_exists().map_err(|source| PkiError::Read { path: path.to_owned(), source })
}

pub(crate) fn make_private_folder(folder: &Path) -> Result<(), PkiError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|source| PkiError::Write { path: folder.to_owned(), source })
}

/// Writes a file that only its owner may use, whole or not at all.
pub(crate) fn write_private(folder: &Path, path: &Path, content: &[u8]) -> Result<(), PkiError> {
    let failed = |source| PkiError::Write { path: path.to_owned(), source };
    let draft = path.with_extension("new");
    // What a crash left behind must not lend its permissions to the new file.
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft).map_err(failed)?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(failed)?;
    fs::rename(&draft, path).map_err(failed)?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}

/// The machine's name as the kernel knows it.
#[must_use]
pub fn host_name() -> Option<String> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").or_else(|_| fs::read_to_string("/etc/hostname")).ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::server_config;

    const DAY: i64 = 86_400_000;

    fn start() -> Timestamp {
        Timestamp::parse("2026-01-02T03:04:05Z").unwrap()
    }

    fn later(days: i64) -> Timestamp {
        Timestamp::from_millis(i64::try_from(start().millis()).unwrap() + days * DAY)
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn an_identity_is_made_once_and_found_again() {
        let data = tempfile::tempdir().unwrap();
        let (made, origin) = load_or_create(data.path(), &["fog.example".to_owned()], start()).unwrap();
        assert_eq!(origin, Origin::Created);
        let (found, origin) = load_or_create(data.path(), &[], later(800)).unwrap();
        assert_eq!(origin, Origin::Loaded);
        assert_eq!(made.fingerprint_sha256(), found.fingerprint_sha256());
        assert_eq!(found.not_after(), later(825));
        assert_eq!(server_config(&found).unwrap().alpn_protocols, [b"http/1.1".to_vec(), b"http/1.0".to_vec()]);
    }

    #[test]
    fn files_and_folder_are_for_their_owner_alone() {
        let data = tempfile::tempdir().unwrap();
        load_or_create(data.path(), &[], start()).unwrap();
        let folder = data.path().join("tls");
        assert_eq!([mode(&folder), mode(&folder.join("server.key"))], [0o700, 0o600]);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2, "no draft is left");
    }

    #[test]
    fn an_expired_certificate_is_replaced_and_that_is_said() {
        let data = tempfile::tempdir().unwrap();
        let (old, _) = load_or_create(data.path(), &[], start()).unwrap();
        let (new, origin) = load_or_create(data.path(), &[], later(826)).unwrap();
        assert_eq!(origin, Origin::Renewed);
        assert_ne!(old.fingerprint_sha256(), new.fingerprint_sha256());
    }

    #[test]
    fn a_key_that_others_may_read_is_refused_with_its_mode_and_the_remedy() {
        let data = tempfile::tempdir().unwrap();
        load_or_create(data.path(), &[], start()).unwrap();
        let key = data.path().join("tls/server.key");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
        let said = load_or_create(data.path(), &[], start()).unwrap_err().to_string();
        assert!(said.contains("0640") && said.contains(&format!("chmod 600 {}", key.display())), "{said}");
    }

    #[test]
    fn halves_of_two_pairs_are_refused() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        load_or_create(one.path(), &[], start()).unwrap();
        load_or_create(other.path(), &[], start()).unwrap();
        let mixed = load(&one.path().join("tls/server.pem"), &other.path().join("tls/server.key"));
        assert!(matches!(mixed, Err(PkiError::Unusable { .. })), "{mixed:?}");
    }

    #[test]
    fn files_of_something_else_are_refused_by_name() {
        let data = tempfile::tempdir().unwrap();
        load_or_create(data.path(), &[], start()).unwrap();
        let (cert, key) = (data.path().join("tls/server.pem"), data.path().join("tls/server.key"));
        assert!(matches!(load(&key, &key), Err(PkiError::NoCertificate { .. })));
        fs::set_permissions(&cert, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(matches!(load(&cert, &cert), Err(PkiError::NoKey { .. })));
        assert!(matches!(load(&data.path().join("none"), &key), Err(PkiError::Read { .. })));
    }

    #[test]
    fn a_fingerprint_is_32_bytes_with_colons() {
        let data = tempfile::tempdir().unwrap();
        let (identity, _) = load_or_create(data.path(), &[], start()).unwrap();
        let fingerprint = identity.fingerprint_sha256();
        assert_eq!(fingerprint.split(':').count(), 32);
        assert!(fingerprint.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':'));
        assert_eq!(format!("{identity:?}"), format!("ServerIdentity {{ fingerprint: \"{fingerprint}\", .. }}"));
    }
}
