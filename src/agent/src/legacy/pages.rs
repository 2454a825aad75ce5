//! The doors that speak plain HTTP: identification, policies, categorisation and the quality of service, each at an address of
//! its own.

use std::sync::Arc;
use std::time::Duration;

use actix_web::App;
use actix_web::dev::ServerHandle;
use actix_web::web::{self, Data, ServiceConfig};
use mf2c_facade::cimi::Api;
use mf2c_facade::front::{self, Listener};
use mf2c_facade::identification::{self, Identification};
use mf2c_facade::policies::{self, Policies};
use mf2c_facade::qos::{self, Qos};
use mf2c_pki::area::Credentials;
use mf2c_store::Store;

use super::certificates;
use crate::config::{Config, ListenAddress};
use crate::node::StartError;

/// They are for programs on this machine, a few at a time.
const CONNECTIONS: usize = 64;

/// Opens identification where it has an address.
pub(super) fn identification(
    config: &Config,
    store: &Arc<Store>,
    credentials: &Credentials,
) -> Result<Option<ServerHandle>, StartError> {
    let (of_store, credentials) = (Arc::clone(store), credentials.clone());
    let identification = Data::new(Identification {
        store: Arc::clone(store),
        user: Some(config.legacy.user.clone()).filter(|user| !user.is_empty()),
        file: config.data_dir.join("IDs.f2c"),
        device: Arc::new(move || certificates::own_device(&of_store, &credentials)),
        names: crate::accounts::names(config),
    });
    let door = ("legacy.identification", "identification");
    open(config.legacy.identification, door, move |services| identification::configure(services, &identification))
}

/// Opens policies where they have an address of their own.
pub(super) fn policies(
    config: &Config,
    api: &Data<Api>,
    policies: &Data<Policies>,
) -> Result<Option<ServerHandle>, StartError> {
    let (api, policies) = (Data::clone(api), Data::clone(policies));
    open(config.legacy.policies, ("legacy.policies", "policies"), move |services| {
        services.app_data(Data::clone(&api));
        policies::configure(services, Some(&policies));
        services.default_service(web::to(policies::nothing_here));
    })
}

/// Opens categorisation where it has an address.
pub(super) fn categorisation(
    config: &Config,
    api: &Data<Api>,
    policies: &Data<Policies>,
) -> Result<Option<ServerHandle>, StartError> {
    let (api, policies) = (Data::clone(api), Data::clone(policies));
    open(config.legacy.categorisation, ("legacy.categorisation", "categorisation"), move |services| {
        services.app_data(Data::clone(&api));
        policies::configure_categorisation(services, &policies);
        services.default_service(web::to(policies::nothing_here));
    })
}

/// Opens the quality of service where it has an address of its own.
pub(super) fn qos(config: &Config, api: &Data<Api>, qos: &Data<Qos>) -> Result<Option<ServerHandle>, StartError> {
    let (api, qos) = (Data::clone(api), Data::clone(qos));
    open(config.qos.listen, ("qos.listen", "the quality of service"), move |services| {
        services.app_data(Data::clone(&api));
        qos::configure_alone(services, &qos);
    })
}

fn open(
    address: Option<ListenAddress>,
    (key, what): (&'static str, &'static str),
    configure: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
) -> Result<Option<ServerHandle>, StartError> {
    let Some(ListenAddress(address)) = address else { return Ok(None) };
    let error = |source| StartError::Listen { address, flag: key, source };
    let socket = std::net::TcpListener::bind(address).map_err(error)?;
    tracing::info!(door = key, address = %socket.local_addr().map_err(error)?, "{what} listens");
    let settings = front::Settings {
        workers: 1,
        connections_per_worker: CONNECTIONS,
        keep_alive: Duration::from_secs(15),
        stop_within: Duration::from_secs(1),
        ..front::Settings::default()
    };
    let listeners = vec![Listener { socket, tls: None, users: None }];
    let server = front::serve(listeners, &settings, move || App::new().configure(configure.clone()))
        .map_err(|source| StartError::Start { what, source })?;
    let handle = server.handle();
    actix::spawn(server);
    Ok(Some(handle))
}
