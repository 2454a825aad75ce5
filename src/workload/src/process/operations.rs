//! The process backend as the trait has it: stopping, looking, and running something beside.

use std::time::Duration;

use rustix::process::{Pid, Signal};
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::process::Command;
use tokio::sync::mpsc::Sender;

use super::folder::{Observed, Record};
use super::{ProcessBackend, inspection, launch, proc, tail, watch};
use crate::backend::{Answer, ExecOutcome, ExecutionBackend, Progress, Source};
use crate::bounded::{aside, within};
use crate::error::BackendError;
use crate::observed::{
    BackendKind, Capability, EventStream, Feature, Handle, Inspection, Listed, LogOptions, LogStream, Stats,
};
use crate::secrets;
use crate::spec::{Program, Spec};

/// What has been killed is gone by then, unless the kernel itself hangs.
const KILLED: Duration = Duration::from_secs(5);
/// Outputs of a program that has ended are read for so long yet.
const DRAIN: Duration = Duration::from_millis(200);
/// Reading the folder of a thousand processes takes far less.
const LOOK: Duration = Duration::from_secs(10);

impl ProcessBackend {
    /// Ends a process: at once, or after asking it and waiting for so long. It can be killed while it is waited for.
    pub(super) async fn end(&self, handle: &Handle, grace: Option<Duration>) -> Result<(), BackendError> {
        let name = handle.checked()?;
        let looked = {
            // A start that is under way is over first.
            let _turn = self.turn(&name).await?;
            self.look(handle).await?
        };
        let Some((_, _, Observed::Running(run))) = looked else { return Ok(()) };
        if let Some(grace) = grace {
            watch::signal(run.process, Signal::TERM);
            if tokio::time::timeout(grace, watch::over(&run)).await.is_ok() {
                return Ok(());
            }
        }
        watch::signal(run.process, Signal::KILL);
        within("killing the process", KILLED, async {
            watch::over(&run).await;
            Ok(())
        })
        .await
    }

    fn capability(&self) -> Capability {
        let mut features = self.0.cgroups.features();
        // By a limit of the process itself where there are no control groups.
        features.insert(Feature::MemoryLimit);
        let secret = secrets::is_in_memory(&self.0.config.secrets_dir);
        if secret {
            features.insert(Feature::Secrets);
        }
        let mut lacks = vec![];
        if !features.contains(&Feature::CpuLimit) || !features.contains(&Feature::ProcessLimit) {
            lacks.push("without control groups it cannot limit processors or processes");
        }
        if !secret {
            lacks.push("secrets need a folder in memory (tmpfs)");
        }
        Capability {
            available: !self.0.config.shim.is_empty(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            features,
            cgroups: self.0.cgroups.version,
            why_not: (!lacks.is_empty()).then(|| lacks.join("; ")),
        }
    }

    async fn beside(&self, handle: &Handle, argv: &[String], limit: Duration) -> Result<ExecOutcome, BackendError> {
        let name = handle.checked()?;
        match self.look(handle).await? {
            Some((_, record, Observed::Running(_))) => run_beside(&record, argv, limit).await,
            Some(_) => Err(BackendError::conflict(&name, "it does not run")),
            None => Err(BackendError::Missing { name }),
        }
    }
}

async fn run_beside(record: &Record, argv: &[String], limit: Duration) -> Result<ExecOutcome, BackendError> {
    let failed = |error: &dyn std::fmt::Display| BackendError::failed("running a program beside it", error);
    let Some((program, arguments)) = argv.split_first() else { return Err(BackendError::invalid("no program to run")) };
    let mut command = std::process::Command::new(program);
    launch::surround(&mut command, record).map_err(|error| failed(&error))?;
    command.args(arguments);
    let (reader, writer) = std::io::pipe().map_err(|error| failed(&error))?;
    command.stdout(writer.try_clone().map_err(|error| failed(&error))?).stderr(writer);
    let mut command = Command::from(command);
    let mut child = command.process_group(0).kill_on_drop(true).spawn().map_err(|error| failed(&error))?;
    // It holds the other end of the pipe.
    drop(command);
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
    for group in pid.iter().flat_map(|_| &record.cgroups) {
        let _ = std::fs::write(group.join("cgroup.procs"), pid.unwrap_or_default().to_string());
    }
    let mut reader = pipe::Receiver::from_owned_fd(reader.into()).map_err(|error| failed(&error))?;
    let (mut output, mut is_cut, mut is_left) = (vec![], false, true);
    let ended = tokio::time::timeout(limit, async {
        let read = read_all(&mut reader, &mut output, &mut is_cut);
        tokio::pin!(read);
        tokio::select! {
            status = child.wait() => {
                is_left = tokio::time::timeout(DRAIN, &mut read).await.is_err();
                status
            }
            () = &mut read => {
                is_left = false;
                child.wait().await
            }
        }
    })
    .await;
    // It did not end, or somebody of its group still has the pipe.
    if let Some(group) = pid.and_then(Pid::from_raw).filter(|_| is_left) {
        let _ = rustix::process::kill_process_group(group, Signal::KILL);
    }
    let Ok(status) = ended else { return Err(BackendError::Timeout { what: "the program beside it", after: limit }) };
    let status = status.map_err(|error| failed(&error))?;
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    let code = status.code().or_else(|| signal.map(|signal| 128 + signal)).unwrap_or(-1);
    Ok(ExecOutcome { code: i64::from(code), output: String::from_utf8_lossy(&output).into_owned(), is_cut })
}

/// Reads to the end and keeps the beginning.
async fn read_all(reader: &mut pipe::Receiver, output: &mut Vec<u8>, is_cut: &mut bool) {
    let mut buffer = vec![0; 8 << 10];
    while let Ok(read @ 1..) = reader.read(&mut buffer).await {
        let room = ExecOutcome::MOST_OUTPUT - output.len();
        output.extend_from_slice(&buffer[..read.min(room)]);
        *is_cut |= read > room;
    }
}

impl ExecutionBackend for ProcessBackend {
    fn kind(&self) -> BackendKind {
        BackendKind::Process
    }

    fn probe(&self) -> Answer<'_, Capability> {
        Box::pin(async { Ok(self.capability()) })
    }

    fn prepare<'a>(&'a self, spec: &'a Spec, _: &'a Source, _: Sender<Progress>) -> Answer<'a, ()> {
        Box::pin(async {
            spec.check()?;
            let Program::Argv(argv) = &spec.program else {
                return Err(BackendError::refused("plain processes need no images, and run none"));
            };
            let program = argv.first().map_or("", String::as_str).to_owned();
            aside(move || {
                // A bare name is looked for when it starts: its environment may say where.
                if program.contains('/') && !std::fs::metadata(&program).is_ok_and(|file| file.is_file()) {
                    return Err(BackendError::invalid(format!(
                        "there is no program `{}`",
                        crate::check::shown(&program)
                    )));
                }
                Ok(())
            })
            .await
        })
    }

    fn create<'a>(&'a self, spec: &'a Spec) -> Answer<'a, Handle> {
        Box::pin(within("creating the process", LOOK, self.make(spec)))
    }

    fn start<'a>(&'a self, handle: &'a Handle) -> Answer<'a, Inspection> {
        Box::pin(async {
            self.begin(handle).await?;
            let looked = self.look(handle).await?;
            let looked = looked.ok_or_else(|| BackendError::Missing { name: handle.name() })?;
            Ok(inspection(&looked.1, &looked.2))
        })
    }

    fn stop<'a>(&'a self, handle: &'a Handle, grace: Duration) -> Answer<'a, ()> {
        Box::pin(self.end(handle, Some(grace)))
    }

    fn kill<'a>(&'a self, handle: &'a Handle) -> Answer<'a, ()> {
        Box::pin(self.end(handle, None))
    }

    fn remove<'a>(&'a self, handle: &'a Handle, force: bool, _: bool) -> Answer<'a, ()> {
        Box::pin(self.erase(handle, force))
    }

    fn inspect<'a>(&'a self, handle: &'a Handle) -> Answer<'a, Option<Inspection>> {
        Box::pin(within("looking at the process", LOOK, async {
            Ok(self.look(handle).await?.map(|(_, record, observed)| inspection(&record, &observed)))
        }))
    }

    fn list<'a>(&'a self, owner: &'a str) -> Answer<'a, Vec<Listed>> {
        Box::pin(within("listing the processes", LOOK, self.listed(owner)))
    }

    fn events<'a>(&'a self, owner: &'a str) -> Answer<'a, EventStream> {
        Box::pin(within("listing the processes", LOOK, self.stream(owner)))
    }

    fn logs<'a>(&'a self, handle: &'a Handle, options: LogOptions) -> Answer<'a, LogStream> {
        Box::pin(within("opening the log", LOOK, async move {
            let looked = self.look(handle).await?;
            let (folder, record, _) = looked.ok_or_else(|| BackendError::Missing { name: handle.name() })?;
            tail::lines(folder, record.limits.log.files, options)
        }))
    }

    fn stats<'a>(&'a self, handle: &'a Handle) -> Answer<'a, Stats> {
        Box::pin(within("measuring the process", LOOK, async move {
            let looked = self.look(handle).await?;
            let (_, record, observed) = looked.ok_or_else(|| BackendError::Missing { name: handle.name() })?;
            let Observed::Running(run) = observed else { return Ok(Stats::default()) };
            aside(move || Ok(stats(&record, proc::usage(run.process.pid)))).await
        }))
    }

    fn exec<'a>(&'a self, handle: &'a Handle, argv: &'a [String], limit: Duration) -> Answer<'a, ExecOutcome> {
        Box::pin(self.beside(handle, argv, limit))
    }
}

fn stats(record: &Record, usage: proc::Usage) -> Stats {
    let tick = 1_000_000_000 / rustix::param::clock_ticks_per_second().max(1);
    Stats {
        cpu_nanos: usage.cpu_ticks * tick,
        memory_bytes: usage.resident_pages * rustix::param::page_size() as u64,
        memory_limit: record.limits.memory.unwrap_or_default(),
        read_bytes: usage.read_bytes,
        written_bytes: usage.written_bytes,
        processes: usage.processes,
        ..Stats::default()
    }
}
