//! Starts who runs services, with what runs them on this machine.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use actix::{Actor as _, Addr, Arbiter};
use mf2c_actors::lifecycle_manager::{LifecycleManager, LifecycleParts, LifecycleSettings, Surroundings};
use mf2c_actors::ports::World;
use mf2c_actors::resource_store::ResourceStore;
use mf2c_actors::supervisor::Supervisor;
use mf2c_store::Store;
use mf2c_transport::services::{HttpFetcher, TcpProber};
use mf2c_workload::{
    BackendKind, BindRoots, ComposeBackend, DockerBackend, DockerConfig, ExecutionBackend, ProcessBackend,
    ProcessConfig,
};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::workers::Quality;
use crate::area::{Area, Current};
use crate::config::Config;
use crate::shim;

/// What a process gets for `PATH`.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Where control groups are.
const CGROUPS: &str = "/sys/fs/cgroup";
/// What distinguishes one start of the machine from another.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

/// Whom the lifecycle manager meets.
pub(super) struct Rooms<'a> {
    pub(super) arbiter: &'a Arbiter,
    pub(super) store: &'a Arc<Store>,
    pub(super) writer: &'a Addr<ResourceStore>,
    pub(super) world: &'a World,
    pub(super) area: &'a Area,
    pub(super) quality: Quality,
    /// Where the API is served.
    pub(super) api: SocketAddr,
}

/// Starts it, if services are run here.
pub(super) async fn start(config: &Config, rooms: Rooms<'_>) -> Current<LifecycleManager> {
    let current = Arc::clone(&rooms.area.fog.lifecycle);
    if !config.services.enabled {
        return current;
    }
    let node = rooms.store.identity().name();
    let backends = backends(config, &node, rooms.world).await;
    let settings = settings(config, rooms.api);
    let parts = LifecycleParts {
        store: Arc::clone(rooms.store),
        writer: rooms.writer.clone(),
        world: rooms.world.clone(),
        standings: rooms.area.fog.standings.clone(),
        elsewhere: Some(rooms.area.fog.replicator.clone().recipient()),
        far: Some(rooms.area.fog.replicator.clone().recipient()),
        quality: rooms.quality,
        backends,
        prober: Arc::new(TcpProber),
        fetcher: Arc::new(HttpFetcher::new(config.services.fetch_private)),
    };
    let build = move |notice| LifecycleManager::new(settings.clone(), parts.clone(), notice);
    let shown = Arc::clone(&current);
    let (started, is_started) = oneshot::channel();
    let started = Mutex::new(Some(started));
    let tell = move |worker| {
        *shown.lock() = Some(worker);
        if let Some(started) = started.lock().take() {
            let _ = started.send(());
        }
    };
    let clock = Arc::clone(&rooms.world.clock);
    let supervisor = Supervisor::new("lifecycle manager", clock, Box::new(build)).telling(Box::new(tell));
    Supervisor::start_in_arbiter(&rooms.arbiter.handle(), move |_| supervisor);
    // Requests come right behind it.
    let _ = is_started.await;
    current
}

fn settings(config: &Config, api: SocketAddr) -> LifecycleSettings {
    let services = &config.services;
    let user = Some(services.process_user.clone()).filter(|user| !user.is_empty());
    let archives = services.archives.clone().unwrap_or_else(|| config.data_dir.join("archives"));
    let boot = std::fs::read_to_string(BOOT).map(|boot| boot.trim().to_owned()).unwrap_or_default();
    let external = Some(config.api.external_url.trim_end_matches('/').to_owned()).filter(|url| !url.is_empty());
    LifecycleSettings {
        devices: services.devices.clone(),
        process_user: user,
        archives,
        on_violation: services.measure(),
        around: Surroundings {
            address: api.ip().to_string(),
            api: format!("{}/api", external.unwrap_or_else(|| format!("https://{api}"))),
        },
        boot,
    }
}

/// What runs services here. What is not there now may come later; what cannot be made is told, and left out.
async fn backends(config: &Config, node: &str, world: &World) -> BTreeMap<BackendKind, Arc<dyn ExecutionBackend>> {
    let mut backends: BTreeMap<BackendKind, Arc<dyn ExecutionBackend>> = BTreeMap::new();
    let (services, clock) = (&config.services, &world.clock);
    let secrets_dir = services.secrets_dir.clone().unwrap_or_else(|| secrets_dir(node));
    // A socket that is not there is asked for again and again, which costs little; without a path nothing is.
    if let Some(socket) = &services.docker_socket {
        let bind_roots = BindRoots::new(services.bind_roots.clone());
        let docker = DockerConfig { socket: socket.clone(), secrets_dir: secrets_dir.join("docker"), bind_roots };
        backends.insert(BackendKind::Docker, Arc::new(DockerBackend::new(docker.clone(), Arc::clone(clock))));
        backends.insert(BackendKind::Compose, Arc::new(ComposeBackend::new(docker, Arc::clone(clock))));
    }
    if services.process {
        let process = ProcessConfig {
            shim: shim::words().unwrap_or_else(|_| vec![OsString::from("mf2c")]),
            state_dir: config.data_dir.join("processes"),
            secrets_dir: secrets_dir.join("processes"),
            cgroup_mount: PathBuf::from(CGROUPS),
            cgroup_name: format!("mf2c-{}", node.get(..8).unwrap_or(node)),
            path: PATH.to_owned(),
        };
        match ProcessBackend::open(process, Arc::clone(clock)).await {
            Ok(backend) => drop(backends.insert(BackendKind::Process, Arc::new(backend))),
            Err(error) => tracing::error!(%error, "plain processes cannot be run: mend it and start the agent again"),
        }
    }
    backends
}

/// A folder in memory that this user may write to. It is made when the first secret is written.
fn secrets_dir(node: &str) -> PathBuf {
    let name = format!("mf2c-{}", node.get(..8).unwrap_or(node));
    Path::new("/dev/shm").join(name)
}
