//! The door for commands on the same machine: a socket in the data directory, open to nobody but its owner.
//!
//! A command is one line; the answer is what follows. There is one command, `backup`.

use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mf2c_store::{Store, write_backup};

/// How long a command may keep the socket waiting for its line, or a reader may pause.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest command.
const MAX_COMMAND: u64 = 64;

/// The socket's path below a data directory.
#[must_use]
pub fn socket_path(data_dir: &Path) -> PathBuf {
    data_dir.join("control.sock")
}

/// The open door. It closes, and the socket goes, when this is dropped.
pub struct Control {
    path: PathBuf,
}

impl Control {
    /// Opens the door. An agent without it still works, but cannot be backed up while it runs.
    pub fn start(data_dir: &Path, store: Arc<Store>) -> Option<Self> {
        let path = socket_path(data_dir);
        match open(&path, store) {
            Ok(()) => Some(Self { path }),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "no control socket: `mf2c backup` needs the agent stopped");
                None
            }
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn open(path: &Path, store: Arc<Store>) -> io::Result<()> {
    // We hold the lock of the data directory, so a socket that is there was left by an agent that is gone.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    // One command at a time, on a thread that ends with the process: a second one waits in the socket's queue.
    std::thread::Builder::new().name("control".to_owned()).spawn(move || {
        for stream in listener.incoming() {
            let served = stream.and_then(|stream| serve(stream, &store));
            if let Err(error) = served {
                tracing::warn!(%error, "a control command failed");
            }
        }
    })?;
    Ok(())
}

fn serve(mut stream: UnixStream, store: &Store) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut command = Vec::new();
    let mut byte = [0];
    while command.len() < MAX_COMMAND as usize && stream.read(&mut byte)? == 1 && byte[0] != b'\n' {
        command.push(byte[0]);
    }
    if command != b"backup" {
        return stream.write_all(b"unknown command: expected `backup`\n");
    }
    let written = write_backup(store, io::BufWriter::with_capacity(256 * 1024, &stream)).map_err(io::Error::other)?;
    tracing::info!(documents = written.documents, bytes = written.bytes, "wrote a backup");
    Ok(())
}

/// Asks the agent of `data_dir` for a backup; none if no agent runs there.
///
/// # Errors
/// The socket's.
pub fn ask_for_backup(data_dir: &Path) -> io::Result<Option<UnixStream>> {
    match UnixStream::connect(socket_path(data_dir)) {
        Ok(mut stream) => {
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.write_all(b"backup\n")?;
            Ok(Some(stream))
        }
        Err(error) => match error.kind() {
            // The last is a path too long for a socket: then a running agent has none either, and holds the lock.
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused | io::ErrorKind::InvalidInput => Ok(None),
            _ => Err(error),
        },
    }
}
