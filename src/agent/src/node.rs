//! A running agent: the only place that knows every room.

use std::fs::DirBuilder;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor as _, Addr, Arbiter};
use actix_web::App;
use actix_web::dev::ServerHandle;
use actix_web::middleware::{Compress, from_fn};
use actix_web::web::Data;
use mf2c_actors::hasher::Hasher;
use mf2c_actors::inventory::{Inventory, InventorySettings};
use mf2c_actors::ports::World;
use mf2c_actors::resource_store::ResourceStore;
use mf2c_actors::session_manager::{SessionManager, SessionSettings};
use mf2c_actors::supervisor::Supervisor;
use mf2c_actors::webhook_dispatcher::{WebhookCounters, WebhookDispatcher, WebhookSettings};
use mf2c_auth::KeyFileError;
use mf2c_auth::token::TokenKey;
use mf2c_domain::people::throttle;
use mf2c_facade::cimi::{self, Api, ApiSettings, OpenApi, Repeats, Writes};
use mf2c_facade::events::{self, EventSettings, Events};
use mf2c_facade::front::{self, Connections, Listener, TlsSettings, boundary::Limits};
use mf2c_facade::monitor::{self, Access, MetricsFor, Monitor, MonitorSettings, Readiness, Stage};
use mf2c_facade::recognizer::Recognizer;
use mf2c_machine::{Declared, DeclaredSensor, Publisher, Roots, SystemMachine};
use mf2c_pki::flocker::DoorError;
use mf2c_pki::{Origin, PkiError, ServerIdentity};
use mf2c_store::engine::{EmbeddedEngine, EmbeddedOptions, EngineError};
use mf2c_store::{Store, StoreOptions, Writer};
use mf2c_transport::webhook::{HttpWebhooks, TransportError, WebhookOptions};
use thiserror::Error;

use crate::accounts::{self, MailError, Rooms};
use crate::config::{AccessLog, AuthHeader, Config, ListenAddress, MetricsReaders, Role};
use crate::control::{AreaDoors, Control};
use crate::first_admin::{self, FirstAdminError};
use crate::flocker_door::FlockerDoor;
use crate::process_figures;

/// Why an agent did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The data directory cannot be made.
    #[error("failed to make the data directory `{}`", path.display())]
    DataDirectory {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] EngineError),
    /// There is no certificate to serve with.
    #[error(transparent)]
    Tls(#[from] PkiError),
    /// The control API of Flocker cannot be served.
    #[error(transparent)]
    Flocker(#[from] DoorError),
    /// Nothing can be sent to webhooks.
    #[error(transparent)]
    Webhooks(#[from] TransportError),
    /// The mail server cannot be used as it is configured.
    #[error(transparent)]
    Mail(#[from] MailError),
    /// There is no key to sign the tokens of sessions with.
    #[error(transparent)]
    SessionKey(#[from] KeyFileError),
    /// Nobody could ever sign in.
    #[error(transparent)]
    FirstAdmin(#[from] FirstAdminError),
    /// A port is taken, or not ours to take.
    #[error("failed to listen on {address}: choose another address with `{flag}`, or stop what uses it")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// The flag that changes it.
        flag: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The operating system gives no thread or socket.
    #[error("failed to start {what}")]
    Start {
        /// What was started.
        what: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A running agent.
pub struct Node {
    /// Where HTTPS is served.
    pub api: SocketAddr,
    /// Where plain HTTP is served, if anywhere.
    pub http: Option<SocketAddr>,
    /// What must be told of the first administrator, once.
    pub first_admin: Option<String>,
    server: ServerHandle,
    flocker: Option<ServerHandle>,
    readiness: Arc<Readiness>,
    events: Arc<Events>,
    arbiters: Vec<Arbiter>,
    area: Option<AreaDoors>,
    _control: Option<Control>,
}

impl Node {
    /// The doors of the area's actors.
    pub(crate) fn area(&self) -> Option<&AreaDoors> {
        self.area.as_ref()
    }

    /// Starts everything that `config` asks for. When it returns, requests are answered.
    ///
    /// # Errors
    /// [`StartError`] with what is in the way.
    pub async fn start(config: &Config, world: World) -> Result<Self, StartError> {
        make_directory(config)?;
        let (store, writer) = open_store(config, &world)?;
        let identity = server_identity(config, &world)?;
        let tls = Arc::new(mf2c_pki::server_config(&identity)?);

        let mail = accounts::mail_transport(config, &world)?;
        let transport = HttpWebhooks::new(&webhook_options(config))?;
        let arbiters = vec![Arbiter::new(), Arbiter::new()];
        let actor = ResourceStore::new(writer, config.store.queue);
        let store_writer = ResourceStore::start_in_arbiter(&arbiters[0].handle(), move |_| actor);
        if config.device.enabled {
            start_inventory(config, &arbiters[1], &store, &store_writer, &world);
        }
        // Whatever may fail comes before the administrator, whose password is told only once.
        let (secure, api_address) = listen(config.api.listen, "--api")?;
        let plain = config.api.http.map(|address| listen(address, "--http")).transpose()?;
        let flocker = FlockerDoor::prepare(config, &world)?;
        let tokens = Arc::new(TokenKey::load_or_create(&config.data_dir, &*world.entropy)?);
        let hasher = Hasher::new(Arc::clone(&world.entropy));
        let password_file = config.auth.admin_password_file.as_deref();
        let first_admin = first_admin::ensure(password_file, &store, &store_writer, &hasher, &world).await?;
        let (key, settings) = (Arc::clone(&tokens), session_settings(config));
        let (room, writer) = (Arc::clone(&store), store_writer.clone());
        let sessions = SessionManager::new(room, writer, world.clone(), key, hasher.clone(), settings);
        let sessions = SessionManager::start_in_arbiter(&arbiters[1].handle(), move |_| sessions);
        let arbiter = &arbiters[1];
        let rooms = Rooms { arbiter, store: &store, writer: &store_writer, sessions: &sessions, hasher, world: &world };
        let accounts = accounts::start(config, mail, rooms).await;
        let webhooks = start_webhooks(config, &arbiters[1], transport, &store, &store_writer, &world);
        let api = Data::new(Api {
            store: Arc::clone(&store),
            writer: Writes::new(store_writer),
            accounts,
            sessions: sessions.clone(),
            authorities: None,
            tokens: Recognizer::new(tokens),
            resigning: Arc::default(),
            world: world.clone(),
            webhooks,
            settings: api_settings(config),
            openapi: OpenApi::new(env!("CARGO_PKG_VERSION")),
            repeats: Repeats::default(),
        });
        if let Err(error) = cimi::ensure_entry_point(&api).await {
            tracing::warn!(error = ?error.document(), "the entry point could not be stored");
        }
        let events = Events::start(Arc::clone(&store), Arc::clone(&world.clock), event_settings(config));
        let stream = Data::from(Arc::clone(&events));
        let (plain, http) = plain.unzip();
        let tls: TlsSettings = Arc::new(move || Arc::clone(&tls));
        let mut listeners = vec![Listener { socket: secure, tls: Some(tls), users: None }];
        listeners.extend(plain.map(|socket| Listener { socket, tls: None, users: None }));
        let connections = Connections::default();
        let monitor = Monitor::new(monitor_settings(config, &identity), connections.clone(), &world);
        let readiness = monitor.readiness();
        let settings = front::Settings { connections, ..front_settings(config) };
        let server = front::serve(listeners, &settings, move || {
            let seat = monitor.seat();
            App::new()
                .wrap(Compress::default())
                .wrap(from_fn(move |request, next| monitor::pass(seat.clone(), request, next)))
                .configure(|services| monitor::configure(services, &monitor))
                .configure(|services| events::configure(services, &stream))
                .configure(|services| cimi::configure(services, &api))
        })
        .map_err(|source| StartError::Start { what: "the server", source })?;
        let handle = server.handle();
        actix::spawn(server);
        let flocker = flocker.map(|door| door.open(&front_settings(config))).transpose()?;
        let area: Option<AreaDoors> = None;
        let control = Control::start(&config.data_dir, store, sessions, area.clone());
        readiness.enter(Stage::Serving);
        Ok(Self {
            api: api_address,
            http,
            first_admin,
            server: handle,
            flocker,
            readiness,
            events,
            arbiters,
            area,
            _control: control,
        })
    }

    /// Stops taking requests and answers those in flight. What is left to do needs no runtime: see [`Stopping::finish`].
    pub async fn stop(self) -> Stopping {
        self.readiness.enter(Stage::Stopping);
        self.events.close();
        let flocker = self.flocker.as_ref().map(|door| door.stop(true));
        self.server.stop(true).await;
        if let Some(closed) = flocker {
            closed.await;
        }
        Stopping { arbiters: self.arbiters }
    }
}

/// An agent whose doors are closed.
pub struct Stopping {
    arbiters: Vec<Arbiter>,
}

impl Stopping {
    /// Ends the actors; the store's own syncs everything.
    pub fn finish(self) {
        for arbiter in self.arbiters {
            arbiter.stop();
            if arbiter.join().is_err() {
                tracing::error!("an actor thread ended in a panic");
            }
        }
    }
}

/// Makes the data directory, for nobody else to read.
///
/// # Errors
/// [`StartError::DataDirectory`].
pub fn make_directory(config: &Config) -> Result<(), StartError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&config.data_dir)
        .and_then(|()| std::fs::metadata(&config.data_dir))
        .map(|found| warn_if_open(found.permissions().mode() & 0o777, config))
        .map_err(|source| StartError::DataDirectory { path: config.data_dir.clone(), source })
}

/// A directory that was there before may be open to others, who could read all documents.
fn warn_if_open(mode: u32, config: &Config) {
    if mode & 0o077 != 0 {
        let (path, mode) = (config.data_dir.display(), format!("{mode:04o}"));
        tracing::warn!(%path, mode, "other users of this machine can read the data directory; close it with chmod 0700");
    }
}

/// The engine's bounds in a configuration.
#[must_use]
pub fn engine_options(config: &Config) -> EmbeddedOptions {
    EmbeddedOptions {
        write_buffer: config.store.write_buffer.bytes(),
        min_free: config.store.min_free.bytes(),
        ..EmbeddedOptions::default()
    }
}

/// The store's folder in a configuration.
#[must_use]
pub fn store_directory(config: &Config) -> PathBuf {
    config.data_dir.join("store")
}

fn open_store(config: &Config, world: &World) -> Result<(Arc<Store>, Writer), StartError> {
    let directory = store_directory(config);
    let engine = Arc::new(EmbeddedEngine::open(&directory, engine_options(config))?);
    let options = StoreOptions {
        name: directory,
        memory_budget: config.store.memory_budget.bytes(),
        log_entries: config.store.log_entries,
        log_bytes: config.store.log_size.bytes(),
    };
    let (store, writer) = Store::open(engine, options, Arc::clone(&world.clock), &*world.entropy)?;
    tracing::info!(documents = store.len(), node = store.identity().name(), "the store is open");
    Ok((store, writer))
}

fn server_identity(config: &Config, world: &World) -> Result<ServerIdentity, PkiError> {
    if let (Some(certificate), Some(key)) = (&config.tls.certificate, &config.tls.key) {
        return mf2c_pki::load(certificate, key);
    }
    let (identity, origin) = mf2c_pki::load_or_create(&config.data_dir, &config.tls.names, world.clock.now())?;
    let what = match origin {
        Origin::Loaded => "serving with the certificate of an earlier start",
        Origin::Created => "made a certificate of our own; clients do not know it, curl needs -k",
        Origin::Renewed => "the certificate had expired; made a new one",
    };
    tracing::info!(fingerprint = identity.fingerprint_sha256(), "{what}");
    Ok(identity)
}

fn start_inventory(
    config: &Config,
    arbiter: &Arbiter,
    store: &Arc<Store>,
    writer: &Addr<ResourceStore>,
    world: &World,
) {
    let device = &config.device;
    let entropy = Arc::clone(&world.entropy);
    let (sample_every, declared) = (device.sample_every.get(), declared(config));
    let publisher = Publisher::new(device.publish_every.get(), device.threshold_percent);
    let (store, writer, world) = (Arc::clone(store), writer.clone(), world.clone());
    let data_dir = config.data_dir.clone();
    let clock = Arc::clone(&world.clock);
    let build = move |notice| {
        let entropy = Arc::clone(&entropy);
        let settings = InventorySettings {
            sample_every,
            publisher: publisher.clone(),
            declared: declared.clone(),
            device_id: Box::new(move |name| mf2c_machine::device_id(&Roots::default(), name, &*entropy)),
        };
        let machine = Box::new(SystemMachine::new(Roots::default(), &data_dir));
        Inventory::new(machine, settings, Arc::clone(&store), writer.clone(), world.clone(), notice)
    };
    let supervisor = Supervisor::new("inventory", clock, Box::new(build));
    Supervisor::start_in_arbiter(&arbiter.handle(), move |_| supervisor);
}

fn webhook_options(config: &Config) -> WebhookOptions {
    WebhookOptions {
        allow_private: config.webhooks.allow_private,
        timeout: config.webhooks.timeout.get(),
        ca: config.webhooks.ca.clone(),
        agent: concat!("mf2c/", env!("CARGO_PKG_VERSION")).to_owned(),
    }
}

fn start_webhooks(
    config: &Config,
    arbiter: &Arbiter,
    transport: HttpWebhooks,
    store: &Arc<Store>,
    writer: &Addr<ResourceStore>,
    world: &World,
) -> Arc<WebhookCounters> {
    let settings =
        WebhookSettings { attempts: config.webhooks.attempts, first_pause: config.webhooks.first_pause.get() };
    let (store, writer, world) = (Arc::clone(store), writer.clone(), world.clone());
    let (clock, transport) = (Arc::clone(&world.clock), Arc::new(transport));
    let counters = Arc::new(WebhookCounters::default());
    let shared = Arc::clone(&counters);
    let build = move |notice| {
        let (store, writer, world) = (Arc::clone(&store), writer.clone(), world.clone());
        WebhookDispatcher::new(store, writer, transport.clone(), world, settings, Arc::clone(&shared), notice)
    };
    let supervisor = Supervisor::new("webhooks", clock, Box::new(build));
    Supervisor::start_in_arbiter(&arbiter.handle(), move |_| supervisor);
    counters
}

fn declared(config: &Config) -> Declared {
    let sensors = config.device.sensors.iter().map(|sensor| DeclaredSensor {
        kinds: sensor.kinds.clone(),
        model: sensor.model.clone(),
        connection: serde_json::to_value(&sensor.connection)
            .ok()
            .and_then(|value| serde_json::from_value(value).ok())
            .unwrap_or_default(),
    });
    Declared {
        agent_type: config.device.agent_type.as_str().to_owned(),
        sensors: sensors.collect(),
        actuators: config.device.actuators.clone(),
        is_leader: config.role == Role::Leader,
    }
}

fn api_settings(config: &Config) -> ApiSettings {
    ApiSettings {
        header_allowed: config.auth.header == AuthHeader::Loopback,
        body: config.limits.body.as_len(),
        bulk_body: config.limits.bulk_body.as_len(),
        body_timeout: config.limits.body_timeout.get(),
        page: config.limits.page,
        trusted_proxies: config.api.trusted_proxies.clone(),
        external_url: Some(config.api.external_url.clone()).filter(|url| !url.is_empty()),
        cors_origins: config.api.cors_origins.clone(),
        private_webhooks: config.webhooks.allow_private,
        names: accounts::names(config),
    }
}

fn monitor_settings(config: &Config, identity: &ServerIdentity) -> MonitorSettings {
    let (data_dir, certificate_ends) = (config.data_dir.clone(), identity.not_after());
    MonitorSettings {
        cors_origins: config.api.cors_origins.clone(),
        access: match config.log.access {
            AccessLog::Off => Access::Off,
            AccessLog::Errors => Access::Errors,
            AccessLog::All => Access::All,
        },
        trusted_proxies: config.api.trusted_proxies.clone(),
        metrics_for: match config.api.metrics {
            MetricsReaders::Loopback => MetricsFor::Loopback,
            MetricsReaders::Open => MetricsFor::Everybody,
            MetricsReaders::Admin => MetricsFor::Administrators,
        },
        certificate_ends: Arc::new(move || certificate_ends),
        has_mail: !config.mail.host.is_empty(),
        version: env!("CARGO_PKG_VERSION"),
        role: config.role.as_str(),
        process: Arc::new(move || process_figures::look(&data_dir)),
    }
}

fn event_settings(config: &Config) -> EventSettings {
    // Readers hold their connections; a quarter is left for everybody else.
    let connections = workers(config).saturating_mul(config.limits.connections);
    let readers = config.events.readers.min(connections - connections / 4);
    let readers_per_source = config.events.readers_per_source;
    EventSettings { heartbeat: config.events.heartbeat.get(), readers, readers_per_source }
}

/// How many threads answer requests.
fn workers(config: &Config) -> usize {
    match config.api.workers {
        0 => std::thread::available_parallelism().map_or(2, std::num::NonZero::get),
        chosen => chosen,
    }
}

fn session_settings(config: &Config) -> SessionSettings {
    SessionSettings {
        life: config.auth.session_life.get(),
        without_account: config.auth.header == AuthHeader::Loopback,
        limits: throttle::Limits {
            lock_after: config.auth.lock_after,
            lock_for: config.auth.lock_for.get(),
            ..throttle::Limits::default()
        },
    }
}

fn front_settings(config: &Config) -> front::Settings {
    front::Settings {
        workers: workers(config),
        connections_per_worker: config.limits.connections,
        handshake_timeout: Duration::from_secs(10),
        head_timeout: config.limits.head_timeout.get(),
        stall: config.events.stall.get(),
        keep_alive: config.limits.keep_alive.get(),
        stop_within: config.limits.shutdown.get(),
        limits: Limits { max_head: config.limits.head.as_len(), max_target: config.limits.target.as_len() },
        ..front::Settings::default()
    }
}

/// Binds a port.
pub(crate) fn listen(address: ListenAddress, flag: &'static str) -> Result<(TcpListener, SocketAddr), StartError> {
    let error = |source| StartError::Listen { address: address.0, flag, source };
    let socket = TcpListener::bind(address.0).map_err(error)?;
    let bound = socket.local_addr().map_err(error)?;
    Ok((socket, bound))
}
