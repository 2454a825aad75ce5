//! Opens Deltacloud's API for keys at an address of its own.

use std::net::SocketAddr;

use actix_web::App;
use actix_web::dev::ServerHandle;
use actix_web::web::Data;
use mf2c_facade::cimi::Api;
use mf2c_facade::deltacloud::{self, DeltacloudDoor};
use mf2c_facade::front::{self, Listener};

use crate::area::Area;
use crate::config::Config;
use crate::node::{StartError, front_settings, listen};

/// The door, bound but not yet open.
pub(crate) struct BoundDeltacloudDoor {
    listener: Listener,
    address: SocketAddr,
}

impl BoundDeltacloudDoor {
    /// Binds the port; none where no port is configured. On other addresses than this machine's own it speaks TLS: passwords
    /// come with every request.
    ///
    /// # Errors
    /// [`StartError::Listen`].
    pub(crate) fn prepare(config: &Config, area: &Area) -> Result<Option<Self>, StartError> {
        let Some(wanted) = config.deltacloud.listen else { return Ok(None) };
        let (socket, address) = listen(wanted, "deltacloud.listen")?;
        let near = wanted.is_loopback();
        let (tls, users) = if near { (None, None) } else { (Some(area.tls()), Some(area.users())) };
        Ok(Some(Self { listener: Listener { socket, tls, users }, address }))
    }

    /// Serves.
    ///
    /// # Errors
    /// [`StartError::Start`].
    pub(crate) fn open(self, config: &Config, api: Data<Api>) -> Result<ServerHandle, StartError> {
        let door = Data::new(DeltacloudDoor::new(config.deltacloud.settings(), &*api.world.entropy));
        let settings = front::Settings { workers: 1, ..front_settings(config) };
        let app = move || App::new().configure(|services| deltacloud::configure_root(services, &door, &api));
        let server = front::serve(vec![self.listener], &settings, app);
        let server = server.map_err(|source| StartError::Start { what: "the door of Deltacloud's API", source })?;
        let handle = server.handle();
        actix::spawn(server);
        tracing::info!(door = "deltacloud.listen", address = %self.address, "Deltacloud's API listens");
        Ok(handle)
    }
}
