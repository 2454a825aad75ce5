//! Waiting for processes that are not children of this one: by a descriptor of the process, so that the kernel tells.

use std::io;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal};

use super::folder::Run;
use super::proc::Identity;
use super::ready;

/// Where no descriptor is to be had, the process is looked at so often.
const LOOK: Duration = Duration::from_secs(1);

/// Waits until this very process has ended.
pub(crate) async fn gone(process: Identity) {
    if told(process).await.is_err() {
        while process.is_alive() {
            tokio::time::sleep(LOOK).await;
        }
    }
}

async fn told(process: Identity) -> io::Result<()> {
    let Some(pid) = Pid::from_raw(process.pid) else { return Ok(()) };
    let fd = match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
        Ok(fd) => fd,
        Err(rustix::io::Errno::SRCH) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    // Another one might have had the number already when the descriptor was opened.
    if !process.is_alive() {
        return Ok(());
    }
    ready::register(fd)?.readable().await?.retain_ready();
    Ok(())
}

/// Waits until the run is over and written down; where the shim was killed, until the process itself is gone.
pub(crate) async fn over(run: &Run) {
    gone(run.shim).await;
    gone(run.process).await;
}

/// Sends a signal to all of the group of a process, if it is still this one.
pub(crate) fn signal(process: Identity, signal: Signal) {
    if let Some(group) = Pid::from_raw(process.pid).filter(|_| process.is_alive()) {
        let _ = rustix::process::kill_process_group(group, signal);
    }
}
