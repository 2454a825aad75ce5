//! The door for commands on the same machine: a socket in the data directory, open to nobody but its owner.
//!
//! A command is one line; the answer is what follows. `backup` is answered with a backup, and `passwd NAME`, with the
//! password on the next line, with `ok` or with what is wrong. Commands about areas are one line of JSON, and so are
//! their answers: see [`wire`].

mod agents;
mod area;
mod devices;
mod fog;
mod forget;
pub(crate) mod wire;

use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use actix::Addr;
use mf2c_actors::session_manager::{SessionManager, SetPassword, SignInError};
use mf2c_client::exit;
use mf2c_store::{Store, write_backup};
use tokio::runtime::Handle;

pub use area::{AreaDoors, AreaParts, Bound};
pub use fog::FogDoors;

/// How long a command may keep the socket waiting for its line, or a reader may pause.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest line of a command: the name of a user, or a password.
const MAX_LINE: usize = 2048;
/// The answer of a command that was carried out.
const OK: &str = "ok";

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
    ///
    /// Must be called on the runtime, which serves what the commands ask of actors.
    pub fn start(data_dir: &Path, store: Arc<Store>, sessions: Addr<SessionManager>, area: AreaDoors) -> Option<Self> {
        let path = socket_path(data_dir);
        match open(&path, Room { store, sessions, area, runtime: Handle::current() }) {
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

/// What commands work on.
struct Room {
    store: Arc<Store>,
    sessions: Addr<SessionManager>,
    area: AreaDoors,
    runtime: Handle,
}

fn open(path: &Path, room: Room) -> io::Result<()> {
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
            let served = stream.and_then(|stream| serve(stream, &room));
            if let Err(error) = served {
                tracing::warn!(%error, "a control command failed");
            }
        }
    })?;
    Ok(())
}

fn serve(mut stream: UnixStream, room: &Room) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let command = line(&mut stream, wire::LONGEST_REQUEST)?;
    if command.starts_with('{') {
        return wire::write(&mut stream, asked(room, &command));
    }
    match command.split_once(' ').unwrap_or((&command, "")) {
        ("backup", "") => backup(&stream, &room.store),
        ("passwd", name) if !name.is_empty() => {
            let password = line(&mut stream, MAX_LINE)?;
            let answer = match set(room, name, password) {
                Ok(()) => OK.to_owned(),
                Err(error) => error.to_string(),
            };
            stream.write_all(format!("{answer}\n").as_bytes())
        }
        _ => stream.write_all(b"unknown command: expected `backup` or `passwd NAME`\n"),
    }
}

/// The next line, without its end. What is no text is no command.
fn line(stream: &mut UnixStream, longest: usize) -> io::Result<String> {
    let mut line = Vec::new();
    let mut byte = [0];
    while stream.read(&mut byte)? == 1 && byte[0] != b'\n' {
        if line.len() == longest {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a line of a command is too long"));
        }
        line.push(byte[0]);
    }
    String::from_utf8(line).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "a command is not UTF-8"))
}

/// Does what a line of JSON wants.
fn asked(room: &Room, line: &str) -> wire::Answer {
    match wire::read(line) {
        Ok(request) => room.runtime.block_on(room.area.answer(request)),
        Err(refusal) => wire::Answer::Failed(refusal),
    }
}

fn backup(stream: &UnixStream, store: &Store) -> io::Result<()> {
    let written = write_backup(store, io::BufWriter::with_capacity(256 * 1024, stream)).map_err(io::Error::other)?;
    tracing::info!(documents = written.documents, bytes = written.bytes, "wrote a backup");
    Ok(())
}

fn set(room: &Room, name: &str, password: String) -> Result<(), SignInError> {
    let set = SetPassword { username: name.to_owned(), password };
    room.runtime.block_on(room.sessions.send(set))??;
    tracing::info!(user = %name.escape_debug(), "the password was set by a command on this machine");
    Ok(())
}

/// Asks the agent of `data_dir` to set a user's password, which ends the user's sessions; false if no agent runs there.
///
/// # Errors
/// The socket's, and with the kind `Other` what the agent says against it.
pub fn set_password(data_dir: &Path, name: &str, password: &str) -> io::Result<bool> {
    if [name, password].iter().any(|text| text.contains('\n')) {
        return Err(io::Error::other("a name or password with a line break in it is none"));
    }
    let Some(mut stream) = connect(data_dir)? else { return Ok(false) };
    stream.write_all(format!("passwd {name}\n{password}\n").as_bytes())?;
    match line(&mut stream, MAX_LINE)?.as_str() {
        OK => Ok(true),
        "" => Err(io::Error::other("the agent gave no answer; its log tells why")),
        wrong => Err(io::Error::other(wrong.to_owned())),
    }
}

/// Whether there is a door that may be open.
///
/// # Errors
/// `PermissionDenied` where the data directory is closed to us.
pub fn is_there(data_dir: &Path) -> io::Result<bool> {
    socket_path(data_dir).try_exists()
}

/// Asks the agent of `data_dir` for a backup; none if no agent runs there.
///
/// # Errors
/// The socket's.
pub fn ask_for_backup(data_dir: &Path) -> io::Result<Option<UnixStream>> {
    let Some(mut stream) = connect(data_dir)? else { return Ok(None) };
    stream.write_all(b"backup\n")?;
    Ok(Some(stream))
}

/// The socket of the agent of `data_dir`; none if no agent runs there.
fn connect(data_dir: &Path) -> io::Result<Option<UnixStream>> {
    match UnixStream::connect(socket_path(data_dir)) {
        Ok(stream) => {
            stream.set_read_timeout(Some(PATIENCE))?;
            Ok(Some(stream))
        }
        Err(error) => match error.kind() {
            // The last is a path too long for a socket: then a running agent has none either, and holds the lock.
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused | io::ErrorKind::InvalidInput => Ok(None),
            _ => Err(error),
        },
    }
}
