//! For those who watch over the agent: whether it lives, whether it takes requests, what it has done, and who asked.

mod access;
mod area;
mod cors;
mod exposition;
mod figures;
mod health;
mod metrics;
mod passage;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::HttpRequest;
use actix_web::web::{self, Data, ServiceConfig};
use mf2c_actors::ports::World;
use mf2c_domain::entropy::Entropy;
use mf2c_domain::time::{Clock, Timestamp};

use crate::caller::is_forwarded;
use crate::front::{Connections, Peer};
pub use access::Access;
pub use area::{AreaFigures, Flowed, LookAtArea, PeerFigure};
use cors::Cors;
use figures::Figures;
pub use health::{Readiness, Stage};
pub(crate) use metrics::of_agreements;
pub use passage::{Seat, Watched, note_caller, pass};

/// Who may read `/metrics`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MetricsFor {
    /// Programs on this machine, and administrators.
    #[default]
    Loopback,
    /// Everybody.
    Everybody,
    /// Administrators.
    Administrators,
}

/// What the process and its disk look like from outside, in bytes and numbers; none where the system does not tell.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProcessFigures {
    /// Memory of the process that is in RAM.
    pub resident: Option<u64>,
    /// Open files and sockets.
    pub open_files: Option<u64>,
    /// The most files and sockets that may be open.
    pub most_files: Option<u64>,
    /// What the data directory takes of the disk.
    pub data: Option<u64>,
    /// What is left on its disk.
    pub free: Option<u64>,
}

/// What the monitor is told at the start.
pub struct MonitorSettings {
    /// Pages in browsers that may use the API: exact origins, or `*`.
    pub cors_origins: Vec<String>,
    /// Which requests are logged.
    pub access: Access,
    /// Proxies whose `X-Forwarded-For` is believed in the access log.
    pub trusted_proxies: Vec<IpAddr>,
    /// Who may read `/metrics`.
    pub metrics_for: MetricsFor,
    /// The end of the certificate that is served at this moment.
    pub certificate_ends: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// What the agent's area looks like at this moment.
    pub area: LookAtArea,
    /// Whether a mail server is configured.
    pub has_mail: bool,
    /// The version of the program.
    pub version: &'static str,
    /// The role of the agent.
    pub role: &'static str,
    /// Looks at the process; it may wait for the disk.
    pub process: Arc<dyn Fn() -> ProcessFigures + Send + Sync>,
}

/// One for each agent.
pub struct Monitor {
    settings: MonitorSettings,
    figures: Figures,
    cors: Cors,
    readiness: Arc<Readiness>,
    connections: Connections,
    clock: Arc<dyn Clock>,
    started: Timestamp,
    /// The beginning of the ids of requests, different in every life of an agent.
    life: String,
    seats: AtomicUsize,
}

impl Monitor {
    /// A monitor of an agent that is starting.
    #[must_use]
    pub fn new(settings: MonitorSettings, connections: Connections, world: &World) -> Arc<Self> {
        Arc::new(Self {
            figures: Figures::new(),
            cors: Cors::new(&settings.cors_origins),
            readiness: Arc::default(),
            connections,
            clock: Arc::clone(&world.clock),
            started: world.clock.now(),
            life: life(&*world.entropy),
            seats: AtomicUsize::new(0),
            settings,
        })
    }

    /// A place to count from, for one worker.
    #[must_use]
    pub fn seat(self: &Arc<Self>) -> Seat {
        Seat::new(Arc::clone(self), self.seats.fetch_add(1, Ordering::Relaxed))
    }

    /// What `/readyz` says.
    #[must_use]
    pub fn readiness(&self) -> Arc<Readiness> {
        Arc::clone(&self.readiness)
    }
}

fn life(entropy: &dyn Entropy) -> String {
    let mut bytes = [0; 4];
    entropy.fill(&mut bytes);
    format!("{:08x}", u32::from_be_bytes(bytes))
}

/// Adds `/healthz`, `/readyz` and `/metrics` to an application.
pub fn configure(config: &mut ServiceConfig, monitor: &Arc<Monitor>) {
    config
        .app_data(Data::from(Arc::clone(monitor)))
        .service(web::resource("/healthz").get(health::alive).head(health::alive))
        .service(web::resource("/readyz").get(health::ready).head(health::ready))
        .service(web::resource("/metrics").get(metrics::answer).head(metrics::answer));
}

/// Whether a request comes straight from this machine.
fn is_near(request: &HttpRequest) -> bool {
    let near = request.conn_data::<Peer>().is_some_and(|peer| peer.address.ip().to_canonical().is_loopback());
    near && !is_forwarded(request.headers())
}
