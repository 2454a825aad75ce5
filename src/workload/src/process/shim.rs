//! The one who stays with a process when the agent goes: it keeps its log and writes down how it ended.
//!
//! A program of two words, each with a folder: `watch` starts the process of the folder and waits for it; `launch` is
//! what `watch` starts, and becomes the program itself. It holds few pages of memory: there may be a thousand of it.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use mf2c_domain::time::Clock;
use rustix::event::{PollFd, PollFlags};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitIdStatus, WaitOptions};
use serde::{Deserialize, Serialize};

use super::cgroups;
use super::folder::{Exit, Folder, Record, Run};
use super::launch::{GO, launch};
use super::proc::{Identity, boot_id, children};
use super::sink::Sink;
use crate::observed::Stream;

/// What the shim tells the agent that started it, in one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Word {
    /// The program runs.
    Started(Run),
    /// Another shim has this folder.
    Busy,
    /// The program could not be started.
    Failed(String),
}

/// The outputs of a process that has ended are read for so long yet.
const DRAIN: Duration = Duration::from_millis(500);

/// Does what the hidden subcommand is for. `arguments` are what follows it: `watch` or `launch`, the folder, and for
/// `watch` the words before them, with which the same program is started again.
pub fn main(arguments: impl IntoIterator<Item = OsString>, clock: &Arc<dyn Clock>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    match arguments.as_slice() {
        [word, folder, prefix @ ..] if word == "watch" => {
            let outcome = watch(Path::new(folder), prefix, clock);
            if let Err(error) = &outcome {
                tell(&Word::Failed(error.clone()));
            }
            outcome.map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
        }
        [word, folder] if word == "launch" => {
            launch(Path::new(folder));
            ExitCode::FAILURE
        }
        _ => ExitCode::from(2),
    }
}

fn tell(word: &Word) {
    let mut line = serde_json::to_vec(word).unwrap_or_default();
    line.push(b'\n');
    // An agent that went away asks again when it comes back.
    let _ = io::stdout().write_all(&line);
}

fn watch(path: &Path, prefix: &[OsString], clock: &Arc<dyn Clock>) -> Result<(), String> {
    // Neither a terminal nor the end of the agent's session ends it.
    let _ = rustix::process::setsid();
    // What the process leaves behind comes to us.
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
    let folder = Folder::new(path.to_owned());
    let lock = folder.lock().map_err(|error| format!("the lock of {}: {error}", path.display()))?;
    let alone = lock.is_some() && !folder.run().is_some_and(|run| run.boot == boot_id() && run.process.is_alive());
    if !alone {
        tell(&Word::Busy);
        return Ok(());
    }
    let record = folder.record().ok_or("its record is gone")?;
    let sink = Sink::open(path, record.limits.log).map_err(|error| format!("its log: {error}"))?;
    let (run, outputs) = start(&folder, prefix, clock.as_ref())?;
    let logged =
        keep_log(sink, outputs, Arc::clone(clock)).map_err(|error| format!("a thread for its log: {error}"))?;
    tell(&Word::Started(run.clone()));
    let status = wait_for(run.process.pid);
    end_rest(run.process.pid);
    // What cannot be killed or goes on elsewhere does not keep us.
    let _ = logged.recv_timeout(DRAIN);
    let exit = exit(&run, status.as_ref(), &record, clock.as_ref());
    folder.write_exit(&exit).map_err(|error| format!("its exit: {error}"))
}

/// Starts the process of a folder and writes it down before the program gets its turn.
fn start(folder: &Folder, prefix: &[OsString], clock: &dyn Clock) -> Result<(Run, [OwnedFd; 2]), String> {
    let (mut socket, other) = UnixStream::pair().map_err(|error| format!("a pair of sockets: {error}"))?;
    // This very program, even where its file was replaced since.
    let mut command = Command::new("/proc/self/exe");
    command.arg0("mf2c").args(prefix).arg("launch").arg(folder.path());
    command.stdin(OwnedFd::from(other)).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("another process: {error}"))?;
    // The command holds the other end, and must not: the end of the socket is the news of the start.
    drop(command);
    let (Some(out), Some(err)) = (child.stdout.take(), child.stderr.take()) else {
        return Err("its outputs are not there".to_owned());
    };
    let pid = i32::try_from(child.id()).map_err(|error| error.to_string())?;
    let own = rustix::process::getpid().as_raw_nonzero().get();
    let (Some(process), Some(shim)) = (Identity::of(pid), Identity::of(own)) else {
        return Err("the kernel does not show processes in /proc".to_owned());
    };
    let run = Run { boot: boot_id(), process, shim, at: clock.now().nanos() };
    let written = folder.write_run(&run).map_err(|error| format!("writing it down: {error}"));
    let begun = written.and_then(|()| socket.write_all(&[GO]).map_err(|error| format!("its first word: {error}")));
    let mut error = String::new();
    let begun = begun.and_then(|()| socket.read_to_string(&mut error).map_err(|error| error.to_string()));
    drop(socket);
    let failed = begun.err().or_else(|| (!error.is_empty()).then_some(error));
    match failed {
        None => Ok((run, [out.into(), err.into()])),
        Some(why) => {
            let _ = child.kill();
            let _ = child.wait();
            let _ = std::fs::remove_file(folder.path().join("run.json"));
            Err(why)
        }
    }
}

/// Writes both outputs to the log until nobody holds their other ends; tells when.
fn keep_log(mut sink: Sink, outputs: [OwnedFd; 2], clock: Arc<dyn Clock>) -> io::Result<Receiver<()>> {
    let (done, logged) = channel();
    let work = move || {
        let [out, err] = outputs;
        let mut open = vec![(Stream::Out, File::from(out)), (Stream::Err, File::from(err))];
        let mut buffer = vec![0; 8 << 10];
        while !open.is_empty() {
            let mut polled: Vec<PollFd<'_>> = open.iter().map(|(_, file)| PollFd::new(file, PollFlags::IN)).collect();
            if rustix::event::poll(&mut polled, None).is_err_and(|error| error != rustix::io::Errno::INTR) {
                break;
            }
            let ready: Vec<bool> = polled.iter().map(|poll| !poll.revents().is_empty()).collect();
            let mut ready = ready.into_iter();
            open.retain_mut(|(stream, file)| {
                !ready.next().unwrap_or(false) || move_some(&mut sink, *stream, file, &mut buffer, clock.as_ref())
            });
        }
        let _ = sink.finish(clock.now().nanos());
        let _ = done.send(());
    };
    thread::Builder::new().stack_size(64 << 10).spawn(work)?;
    Ok(logged)
}

/// Moves what there is; false at the end. A full disk loses lines and does not stop the process.
fn move_some(sink: &mut Sink, stream: Stream, file: &mut File, buffer: &mut [u8], clock: &dyn Clock) -> bool {
    match file.read(buffer) {
        Ok(0) => false,
        Ok(count) => {
            let _ = sink.take(stream, clock.now().nanos(), &buffer[..count]);
            true
        }
        Err(error) => error.kind() == io::ErrorKind::Interrupted,
    }
}

/// Waits until the process ends, and leaves it to be reaped: while it is there, nobody else has its number. Others that
/// came to us are looked after on the way.
fn wait_for(pid: i32) -> Option<WaitIdStatus> {
    let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    let main = Pid::from_raw(pid)?;
    loop {
        match rustix::process::waitid(WaitId::All, ended) {
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) => return None,
            Ok(_) => {}
        }
        if let Ok(Some(status)) = rustix::process::waitid(WaitId::Pid(main), ended | WaitIdOptions::NOHANG) {
            return Some(status);
        }
        let own = rustix::process::getpid().as_raw_nonzero().get();
        let others = children(own).into_iter().filter(|child| *child != pid).filter_map(Pid::from_raw);
        let reaped = others.filter(|child| {
            rustix::process::waitpid(Some(*child), WaitOptions::NOHANG).is_ok_and(|status| status.is_some())
        });
        if reaped.count() == 0 {
            // This kernel does not show whose children there are: they stay until the end.
            return rustix::process::waitid(WaitId::Pid(main), ended).ok().flatten();
        }
    }
}

/// Ends what the process has left behind: its group, and all that came to us because their parents are gone. Reaps all.
fn end_rest(pid: i32) {
    if let Some(group) = Pid::from_raw(pid) {
        let _ = rustix::process::kill_process_group(group, Signal::KILL);
    }
    let own = rustix::process::getpid().as_raw_nonzero().get();
    // Each round brings the children of those that ended in the round before.
    for _ in 0..64 {
        let left = children(own);
        if left.is_empty() {
            return;
        }
        for pid in left.into_iter().filter_map(Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, Signal::KILL);
            let _ = rustix::process::waitpid(Some(pid), WaitOptions::empty());
        }
    }
}

fn exit(run: &Run, status: Option<&WaitIdStatus>, record: &Record, clock: &dyn Clock) -> Exit {
    let signal = status.and_then(WaitIdStatus::terminating_signal);
    let code = status.and_then(WaitIdStatus::exit_status).or_else(|| signal.map(|signal| 128 + signal));
    Exit {
        process: run.process,
        code: i64::from(code.unwrap_or(-1)),
        signal,
        oom: cgroups::was_out_of_memory(&record.cgroups),
        at: clock.now().nanos(),
    }
}
