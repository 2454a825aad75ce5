//! What the process and its data directory take of the machine, for `/metrics`.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use mf2c_facade::monitor::ProcessFigures;

/// The most files of the data directory that are looked at.
const MAX_FILES: usize = 100_000;

/// Looks at the process, as Linux shows it below `/proc`.
#[must_use]
pub fn look(data_dir: &Path) -> ProcessFigures {
    ProcessFigures {
        resident: status_kib("VmRSS:").map(|kib| kib * 1024),
        open_files: fs::read_dir("/proc/self/fd").ok().map(|files| files.count() as u64),
        most_files: most_files(),
        data: Some(taken(data_dir)),
        free: free(data_dir),
    }
}

fn status_kib(name: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

fn most_files() -> Option<u64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// What the files below a folder take of the disk; journals look larger than they are.
fn taken(folder: &Path) -> u64 {
    let (mut folders, mut bytes, mut seen) = (vec![folder.to_owned()], 0, 0);
    while let Some(folder) = folders.pop() {
        // Files come and go while we look.
        for entry in fs::read_dir::<PathBuf>(folder).into_iter().flatten().flatten() {
            seen += 1;
            match entry.metadata() {
                Ok(found) if found.is_dir() => folders.push(entry.path()),
                Ok(found) => bytes += found.blocks() * 512,
                Err(_) => {}
            }
        }
        if seen > MAX_FILES {
            break;
        }
    }
    bytes
}

fn free(folder: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(folder).ok()?;
    Some(found.f_bavail * found.f_frsize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_of_this_process_are_told() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("below")).unwrap();
        fs::write(folder.path().join("below/file"), vec![1; 100_000]).unwrap();
        let figures = look(folder.path());
        assert!(figures.resident.is_some_and(|bytes| bytes > 1 << 20), "{figures:?}");
        assert!(figures.open_files.is_some_and(|files| files > 2), "{figures:?}");
        assert!(figures.data.is_some_and(|bytes| (100_000..1_000_000).contains(&bytes)), "{figures:?}");
        assert!(figures.free.is_some(), "{figures:?}");
    }
}
