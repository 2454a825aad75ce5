//! Where the kernel's and the system's files are, and how they are read: bounded, and without failing.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Entries read of one directory of devices; no machine this is made for has more.
const ENTRY_LIMIT: usize = 256;

/// The directories that describe a machine. Tests point them elsewhere.
#[derive(Debug, Clone)]
pub struct Roots {
    /// Usually `/proc`.
    pub proc: PathBuf,
    /// Usually `/sys`.
    pub sys: PathBuf,
    /// Usually `/etc`.
    pub etc: PathBuf,
}

impl Default for Roots {
    fn default() -> Self {
        Self { proc: "/proc".into(), sys: "/sys".into(), etc: "/etc".into() }
    }
}

/// The text of a file up to `limit` bytes, `None` where it cannot be read. Bytes that are no UTF-8 are replaced.
pub(crate) fn read_text(path: &Path, limit: u64) -> Option<String> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(limit).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// A one-line file, trimmed; `None` where it is missing or blank.
pub(crate) fn read_word(path: &Path) -> Option<String> {
    // A property in a device tree ends with a NUL.
    let text = read_text(path, 4096)?;
    let word = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    (!word.is_empty()).then(|| word.to_owned())
}

/// A one-line file that holds a number.
pub(crate) fn read_number(path: &Path) -> Option<f64> {
    read_word(path)?.parse().ok().filter(|number: &f64| number.is_finite())
}

/// The entries of a directory in the order of their names; none where it cannot be read.
pub(crate) fn entries(directory: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(directory)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .take(ENTRY_LIMIT)
        .collect();
    paths.sort();
    paths
}

#[cfg(test)]
pub(crate) mod fixture {
    //! Trees of small files that look like `/proc` and `/sys`.

    use std::fs;

    use tempfile::TempDir;

    use super::Roots;

    /// A machine made of files, gone when dropped.
    pub(crate) struct Tree {
        directory: TempDir,
    }

    impl Tree {
        /// Writes each `(path, text)` below a new directory.
        pub(crate) fn new(files: &[(&str, &str)]) -> Self {
            let tree = Self { directory: tempfile::tempdir().unwrap() };
            for (path, text) in files {
                tree.write(path, text);
            }
            tree
        }

        /// Writes or replaces one file.
        pub(crate) fn write(&self, path: &str, text: &str) {
            let path = self.directory.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        /// The roots `proc`, `sys` and `etc` of this tree.
        pub(crate) fn roots(&self) -> Roots {
            let root = self.directory.path();
            Roots { proc: root.join("proc"), sys: root.join("sys"), etc: root.join("etc") }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::fixture::Tree;
    use super::*;

    #[test]
    fn reading_is_bounded_and_a_missing_file_is_nothing() {
        let tree = Tree::new(&[("proc/long", "abcdefgh"), ("proc/blank", " \n"), ("proc/word", "7.5\0\n")]);
        let proc = tree.roots().proc;
        assert_eq!(read_text(&proc.join("long"), 3).as_deref(), Some("abc"));
        assert_eq!(read_text(&proc.join("missing"), 3), None);
        assert_eq!(read_word(&proc.join("blank")), None);
        assert_eq!(read_number(&proc.join("word")), Some(7.5));
        assert_eq!(read_number(&proc.join("long")), None);
        assert!(entries(&proc.join("missing")).is_empty());
    }
}
