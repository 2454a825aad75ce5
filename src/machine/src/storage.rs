//! The disk that holds the agent's data, out of all that are mounted.

use std::path::{Path, PathBuf};

use sysinfo::{Disk, DiskRefreshKind, Disks};

use crate::port::Storage;

const MIB: f64 = 1024.0 * 1024.0;

/// Bytes as MiB.
pub(crate) fn mib(bytes: u64) -> f64 {
    bytes as f64 / MIB
}

/// The mounted disk below the data directory. Only this one is ever asked for its space: asking one whose server is gone
/// would hang.
pub(crate) struct DataDisk {
    disk: Option<Disk>,
}

impl DataDisk {
    /// Finds the disk of `data_dir`, which need not exist yet.
    pub(crate) fn of(data_dir: &Path) -> Self {
        let place = nearest_existing(data_dir);
        let Ok(disks) = Disks::new_with_refreshed_list_specifics(DiskRefreshKind::nothing()) else {
            return Self { disk: None };
        };
        let mounts: Vec<&Path> = disks.iter().map(Disk::mount_point).collect();
        let found = holder(&mounts, &place);
        Self { disk: found.and_then(|index| Vec::from(disks).into_iter().nth(index)) }
    }

    /// Reads its space now.
    pub(crate) fn read(&mut self) -> Option<Storage> {
        let disk = self.disk.as_mut()?;
        disk.refresh_specifics(DiskRefreshKind::nothing().with_storage());
        Some(Storage { total_mib: mib(disk.total_space()), free_mib: mib(disk.available_space()) })
            .filter(|storage| storage.total_mib > 0.0)
    }
}

/// The index of the deepest of `mounts` above `place`; the last of equals, which hides the others.
fn holder(mounts: &[&Path], place: &Path) -> Option<usize> {
    let above = mounts.iter().enumerate().filter(|(_, mount)| place.starts_with(mount));
    above.max_by_key(|(_, mount)| mount.components().count()).map(|(index, _)| index)
}

fn nearest_existing(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    absolute.ancestors().find_map(|ancestor| ancestor.canonicalize().ok()).unwrap_or(absolute)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deepest_and_latest_mount_above_the_data_holds_it() {
        let mounts = ["/", "/var", "/var/lib/mf2c", "/var/lib/mf2c", "/var/li"].map(Path::new);
        assert_eq!(holder(&mounts, Path::new("/var/lib/mf2c/store")), Some(3));
        assert_eq!(holder(&mounts, Path::new("/var/lib/other")), Some(1));
        assert_eq!(holder(&mounts, Path::new("/home")), Some(0));
        assert_eq!(holder(&mounts[1..], Path::new("/home")), None);
    }

    #[test]
    fn a_directory_that_does_not_exist_yet_lies_where_its_parent_does() {
        let directory = tempfile::tempdir().unwrap();
        let parent = directory.path().canonicalize().unwrap();
        assert_eq!(nearest_existing(&directory.path().join("not/yet")), parent);
    }
}
