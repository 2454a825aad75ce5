//! Secrets of workloads: files in memory (tmpfs), gone with the machine's next start.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use crate::error::BackendError;
use crate::process::{Account, absent_is_fine, private_folder};
use crate::spec::{Secret, SecretPlace};

/// The variable that names the folder with a process's secret files.
pub(crate) const VARIABLE: &str = "MF2C_SECRETS";
/// The type of a file system in memory, from `linux/magic.h`.
const TMPFS: i128 = 0x0102_1994;

/// The folder with the files among a workload's secrets.
pub(crate) fn files(place: &Path) -> PathBuf {
    place.join("files")
}

/// The variables among them.
pub(crate) fn read(place: &Path) -> io::Result<BTreeMap<String, String>> {
    Ok(serde_json::from_slice(&fs::read(place.join("environment"))?)?)
}

/// Whether a folder, or what is nearest above it, is in memory only.
pub(crate) fn is_in_memory(folder: &Path) -> bool {
    let there = folder.ancestors().find(|path| path.exists());
    there.and_then(|path| rustix::fs::statfs(path).ok()).is_some_and(|fs| i128::from(fs.f_type) == TMPFS)
}

/// Writes the secrets of a workload to `place`, for `owner` to read. `shared` lets every user of the machine that is
/// let through the folders above read the files: a container's user is not known here.
pub(crate) fn write(
    place: &Path,
    secrets: &[Secret],
    owner: Option<Account>,
    shared: bool,
) -> Result<(), BackendError> {
    if !is_in_memory(place) {
        return Err(BackendError::refused(format!(
            "secrets are kept in memory only, and `{}` is on a disk: configure a folder of a tmpfs such as /run",
            place.display()
        )));
    }
    let written = || -> io::Result<()> {
        absent_is_fine(fs::remove_dir_all(place))?;
        let folder = files(place);
        private_folder(&folder)?;
        if owner.is_some() {
            // The process must pass through to its files, which only it can read.
            for above in [place.parent(), Some(place)].into_iter().flatten() {
                fs::set_permissions(above, fs::Permissions::from_mode(0o711))?;
            }
        }
        let mut variables = BTreeMap::new();
        for secret in secrets {
            match secret.place {
                SecretPlace::Environment => drop(variables.insert(&secret.name, secret.value.reveal())),
                SecretPlace::File => {
                    let mode = if shared { 0o444 } else { 0o400 };
                    let file = folder.join(&secret.name);
                    create(&file, mode, secret.value.reveal().as_bytes())?;
                    owner.map_or(Ok(()), |owner| chown(&file, Some(owner.uid), Some(owner.gid)))?;
                }
            }
        }
        owner.map_or(Ok(()), |owner| chown(&folder, Some(owner.uid), Some(owner.gid)))?;
        create(&place.join("environment"), 0o400, &serde_json::to_vec(&variables)?)
    };
    written().map_err(|error| BackendError::failed("writing the secrets", &error))
}

/// Removes them.
pub(crate) fn remove(place: &Path) -> Result<(), BackendError> {
    absent_is_fine(fs::remove_dir_all(place)).map_err(|error| BackendError::failed("removing the secrets", &error))
}

fn create(path: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?.write_all(bytes)
}
