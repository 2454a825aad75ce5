//! The keys of the configuration, their types and defaults. This is the only list of them: files, environment names and
//! suggestions are derived from it.

use std::net::IpAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::address::{ListenAddress, empty_is_none};
use super::area::{Link, Pki};
use super::deltacloud::Deltacloud;
use super::deter::Deter;
use super::discovery::Discovery;
use super::flocker::Flocker;
use super::fog::FogArea;
use super::legacy::Legacy;
use super::qos::Qos;
use super::quantity::{HumanDuration, HumanSize};
use super::services::Services;
use super::sharing::Sharing;
use super::sla::Sla;
use super::words::{AccessLog, AgentType, AuthHeader, LogFormat, MailSecurity, MetricsReaders, Role};

/// What an agent is told at its start.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What the agent is in its area.
    pub role: Role,
    /// Where everything durable lives. Empty in `Config::default()`; `load` puts the usual place there.
    pub data_dir: PathBuf,
    /// Development mode: switches `auth.header` to `loopback`.
    pub dev: bool,
    /// The REST API.
    pub api: Api,
    /// The server's certificate.
    pub tls: Tls,
    /// Who is believed to be whom.
    pub auth: Auth,
    /// The mail server.
    pub mail: Mail,
    /// Bounds of requests and connections.
    pub limits: Limits,
    /// Bounds of the document store.
    pub store: Store,
    /// The stream of changes.
    pub events: Events,
    /// What is said of this device.
    pub device: Device,
    /// Deliveries to webhooks.
    pub webhooks: Webhooks,
    /// How reports are held against agreements.
    pub sla: Sla,
    /// Where other agents call.
    pub link: Link,
    /// Certificates of the area.
    pub pki: Pki,
    /// Who leads the area, and who counts as lost.
    pub area: FogArea,
    /// Who may run a service next.
    pub qos: Qos,
    /// How services are run.
    pub services: Services,
    /// What this device lends to the area until its owner says something else.
    pub sharing: Sharing,
    /// How agents nearby are found.
    pub discovery: Discovery,
    /// The control API of Flocker.
    pub flocker: Flocker,
    /// Deltacloud's API for keys.
    pub deltacloud: Deltacloud,
    /// DETER's testbed API.
    pub deter: Deter,
    /// The doors of the original.
    pub legacy: Legacy,
    /// The log on standard error.
    pub log: Log,
}

/// `[api]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Api {
    /// Where HTTPS listens.
    pub listen: ListenAddress,
    /// Where plain HTTP listens, if at all.
    #[serde(with = "empty_is_none")]
    pub http: Option<ListenAddress>,
    /// Threads that answer requests; 0 means one for each core.
    pub workers: usize,
    /// Proxies whose `X-Forwarded-*` headers are believed.
    pub trusted_proxies: Vec<IpAddr>,
    /// Pages in browsers that may use the API: exact origins, or `*`.
    pub cors_origins: Vec<String>,
    /// Who may read `/metrics`.
    pub metrics: MetricsReaders,
    /// The address that links in mails begin with; empty: the one by which the client came.
    pub external_url: String,
}

/// `[tls]`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// A PEM file with the certificate chain; none: self-made at the first start.
    #[serde(with = "empty_is_none")]
    pub certificate: Option<PathBuf>,
    /// The PEM file with its private key.
    #[serde(with = "empty_is_none")]
    pub key: Option<PathBuf>,
    /// Host names and addresses that a self-made certificate holds in addition.
    pub names: Vec<String>,
}

/// `[auth]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Auth {
    /// From where the header `slipstream-authn-info` is believed.
    pub header: AuthHeader,
    /// How long somebody stays signed in.
    pub session_life: HumanDuration,
    /// The file whose first line is the first administrator's password; none: one is made and printed.
    #[serde(with = "empty_is_none")]
    pub admin_password_file: Option<PathBuf>,
    /// Failed sign-ins in a row after which a name is locked.
    pub lock_after: u32,
    /// How long the first lock lasts.
    pub lock_for: HumanDuration,
    /// Whether people may register themselves.
    pub registration: bool,
    /// How long the links in mails hold.
    pub validation_life: HumanDuration,
}

/// `[mail]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mail {
    /// The mail server's name or address; empty: no mail is sent.
    pub host: String,
    /// Its port; 0: the usual one for `security`.
    pub port: u16,
    /// How the connection is protected.
    pub security: MailSecurity,
    /// The name to sign in with; empty: without.
    pub username: String,
    /// The file whose first line is the password.
    #[serde(with = "empty_is_none")]
    pub password_file: Option<PathBuf>,
    /// The sender.
    pub from: String,
    /// A PEM file with certificates that are trusted besides those of the system.
    #[serde(with = "empty_is_none")]
    pub ca_file: Option<PathBuf>,
    /// How long the sending of one mail may take.
    pub timeout: HumanDuration,
}

/// `[limits]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// The largest body of a request.
    pub body: HumanSize,
    /// The largest body of a bulk request.
    pub bulk_body: HumanSize,
    /// The largest head of a request: request line and headers.
    pub head: HumanSize,
    /// The longest request target: path and query.
    pub target: HumanSize,
    /// Open connections for each worker.
    pub connections: usize,
    /// How long a client may take to send a head.
    pub head_timeout: HumanDuration,
    /// How long a client may take to send a body.
    pub body_timeout: HumanDuration,
    /// How long an idle connection stays open.
    pub keep_alive: HumanDuration,
    /// How long running requests may take to end when the agent stops.
    pub shutdown: HumanDuration,
    /// The most documents in one answer.
    pub page: usize,
}

/// `[store]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Store {
    /// Documents held in memory; above, they are read from disk.
    pub memory_budget: HumanSize,
    /// Free space below which writes are refused, so that the disk is never filled to the brim.
    pub min_free: HumanSize,
    /// Writes gathered in memory before they go to a table on disk.
    pub write_buffer: HumanSize,
    /// The most entries of the change log.
    pub log_entries: usize,
    /// The most bytes of the change log.
    pub log_size: HumanSize,
    /// Writes that may wait for the writer.
    pub queue: usize,
    /// The most events of this agent that are kept.
    pub keep_events: usize,
    /// How long they are kept.
    pub keep_events_for: HumanDuration,
    /// The most conflicts of this agent that are kept.
    pub keep_conflicts: usize,
    /// The most reports of operations, and the most of containers, of this agent that are kept.
    pub keep_reports: usize,
    /// How long they are kept.
    pub keep_reports_for: HumanDuration,
    /// The most violations, warnings, penalties and episodes, each, of this agent that are kept.
    pub keep_findings: usize,
}

/// `[events]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Events {
    /// The longest silence of a stream.
    pub heartbeat: HumanDuration,
    /// The most readers at a time.
    pub readers: usize,
    /// The most of them from one address.
    pub readers_per_source: usize,
    /// How long a client may take nothing of what is there for it.
    pub stall: HumanDuration,
}

/// `[device]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Device {
    /// Whether this machine is published as a device.
    pub enabled: bool,
    /// What people call this agent in lists; empty: the machine's host name.
    pub name: String,
    /// Pause between two looks at the machine.
    pub sample_every: HumanDuration,
    /// Pause between two publications of everything that changed.
    pub publish_every: HumanDuration,
    /// How far a value moves before it is published at once, in percent.
    pub threshold_percent: f64,
    /// What services may be placed here.
    pub agent_type: AgentType,
    /// Actuators attached to this device, by name.
    pub actuators: Vec<String>,
    /// Sensors attached to this device.
    pub sensors: Vec<Sensor>,
}

/// One of `[[device.sensors]]`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sensor {
    /// What it measures: `temperature`, `humidity`.
    pub kinds: Vec<String>,
    /// Its maker's name for it: `DHT22`.
    pub model: String,
    /// How to talk to it: `baudRate` and whatever else its driver needs.
    pub connection: toml::Table,
}

/// `[webhooks]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Webhooks {
    /// Whether they may lead to addresses that are not on the public Internet.
    pub allow_private: bool,
    /// How often a delivery is tried before it is given up.
    pub attempts: u32,
    /// The pause after the first attempt; it doubles from one attempt to the next.
    pub first_pause: HumanDuration,
    /// How long one attempt may take.
    pub timeout: HumanDuration,
    /// A PEM file of certificates to trust besides the system's.
    #[serde(with = "empty_is_none")]
    pub ca: Option<PathBuf>,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// A level, or levels by module: `info,mf2c_store=debug`.
    pub level: String,
    /// How lines look.
    pub format: LogFormat,
    /// Which requests get a line.
    pub access: AccessLog,
}

const fn kib(count: u64) -> HumanSize {
    HumanSize::from_bytes(count << 10)
}

const fn mib(count: u64) -> HumanSize {
    kib(count << 10)
}

impl Default for Api {
    fn default() -> Self {
        Self {
            listen: ListenAddress(([127, 0, 0, 1], 8443).into()),
            http: None,
            workers: 2,
            trusted_proxies: vec![],
            cors_origins: vec![],
            metrics: MetricsReaders::Loopback,
            external_url: String::new(),
        }
    }
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            header: AuthHeader::default(),
            session_life: HumanDuration::from_secs(24 * 3600),
            admin_password_file: None,
            lock_after: 10,
            lock_for: HumanDuration::from_secs(60),
            registration: true,
            validation_life: HumanDuration::from_secs(24 * 3600),
        }
    }
}

impl Default for Mail {
    fn default() -> Self {
        Self {
            host: String::new(),
            port: 0,
            security: MailSecurity::default(),
            username: String::new(),
            password_file: None,
            from: String::new(),
            ca_file: None,
            timeout: HumanDuration::from_secs(30),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: mib(1),
            bulk_body: mib(16),
            head: kib(64),
            target: kib(16),
            connections: 1024,
            head_timeout: HumanDuration::from_secs(10),
            body_timeout: HumanDuration::from_secs(30),
            keep_alive: HumanDuration::from_secs(75),
            shutdown: HumanDuration::from_secs(10),
            page: 10_000,
        }
    }
}

impl Default for Store {
    fn default() -> Self {
        Self {
            memory_budget: mib(1024),
            min_free: mib(96),
            write_buffer: mib(2),
            log_entries: 100_000,
            log_size: mib(64),
            queue: 1024,
            keep_events: 10_000,
            keep_events_for: HumanDuration::from_secs(90 * 86_400),
            keep_conflicts: 1000,
            keep_reports: 1_000_000,
            keep_reports_for: HumanDuration::from_secs(90 * 86_400),
            keep_findings: 1_000_000,
        }
    }
}

impl Default for Events {
    fn default() -> Self {
        Self {
            heartbeat: HumanDuration::from_secs(15),
            readers: 20_000,
            readers_per_source: 1000,
            stall: HumanDuration::from_secs(60),
        }
    }
}

impl Default for Device {
    fn default() -> Self {
        Self {
            enabled: true,
            name: String::new(),
            sample_every: HumanDuration::from_secs(5),
            publish_every: HumanDuration::from_secs(30),
            threshold_percent: 5.0,
            agent_type: AgentType::Normal,
            actuators: vec![],
            sensors: vec![],
        }
    }
}

impl Default for Webhooks {
    fn default() -> Self {
        Self {
            allow_private: false,
            attempts: 10,
            first_pause: HumanDuration::from_secs(1),
            timeout: HumanDuration::from_secs(10),
            ca: None,
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".into(), format: LogFormat::Text, access: AccessLog::Off }
    }
}
