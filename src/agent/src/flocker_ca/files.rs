//! The files of `flocker-ca`: the authority's are read, new ones made, none overwritten.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use mf2c_pki::area::Serial;
use mf2c_pki::flocker::{Cluster, LIST_FILE, Pair};

/// Certificates and keys hold a few kilobytes; more than this is something else.
const LARGEST: u64 = 1 << 20;
/// A list holds as many certificates as were revoked.
const LARGEST_LIST: u64 = 8 << 20;
const NO_AUTHORITY: &str = "Unable to load certificate authority file.";
const NO_KEY: &str = "Private key file could not be opened.";
const NO_CERTIFICATE_WRITTEN: &str = "Unable to write certificate file.";
const NO_KEY_WRITTEN: &str = "Unable to write private key file.";

/// The authority in a directory.
///
/// # Errors
/// What to tell, in the words of the tool.
pub(super) fn authority(directory: &Path) -> Result<Cluster, String> {
    let (certificate, key) = (directory.join("cluster.crt"), directory.join("cluster.key"));
    let text = read(&certificate).map(|(text, _)| text).map_err(|error| {
        let remedy = match error.kind() {
            io::ErrorKind::NotFound => " Please run `flocker-ca initialize` to generate a new certificate authority.",
            _ => "",
        };
        told(&format!("{NO_AUTHORITY}{remedy}"), &error, &certificate)
    })?;
    let (secret, mode) = read(&key).map_err(|error| told(NO_KEY, &error, &key))?;
    if mode & 0o077 != 0 {
        let path = key.display();
        return Err(format!("{NO_KEY} Others may use it: it has mode {mode:04o}; run `chmod 0600 {path}` {path}"));
    }
    Cluster::from_pem(&text, &secret).map_err(|error| format!("{NO_AUTHORITY} {error} {}", certificate.display()))
}

/// The serial number of a certificate of a cluster, by its file or by itself.
///
/// # Errors
/// What to tell.
pub(super) fn serial(certificate: &Path, cluster: &Cluster) -> Result<Serial, String> {
    match read(certificate) {
        Ok((text, _)) => cluster.serial_of_own(&text).map_err(|error| format!("{error} {}", certificate.display())),
        Err(error) => {
            let digits = certificate.to_str().and_then(|text| text.parse().ok());
            let is_none = error.kind() == io::ErrorKind::NotFound;
            digits.filter(|_| is_none).ok_or_else(|| told("Unable to load certificate file.", &error, certificate))
        }
    }
}

/// The list of revoked certificates in a directory, if there is one.
///
/// # Errors
/// What to tell.
pub(super) fn list(directory: &Path) -> Result<Option<String>, String> {
    let path = directory.join(LIST_FILE);
    let read = File::open(&path).and_then(|file| {
        let mut text = String::new();
        file.take(LARGEST_LIST).read_to_string(&mut text).map(|_| text)
    });
    match read {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(told("Unable to load revocation list.", &error, &path)),
    }
}

/// Puts a list in the place of the one before, whole or not at all.
///
/// # Errors
/// What to tell.
pub(super) fn replace(directory: &Path, list: &str) -> Result<(), String> {
    let (path, draft) = (directory.join(LIST_FILE), directory.join(format!(".{LIST_FILE}.new")));
    let failed = |error: io::Error| told("Unable to write revocation list.", &error, &path);
    match std::fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let new = New::make(draft.clone()).and_then(|new| new.fill(list)).map_err(failed)?;
    std::fs::rename(&draft, &path).map_err(failed)?;
    new.keep();
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed)
}

/// A text and the permissions of its file.
fn read(path: &Path) -> io::Result<(String, u32)> {
    let file = File::open(path)?;
    let mode = file.metadata()?.mode() & 0o7777;
    let mut text = String::new();
    file.take(LARGEST).read_to_string(&mut text)?;
    Ok((text, mode))
}

/// Whether two new files can be called so: a look before the work of making a key.
///
/// # Errors
/// What to tell, in the words of the tool.
pub(super) fn free(directory: &Path, stem: &str) -> Result<(), String> {
    let exists = io::Error::from_raw_os_error(rustix::io::Errno::EXIST.raw_os_error());
    for (ending, what) in [("crt", NO_CERTIFICATE_WRITTEN), ("key", NO_KEY_WRITTEN)] {
        let path = directory.join(format!("{stem}.{ending}"));
        std::fs::metadata(directory).map_err(|error| told(what, &error, &path))?;
        match path.symlink_metadata() {
            Ok(_) => return Err(told(what, &exists, &path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(told(what, &error, &path)),
        }
    }
    Ok(())
}

/// Writes a pair, both files or none: `stem.crt` and `stem.key`, for nobody else to read.
///
/// # Errors
/// What to tell, in the words of the tool.
pub(super) fn write(directory: &Path, stem: &str, pair: &Pair) -> Result<(), String> {
    let path = |ending: &str| directory.join(format!("{stem}.{ending}"));
    let certificate = New::make(path("crt")).map_err(|error| told(NO_CERTIFICATE_WRITTEN, &error, &path("crt")))?;
    let key = New::make(path("key")).map_err(|error| told(NO_KEY_WRITTEN, &error, &path("key")))?;
    let certificate =
        certificate.fill(&pair.certificate).map_err(|error| told(NO_CERTIFICATE_WRITTEN, &error, &path("crt")))?;
    let key = key.fill(&pair.key).map_err(|error| told(NO_KEY_WRITTEN, &error, &path("key")))?;
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    synced.map_err(|error| told(NO_CERTIFICATE_WRITTEN, &error, directory))?;
    certificate.keep();
    key.keep();
    Ok(())
}

/// A file that was not there before; it goes away again unless it is kept.
struct New {
    path: PathBuf,
    file: File,
    kept: bool,
}

impl New {
    fn make(path: PathBuf) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        // The umask may have taken more away.
        let new = Self { path, file, kept: false };
        new.file.set_permissions(Permissions::from_mode(0o600))?;
        Ok(new)
    }

    fn fill(mut self, text: &str) -> io::Result<Self> {
        self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_all())?;
        Ok(self)
    }

    fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for New {
    fn drop(&mut self) {
        if !self.kept {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// What failed, why, and where.
pub(super) fn told(what: &str, error: &io::Error, path: &Path) -> String {
    let reason = error.to_string();
    // The number of the error is for programmers.
    let reason = reason.split(" (os error").next().unwrap_or(&reason);
    format!("{what} {reason} {}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> Pair {
        Pair { certificate: "c".into(), key: "k".into() }
    }

    #[test]
    fn a_key_that_is_there_keeps_its_content_and_no_certificate_is_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.key"), "old").unwrap();
        let said = write(folder.path(), "a", &pair()).unwrap_err();
        assert!(said.starts_with("Unable to write private key file. File exists /"), "{said}");
        assert_eq!(free(folder.path(), "a").unwrap_err(), said);
        assert_eq!(std::fs::read_to_string(folder.path().join("a.key")).unwrap(), "old");
        assert!(!folder.path().join("a.crt").exists());
    }

    #[test]
    fn a_link_that_leads_nowhere_is_not_written_through() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(folder.path().join("elsewhere"), folder.path().join("a.crt")).unwrap();
        assert!(write(folder.path(), "a", &pair()).is_err() && free(folder.path(), "a").is_err());
        assert!(!folder.path().join("elsewhere").exists() && !folder.path().join("a.key").exists());
    }
}
