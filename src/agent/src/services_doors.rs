//! Opens the original's endpoints for services at addresses of their own: lifecycle and recommender.

use std::net::SocketAddr;

use actix_web::App;
use actix_web::dev::ServerHandle;
use actix_web::web::{Data, ServiceConfig};
use mf2c_facade::cimi::Api;
use mf2c_facade::front::{self, Listener};
use mf2c_facade::lm::{self, LmDoor};
use mf2c_facade::um::{self, UmDoor};

use crate::area::Area;
use crate::config::{Config, ListenAddress};
use crate::node::{StartError, front_settings, listen};

/// The doors, bound but not yet open.
pub(crate) struct BoundServicesDoors {
    lm: Option<BoundDoor>,
    um: Option<BoundDoor>,
    optimal: Option<BoundDoor>,
}

struct BoundDoor {
    key: &'static str,
    listener: Listener,
    address: SocketAddr,
}

impl BoundServicesDoors {
    /// Binds the ports that are configured. On other addresses than this machine's own they speak TLS.
    ///
    /// # Errors
    /// [`StartError::Listen`].
    pub(crate) fn prepare(config: &Config, area: &Area) -> Result<Self, StartError> {
        let services = &config.services;
        Ok(Self {
            lm: BoundDoor::prepare(services.lm_listen, "services.lm_listen", area)?,
            um: BoundDoor::prepare(services.um_listen, "services.um_listen", area)?,
            optimal: BoundDoor::prepare(services.optimal_listen, "services.optimal_listen", area)?,
        })
    }

    /// Serves.
    ///
    /// # Errors
    /// [`StartError::Start`].
    pub(crate) fn open(
        self,
        config: &Config,
        (door, um): (&LmDoor, &UmDoor),
        api: &Data<Api>,
    ) -> Result<Vec<ServerHandle>, StartError> {
        let mut opened = vec![];
        for (bound, door) in [(self.lm, door.at_root()), (self.optimal, door.recommender())] {
            let (door, api) = (Data::new(door), Data::clone(api));
            let configure = move |services: &mut ServiceConfig| lm::configure_root(services, &door, &api);
            opened.extend(bound.map(|bound| bound.open(config, configure)).transpose()?);
        }
        let (um, api) = (Data::new(um.at_root()), Data::clone(api));
        let configure = move |services: &mut ServiceConfig| um::configure_root(services, &um, &api);
        opened.extend(self.um.map(|bound| bound.open(config, configure)).transpose()?);
        Ok(opened)
    }
}

impl BoundDoor {
    fn prepare(wanted: Option<ListenAddress>, key: &'static str, area: &Area) -> Result<Option<Self>, StartError> {
        let Some(wanted) = wanted else { return Ok(None) };
        let (socket, address) = listen(wanted, key)?;
        let (tls, users) = if wanted.is_loopback() { (None, None) } else { (Some(area.tls()), Some(area.users())) };
        Ok(Some(Self { key, listener: Listener { socket, tls, users }, address }))
    }

    fn open(
        self,
        config: &Config,
        configure: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
    ) -> Result<ServerHandle, StartError> {
        let settings = front::Settings { workers: 1, ..front_settings(config) };
        let server = front::serve(vec![self.listener], &settings, move || App::new().configure(configure.clone()));
        let server = server.map_err(|source| StartError::Start { what: self.key, source })?;
        let handle = server.handle();
        actix::spawn(server);
        tracing::info!(door = self.key, address = %self.address, "endpoints for services listen");
        Ok(handle)
    }
}
