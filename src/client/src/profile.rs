//! Profiles: for each agent that somebody works with, its address, what vouches for it, and the session there.
//!
//! A profile is `mf2c/profiles/<name>.toml` in the configuration directory of the user. It holds a session's cookie and is
//! for its owner alone; a password never gets into it.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use mf2c_pki::ServerIdentity;
use serde::{Deserialize, Serialize};

use crate::{ClientError, Surroundings};

/// The name of the profile when none is named.
const USUAL: &str = "default";
/// A profile is a few hundred bytes, and a cookie at most 8 KiB.
const LARGEST: u64 = 64 << 10;

/// What is known of one agent.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Profile {
    /// Its address, `https://host:port`.
    pub(crate) url: String,
    /// The SHA-256 of the certificate that was accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fingerprint: Option<String>,
    /// The file that vouches for its certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ca: Option<PathBuf>,
    /// Any certificate is accepted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) insecure: bool,
    /// Who requests come from, at an agent in development mode: a name and roles.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) speak_as: Option<String>,
    /// The file with the certificate that is shown, and that with its key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) certificate: Option<PathBuf>,
    /// See `certificate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) certificate_key: Option<PathBuf>,
    /// Who signed in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<String>,
    /// The id of the session, `session/…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) session: Option<String>,
    /// The session's cookie, `name=value`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cookie: Option<String>,
}

impl Profile {
    /// The certificate that is shown, if there is one.
    ///
    /// # Errors
    /// Where its files cannot be used.
    pub(crate) fn own(&self) -> Result<Option<ServerIdentity>, ClientError> {
        match (&self.certificate, &self.certificate_key) {
            (Some(certificate), Some(key)) => Ok(Some(mf2c_pki::load(certificate, key)?)),
            _ => Ok(None),
        }
    }
}

/// Where one profile is.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// Its name.
    pub(crate) name: String,
    folder: Option<PathBuf>,
}

impl Place {
    /// The profile of this name, or of `MF2C_PROFILE`, or the usual one.
    pub(crate) fn of(named: Option<&str>, surroundings: &Surroundings) -> Result<Self, ClientError> {
        let name = named.or_else(|| surroundings.variable("MF2C_PROFILE")).unwrap_or(USUAL);
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || name.len() > 64 || name.starts_with('.') || !name.chars().all(good) {
            let message = "the name of a profile has letters, digits, `-`, `_` and `.`, at most 64, and no dot first";
            return Err(ClientError::Usage(message.to_owned()));
        }
        // The XDG specification has relative paths ignored.
        let absolute = |name: &str| surroundings.variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let config = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")));
        Ok(Self { name: name.to_owned(), folder: config.map(|config| config.join("mf2c/profiles")) })
    }

    /// The file.
    pub(crate) fn path(&self) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.join(format!("{}.toml", self.name)))
    }

    /// Reads the profile; none if it is not there.
    ///
    /// # Errors
    /// Where it cannot be read, is no profile, or others may read it.
    pub(crate) fn load(&self) -> Result<Option<Profile>, ClientError> {
        let Some(path) = self.path() else { return Ok(None) };
        let failed = |source| ClientError::Read { path: path.clone(), source };
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(failed)?,
        };
        let mode = file.metadata().map_err(failed)?.mode() & 0o777;
        if mode & 0o077 != 0 {
            let shown = path.display();
            return Err(ClientError::Failed(format!(
                "profile `{shown}` has mode {mode:04o} and holds a session, expected 0600: run `chmod 600 {shown}`, \
                 and sign in again if others may have read it"
            )));
        }
        let mut text = String::new();
        file.take(LARGEST).read_to_string(&mut text).map_err(failed)?;
        toml::from_str(&text).map(Some).map_err(|error: toml::de::Error| {
            // Not the error as a whole: that quotes the line, and the line may hold the cookie.
            let (shown, reason) = (path.display(), error.message().lines().next().unwrap_or_default().to_owned());
            ClientError::Failed(format!("`{shown}` is no profile ({reason}): remove it and sign in again"))
        })
    }

    /// Writes the profile, whole or not at all.
    ///
    /// # Errors
    /// Where there is no home for it, or it cannot be written.
    pub(crate) fn save(&self, profile: &Profile) -> Result<(), ClientError> {
        let (Some(folder), Some(path)) = (&self.folder, self.path()) else {
            let message = "there is no place for profiles: set HOME or XDG_CONFIG_HOME to an absolute path";
            return Err(ClientError::Failed(message.to_owned()));
        };
        let failed = |source| ClientError::Write { path: path.clone(), source };
        let text = toml::to_string(profile).map_err(|error| failed(io::Error::other(error)))?;
        make_private(folder).map_err(failed)?;
        let mut draft = tempfile::Builder::new().prefix(".new-").tempfile_in(folder).map_err(failed)?;
        draft.write_all(text.as_bytes()).and_then(|()| draft.as_file().sync_all()).map_err(failed)?;
        draft.persist(&path).map_err(|error| failed(error.error))?;
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
    }
}

fn make_private(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    if fs::metadata(folder)?.mode() & 0o077 != 0 {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(folder: &Path) -> Place {
        Place { name: "edge".to_owned(), folder: Some(folder.join("mf2c/profiles")) }
    }

    fn profile() -> Profile {
        let cookie = Some("name=token=secret".to_owned());
        Profile {
            url: "https://127.0.0.1:8443".to_owned(),
            user: Some("jane".to_owned()),
            cookie,
            ..Profile::default()
        }
    }

    #[test]
    fn a_profile_is_for_its_owner_alone_and_reads_as_it_was_written() {
        let home = tempfile::tempdir().unwrap();
        let place = place(home.path());
        assert!(place.load().unwrap().is_none());
        place.save(&profile()).unwrap();
        assert!(place.load().unwrap() == Some(profile()));
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        let path = place.path().unwrap();
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn a_profile_that_others_may_read_is_refused_with_the_remedy() {
        let home = tempfile::tempdir().unwrap();
        let place = place(home.path());
        place.save(&profile()).unwrap();
        fs::set_permissions(place.path().unwrap(), fs::Permissions::from_mode(0o644)).unwrap();
        let said = place.load().err().unwrap().to_string();
        assert!(said.contains("0644") && said.contains("chmod 600"), "{said}");
    }

    #[test]
    fn a_damaged_profile_is_refused_without_showing_what_is_in_it() {
        let home = tempfile::tempdir().unwrap();
        let place = place(home.path());
        place.save(&profile()).unwrap();
        fs::write(place.path().unwrap(), "cookie = \"token=secret\" and more").unwrap();
        let said = place.load().err().unwrap().to_string();
        assert!(said.contains("is no profile") && !said.contains("secret"), "{said}");
    }
}
