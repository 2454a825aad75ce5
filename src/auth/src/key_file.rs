//! The key of the session tokens on disk: `session.key` in the data directory, for nobody else to read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use mf2c_domain::entropy::Entropy;
use thiserror::Error;

/// The length of the key, in bytes.
pub(crate) const LEN: usize = 32;

/// Why there is no key to sign with.
#[derive(Debug, Error)]
pub enum KeyFileError {
    /// The file cannot be read.
    #[error("failed to read the session key `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file cannot be made.
    #[error("failed to write the session key `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Others can read it, and could sign in as anybody.
    #[error(
        "others can read the session key `{}` (mode {mode:04o}): expected 0600; remove the file, and everybody signs in anew",
        path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It holds something else.
    #[error(
        "the session key `{}` has {len} bytes: expected {LEN}; remove the file, and everybody signs in anew",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Its length.
        len: usize,
    },
}

/// The key in `data_dir/session.key`; a new one is made where there is none.
pub(crate) fn load_or_create(data_dir: &Path, entropy: &dyn Entropy) -> Result<[u8; LEN], KeyFileError> {
    let path = data_dir.join("session.key");
    match File::open(&path) {
        Ok(file) => load(file, path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut key = [0; LEN];
            entropy.fill(&mut key);
            write(data_dir, &path, &key).map_err(|source| KeyFileError::Write { path, source })?;
            Ok(key)
        }
        Err(source) => Err(KeyFileError::Read { path, source }),
    }
}

fn load(file: File, path: PathBuf) -> Result<[u8; LEN], KeyFileError> {
    let read = || {
        let mode = file.metadata()?.mode() & 0o7777;
        let mut content = Vec::new();
        (&file).take(LEN as u64 + 1).read_to_end(&mut content)?;
        Ok((mode, content))
    };
    let (mode, content) = match read() {
        Ok(found) => found,
        Err(source) => return Err(KeyFileError::Read { path, source }),
    };
    if mode & 0o077 != 0 {
        return Err(KeyFileError::Exposed { path, mode });
    }
    content.try_into().map_err(|content: Vec<u8>| KeyFileError::Damaged { path, len: content.len() })
}

/// Whole or not at all; what a crash left behind does not lend its permissions to the new file.
fn write(folder: &Path, path: &Path, key: &[u8]) -> io::Result<()> {
    let draft = path.with_extension("new");
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(key)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    File::open(folder)?.sync_all()
}
