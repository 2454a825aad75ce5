//! Opens the original's SLA endpoints at an address of their own.

use std::net::SocketAddr;

use actix_web::App;
use actix_web::dev::ServerHandle;
use actix_web::web::Data;
use mf2c_facade::cimi::Api;
use mf2c_facade::front::{self, Listener};
use mf2c_facade::sla::{self, SlaDoor};

use crate::area::Area;
use crate::config::Config;
use crate::node::{StartError, front_settings, listen};

/// The door, bound but not yet open.
pub(crate) struct BoundSlaDoor {
    listener: Listener,
    address: SocketAddr,
}

impl BoundSlaDoor {
    /// Binds the port; none where no port is configured. On other addresses than this machine's own it speaks TLS.
    ///
    /// # Errors
    /// [`StartError::Listen`].
    pub(crate) fn prepare(config: &Config, area: &Area) -> Result<Option<Self>, StartError> {
        let Some(wanted) = config.sla.listen else { return Ok(None) };
        let (socket, address) = listen(wanted, "sla.listen")?;
        let near = wanted.is_loopback();
        let (tls, users) = if near { (None, None) } else { (Some(area.tls()), Some(area.users())) };
        Ok(Some(Self { listener: Listener { socket, tls, users }, address }))
    }

    /// Serves.
    ///
    /// # Errors
    /// [`StartError::Start`].
    pub(crate) fn open(self, config: &Config, door: &SlaDoor, api: Data<Api>) -> Result<ServerHandle, StartError> {
        let door = Data::new(door.at_root());
        let settings = front::Settings { workers: 1, ..front_settings(config) };
        let app = move || App::new().configure(|services| sla::configure_root(services, &door, &api));
        let server = front::serve(vec![self.listener], &settings, app);
        let server = server.map_err(|source| StartError::Start { what: "the door of the SLA endpoints", source })?;
        let handle = server.handle();
        actix::spawn(server);
        tracing::info!(door = "sla.listen", address = %self.address, "the SLA endpoints listen");
        Ok(handle)
    }
}
