//! The door for clients of Flocker: a listener of its own, with the rule that the handshake lets in API users only, and the keeper
//! that carries out what they configure.

use std::net::SocketAddr;
use std::sync::Arc;

use actix::{Actor as _, ArbiterHandle};
use actix_web::App;
use actix_web::dev::ServerHandle;
use actix_web::web::Data;
use mf2c_actors::flocker::{ContainerKeeper, KeeperParts};
use mf2c_actors::ports::World;
use mf2c_actors::supervisor::Supervisor;
use mf2c_facade::cimi::Api;
use mf2c_facade::flocker::{self, FlockerApi};
use mf2c_facade::front::{self, Certified, CertifiedClusterUser, Listener, ReadCertificate};
use mf2c_facade::lm::Manager;
use mf2c_pki::flocker::{LIST_FILE, ListRead, Revocations, Told, server_config, user_of};
use tokio::sync::Mutex;

use crate::config::Config;
use crate::node::{StartError, front_settings, listen};

/// A door that is bound but not yet open.
pub(crate) struct FlockerDoor {
    listener: Listener,
    address: SocketAddr,
    revocations: Arc<Revocations>,
}

/// Whom the door meets.
pub(crate) struct FlockerRooms<'a> {
    pub(crate) api: &'a Data<Api>,
    pub(crate) manager: &'a Manager,
    /// Where the keeper lives.
    pub(crate) arbiter: ArbiterHandle,
}

impl FlockerDoor {
    /// Reads the certificates and binds the port; none where no port is configured.
    ///
    /// # Errors
    /// [`StartError`] with what is in the way.
    pub(crate) fn prepare(config: &Config, world: &World) -> Result<Option<Self>, StartError> {
        let Some(wanted) = config.flocker.listen else { return Ok(None) };
        let (tls, revocations) = server_config(&config.flocker.certificates, world.clock.now(), told())?;
        let (socket, address) = listen(wanted, "flocker.listen")?;
        let tls = Arc::new(tls);
        let tls: front::TlsSettings = Arc::new(move || Arc::clone(&tls));
        Ok(Some(Self { listener: Listener { socket, tls: Some(tls), users: Some(users()) }, address, revocations }))
    }

    /// Serves.
    ///
    /// # Errors
    /// [`StartError::Start`].
    pub(crate) fn open(self, config: &Config, rooms: FlockerRooms<'_>) -> Result<ServerHandle, StartError> {
        let revocations = self.revocations;
        let is_revoked = move |serial: &str| serial.parse().map_or(true, |serial| revocations.is_revoked(&serial));
        let door = Data::new(FlockerApi {
            version: env!("CARGO_PKG_VERSION"),
            api: Data::clone(rooms.api),
            is_revoked: Arc::new(is_revoked),
            trusts_any_user: config.flocker.trust_any_user_cert,
            configuring: Mutex::default(),
        });
        let settings = front::Settings { workers: 1, ..front_settings(config) };
        let app = move || App::new().configure(|services| flocker::configure(services, &door));
        let server = front::serve(vec![self.listener], &settings, app);
        let server = server.map_err(|source| StartError::Start { what: "the server of Flocker's API", source })?;
        let handle = server.handle();
        actix::spawn(server);
        start_keeper(config, &rooms);
        tracing::info!(flocker = %self.address, "serving Flocker's control API");
        Ok(handle)
    }
}

fn start_keeper(config: &Config, rooms: &FlockerRooms<'_>) {
    let parts = KeeperParts {
        store: Arc::clone(&rooms.api.store),
        writer: rooms.api.writer.address().clone(),
        manager: Arc::clone(rooms.manager),
        world: rooms.api.world.clone(),
        trusts_any_user: config.flocker.trust_any_user_cert,
    };
    let clock = Arc::clone(&parts.world.clock);
    let build = move |notice| ContainerKeeper::new(parts.clone(), notice);
    let supervisor = Supervisor::new("keeper of Flocker's containers", clock, Box::new(build));
    Supervisor::start_in_arbiter(&rooms.arbiter, move |_| supervisor);
}

/// Tells whose certificate a connection has shown.
fn users() -> ReadCertificate {
    Arc::new(|der| {
        let user = user_of(der)?;
        let (name, serial, not_after) = (user.name, user.serial.to_string(), user.not_after);
        Some(Certified::ClusterUser(CertifiedClusterUser { name, serial, not_after }))
    })
}

/// Tells the operator what became of the list.
fn told() -> Told {
    Arc::new(|read| match read {
        ListRead::Taken { revoked } => {
            tracing::info!(revoked, "read {LIST_FILE}, the list of Flocker's certificates that count no more")
        }
        ListRead::Older { number, newest } => {
            tracing::warn!(number, newest, "{LIST_FILE} is older than the list before it, which stays in force")
        }
        ListRead::Bad(why) => tracing::error!(why, "{LIST_FILE} is bad: nobody is let in by Flocker's certificates"),
    })
}
