//! What `flocker-ca` tells besides its answer: on standard error, to a file, to systemd's journal.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use super::arguments::Telling;
use super::files::told;

/// Where systemd takes entries (systemd's native journal protocol).
const SOCKET: &str = "/run/systemd/journal/socket";

/// Who listens.
pub(super) struct Journal {
    verbose: bool,
    file: Option<File>,
    journald: Option<UnixDatagram>,
}

impl Journal {
    /// Finds everybody who shall listen.
    ///
    /// # Errors
    /// Whoever does not.
    pub(super) fn open(telling: &Telling) -> Result<Self, String> {
        let open = |path: &Path| {
            let file = OpenOptions::new().append(true).create(true).open(path);
            file.map_err(|error| told("Unable to write log file.", &error, path))
        };
        let connect = || {
            let socket = UnixDatagram::unbound().and_then(|socket| socket.connect(SOCKET).map(|()| socket));
            socket.map_err(|error| told("Unable to reach the journal.", &error, Path::new(SOCKET)))
        };
        Ok(Self {
            verbose: telling.verbose,
            file: telling.logfile.as_deref().map(open).transpose()?,
            journald: telling.journald.then(connect).transpose()?,
        })
    }

    /// Tells everybody. Who stopped listening keeps nobody from their work.
    pub(super) fn tell(&self, message: &str) {
        let message = message.replace('\n', " ");
        if self.verbose {
            let _ = writeln!(io::stderr(), "{message}");
        }
        if let Some(mut file) = self.file.as_ref() {
            let _ = writeln!(file, "flocker-ca: {message}");
        }
        if let Some(socket) = &self.journald {
            let _ = socket.send(format!("SYSLOG_IDENTIFIER=flocker-ca\nPRIORITY=6\nMESSAGE={message}\n").as_bytes());
        }
    }
}
