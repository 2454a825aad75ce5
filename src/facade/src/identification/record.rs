//! The file that remembers a registration, in the form of the original: three lines with user, `IDKey` and `deviceID`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// The largest file that is read, in bytes.
const LARGEST: u64 = 4096;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) user: String,
    pub(super) id_key: String,
    pub(super) device: String,
}

impl Record {
    /// What is remembered, if anything is. A file with less than three lines remembers nothing.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, String> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(path, &error)),
        };
        let mut text = String::new();
        file.take(LARGEST).read_to_string(&mut text).map_err(|error| failed(path, &error))?;
        let mut lines = text.lines().map(|line| line.trim().to_owned());
        let (Some(user), Some(id_key), Some(device)) = (lines.next(), lines.next(), lines.next()) else {
            return Ok(None);
        };
        Ok(Some(Self { user, id_key, device }))
    }

    /// Replaces what is remembered. It is on disk when this returns.
    pub(super) fn write(&self, path: &Path) -> Result<(), String> {
        let new = path.with_extension("new");
        let written = || -> io::Result<()> {
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
            writeln!(file, "{}\n{}\n{}", self.user, self.id_key, self.device)?;
            file.sync_all()?;
            fs::rename(&new, path)?;
            path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
        };
        written().map_err(|error| failed(path, &error))
    }
}

fn failed(path: &Path, error: &io::Error) -> String {
    format!("{}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_and_half_a_file_remembers_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("IDs.f2c");
        assert_eq!(Record::read(&path), Ok(None));
        let record = Record { user: "jane".into(), id_key: "0a".repeat(64), device: "1b".repeat(64) };
        record.write(&path).unwrap();
        assert_eq!(Record::read(&path), Ok(Some(record)));
        fs::write(&path, "jane\n0a\n").unwrap();
        assert_eq!(Record::read(&path), Ok(None));
    }
}
