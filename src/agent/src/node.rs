//! A running agent: the only place that knows every room.

mod doors;
mod error;
mod lifecycle;
mod settings;
mod workers;

use std::fs::DirBuilder;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::sync::Arc;

use actix::{Actor as _, Addr, Arbiter, Recipient};
use actix_web::App;
use actix_web::dev::ServerHandle;
use actix_web::middleware::{Compress, from_fn};
use actix_web::web::Data;
use mf2c_actors::account_manager::AccountManager;
use mf2c_actors::hasher::Hasher;
use mf2c_actors::ports::World;
use mf2c_actors::replicator::Propose;
use mf2c_actors::resource_store::{Bound, ResourceStore, Retention};
use mf2c_actors::session_manager::SessionManager;
use mf2c_actors::sla_assessor::SlaCounters;
use mf2c_actors::webhook_dispatcher::WebhookCounters;
use mf2c_auth::token::TokenKey;
use mf2c_facade::certauths::{self, CertAuths};
use mf2c_facade::certificates::Authorities;
use mf2c_facade::cimi::{self, Api, OpenApi, Repeats, Writes};
use mf2c_facade::events::{self, Events};
use mf2c_facade::front::{self, Connections, Listener};
use mf2c_facade::lm::{self, LmDoor, Manager};
use mf2c_facade::monitor::{self, Monitor, Readiness, Stage};
use mf2c_facade::policies::{self, Policies};
use mf2c_facade::qos::{self, Qos};
use mf2c_facade::recognizer::Recognizer;
use mf2c_facade::sla::{self, Assessor, SlaDoor};
use mf2c_facade::um::{self, UmDoor};
use mf2c_pki::{Origin, PkiError, ServerIdentity};
use mf2c_store::engine::{EmbeddedEngine, EmbeddedOptions};
use mf2c_store::{Store, StoreOptions, Writer};
use mf2c_transport::webhook::HttpWebhooks;

use crate::accounts::{self, Rooms};
use crate::area::{self, Area, AreaRooms};
use crate::config::{Config, ListenAddress, Role};
use crate::control::{AreaDoors, Control};
use crate::first_admin;
use crate::flocker_door::FlockerRooms;
use crate::legacy::LegacyDoors;
use doors::BoundDoors;
pub use error::StartError;
pub(crate) use settings::front_settings;
use settings::{
    api_settings, event_settings, lm_facts, metrics_for, monitor_settings, session_settings, webhook_options,
};
use workers::{start_assessor, start_inventory, start_qos, start_webhooks};

/// A running agent.
pub struct Node {
    /// Where HTTPS is served.
    pub api: SocketAddr,
    /// Where plain HTTP is served, if anywhere.
    pub http: Option<SocketAddr>,
    /// What must be told of the first administrator, once.
    pub first_admin: Option<String>,
    server: ServerHandle,
    doors: Vec<ServerHandle>,
    readiness: Arc<Readiness>,
    events: Arc<Events>,
    lm: Data<LmDoor>,
    arbiters: Vec<Arbiter>,
    area: Area,
    legacy: LegacyDoors,
    _control: Option<Control>,
}

impl Node {
    /// The doors of the area's actors.
    pub(crate) fn area(&self) -> &AreaDoors {
        &self.area.doors
    }

    /// Starts everything that `config` asks for. When it returns, requests are answered.
    ///
    /// # Errors
    /// [`StartError`] with what is in the way.
    pub async fn start(config: &Config, world: World) -> Result<Self, StartError> {
        make_directory(config)?;
        let (store, writer) = open_store(config, &world)?;
        let (identity, origin) = server_identity(config, &world)?;
        let device = area::device_id(config, &store, &world);
        let mail = accounts::mail_transport(config, &world)?;
        let transport = HttpWebhooks::new(&webhook_options(config))?;
        let arbiters = vec![Arbiter::new(), Arbiter::new(), Arbiter::new(), Arbiter::new()];
        let store_writer = start_writer(config, &arbiters[0], (&store, writer), &world);
        if config.device.enabled {
            start_inventory(config, device.clone(), &arbiters[1], &store, &store_writer, &world);
        }
        // Whatever may fail comes before the administrator, whose password is told only once.
        let (secure, api_address) = listen(config.api.listen, "--api")?;
        let plain = config.api.http.map(|address| listen(address, "--http")).transpose()?;
        let rooms = AreaRooms { arbiter: &arbiters[1], store: &store, writer: &store_writer, world: &world };
        let area = area::start(config, identity, device, &rooms)?;
        tell_certificate(&area, origin);
        let doors = BoundDoors::prepare(config, &area, &world)?;
        let mut legacy = LegacyDoors::open(config, &area, &store, &world)?;
        let tokens = Arc::new(TokenKey::load_or_create(&config.data_dir, &*world.entropy)?);
        let hasher = Hasher::new(Arc::clone(&world.entropy));
        let password_file = config.auth.admin_password_file.as_deref();
        let first_admin = first_admin::ensure(password_file, &store, &store_writer, &hasher, &world).await?;
        let arbiter = &arbiters[1];
        let sessions = start_sessions(config, arbiter, (&store, &store_writer), &tokens, &hasher, &world);
        let rooms = Rooms { arbiter, store: &store, writer: &store_writer, sessions: &sessions, hasher, world: &world };
        let accounts = accounts::start(config, mail, rooms).await;
        let webhooks = start_webhooks(config, &arbiters[1], transport, &store, &store_writer, &world);
        let documents = (&store, &store_writer);
        let minders = start_minders(config, &arbiters, documents, &area, &world, api_address).await;
        let Minders { assessed, assessor, qos, manager } = minders;
        let authorities = Some(area.authorities());
        let elsewhere = Some(area.fog.replicator.clone().recipient());
        let people = People { accounts, sessions: sessions.clone(), tokens: Recognizer::new(tokens) };
        let documents = (Arc::clone(&store), Writes::new(store_writer));
        let api = api(config, documents, people, (authorities, elsewhere), (webhooks, assessed), &world);
        store_entry_point(&api).await;
        let events = Events::start(Arc::clone(&store), Arc::clone(&world.clock), event_settings(config));
        let certauths = legacy.certauths(config);
        let policies = Data::new(policies(config, &area, &world));
        legacy.open_policies(config, &api, &policies)?;
        legacy.open_qos(config, &api, &qos)?;
        let stream = Data::from(Arc::clone(&events));
        let (plain, http) = plain.unzip();
        let listeners = listeners(&area, secure, plain);
        let connections = Connections::default();
        let monitor = Monitor::new(monitor_settings(config, &area), connections.clone(), &world);
        let readiness = monitor.readiness();
        let settings = front::Settings { connections, ..front_settings(config) };
        let sla_door = Data::new(SlaDoor::below(assessor, metrics_for(config)));
        let um = Data::new(UmDoor::below(Arc::clone(&manager)));
        let services = Arc::clone(&manager);
        let lm_door = Data::new(LmDoor::below(manager, lm_facts(config, api_address)));
        let flocker = FlockerRooms { api: &api, manager: &services, arbiter: arbiters[1].handle() };
        let doors = doors.open(config, &area, &api, (&sla_door, &lm_door, &um), flocker)?;
        let pages =
            Pages { monitor, stream, certauths, policies, qos, sla: sla_door, lm: Data::clone(&lm_door), um, api };
        let handle = serve(listeners, &settings, pages)?;
        let control = Control::start(&config.data_dir, store, sessions, area.doors.clone());
        readiness.enter(Stage::Serving);
        let (api, server, _control) = (api_address, handle, control);
        let lm = lm_door;
        Ok(Self { api, http, first_admin, server, doors, readiness, events, lm, arbiters, area, legacy, _control })
    }

    /// Stops taking requests and answers those in flight. What is left to do needs no runtime: see [`Stopping::finish`].
    pub async fn stop(self) -> Stopping {
        self.readiness.enter(Stage::Stopping);
        self.events.close();
        self.lm.close();
        drop(self.legacy);
        let others: Vec<_> = self.doors.iter().map(|door| door.stop(true)).collect();
        self.server.stop(true).await;
        for closed in others {
            closed.await;
        }
        // Documents are written until the end.
        Stopping { arbiters: self.area.stop().chain(self.arbiters).collect() }
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

/// Those who mind what runs: its promises, who keeps them, and that it runs at all.
struct Minders {
    assessed: Arc<SlaCounters>,
    assessor: Assessor,
    qos: Data<Qos>,
    manager: Manager,
}

async fn start_minders(
    config: &Config,
    arbiters: &[Arbiter],
    (store, writer): (&Arc<Store>, &Addr<ResourceStore>),
    area: &Area,
    world: &World,
    api: SocketAddr,
) -> Minders {
    let near = (&area.fog.standings, &area.fog.replicator);
    let (assessed, assessor) = start_assessor(config, &arbiters[2], near, store, writer, world);
    let current = Arc::clone(&area.fog.lifecycle);
    let manager: Manager = Arc::new(move || current.lock().clone());
    let (qos, quality) = start_qos(config, Arc::clone(&manager), &arbiters[1], store, writer, world);
    let rooms = lifecycle::Rooms { arbiter: &arbiters[3], store, writer, world, area, quality, api };
    lifecycle::start(config, rooms).await;
    Minders { assessed, assessor, qos: qos::shared(qos), manager }
}

/// The way of the API to people and programs.
struct People {
    accounts: Addr<AccountManager>,
    sessions: Addr<SessionManager>,
    tokens: Recognizer,
}

/// What the handlers of the API have at hand.
fn api(
    config: &Config,
    (store, writer): (Arc<Store>, Writes),
    people: People,
    (authorities, elsewhere): (Option<Authorities>, Option<Recipient<Propose>>),
    (webhooks, sla): (Arc<WebhookCounters>, Arc<SlaCounters>),
    world: &World,
) -> Data<Api> {
    let People { accounts, sessions, tokens } = people;
    Data::new(Api {
        store,
        writer,
        accounts,
        sessions,
        authorities,
        elsewhere,
        tokens,
        resigning: Arc::default(),
        world: world.clone(),
        webhooks,
        sla,
        settings: api_settings(config),
        openapi: OpenApi::new(env!("CARGO_PKG_VERSION")),
        repeats: Repeats::default(),
    })
}

/// What is served at the address of the API.
#[derive(Clone)]
struct Pages {
    monitor: Arc<Monitor>,
    stream: Data<Events>,
    certauths: Option<Data<dyn CertAuths>>,
    policies: Data<Policies>,
    qos: Data<Qos>,
    sla: Data<SlaDoor>,
    lm: Data<LmDoor>,
    um: Data<UmDoor>,
    api: Data<Api>,
}

fn serve(listeners: Vec<Listener>, settings: &front::Settings, pages: Pages) -> Result<ServerHandle, StartError> {
    let server = front::serve(listeners, settings, move || {
        let (seat, pages) = (pages.monitor.seat(), pages.clone());
        App::new()
            .wrap(Compress::default())
            .wrap(from_fn(move |request, next| monitor::pass(seat.clone(), request, next)))
            .configure(|services| monitor::configure(services, &pages.monitor))
            .configure(|services| events::configure(services, &pages.stream))
            .configure(|services| certauths::configure(services, pages.certauths.as_ref()))
            .configure(|services| policies::configure(services, Some(&pages.policies)))
            .configure(|services| qos::configure(services, &pages.qos))
            .configure(|services| sla::configure(services, &pages.sla))
            .configure(|services| lm::configure(services, &pages.lm))
            .configure(|services| um::configure(services, &pages.um))
            .configure(|services| cimi::configure(services, &pages.api))
    });
    let server = server.map_err(|source| StartError::Start { what: "the server", source })?;
    let handle = server.handle();
    actix::spawn(server);
    Ok(handle)
}

/// Who leads the area, and how the agent is, as the original's programs ask for it.
fn policies(config: &Config, area: &Area, world: &World) -> Policies {
    Policies {
        standings: area.fog.standings.clone(),
        change: area.fog.leadership.clone().recipient(),
        keepalive: area.fog.leadership.clone().recipient(),
        is_cloud: config.role == Role::Cloud,
        discovers: area.fog.discovery.works(),
        has_wifi: crate::discovery::has_wifi(config),
        started: world.clock.elapsed(),
    }
}

async fn store_entry_point(api: &Api) {
    if let Err(error) = cimi::ensure_entry_point(api).await {
        tracing::warn!(error = ?error.document(), "the entry point could not be stored");
    }
}

fn start_writer(
    config: &Config,
    arbiter: &Arbiter,
    (store, writer): (&Arc<Store>, Writer),
    world: &World,
) -> Addr<ResourceStore> {
    let kept = [
        Bound { kind: "event", most: config.store.keep_events, life: Some(config.store.keep_events_for.get()) },
        Bound { kind: "conflict", most: config.store.keep_conflicts, life: None },
    ];
    let reports = ["service-operation-report", "service-container-metric"].map(|kind| {
        let life = Some(config.store.keep_reports_for.get());
        Bound { kind, most: config.store.keep_reports, life }
    });
    let findings = ["sla-violation", "sla-warning", "sla-penalty", "sla-episode"].map(|kind| Bound {
        kind,
        most: config.store.keep_findings,
        life: None,
    });
    // What the testbed API keeps for each user has its own bound; these hold where there are very many users.
    let testbed = [
        Bound { kind: "notification", most: 100_000, life: None },
        Bound { kind: "testbed-session", most: 100_000, life: None },
    ];
    let kept: Vec<Bound> = kept.into_iter().chain(reports).chain(findings).chain(testbed).collect();
    let retention = Retention::new(&kept, store, Arc::clone(&world.clock));
    let actor = ResourceStore::new(writer, config.store.queue).keeping(retention);
    ResourceStore::start_in_arbiter(&arbiter.handle(), move |_| actor)
}

fn start_sessions(
    config: &Config,
    arbiter: &Arbiter,
    (store, writer): (&Arc<Store>, &Addr<ResourceStore>),
    tokens: &Arc<TokenKey>,
    hasher: &Hasher,
    world: &World,
) -> Addr<SessionManager> {
    let (store, writer, key) = (Arc::clone(store), writer.clone(), Arc::clone(tokens));
    let actor = SessionManager::new(store, writer, world.clone(), key, hasher.clone(), session_settings(config));
    SessionManager::start_in_arbiter(&arbiter.handle(), move |_| actor)
}

/// The API's own listener, and the one without TLS if there is any.
fn listeners(area: &Area, secure: TcpListener, plain: Option<TcpListener>) -> Vec<Listener> {
    let secure = Listener { socket: secure, tls: Some(area.tls()), users: Some(area.users()) };
    let plain = plain.map(|socket| Listener { socket, tls: None, users: None });
    std::iter::once(secure).chain(plain).collect()
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

/// The certificate of the agent without an area, and how it came to be; nothing of that where the configuration names it.
fn server_identity(config: &Config, world: &World) -> Result<(ServerIdentity, Option<Origin>), PkiError> {
    if let (Some(certificate), Some(key)) = (&config.tls.certificate, &config.tls.key) {
        return Ok((mf2c_pki::load(certificate, key)?, None));
    }
    let (identity, origin) = mf2c_pki::load_or_create(&config.data_dir, &config.tls.names, world.clock.now())?;
    Ok((identity, Some(origin)))
}

/// Tells what clients are shown: what the configuration names, else what the area has issued, else what was made here.
fn tell_certificate(area: &Area, origin: Option<Origin>) {
    let what = match origin {
        None => "serving with the certificate of the configuration",
        Some(_) if area.is_joined() => "serving with the certificate of the area",
        Some(Origin::Loaded) => "serving with the certificate of an earlier start",
        Some(Origin::Created) => "made a certificate of our own; clients do not know it, curl needs -k",
        Some(Origin::Renewed) => "the certificate had expired; made a new one",
    };
    tracing::info!(fingerprint = area.fingerprint(), "{what}");
}

/// Binds a port.
pub(crate) fn listen(address: ListenAddress, flag: &'static str) -> Result<(TcpListener, SocketAddr), StartError> {
    let error = |source| StartError::Listen { address: address.0, flag, source };
    let socket = TcpListener::bind(address.0).map_err(error)?;
    let bound = socket.local_addr().map_err(error)?;
    Ok((socket, bound))
}
