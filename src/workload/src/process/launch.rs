//! The last steps before the program: in the process that becomes it, so that no limit is ever missing.
//!
//! Its standard input is one end of a pair of sockets. The shim says on it when its number is written down; an
//! error goes back on it; when the program has begun, it is closed.

use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Resource, Rlimit};

use super::folder::{Folder, Record};
use crate::secrets;

/// What the shim says when the program may begin.
pub(super) const GO: u8 = b'g';

/// Becomes the program of the folder. Returns only if that failed; the other end is told why.
pub(super) fn launch(folder: &Path) {
    // Closed by itself when the program begins.
    let Ok(socket) = rustix::io::fcntl_dupfd_cloexec(io::stdin(), 3) else { return };
    let mut socket = UnixStream::from(socket);
    let mut word = [0];
    if socket.read_exact(&mut word).is_err() || word[0] != GO {
        return;
    }
    let error = match begin(&Folder::new(folder.to_owned())) {
        Ok(never) => match never {},
        Err(error) => error,
    };
    // Where nobody listens any more there is nobody to tell.
    let _ = socket.write_all(error.as_bytes());
}

enum Never {}

fn begin(folder: &Folder) -> Result<Never, String> {
    let record = folder.record().ok_or("its record is gone")?;
    for group in &record.cgroups {
        let joined = std::fs::write(group.join("cgroup.procs"), "0");
        joined.map_err(|error| format!("joining the control group {}: {error}", group.display()))?;
    }
    rustix::process::setsid().map_err(|error| format!("a session of its own: {error}"))?;
    limit(&record).map_err(|error| format!("limits: {error}"))?;
    // As most programs expect it: the agent's own keeps everybody out.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    let mut command = command(&record)?;
    let error = command.exec();
    let program = record.argv.first().map_or("", String::as_str);
    Err(match error.kind() {
        io::ErrorKind::NotFound => {
            let place = record.working_dir.display();
            format!("there is no program `{program}`, or no folder `{place}` to start it in")
        }
        _ => format!("`{program}` cannot be run: {error}"),
    })
}

/// The program as the record describes it, with nothing inherited.
pub(super) fn command(record: &Record) -> Result<Command, String> {
    let (program, arguments) = record.argv.split_first().ok_or("its record names no program")?;
    let mut command = Command::new(program);
    surround(&mut command, record)?;
    command.args(arguments);
    Ok(command)
}

/// Gives a program the surroundings of the record: environment, place and user.
pub(super) fn surround(command: &mut Command, record: &Record) -> Result<(), String> {
    command.env_clear().envs(&record.environment).current_dir(&record.working_dir).stdin(Stdio::null());
    if let Some(place) = &record.secrets {
        let secrets = secrets::read(place).map_err(|error| {
            format!(
                "its secrets are not there ({error}): they do not outlast a restart of the machine, so create it again"
            )
        })?;
        command.envs(secrets).env(secrets::VARIABLE, OsString::from(secrets::files(place)));
    }
    if let Some(account) = record.user {
        command.gid(account.gid).uid(account.uid);
    }
    Ok(())
}

/// Limits that every process has by itself, whether there are control groups or not.
fn limit(record: &Record) -> io::Result<()> {
    let set = |what: Resource, most: u64| {
        let most = rustix::process::getrlimit(what).maximum.map_or(most, |allowed| allowed.min(most));
        rustix::process::setrlimit(what, Rlimit { current: Some(most), maximum: Some(most) })
    };
    set(Resource::Core, 0)?;
    set(Resource::Nofile, record.open_files)?;
    if let Some(memory) = record.limits.memory.filter(|_| record.cgroups.is_empty()) {
        // Not the address space: many programs reserve far more than they use.
        set(Resource::Data, memory)?;
    }
    Ok(())
}
