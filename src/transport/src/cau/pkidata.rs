//! The directory `/pkidata`, from which other programs of the original take what cau-client has got: `server.key`,
//! `server.crt` (the device's certificate alone), `ca.crt` (who signed it) and `deviceid.txt`.
//!
//! Every file is replaced whole. Nothing here may run on a thread that answers others: it waits for the disk.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use mf2c_domain::legacy::identity::common_name;
use mf2c_domain::time::Timestamp;
use mf2c_pki::cau::{DeviceCertificate, DeviceKey};

/// The largest file that is read, in bytes.
const LARGEST: u64 = 64 << 10;

#[derive(Debug, Clone)]
pub(super) struct PkiData(pub(super) PathBuf);

impl PkiData {
    /// The key of this device; one is made if there is none.
    pub(super) fn key(&self) -> Result<DeviceKey, String> {
        let path = self.0.join("server.key");
        let Some(pem) = read(&path)? else {
            let key = DeviceKey::generate().map_err(|error| error.to_string())?;
            self.write("server.key", &key.to_pem(), 0o600)?;
            return Ok(key);
        };
        let mode = fs::metadata(&path).map_err(|error| failed(&path, &error))?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            let shown = path.display();
            return Err(format!("private key {shown} has mode {mode:04o}, expected 0600: run chmod 600 {shown}"));
        }
        DeviceKey::from_pem(&pem).map_err(|error| format!("{}: {error}; remove it to have one made", path.display()))
    }

    /// The certificate of this device and key, if it holds for long enough still.
    pub(super) fn certificate(&self, device: &str, key: &DeviceKey, now: Timestamp) -> Option<DeviceCertificate> {
        let known = read(&self.0.join("deviceid.txt")).ok()??;
        let found = DeviceCertificate::from_pem(&read(&self.0.join("server.crt")).ok()??).ok()?;
        // A crash between the two files leaves an identifier that the certificate does not name.
        let same = known.trim() == device && found.common_name() == common_name(device);
        (same && found.is_for(key) && found.is_fresh(now)).then_some(found)
    }

    /// Keeps a certificate, and the one of who signed it.
    pub(super) fn keep(&self, device: &str, certificate: &str, authority: Option<&str>) -> Result<(), String> {
        match authority {
            Some(authority) => self.write("ca.crt", authority, 0o644)?,
            None => drop(fs::remove_file(self.0.join("ca.crt"))),
        }
        self.write("server.crt", certificate, 0o644)?;
        self.write("deviceid.txt", device, 0o644)
    }

    /// Replaces a file, so that a crash leaves the old one or the new one.
    fn write(&self, name: &str, text: &str, mode: u32) -> Result<(), String> {
        let (path, new) = (self.0.join(name), self.0.join(format!(".{name}.new")));
        let replaced = || -> io::Result<()> {
            DirBuilder::new().recursive(true).mode(0o700).create(&self.0)?;
            // What an earlier crash has left may have another mode.
            let _ = fs::remove_file(&new);
            let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&new)?;
            file.set_permissions(fs::Permissions::from_mode(mode))?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            File::open(&self.0)?.sync_all()
        };
        replaced().map_err(|error| failed(&path, &error))
    }
}

fn read(path: &Path) -> Result<Option<String>, String> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(path, &error)),
    };
    let mut text = String::new();
    file.take(LARGEST).read_to_string(&mut text).map_err(|error| failed(path, &error))?;
    Ok(Some(text))
}

fn failed(path: &Path, error: &io::Error) -> String {
    format!("{}: {error}", path.display())
}
