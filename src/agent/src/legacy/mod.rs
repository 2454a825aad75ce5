//! Opens the doors of the original's agent authentication, as far as `[legacy]` asks for them.

mod cau;
mod certificates;
mod pages;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use actix_web::dev::ServerHandle;
use actix_web::web::Data;
use mf2c_actors::ports::World;
use mf2c_facade::certauths::{CertAuths, shared};
use mf2c_facade::cimi::Api;
use mf2c_facade::policies::Policies;
use mf2c_facade::qos::Qos;
use mf2c_pki::area::Credentials;
use mf2c_pki::cau::{Anchors, CauError, Revoked, leader_config, regional_config};
use mf2c_store::Store;
use mf2c_transport::cau::{
    CauClient, CauClientSettings, Generation, RegionalCau, ServerTls, Vouching, serve_leader, serve_regional,
    serve_trigger,
};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::area::Area;
use crate::certauths::LegacyAuthorities;
use crate::config::{CauGeneration, Config, Legacy, ListenAddress};
use crate::node::StartError;
use cau::Cau;
use certificates::Certificates;

/// The doors that are open. Dropping this shuts them.
pub(crate) struct LegacyDoors {
    doors: Vec<JoinHandle<()>>,
    authorities: LegacyAuthorities,
    servers: Vec<ServerHandle>,
}

impl LegacyDoors {
    /// Opens what is asked for. Nobody is let in before this returns.
    ///
    /// # Errors
    /// [`StartError`] where a port is taken or a file cannot be used.
    pub(crate) fn open(config: &Config, area: &Area, store: &Arc<Store>, world: &World) -> Result<Self, StartError> {
        let (legacy, credentials) = (&config.legacy, &area.credentials);
        let authorities = LegacyAuthorities::new(config.data_dir.clone(), world.clone(), area.records());
        let certificates = Certificates::new(Arc::clone(store), Arc::clone(&world.clock));
        let cau: Arc<dyn RegionalCau> =
            Arc::new(Cau::new(config, certificates.clone(), area.records(), authorities.clone(), world));
        let mut doors = vec![];
        if let Some((listener, _)) = listen(legacy.cau, "legacy.cau", "the regional CAU listens")? {
            doors.push(tokio::spawn(serve_regional(listener, regional_tls(credentials), Arc::clone(&cau))));
        }
        if let Some((listener, _)) = listen(legacy.leader_cau, "legacy.leader_cau", "the leader's CAU listens")? {
            let tls = leader_tls(config, credentials, certificates)?;
            doors.push(tokio::spawn(serve_leader(listener, tls)));
        }
        if let Some((listener, _)) = listen(legacy.trigger, "legacy.trigger", "the trigger of cau-client listens")? {
            let (vouching, clock) = (vouching(config, credentials), Arc::clone(&world.clock));
            let client = CauClient::new(client_settings(legacy), vouching, cau, clock);
            doors.push(tokio::spawn(serve_trigger(listener, Arc::new(client))));
        }
        let servers = pages::identification(config, store, credentials)?.into_iter().collect();
        Ok(Self { doors, authorities, servers })
    }

    /// Opens policies and categorisation at addresses of their own, as far as they have some.
    ///
    /// # Errors
    /// [`StartError`] where a port is taken.
    pub(crate) fn open_policies(
        &mut self,
        config: &Config,
        api: &Data<Api>,
        policies: &Data<Policies>,
    ) -> Result<(), StartError> {
        self.servers.extend(pages::policies(config, api, policies)?);
        self.servers.extend(pages::categorisation(config, api, policies)?);
        Ok(())
    }

    /// Opens the quality of service at an address of its own, if it has one.
    ///
    /// # Errors
    /// [`StartError`] where a port is taken.
    pub(crate) fn open_qos(&mut self, config: &Config, api: &Data<Api>, qos: &Data<Qos>) -> Result<(), StartError> {
        self.servers.extend(pages::qos(config, api, qos)?);
        Ok(())
    }

    /// The authorities, where the configuration opens the door to them in the API.
    pub(crate) fn certauths(&self, config: &Config) -> Option<Data<dyn CertAuths>> {
        config.legacy.certauths.then(|| shared(Arc::new(self.authorities.clone())))
    }
}

impl Drop for LegacyDoors {
    fn drop(&mut self) {
        self.doors.iter().for_each(JoinHandle::abort);
        for server in self.servers.drain(..) {
            // The answer to the last request goes out while the agent waits for its own listeners.
            drop(server.stop(false));
        }
    }
}

/// Binds a door that is asked for.
fn listen(
    address: Option<ListenAddress>,
    key: &'static str,
    what: &'static str,
) -> Result<Option<(TcpListener, SocketAddr)>, StartError> {
    let Some(ListenAddress(address)) = address else { return Ok(None) };
    let error = |source| StartError::Listen { address, flag: key, source };
    let socket = std::net::TcpListener::bind(address).map_err(error)?;
    socket.set_nonblocking(true).map_err(error)?;
    let bound = socket.local_addr().map_err(error)?;
    tracing::info!(door = key, address = %bound, "{what}");
    Ok(Some((TcpListener::from_std(socket).map_err(error)?, bound)))
}

fn regional_tls(credentials: &Credentials) -> ServerTls {
    let credentials = credentials.clone();
    Arc::new(move || usable(regional_config(&credentials)))
}

fn leader_tls(config: &Config, credentials: &Credentials, certificates: Certificates) -> Result<ServerTls, StartError> {
    let others = match &config.legacy.leader_ca {
        Some(path) => {
            Anchors::from_file(path).map_err(|source| StartError::Legacy { key: "legacy.leader_ca", source })?
        }
        None => Anchors::default(),
    };
    let (own, credentials) = (certauths(config).join("it2untrustedca.pem"), credentials.clone());
    // It may be made later than this door, and never changes then.
    let known = OnceLock::new();
    let revoked: Revoked = Arc::new(move |serial| certificates.is_revoked(serial));
    Ok(Arc::new(move || {
        if known.get().is_none() && own.exists() {
            match Anchors::from_file(&own) {
                Ok(anchors) => drop(known.set(anchors)),
                Err(error) => tracing::warn!(%error, "an authority of this agent cannot be read"),
            }
        }
        let mut anchors = others.clone().and(known.get().cloned().unwrap_or_default());
        if credentials.membership().is_some() {
            anchors = anchors.and_area(credentials.trust());
        }
        usable(leader_config(&credentials, &anchors, Arc::clone(&revoked)))
    }))
}

fn usable<T>(config: Result<T, CauError>) -> Option<Arc<T>> {
    config.map(Arc::new).inspect_err(|error| tracing::warn!(%error, "a door of the original lets nobody in")).ok()
}

/// Where the authorities of the original are kept.
fn certauths(config: &Config) -> PathBuf {
    config.data_dir.join("certauths")
}

/// Who vouches for CAUs: those in the operator's file, or the area's roots and this agent's own trusted authorities. The
/// untrusted ones certify whoever has a token, so they vouch for nobody's server.
fn vouching(config: &Config, credentials: &Credentials) -> Vouching {
    let (file, folder, credentials) = (config.legacy.cau_ca.clone(), certauths(config), credentials.clone());
    Arc::new(move || {
        if let Some(file) = &file {
            return Anchors::from_file(file);
        }
        let mut anchors = Anchors::default();
        for owner in ["it2", "uc1", "uc2", "uc3"] {
            let path = folder.join(format!("{owner}trustedca.pem"));
            if path.exists() {
                anchors = anchors.and(Anchors::from_file(&path)?);
            }
        }
        let is_member = credentials.membership().is_some();
        Ok(if is_member { anchors.and_area(credentials.trust()) } else { anchors })
    })
}

fn client_settings(legacy: &Legacy) -> CauClientSettings {
    let given = |address: &String| Some(address.clone()).filter(|address| !address.is_empty());
    CauClientSettings {
        cau: given(&legacy.cau_url),
        leader: given(&legacy.lcau_url),
        generation: match legacy.cau_generation {
            CauGeneration::It1 => Generation::First,
            CauGeneration::It2 => Generation::Second,
        },
        token_file: legacy.cau_token_file.clone(),
        pkidata: legacy.pkidata.clone(),
    }
}
