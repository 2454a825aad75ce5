//! Creating and starting processes.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use mf2c_domain::time::Timestamp;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::Command;

use super::folder::{Folder, Observed, Record, Run};
use super::shim::Word;
use super::{ProcessBackend, account, cgroups};
use crate::bounded::{aside, within};
use crate::error::BackendError;
use crate::observed::{Change, Feature, Handle};
use crate::secrets;
use crate::spec::{Port, Program, Protocol, Spec};

/// The shim answers in milliseconds; a machine that swaps takes longer.
const START: Duration = Duration::from_secs(10);
/// Another start that is under way is waited for.
const BUSY: Duration = Duration::from_secs(2);
/// What the shim says is no longer.
const LONGEST_WORD: u64 = 64 << 10;

impl ProcessBackend {
    pub(super) async fn make(&self, spec: &Spec) -> Result<Handle, BackendError> {
        spec.check()?;
        let handle = Handle::of(spec);
        let name = handle.checked()?;
        let _turn = self.turn(&name).await?;
        let (again, spec) = (self.clone(), spec.clone());
        aside(move || again.write(&name, &spec).map(|()| handle)).await
    }

    fn write(&self, name: &str, spec: &Spec) -> Result<(), BackendError> {
        let mut record = self.record(name, spec)?;
        let folder = self.folder(name);
        if let Some(place) = &record.secrets {
            secrets::write(place, &spec.secrets, record.user, false)?;
        }
        if let Some(there) = folder.record() {
            if there.agent == record.agent && there.handle == record.handle && there.service == record.service {
                return Ok(());
            }
            return Err(BackendError::conflict(name, "a process of another agent or service has this name"));
        }
        let groups = self.0.cgroups.make(name, &spec.limits);
        record.cgroups = groups.map_err(|error| BackendError::failed("making its control groups", &error))?;
        folder.write_record(&record).map_err(|error| BackendError::failed("writing its record", &error))
    }

    /// What will be on disk of a spec, if it is one for a plain process.
    fn record(&self, name: &str, spec: &Spec) -> Result<Record, BackendError> {
        let Program::Argv(argv) = &spec.program else {
            return Err(BackendError::refused(
                "plain processes run programs of the machine, neither images nor compose files",
            ));
        };
        if spec.entrypoint.is_some() || !spec.command.is_empty() {
            return Err(BackendError::invalid("a plain process has its whole command line in `argv`"));
        }
        if !spec.volumes.is_empty() || spec.health.is_some() {
            return Err(BackendError::refused(
                "a plain process sees the machine's disk as it is: it has no volumes, nor health checks of an engine",
            ));
        }
        if let Some(port) = spec.ports.iter().find(|port| port.host != 0 && port.host != port.container) {
            return Err(BackendError::refused(format!(
                "a plain process opens its ports itself: port {} cannot lead to port {}",
                port.host, port.container
            )));
        }
        self.check_limits(spec)?;
        if let Some(device) = spec.devices.iter().find(|device| std::fs::metadata(&device.host).is_err()) {
            return Err(BackendError::invalid(format!("this machine has no device `{}`", device.host)));
        }
        let mut environment = spec.environment.clone();
        environment.entry("PATH".to_owned()).or_insert_with(|| self.0.config.path.clone());
        Ok(Record {
            agent: spec.agent.clone(),
            service: spec.service.clone(),
            handle: Handle::of(spec),
            argv: argv.clone(),
            environment,
            working_dir: PathBuf::from(spec.working_dir.as_deref().unwrap_or("/")),
            user: spec.user.as_deref().map(account::resolve).transpose()?,
            ports: spec.ports.clone(),
            limits: spec.limits,
            cgroups: vec![],
            secrets: (!spec.secrets.is_empty()).then(|| self.secrets(name)),
            open_files: self.0.open_files,
        })
    }

    /// A limit that cannot be kept is refused, not forgotten.
    fn check_limits(&self, spec: &Spec) -> Result<(), BackendError> {
        let features = self.0.cgroups.features();
        let lacks = |feature, asked: bool| asked && !features.contains(&feature);
        if lacks(Feature::CpuLimit, spec.limits.cpus.is_some())
            || lacks(Feature::ProcessLimit, spec.limits.pids.is_some())
        {
            return Err(BackendError::refused(
                "limits of processors and of processes need control groups, which this agent cannot make here",
            ));
        }
        Ok(())
    }

    pub(super) async fn begin(&self, handle: &Handle) -> Result<(), BackendError> {
        let name = handle.checked()?;
        let _turn = self.turn(&name).await?;
        let looked = self.look(handle).await?;
        let Some((folder, record, observed)) = looked else { return Err(BackendError::Missing { name }) };
        if matches!(observed, Observed::Running(_)) {
            return Ok(());
        }
        let ports = record.ports.clone();
        aside(move || check_ports(&ports)).await?;
        let word = within("starting the process", START, self.call_shim(&folder)).await?;
        let run = match word {
            Word::Started(run) => run,
            Word::Busy => self.other_start(&folder, &name).await?,
            Word::Failed(why) => return Err(BackendError::Failed { what: "starting the process", why }),
        };
        self.tell(&record, Timestamp::from_nanos(run.at), Change::Started);
        self.watch(&folder, &record, run);
        Ok(())
    }

    /// Starts a shim for the folder, and hears what becomes of it.
    async fn call_shim(&self, folder: &Folder) -> Result<Word, BackendError> {
        let failed = |error: &dyn std::fmt::Display| BackendError::failed("starting the process", error);
        let Some((program, prefix)) = self.0.config.shim.split_first() else {
            return Err(failed(&"no program is configured that could watch it"));
        };
        let mut command = Command::new(program);
        command.args(prefix).arg("watch").arg(folder.path()).args(prefix);
        command.env_clear().current_dir("/");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(|error| failed(&format!("{}: {error}", program.display())))?;
        let out = child.stdout.take().ok_or_else(|| failed(&"the output of its shim is not there"))?;
        let mut line = String::new();
        BufReader::new(out.take(LONGEST_WORD)).read_line(&mut line).await.map_err(|error| failed(&error))?;
        serde_json::from_str(&line).map_err(|_| failed(&"its shim ended without a word"))
    }

    /// A shim has the folder: one of a start that this agent did not hear the end of.
    async fn other_start(&self, folder: &Folder, name: &str) -> Result<Run, BackendError> {
        let work = async {
            loop {
                let (again, boot) = (folder.clone(), self.0.boot.clone());
                if let Observed::Running(run) = aside(move || Ok(again.observe(&boot))).await? {
                    return Ok(run);
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let found = within("waiting for another start", BUSY, work).await;
        found.map_err(|_| BackendError::conflict(name, "another start of it is under way"))
    }

    pub(super) async fn erase(&self, handle: &Handle, force: bool) -> Result<(), BackendError> {
        let name = handle.checked()?;
        if force {
            self.end(handle, None).await?;
        }
        let _turn = self.turn(&name).await?;
        let looked = self.look(handle).await?;
        if matches!(looked, Some((_, _, Observed::Running(_)))) {
            return Err(BackendError::conflict(&name, "it runs: stop it first, or force it"));
        }
        let (folder, place) = (self.folder(&name), self.secrets(&name));
        let record = looked.map(|(_, record, _)| record);
        let groups = record.as_ref().map(|record| record.cgroups.clone()).unwrap_or_default();
        aside(move || {
            secrets::remove(&place)?;
            cgroups::remove(&groups).map_err(|error| BackendError::failed("removing its control groups", &error))?;
            folder.remove().map_err(|error| BackendError::failed("removing its folder", &error))
        })
        .await?;
        if let Some(record) = record {
            self.tell(&record, self.0.clock.now(), Change::Removed);
        }
        Ok(())
    }
}

fn check_ports(ports: &[Port]) -> Result<(), BackendError> {
    for port in ports {
        let address = (Ipv4Addr::UNSPECIFIED, port.container);
        let tried = match port.protocol {
            Protocol::Tcp => TcpListener::bind(address).map(drop),
            Protocol::Udp => UdpSocket::bind(address).map(drop),
        };
        tried.map_err(|error| BackendError::PortTaken { port: port.container, why: error.to_string() })?;
    }
    Ok(())
}
