//! Tells systemd how the agent is (`sd_notify(3)`): ready, alive, stopping. Without systemd nothing is told.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use crate::config::systemd;

/// The way to the service manager, if there is one.
pub struct ServiceManager(Option<(UnixDatagram, SocketAddr)>);

impl ServiceManager {
    /// Looks for it.
    #[must_use]
    pub fn find() -> Self {
        let Some(path) = systemd::notify_socket() else { return Self(None) };
        match connect(&path) {
            Ok(found) => Self(Some(found)),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "the service manager cannot be told that the agent is ready");
                Self(None)
            }
        }
    }

    /// Everything runs. From now on it hears in time that the agent lives, if it wants to.
    pub fn ready(&self) {
        self.tell("READY=1");
        let (Some(within), Some((socket, address))) = (systemd::watchdog(), &self.0) else { return };
        let (Ok(socket), address) = (socket.try_clone(), address.clone()) else { return };
        // On the main thread, beside the signals: a main thread that hangs is not alive.
        actix::spawn(async move {
            let mut beat = tokio::time::interval((within / 3).max(Duration::from_millis(1)));
            loop {
                beat.tick().await;
                let _ = socket.send_to_addr(b"WATCHDOG=1", &address);
            }
        });
    }

    /// The doors are being closed.
    pub fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    fn tell(&self, state: &str) {
        let Some((socket, address)) = &self.0 else { return };
        if let Err(error) = socket.send_to_addr(state.as_bytes(), address) {
            tracing::warn!(state, %error, "the service manager could not be told");
        }
    }
}

fn connect(path: &OsStr) -> io::Result<(UnixDatagram, SocketAddr)> {
    let address = match path.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(path)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    Ok((socket, address))
}
